"""Rewrites that go round in circles, which small models do when they have lost the thread."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import ClassVar

from research.rephrase.checks.words import words
from research.rephrase.style import Check, Rejection

_ITEM = re.compile(r"^[ \t]*(?:\d{1,4}[.)]|[-*•])[ \t]+", re.MULTILINE)  # begins a list's item
_SAME_CHARACTER = re.compile(r"([^\s\-_=*#.|~])\1*")
LONGEST_PERIOD = 40  # words
SHORT = 12  # words, below which only runs are looked at


@dataclasses.dataclass(frozen=True)
class NoLoops(Check):
    """Rewrites that do not repeat themselves much more than their source does.

    Attributes:
      repeated: share of the words that stand in 4-grams seen before (8-grams of characters in
        scripts without spaces), above the source's share.
      run: words in a row that repeat the words before them with one period, beyond the source's
        longest such run.
      characters: the same in a row, beyond the source's.
      counting: numbers in a row with nothing between, beyond all the source's numbers.
    """

    name: ClassVar[str] = "loops"
    version: ClassVar[int] = 1

    repeated: float = 0.25
    run: int = 7
    characters: int = 12
    counting: int = 12

    def __call__(self, source: str, rewrite: str) -> Rejection | None:
        before, after = (words(_ITEM.sub("", text)) for text in (source, rewrite))
        if (run := _longest_run(after)) > self.run + _longest_run(before):
            return Rejection("loop", f"{run} words in a row repeat those before them")
        if (row := _most_characters(rewrite)) > self.characters + _most_characters(source):
            return Rejection("loop", f"a character {row} times in a row")
        if (row := _numbers_in_a_row(after)) > self.counting + sum(w.isdigit() for w in before):
            return Rejection("loop", f"{row} numbers in a row")
        share = _repeated(after) if len(after) >= SHORT else 0.0
        if share > self.repeated + _repeated(before):
            return Rejection("loop", f"{share:.0%} of the words are in n-grams seen before")
        return None


def _repeated(text: Sequence[str]) -> float:
    """Share of the words that are in n-grams seen before."""
    n = 8 if sum(map(len, text)) < 2 * len(text) else 4
    seen: set[tuple[str, ...]] = set()
    inside = [False] * len(text)
    for i in range(len(text) - n + 1):
        gram = tuple(text[i : i + n])
        if gram in seen:
            inside[i : i + n] = [True] * n
        seen.add(gram)
    return sum(inside) / max(1, len(text))


def _longest_run(text: Sequence[str]) -> int:
    """The most words in a row that each equal the word one period before, of any period; a run
    shorter than its period is none."""
    longest = 0
    for period in range(1, min(LONGEST_PERIOD, len(text) // 2) + 1):
        run = 0
        for i in range(period, len(text)):
            run = run + 1 if text[i] == text[i - period] else 0
            if run > longest and run >= period:
                longest = run
    return longest


def _most_characters(text: str) -> int:
    return max((len(found[0]) for found in _SAME_CHARACTER.finditer(text)), default=0)


def _numbers_in_a_row(text: Sequence[str]) -> int:
    longest = row = 0
    for word in text:
        row = row + 1 if word.isdigit() else 0
        longest = max(longest, row)
    return longest
