"""Sums: right, balanced, disjoint from those held out, the same ones in every format."""

from __future__ import annotations

import collections
import itertools
from pathlib import Path

import pytest

from experiments import addition, arithmetic_format
from experiments.declare import SweepSettings, changed
from research.corpora.document import Corpus
from research.errors import GristmillError
from research.registry.splits import VALIDATION, split_of
from research.rephrase.synthesis import sums
from research.train.loop import open_data
from research.train.run_spec import resolve_with

GIN = Path(__file__).parents[2] / "gin_configs" / "sweeps" / "arithmetic_format_cpu.gin"


def read_back(text: str, format: str) -> tuple[int, int, str]:
    """The numbers of a written sum, and its answer read by somebody who knows the format."""
    prompt, _, written = text.partition("=")
    a, b = map(int, prompt.split("+"))
    if format == "plain":
        return a, b, written
    if format == "reversed":
        return a, b, written[::-1]
    empty, *steps, answer = written.split("\n")
    assert empty == "" and steps[-1].endswith(".")
    carry, digits = 0, ""
    for place, step in enumerate(steps):
        digit, carry_after = step.rstrip(".").removeprefix("A->").split(",C->")
        column = a // 10**place % 10 + b // 10**place % 10 + carry
        assert column == 10 * int(carry_after) + int(digit)
        carry, digits = int(carry_after), digit + digits
    assert answer == f"{carry}{digits}".removeprefix("0")
    return a, b, answer


@pytest.mark.parametrize("format", addition.FORMATS)
def test_every_sum_is_right_in_every_format(format: str) -> None:
    for a, b in [*itertools.islice(addition.training_sums(3, 1), 300), (0, 10), (999, 999)]:
        made = addition.document(a, b, format)
        assert read_back(made.text, format) == (a, b, str(a + b))
        assert made.text.startswith(made.meta["prompt"]) and made.meta["prompt"].endswith("=")
        assert made.text.rpartition("\n")[2].endswith(made.meta["answer"])


def test_the_examples_of_the_docstring() -> None:
    texts = {f: addition.document(128, 367, f).text for f in addition.FORMATS}
    assert texts["plain"] == "128+367=495" and texts["reversed"] == "128+367=594"
    assert texts["scratchpad"] == "128+367=\nA->5,C->1\nA->9,C->0\nA->4,C->0.\n495"
    shown = [line.strip() for line in sums.__doc__.splitlines()]
    for text in texts.values():
        assert any(line.endswith(text.splitlines()[0]) for line in shown)


def test_training_sums_are_balanced_and_those_held_out_are_others() -> None:
    pairs = list(itertools.islice(addition.training_sums(3, 0), 8000))
    assert len(set(pairs)) == len(pairs)
    assert pairs[:500] == list(itertools.islice(addition.training_sums(3, 0), 500))
    assert pairs[:500] != list(itertools.islice(addition.training_sums(3, 1), 500))
    lengths = collections.Counter(len(str(max(pair))) for pair in pairs)
    assert 60 < lengths[1] <= 100 and 600 < lengths[2] < 840 and lengths[3] > 7000
    carries = collections.Counter(addition.carries(*s) for s in pairs if max(s) >= 100)
    assert carries.keys() == {0, 1, 2, 3}
    assert max(carries.values()) < 1.1 * min(carries.values())
    assert addition.carries(999, 1) == 3 and addition.carries(128, 367) == 1

    held_out = addition.held_out_sums(3, 1000, 0)
    assert len(set(held_out)) == 1000
    unordered = {frozenset(pair) for pair in pairs}
    assert not unordered & {frozenset(pair) for pair in held_out}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with the smallest sets of sums."""
    root = tmp_path_factory.mktemp("sums")
    settings = arithmetic_format.Settings(samples=(125,))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRISTMILL_ROOT", str(root))
        arithmetic_format.prepare(settings)
        manifests = sorted(root.rglob("manifest.json"))
        before = [path.stat().st_mtime_ns for path in manifests]
        arithmetic_format.prepare(settings)  # finds all of it there
        assert before == [path.stat().st_mtime_ns for path in manifests]
    return root


def test_corpora_hold_the_same_sums_in_every_format(root: Path) -> None:
    ids = {}
    for format in addition.FORMATS:
        found = list(Corpus.open(root, f"addition3_{format}_125").documents())
        sides = collections.Counter(split_of(d.root_ids, addition.VALIDATION_SHARE) for d in found)
        assert sides == {"train": 125, VALIDATION: addition.HELD_OUT}
        ids[format] = [document.id for document in found]
    assert ids["plain"] == ids["reversed"] == ids["scratchpad"]


def test_the_arms_of_the_shipped_file_can_run(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRISTMILL_ROOT", str(root))
    sections = {"sweep": SweepSettings, "arithmetic_format": arithmetic_format.Settings}
    run, _, found = resolve_with([str(GIN)], ["arithmetic_format.samples=(125,)"], sections)
    arms = arithmetic_format.arms(run, found["arithmetic_format"])
    assert [arm.name for arm in arms] == ["plain_125", "reversed_125", "scratchpad_125"]
    assert [arm.baseline for arm in arms] == [True, False, False]
    for arm in arms:
        made = changed(run, arm)
        source = open_data(made, None)
        ids = [row for step in range(30) for row in source[step]["segment_ids"].tolist()]
        sums = sum(len(set(row) - {0}) for row in ids) / 30
        # shorter sums leave room for more
        assert sums == pytest.approx(found["arithmetic_format"].sums_per_step, rel=0.15)


def test_what_there_is_no_task_of_is_refused() -> None:
    for options, message in (
        ({"digits": 9}, "arithmetic_format.digits: 9 is none of 2, 3, 4, 5"),
        ({"formats": ("roman",)}, "'roman' is none of plain, reversed, scratchpad"),
        ({"samples": (123,)}, "arithmetic_format.samples: 123 is none of"),
        ({"digits": 2, "samples": (8000,)}, "8000 is none of 125, 250, 500, 1000, 2000, 4000"),
        ({"samples": ()}, "name at least one each"),
    ):
        with pytest.raises(GristmillError, match=message):
            arithmetic_format.Settings(**options)
