"""The checks of rewrites, on rewrites made by hand, on real text, and on hostile input."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from research.bench.validators import CHECKS, judge
from research.bench.validators_pairs import CASES
from research.corpora.document import Corpus
from research.rephrase.checks.answers import final_answer, same_answer
from research.rephrase.checks.equations import EquationsHold
from research.rephrase.checks.execution import BlocksRun, CodeRuns, same_output
from research.rephrase.checks.number_values import mentions
from research.rephrase.checks.programs import CodeParses, PublicNamesKept
from research.rephrase.checks.undefined_names import NamesDefined
from research.rephrase.chunking import chunk_prose

RUNNING = ("code_runs", "blocks_run")
TEXTUAL = [check for check in CHECKS if check.name not in RUNNING]


@pytest.mark.parametrize("check", TEXTUAL, ids=lambda check: check.name)
def test_good_rewrites_are_taken_and_bad_ones_are_not(check) -> None:
    for counts in judge(check):
        right = counts["bad rejected"]
        assert right >= 0.95 * (right + counts["good rejected"]), "precision"
        assert right >= 0.95 * (right + counts["bad taken"]), "recall"


def test_the_rewrites_made_by_hand_are_many_and_half_of_them_held_out() -> None:
    count = sum(len(case.good) + len(case.bad) for case in CASES)
    held_out = sum(len(case.good) + len(case.bad) for case in CASES if case.held_out)
    assert count >= 400 and held_out >= 0.4 * count
    assert {case.check for case in CASES} == {check.name for check in CHECKS}


@pytest.mark.parametrize("check", [CodeRuns(2), BlocksRun(2)], ids=lambda check: check.name)
def test_programs_are_run(check) -> None:
    case = next(case for case in CASES if case.check == check.name)
    assert check(case.source, case.good[0]) is None
    assert check(case.source, case.bad[0]) is not None


def test_a_text_is_a_fine_rewrite_of_itself(sample_root: Path) -> None:
    of_code = ("code_parses", "code_changed", "public_names", "names_defined")
    left = ("copied", "in_language", *of_code)
    checks = [check for check in TEXTUAL if check.name not in left]
    wrong = pieces = 0
    for name in ("wiki_sample", "docs_sample", "web_sample", "math_sample"):
        documents = list(Corpus.open(sample_root, name).documents())
        for document in documents[:: max(1, len(documents) // 12)]:
            piece = chunk_prose(document.text, 300)[0]
            pieces += 1
            wrong += sum(check(piece, piece) is not None for check in checks)
    # pages in several languages are the exception
    assert pieces > 40 and wrong <= 0.02 * pieces * len(checks)
    for path in sorted(
        Path(__file__).parents[2].joinpath("research", "rephrase").glob("[a-z]*.py")
    ):
        code = path.read_text("utf-8")
        assert CodeParses()(code, code) is None, path
        assert PublicNamesKept()(code, code) is None and NamesDefined()("", code) is None, path


@pytest.mark.parametrize(
    "text",
    ["", " ", "\n" * 20_000, "(" * 20_000, "1 " * 20_000, "=" * 20_000, "1=" * 5_000, "a" * 50_000,
     "\\frac{" * 5_000, "\\boxed{" * 5_000, "```python\n" * 3_000, "A. " * 10_000, "'" * 20_000,
     "|-" * 20_000, "$" * 20_000, "\\[" * 10_000, "9" * 20_000, "\ud800 \x00 \u202e", "#" * 20_000,
     "Answer: " * 3_000, "of the " * 5_000, "not " * 5_000 + "x"],
    ids=lambda text: f"{text[:8]!r}x{len(text)}",
)  # fmt: skip
def test_hostile_text_is_judged(text: str) -> None:
    plain = "The heron stands still in shallow water and waits. The answer is 12."
    for check in TEXTUAL:
        for source, rewrite in ((plain, text), (text, plain), (text, text)):
            result = check(source, rewrite)
            assert result is None or result.reason


@pytest.mark.parametrize(
    ("text", "value"),
    [("12,400", 12400), ("12.400", 12400), ("1 250 000", 1250000), ("6.5 million", 6500000),
     ("twelve thousand four hundred", 12400), ("two and a half", Fraction(5, 2)), ("2 ½", 2.5),
     ("3/8", Fraction(3, 8)), ("ninety-nine", 99), ("a dozen", 12), ("19th", 19), ("40%", 0.4),
     ("einundzwanzig", 21), ("1.234,5", 1234.5), ("nineteenth", 19)],
)  # fmt: skip
def test_numbers_are_read_in_every_notation(text: str, value: float) -> None:
    (mention,) = mentions(f"There are {text} of them")
    assert Fraction(str(value)) in mention.values


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [("\\frac34", "0.75", True), ("x^2+2x+1", "(x+1)^2", True), ("3\\sqrt2", "\\sqrt{18}", True),
     ("15%", "0.15", True), ("$1,250", "1250 dollars", True), ("(C)", "C", True),
     ("(1, 2)", "(2, 1)", False), ("3a", "3b", False), ("2x", "2", False), ("84 km/h", "84", True),
     ("9^{9^{9^9}}", "1", False), ("1/0", "1/0", True), ("x = 5", "5", True), ("A", "B", False)],
)  # fmt: skip
def test_answers_are_compared_by_value(a: str, b: str, same: bool) -> None:
    assert same_answer(a, b) is same


def test_the_last_mark_announces_the_answer() -> None:
    assert final_answer("The answer is 5. No: the final answer is **7**.") == "7"
    assert final_answer("So $x = \\boxed{\\frac{1}{2}}$.") == "\\frac{1}{2}"
    assert final_answer("Nothing is announced here.") is None


def test_outputs_may_differ_in_last_digits_only() -> None:
    assert same_output("a 0.3\n", "a  0.30000000000000004", 1e-6)
    assert not same_output("0.3", "0.31", 1e-6) and not same_output("3", "4", 1e-6)
    assert EquationsHold()("", "2 / 3 = 0.67 and 3 * 4 = 12, x - 3 = 9") is None
    assert EquationsHold()("", "so 3 * 4 = 13").reason == "wrong calculation"


def test_units_hide_no_wrong_calculation() -> None:
    holds = EquationsHold()
    for right in (
        "720 clams / 9 clams/minute = 80 minutes",
        "1 hour / 4 = 15 minutes, 5 feet + 3 inches = 63 inches",
        "12 questions x 25/100 = 3 points",
        "Monday 3 hours + Tuesday 2 hours + 1 hour = 6 hours",
        "half of 3 * 4 = 6, sqrt(16 + 9) = 5, 2 squared + 3 = 7",
    ):
        assert holds("", right) is None
    for wrong in ("9 clams * 16 minutes/clam = 124 minutes", "3 red apples x 4 = 13"):
        assert holds("", wrong).detail == wrong
