"""Rejection sampling: every question gets what it is allotted, and nothing is paid for twice."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from research.errors import GristmillError
from research.rephrase.books import Prices
from research.rephrase.engine import Failure, Request, Response, Sampling
from research.rephrase.rejection_sampling import (
    Job,
    Plan,
    Question,
    right_answer,
    sample,
    summary,
)
from research.rephrase.solutions import read_questions, write_solutions
from research.rephrase.store import Store
from research.rephrase.synthesis.corpus import synthesize
from research.rephrase.synthesis.generators import find_generator
from research.terminal import progress

EASE = {"easy": 100, "half": 50, "hard": 15, "never": 0}  # right answers of a hundred


class Student:
    """An engine that answers a question rightly as often as its first word says, by the seed."""

    name, revision = "student", "student/1"

    def __init__(self, fail_every: int = 0, alike: bool = False) -> None:
        self.asked: Counter[str] = Counter()
        self.fail_every, self.alike = fail_every, alike

    def generate(self, requests: Iterator[Request]) -> Iterator[tuple[Request, Any]]:
        held = []
        for request in requests:
            self.asked[request.key] += 1
            held.append((request, self._answer(request)))
            if len(held) == 3:  # answers come in another order than they are asked for
                yield from held[::-1]
                held = []
        yield from held

    def _answer(self, request: Request) -> Response | Failure:
        if self.fail_every and self.asked.total() % self.fail_every == 0:
            return Failure("busy", permanent=False)
        text = request.messages[-1].content
        luck = hashlib.sha256(f"{text} {request.sampling.seed}".encode()).digest()
        right = luck[0] * 100 // 256 < EASE.get(text.split()[0], 60)
        way = 0 if self.alike else luck.hex()[:8]
        number = int(text.split()[-1]) if right else 7
        return Response(f"By way {way}.\nAnswer: {number}", "stop", 10, 5, 0.1)


def questions(kinds: str = "easy half hard never") -> tuple[Question, ...]:
    return tuple(
        Question(f"{kind}{i}", f"{kind} {100 + i}", f"{100 + i}")
        for kind in kinds.split()
        for i in range(6)
    )


def job(plan: Plan, asked: tuple[Question, ...] = questions(), **changes: Any) -> Job:
    return Job(
        asked, plan, "student/1", Sampling(**{"max_tokens": 64, "temperature": 0.8, **changes})
    )


def draw(made: Job, root: Path, engine: Student, **options: Any) -> Any:
    with Store(root) as store:
        return sample(made, engine, store, **{"prices": Prices(), "budget_usd": None,
                                              "progress": progress, **options})  # fmt: skip


def test_uniform_gives_every_question_as_many(tmp_path: Path) -> None:
    engine = Student()
    drawn, books = draw(job(Plan("uniform", 4, most=100)), tmp_path, engine)
    for item in drawn:
        kind = item.question.id[:4]
        assert (len(item.solutions) == 4) == (kind != "neve"), item
        assert kind != "neve" or item.draws == 100
        assert all(right_answer(item.question, text) for _, text in item.solutions)
    draws = Counter({kind: sum(i.draws for i in drawn if i.question.id.startswith(kind))
                     for kind in EASE})  # fmt: skip
    assert 24 <= draws["easy"] <= 30 and draws["easy"] < draws["half"] < draws["hard"]
    told = summary(drawn, books)
    assert told["requests"] == told["draws"] == engine.asked.total()
    assert told["with_all"] == 18 and told["with_none"] == 6 and told["solutions"] == 72
    assert sum(row[0] for row in told["by_fail_rate"].values()) == 24
    assert told["completion_tokens"] == 5 * told["draws"]


def test_proportional_gives_more_to_what_fails_more(tmp_path: Path) -> None:
    plan = Plan("proportional", 8, probe=8, most=200)
    drawn, _ = draw(job(plan, questions("easy half hard")), tmp_path, Student())
    got = {kind: [len(i.solutions[: i.target]) for i in drawn if i.question.id.startswith(kind)]
           for kind in ("easy", "half", "hard")}  # fmt: skip
    assert got["easy"] == [1] * 6
    assert max(got["hard"]) == 8 and sum(got["easy"]) < sum(got["half"]) < sum(got["hard"])
    assert plan.targets([0, 4, 8]) == [1, 4, 8] and plan.targets([0, 0]) == [1, 1]


def test_nothing_is_paid_for_twice(tmp_path: Path) -> None:
    plan = Plan("uniform", 2, most=20)
    first = Student()
    drawn, _ = draw(job(plan), tmp_path, first)
    again = Student()
    assert draw(job(plan), tmp_path, again)[0] == drawn and not again.asked
    more = Student()
    draw(job(Plan("uniform", 4, most=20)), tmp_path, more)
    assert more.asked and not set(more.asked) & set(first.asked)
    assert max(more.asked.values()) == 1


def test_what_fails_is_asked_again_and_ends_alike(tmp_path: Path) -> None:
    plan = Plan("proportional", 4, probe=4, most=30)
    wanted, _ = draw(job(plan), tmp_path / "whole", Student())
    for _ in range(40):
        engine = Student(fail_every=9)
        drawn, books = draw(job(plan), tmp_path / "broken", engine)
        if not books.failed:
            break
        assert any(item.lost == "busy" for item in drawn)
    assert drawn == wanted


def test_the_budget_stops_it(tmp_path: Path) -> None:
    prices = Prices(1.0, 1.0)
    options = {"prices": prices, "budget_usd": 0.002}
    drawn, books = draw(job(Plan("uniform", 4)), tmp_path, Student(), **options)
    assert books.out_of_budget and 0 < books.cost <= 0.002
    assert any(item.lost == "never asked" for item in drawn)
    _, books = draw(job(Plan("uniform", 4)), tmp_path, Student(), prices=prices)
    assert not books.out_of_budget


def test_equal_solutions_count_once(tmp_path: Path) -> None:
    drawn, _ = draw(
        job(Plan("uniform", 2, most=6), questions("easy")), tmp_path, Student(alike=True)
    )
    assert all(len(item.solutions) == 1 and item.draws == 6 == item.right for item in drawn)


def test_solutions_become_a_corpus(tmp_path: Path) -> None:
    maths = find_generator("math_templates", (), ["math_templates.style='worked'"])
    source = synthesize(maths, tmp_path, "gsm_like", "1", items=20, seed=0, source=None, workers=1,
                        command="…", progress=progress)  # fmt: skip
    asked = read_questions(source, "prompt", "value", 12)
    with pytest.raises(GristmillError, match="has no reply in its meta"):
        read_questions(source, "prompt", "reply", None)

    class Calculator(Student):
        def _answer(self, request: Request) -> Response | Failure:
            answer = {q.text: q.answer for q in asked}[request.messages[-1].content]
            luck = hashlib.sha256(f"{answer} {request.sampling.seed}".encode()).hexdigest()
            end = answer if luck[0] < "9" else "nothing"
            return Response(f"Thus {luck[:6]}.\nAnswer: {end}", "stop", 10, 5, 0.1)

    made = job(Plan("uniform", 3), asked)
    with Store(tmp_path) as store:
        drawn, books = sample(made, Calculator(), store, prices=Prices(), budget_usd=None,
                              progress=progress)  # fmt: skip
    options = {"model": "calculator", "accept_failures": False, "command": "…"}
    corpus = write_solutions(made, source, drawn, books, tmp_path, "solved", "1", **options,
                             progress=progress)  # fmt: skip
    documents = list(corpus.documents())
    assert len(documents) == 36 and corpus.manifest["dropped"] == {}
    problems = {document.id: document for document in source.documents()}
    for document in documents:
        problem = problems[document.parents[0]]
        assert document.roots == problem.roots
        assert document.text.startswith(problem.meta["prompt"].strip())
        assert document.text.endswith(f"Answer: {problem.meta['value']}")
        assert document.meta["style"] == "solution_uniform" and 0 <= document.meta["fail_rate"] < 1
    drawn[0].lost = "busy"
    with pytest.raises(GristmillError, match="1 questions wait for an answer"):
        write_solutions(made, source, drawn, books, tmp_path, "other", "1", **options,
                        progress=progress)  # fmt: skip


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Plan("uniform", 0), "correct must be"),
        (lambda: Plan("uniform", 9, most=8), "most must be"),
        (lambda: Plan("proportional", 2, probe=0), "probe must be"),
        (lambda: Plan("fair", 2), "share is uniform or proportional"),
        (lambda: job(Plan("uniform", 2), temperature=0.0), "all draws are the same"),
        (lambda: job(Plan("uniform", 2), ()), "no questions"),
        (lambda: job(Plan("uniform", 2), questions("easy") * 2), "same id"),
    ],
)
def test_refusals(make: Any, said: str) -> None:
    with pytest.raises(GristmillError, match=said):
        make()
