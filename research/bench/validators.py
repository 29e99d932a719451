"""`gristmill bench validators`: the checks of rewrites against rewrites judged by hand.

For every check, over the hand-made rewrites of `validators_pairs` that are about it: positives are
the rewrites that it should reject.
  precision, recall             over all of them
  held_out_precision, _recall   over those that were written before the check and never looked at
                                while it was made better
"""

from __future__ import annotations

from collections import Counter

from research.bench.figures import Figure
from research.bench.validators_pairs import CASES
from research.rephrase.checks.answering import NoFraming, NoRefusal
from research.rephrase.checks.answers import AnswerKept
from research.rephrase.checks.equations import EquationsHold
from research.rephrase.checks.execution import BlocksRun, CodeRuns
from research.rephrase.checks.language import InLanguage, SameLanguage
from research.rephrase.checks.loops import NoLoops
from research.rephrase.checks.names import NamesKept
from research.rephrase.checks.numbers import NumbersKept
from research.rephrase.checks.overlap import NotCopied, NotInvented
from research.rephrase.checks.programs import CodeChanged, CodeParses, PublicNamesKept
from research.rephrase.checks.undefined_names import NamesDefined
from research.rephrase.style import Check
from research.terminal import progress

CHECKS: tuple[Check, ...] = (
    NoRefusal(),
    NoFraming(),
    SameLanguage(),
    InLanguage("de"),
    NoLoops(),
    NotCopied(),
    NotInvented(),
    NumbersKept(),
    NamesKept(),
    AnswerKept(),
    EquationsHold(),
    CodeParses(),
    CodeChanged(),
    PublicNamesKept(),
    NamesDefined(),
    CodeRuns(),
    BlocksRun(),
)


def validators(rounds: int) -> list[Figure]:
    """Precision and recall of each check; one round says it all."""
    figures = []
    for check in progress(CHECKS, desc="validators", unit="check"):
        counts, held_out = judge(check)
        for prefix, found in (("", counts), ("held_out_", held_out)):
            if not found.total():
                continue
            for figure, wrong in (("precision", "good rejected"), ("recall", "bad taken")):
                right = found["bad rejected"]
                value = right / max(1, right + found[wrong])
                name = f"{check.name}_{prefix}{figure}"
                unit = f"of {right + found[wrong]}"
                figures.append(Figure("validators", name, value, unit))
    return figures


def judge(check: Check) -> tuple[Counter[str], Counter[str]]:
    """What a check makes of the rewrites about it: counts of all, and of those held out."""
    counts: Counter[str] = Counter()
    held_out: Counter[str] = Counter()
    for case in CASES:
        if case.check == check.name:
            for kind in ("good", "bad"):
                for rewrite in getattr(case, kind):
                    verdict = "rejected" if check(case.source, rewrite) else "taken"
                    counts[f"{kind} {verdict}"] += 1
                    held_out[f"{kind} {verdict}"] += case.held_out
    return counts, held_out
