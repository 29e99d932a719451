"""Solutions of problems that a model is asked for until enough of them are right.

After DART-Math (Tong et al., "DART-Math: Difficulty-Aware Rejection Tuning for Mathematical
Problem-Solving", 2024, arXiv 2407.13690): with equally many draws of every problem the easy ones
get most of the right answers.  Here the right answers are what is allotted:

    uniform        every problem is drawn until it has `correct` right answers
    proportional   the hardest gets `correct`, the others by how often they fail, at least one

and `most` draws of a problem are the end in any case.  A draw is a request with a seed of its own,
whose answer the store keeps: a stopped job goes on, and a larger budget pays only for what is new.
Draws count in the order of their numbers, so the outcome depends on the answers alone, not on when
they came.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

from research import artefacts
from research.errors import GristmillError
from research.rephrase.books import Budget, Prices
from research.rephrase.checks.answers import final_answer, same_answer
from research.rephrase.engine import (
    Engine,
    Failure,
    Message,
    Request,
    Response,
    Sampling,
    make_request,
)
from research.rephrase.store import Store

INSTRUCTION = (
    "Solve the problem step by step. Write the steps down, and end with a line that says 'Answer:' "
    "and then the result alone."
)


@dataclasses.dataclass(frozen=True, slots=True)
class Question:
    """A problem whose answer is known.

    Attributes:
      id: unique among the questions of a job.
      text: what is asked.
      answer: the right answer.
    """

    id: str
    text: str
    answer: str


Verifier = Callable[[Question, str], bool]


def right_answer(question: Question, solution: str) -> bool:
    """Whether a solution announces the right answer, in whatever form."""
    found = final_answer(solution)
    return found is not None and same_answer(question.answer, found)


@dataclasses.dataclass(frozen=True)
class Plan:
    """How many right answers every question is to get.

    Attributes:
      share: 'uniform' or 'proportional'.
      correct: right answers of every question, or of the hardest.
      probe: draws that tell how hard a question is, where that matters.
      most: draws of a question, at most.
    """

    share: Literal["uniform", "proportional"]
    correct: int
    probe: int = 4
    most: int = 32

    def __post_init__(self) -> None:
        """Raises GristmillError where a number makes no sense."""
        for good, what in (
            (self.share in ("uniform", "proportional"), "share is uniform or proportional"),
            (self.correct >= 1, "correct must be at least 1"),
            (self.most >= self.correct, f"most must be at least {self.correct}, as correct is"),
            (1 <= self.probe <= self.most, f"probe must be from 1 to {self.most}, as most is"),
        ):
            if not good:
                raise GristmillError(f"rejection sampling: {what}")

    def targets(self, failed: Sequence[int]) -> list[int]:
        """Right answers each question is to get, by how many of its first `probe` draws failed."""
        if self.share == "uniform":
            return [self.correct] * len(failed)
        hardest = max(failed, default=0) or 1
        return [max(1, math.ceil(self.correct * count / hardest)) for count in failed]


@dataclasses.dataclass
class Drawn:
    """What a question has got so far.

    Attributes:
      question: of which.
      draws: answers looked at, in order.
      right: of these, how many were right.
      solutions: different right answers, as (number of the draw, text).
      target: how many of these there are to be; None until that is known.
      lost: why a draw has no answer; then the question waits for another run.
    """

    question: Question
    draws: int = 0
    right: int = 0
    solutions: list[tuple[int, str]] = dataclasses.field(default_factory=list)
    target: int | None = None
    lost: str = ""

    @property
    def fail_rate(self) -> float:
        """Share of the draws that were not right."""
        return 1 - self.right / self.draws if self.draws else 0.0


@dataclasses.dataclass
class Books:
    """What rejection sampling has cost and brought.

    Attributes:
      requests: new answers; those found in the store come free.
      failed: requests without an answer, by cause.
      out_of_budget: there was more to ask.
      cost: US dollars of all answers of the job, earlier ones included.
      prompt_tokens, completion_tokens: of all draws that were looked at, and `seconds` they took.
    """

    requests: int = 0
    failed: Counter[str] = dataclasses.field(default_factory=Counter)
    out_of_budget: bool = False
    cost: float = 0.0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0


@dataclasses.dataclass(frozen=True)
class Job:
    """What is drawn from which model.

    Attributes:
      questions: with different ids.
      plan: how often.
      revision: of the model.
      sampling: of every draw, with the job's seed; its temperature is above 0.
      instruction: what the model shall do; the system message.
    """

    questions: tuple[Question, ...]
    plan: Plan
    revision: str
    sampling: Sampling
    instruction: str = INSTRUCTION

    def __post_init__(self) -> None:
        """Raises GristmillError for no questions, equal ids, or draws that are all the same."""
        if not self.questions:
            raise GristmillError("rejection sampling: there are no questions")
        if len({question.id for question in self.questions}) < len(self.questions):
            raise GristmillError("rejection sampling: two questions have the same id")
        if self.sampling.temperature == 0:
            raise GristmillError(
                "rejection sampling: with temperature 0 all draws are the same; set one above 0"
            )

    @property
    def definition(self) -> dict[str, Any]:
        """What decides the draws, and which of them are taken."""
        return {
            "model": self.revision,
            "instruction": self.instruction,
            "sampling": dataclasses.asdict(self.sampling),
            "plan": dataclasses.asdict(self.plan),
            "questions": artefacts.fingerprint([[q.id, q.text, q.answer] for q in self.questions]),
        }

    @functools.cached_property
    def id(self) -> str:
        """Fingerprint of the definition but for the plan: what answers are booked under."""
        described = {key: value for key, value in self.definition.items() if key != "plan"}
        return artefacts.fingerprint(["rejection sampling", described])[:32]

    def request(self, question: Question, draw: int) -> Request:
        """The draw of that number."""
        messages = (Message("system", self.instruction), Message("user", question.text))
        seed = int(artefacts.fingerprint(["draw", self.sampling.seed, draw])[:8], 16) >> 1
        return make_request(self.revision, messages, dataclasses.replace(self.sampling, seed=seed))


def sample(
    job: Job,
    engine: Engine,
    store: Store,
    *,
    prices: Prices,
    budget_usd: float | None,
    progress: Callable[..., Any],
    verify: Verifier = right_answer,
) -> tuple[list[Drawn], Books]:
    """Draws until every question has its right answers, or has had its most draws.

    Args:
      job: what to draw.
      engine: whom to ask.
      store: where answers are kept, and looked for first.
      prices: of the engine's tokens.
      budget_usd: what all answers of the job may cost; None for no limit.
      progress: makes a progress bar (`research.terminal.progress`).
      verify: whether a solution is right.

    Returns:
      What each question has got, in order, and the books.

    Raises:
      GristmillError: the engine cannot go on, or the budget is none.
    """
    return _Sampler(job, engine, store, prices, budget_usd, progress, verify).run()


class _Sampler:
    """The rounds of `sample`."""

    def __init__(
        self,
        job: Job,
        engine: Engine,
        store: Store,
        prices: Prices,
        budget_usd: float | None,
        progress: Callable[..., Any],
        verify: Verifier,
    ) -> None:
        self.job, self.engine, self.store = job, engine, store
        self.progress, self.verify = progress, verify
        self.books = Books()
        self.budget = Budget(budget_usd, prices, store.spent(job=job.id))
        self.drawn = [Drawn(question) for question in job.questions]

    def run(self) -> tuple[list[Drawn], Books]:
        plan = self.job.plan
        if plan.share == "proportional":
            self._rounds("probing", lambda item: plan.probe - item.draws)
            # one that waits for another run is no measure of the others
            failed = [0 if item.lost else item.draws - item.right for item in self.drawn]
        else:
            failed = [0] * len(self.drawn)
        for item, target in zip(self.drawn, plan.targets(failed), strict=True):
            item.target = target
        self._rounds("drawing", self._wanted)
        self.books.cost = self.budget.cost
        return self.drawn, self.books

    def _wanted(self, item: Drawn) -> int:
        """How many draws a question gets in the next round: half of what it can be expected to
        need, so that there are few rounds and hardly a draw too many."""
        need = item.target - len(item.solutions)
        if need <= 0:
            return 0
        rate = (len(item.solutions) + 1) / (item.draws + 2)  # rule of succession
        return min(max(1, math.ceil(need / rate / 2)), self.job.plan.most - item.draws)

    def _rounds(self, what: str, wanted: Callable[[Drawn], int]) -> None:
        """Rounds in which every question gets as many draws as are wanted, until none are."""
        while True:
            wishes = [(item, wanted(item)) for item in self.drawn if not item.lost]
            wishes = [(item, count) for item, count in wishes if count > 0]
            if not wishes:
                return
            requests = {
                request.key: request
                for item, count in wishes
                for draw in range(item.draws, item.draws + count)
                if (request := self.job.request(item.question, draw)).key not in self.store
            }
            self._ask(what, requests)
            for item, count in wishes:
                self._look(item, count)

    def _ask(self, what: str, requests: dict[str, Request]) -> None:
        """Asks for answers, as far as the budget goes, and keeps each as it comes."""

        def affordable() -> Iterator[Request]:
            for request in requests.values():
                if self.books.out_of_budget or not self.budget.reserve(request):
                    self.books.out_of_budget = True
                    return
                yield request

        if not requests or self.books.out_of_budget:
            return
        answered = self.engine.generate(affordable())
        try:
            with self.progress(total=len(requests), desc=what, unit="draw") as bar:
                for request, outcome in answered:
                    bar.update()
                    if isinstance(outcome, Failure):
                        self.budget.settle(request, None)
                        self.store.fail(request.key, self.job.id, outcome)
                        self.books.failed[outcome.cause] += 1
                        continue
                    self.store.put(request.key, self.job.id, self.job.revision, outcome)
                    self.budget.settle(request, outcome)
                    self.books.requests += 1
        finally:
            if close := getattr(answered, "close", None):
                close()

    def _look(self, item: Drawn, count: int) -> None:
        """Takes the next draws of a question into account, in order, up to one that is missing."""
        known = {text for _, text in item.solutions}
        for draw in range(item.draws, item.draws + count):
            key = self.job.request(item.question, draw).key
            response = self.store.get(key)
            if response is None:
                failure = self.store.failure(key)
                item.lost = failure.cause if failure else "never asked"
                return
            self.books.prompt_tokens += response.prompt_tokens
            self.books.completion_tokens += response.completion_tokens
            self.books.seconds += response.seconds
            item.draws += 1
            if self._right(item.question, response):
                item.right += 1
                text = response.text.strip()
                if text not in known and (item.target is None or len(known) < item.target):
                    known.add(text)
                    item.solutions.append((draw, text))

    def _right(self, question: Question, response: Response) -> bool:
        return response.finish == "stop" and self.verify(question, response.text)


def summary(drawn: Sequence[Drawn], books: Books) -> dict[str, Any]:
    """The books as plain values: what was drawn, and what came of it."""
    taken = [item.solutions[: item.target] for item in drawn]
    met = sum(len(t) >= item.target for t, item in zip(taken, drawn, strict=True))
    return {
        "questions": len(drawn),
        "draws": sum(item.draws for item in drawn),
        "right": sum(item.right for item in drawn),
        "solutions": sum(map(len, taken)),
        "wanted": sum(item.target for item in drawn),
        "with_all": met,
        "with_none": sum(not t for t in taken),
        "waiting": sum(bool(item.lost) for item in drawn),
        "requests": books.requests,
        "failed": dict(books.failed),
        "prompt_tokens": books.prompt_tokens,
        "completion_tokens": books.completion_tokens,
        "seconds": books.seconds,
        "cost": books.cost,
        # by tenths of the fail rate: questions, draws, solutions
        "by_fail_rate": {
            f"{tenth / 10:.1f}": [
                len(inside), sum(i.draws for i in inside),
                sum(len(i.solutions[: i.target]) for i in inside),
            ]
            for tenth in range(11)
            if (inside := [i for i in drawn if int(i.fail_rate * 10) == tenth])
        },
    }  # fmt: skip
