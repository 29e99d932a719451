"""Calculations written out in a text, checked one by one."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from fractions import Fraction
from typing import ClassVar

from research.rephrase.checks import expressions
from research.rephrase.checks.units import blank_units, may_convert
from research.rephrase.style import Check, Rejection

MOST = 500  # calculations of a text that are looked at
MOST_SIDE = 160  # characters of one side
_PART = (
    r"(?:\\[td]?frac\s?\{[^{}]{1,60}\}\s?\{[^{}]{1,60}\}|\\(?:cdot|times|div|left|right|[%$,])"
    r"|\{,\}|[\d\s.,+\-−*/×÷·^()%$€£]|(?<=[\d ] )x(?= \d))"
)
_SIDE_END = re.compile(rf"(?<![\w^_]){_PART}{{1,{MOST_SIDE}}}\Z")
_SIDE_START = re.compile(rf"{_PART}{{1,{MOST_SIDE}}}(?![\w^_])")
_SIGN = re.compile(r"(?<![<>!=:])([=≈])(?!=)")
_OPERATOR = re.compile(r"[+*/×÷·^−-]|(?<=[\d ] )x(?= \d)|\\(?:[td]?frac|cdot|times|div)")
_CLOCK = re.compile(r"\d:\d\d")
# what stands before a left side that is only the rest of one: "6 hours + Monday 2 + 1", "half of 6"
_MORE = re.compile(
    r"(?:[+*/×÷·−]|[\s\d]-)\s*[A-Za-z][A-Za-z ]*\Z|[A-Za-z]\(\Z"
    r"|\b(?:of|per|by|than|times|plus|minus|sqrt|log|ln|sin|cos|tan)\s*\Z",
    re.IGNORECASE,
)
_NEXT_WORD = re.compile(r"\s*[A-Za-z]*")
_MIXED = re.compile(r"(?<![\d.,/])(\d+) (\d+/\d+)(?![\d/])")


@dataclasses.dataclass(frozen=True)
class EquationsHold(Check):
    """Rewrites whose calculations are right, as far as they are of numbers alone.

    "a = b = c" is two calculations.  A result may be rounded to the digits that it is written with,
    "≈" to one digit less.  Units are looked over, unless two are of one kind, as hours and minutes.
    Calculations with letters or times of day are left.

    Attributes:
      wrong: how many may be.
    """

    name: ClassVar[str] = "equations"
    version: ClassVar[int] = 2

    wrong: int = 0

    def __call__(self, source: str, rewrite: str) -> Rejection | None:
        bad = [text for text in _wrong(rewrite) if text not in source]
        return Rejection("wrong calculation", "; ".join(bad[:3])) if len(bad) > self.wrong else None


def _wrong(text: str) -> Iterator[str]:
    blanked = blank_units(text)
    signs = [sign for sign in _SIGN.finditer(text)][:MOST]
    for number, sign in enumerate(signs):
        before = signs[number - 1].end() if number else 0
        after = signs[number + 1].start() if number + 1 < len(signs) else len(text)
        left = blanked[max(before, sign.start() - MOST_SIDE) : sign.start()].rpartition("\n")[2]
        right = blanked[sign.end() : min(after, sign.end() + MOST_SIDE)].partition("\n")[0]
        if _CLOCK.search(left) or _CLOCK.search(right):
            continue
        a, b = _SIDE_END.search(left), _SIDE_START.match(right)
        if not a or not b or _MORE.search(left[: a.start()]):
            continue
        begin, end = sign.start() - len(a[0]), sign.end() + b.end()
        holds = _holds(a[0], b[0], rough=sign[0] == "≈")
        if not holds and not may_convert(text[begin : _NEXT_WORD.match(text, end).end()]):
            yield " ".join(text[begin:end].split())


def _holds(left: str, right: str, rough: bool) -> bool:
    """Whether two sides are equal; so they are taken to be where one is not understood."""
    left, right = _trimmed(left), _trimmed(right)
    if not _OPERATOR.search(left + right) or _OPERATOR.match(left):
        return True  # "class 3 = 24", "p - 20 = 76"
    if _OPERATOR.search(right[-1:]):
        return True
    a, b = _value(left), _value(right)
    if a is None or b is None or a == b:
        return True
    return any(
        _rounded(exact, short, side, 10 if rough else 1)
        for exact, short, side in ((a, b, right), (b, a, left))
    )


def _rounded(exact: Fraction | float, short: Fraction | float, side: str, times: int) -> bool:
    """Whether a side that is one decimal number is the exact value, rounded or cut."""
    number = re.fullmatch(r"[\s\\$€£(]*\d[\d,]*(?:\.(\d+))?([\s\\%)$.,]*)", side)
    if not number or (number[1] is None and times == 1 and "%" not in number[2]):
        return False
    unit = Fraction(times, 10 ** len(number[1] or "")) / (100 if "%" in side else 1)
    return abs(exact - short) <= unit / 2 or 0 <= abs(exact) - abs(short) < unit


def _trimmed(side: str) -> str:
    """Without the punctuation of the sentence around it, such as a bracket that opens or closes."""
    side = side.strip().strip(".,").strip()
    open_, close = side.count("("), side.count(")")
    if open_ > close:
        side = side.removesuffix("(") if side.endswith("(") else side.removeprefix("(")
    elif close > open_:
        side = side.removesuffix(")")
    return side.strip().strip(",").strip()


def _value(side: str) -> Fraction | float | None:
    if len(side) > MOST_SIDE or not re.search(r"\d", side):
        return None
    side = re.sub(r"\\?\$|[€£]", " ", side)
    side = _MIXED.sub(r"(\1+\2)", side)
    side = re.sub(r"(?<=\d)\s+x (?=\d)", " * ", side)
    if re.search(r"[-+−]\s*[\d.]+\s*\\?%|\d\s+[\d(]|\)\s*\d|\d,\s|,\d{1,2}(?!\d)", side):
        return None  # "100 - 20%", two numbers side by side, a decimal comma
    expression = expressions.parse(side)
    if expression is None:
        return None
    try:
        return expression({})
    except (ArithmeticError, ValueError, KeyError):
        return None
