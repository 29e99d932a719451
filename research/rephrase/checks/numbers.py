"""The numbers of a text, which a rewrite may neither lose nor make up."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from research.rephrase.checks.number_values import Mention, mentions
from research.rephrase.style import Check, Rejection

MOST = 2000  # numbers of a text that are compared
_SMALLEST_NEWS = 2  # "both" may become "the two"


@dataclasses.dataclass(frozen=True)
class NumbersKept(Check):
    """Rewrites with the numbers of their source, in digits or words.

    Numbers of list items are none, nor is "one"; "two" may be new, as in "the two brothers".  A
    number that is worked out from others is as new as one that is made up.

    Attributes:
      lost: share of the source's different numbers that may be missing.
      invented: how many different numbers may be new.
    """

    name: ClassVar[str] = "numbers"
    version: ClassVar[int] = 1

    lost: float = 0.34
    invented: int = 0

    def __call__(self, source: str, rewrite: str) -> Rejection | None:
        before, after = mentions(source)[:MOST], mentions(rewrite)[:MOST]
        new = _missing([m for m in after if not m.item and not _slight(m)], before)
        if len(new) > self.invented:
            return Rejection("number made up", ", ".join(m.text for m in new[:5]))
        wanted = [mention for mention in before if not mention.idle and not mention.item]
        gone = _missing(wanted, after)
        if len(gone) > self.lost * len({mention.values for mention in wanted}):
            return Rejection("numbers lost", ", ".join(m.text for m in gone[:5]))
        return None


def _slight(mention: Mention) -> bool:
    return mention.idle or (mention.text.isalpha() and max(mention.values) <= _SMALLEST_NEWS)


def _missing(wanted: list[Mention], there: list[Mention]) -> list[Mention]:
    """Different ones of which no reading is there."""
    known = frozenset().union(*(mention.values for mention in there))
    missing = {m.values: m for m in wanted if not m.values & known}
    return list(missing.values())
