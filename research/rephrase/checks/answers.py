"""The final answer of a solution, which a rewrite of the solution must come to as well."""

from __future__ import annotations

import dataclasses
import re
from fractions import Fraction
from typing import ClassVar

from research.rephrase.checks import expressions
from research.rephrase.checks.number_values import mentions
from research.rephrase.style import Check, Rejection

LONGEST = 200  # characters of an answer
_MARK = re.compile(
    r"\\boxed\s*\{|####\s*|\b(?:final )?answer(?: is| would be|:| =)+[\s*:]*"
    r"|\b(?:die |endgültige )*antwort(?: ist|:| lautet)+[\s*:]*"
    r"|\b(?:la )?réponse(?: est|:| :)+[\s*:]*|\b(?:la )?respuesta(?: es|:)+[\s*:]*",
    re.IGNORECASE,
)
_CHOICE = re.compile(r"\(?([A-E])\)?(?![A-Za-z0-9^*+/=-])(?!,?\s*(?:and|or|&|[A-E]\b))")
_END = re.compile(r"\n|[.;!?](?:\s|$)|\*\*")
_EQUATION = re.compile(r"^\s*(?:[A-Za-z]|[A-Za-z]\([a-z]\)|[a-z]')\s*=(?!=)")
_CURRENCY = re.compile(r"\\?\$|[€£¥₹]")
_UNIT = r"(?:\s+[A-Za-z][A-Za-z²³ ./]*|\s*(?:°[CF]?|[kcm]m[²³]?|k?g|kg|mg|m?l|min|h|km/h|mph|m/s))"
_AFTER = re.compile(rf"(?<=[\d)}}%]){_UNIT}$")


@dataclasses.dataclass(frozen=True)
class AnswerKept(Check):
    """Rewrites of a worked solution that come to its answer, in whatever form.

    The answer is what the last mark announces (\\boxed, ####, "the answer is"); a rewrite without
    one is taken by its last number.  Fractions, decimals, percentages and expressions are compared
    by value (`expressions`), choices by letter, anything else as text.  A source that announces no
    answer is not judged.
    """

    name: ClassVar[str] = "final_answer"
    version: ClassVar[int] = 1

    def __call__(self, source: str, rewrite: str) -> Rejection | None:
        wanted = final_answer(source)
        if wanted is None:
            return None
        found = final_answer(rewrite)
        if found is None:
            numbers = [mention for mention in mentions(rewrite) if not mention.idle]
            if not numbers:
                return Rejection("no answer")
            found = numbers[-1].text
        if same_answer(wanted, found):
            return None
        return Rejection("another answer", f"{found[:40]} for {wanted[:40]}")


def final_answer(text: str) -> str | None:
    """What the last mark of an answer announces; None where there is none."""
    answer = None
    for mark in _MARK.finditer(text):
        rest = text[mark.end() : mark.end() + LONGEST]
        if mark[0].startswith("\\boxed"):
            found = _balanced(rest)
        elif inside := re.match(r"\s*(?:\\\(|\${1,2})(.+?)(?:\\\)|\$)", rest):
            found = inside[1]
            if "\\boxed" in found:
                continue  # a mark of its own
        else:
            found = rest[: end.start()] if (end := _END.search(rest)) else rest
        if found.strip():
            answer = found.strip()
    return answer


def same_answer(a: str, b: str) -> bool:
    """Whether two answers are one, in different forms perhaps."""
    choices = [_CHOICE.match(text.strip().strip("$ ")) for text in (a, b)]
    if all(choices):
        return choices[0][1] == choices[1][1]
    values = [_numbers(text) for text in (a, b)]
    if all(values) and values[0] & values[1]:
        return True
    parts = [_parts(text) for text in (a, b)]
    if len(parts[0]) == len(parts[1]):
        read = [[expressions.parse(part) for part in side] for side in parts]
        if all(expression for side in read for expression in side):
            return all(expressions.equal(x, y) for x, y in zip(*read, strict=True))
    return _plain(a) == _plain(b)


def _balanced(text: str) -> str:
    """Up to the brace that closes what is open before the text."""
    depth = 1
    for i, character in enumerate(text):
        depth += (character == "{") - (character == "}")
        if depth == 0:
            return text[:i]
    return ""


def _numbers(text: str) -> frozenset[Fraction]:
    """What a number may be, in the notations of several languages; empty for other answers."""
    text = _CURRENCY.sub("", text.replace("\\%", "%").replace("\\", " ")).strip(" *")
    found = mentions(text)
    if len(found) != 1 or not text.startswith(found[0].text):
        return frozenset()
    rest = text[len(found[0].text) :].rstrip(" .")
    return found[0].values if re.fullmatch(rf"{_UNIT}|[.\W]*", rest) else frozenset()


def _parts(text: str) -> list[str]:
    """The elements of a list, pair or set, or the one side of an equation that says it all."""
    text = _CURRENCY.sub("", text).strip()
    text = _AFTER.sub("", text) if len(text) < LONGEST and "\\" not in text else text
    text = _EQUATION.sub("", text)
    if not re.search(r"\d,\d{3}(?!\d)", text) and "," in text:
        inner = re.sub(r"^(?:\\?[({\[])|(?:\\?[)}\]])$", "", text.strip())
        return [_EQUATION.sub("", part) for part in inner.split(",")]
    return [text]


def _plain(text: str) -> str:
    return re.sub(r"[^\w]+", " ", re.sub(r"\\[a-z]+", " ", text.lower())).strip()
