"""Words behind numbers in calculations: "25 clams / 5 clams/minute = 5 minutes"."""

from __future__ import annotations

import re

# of one kind, so that an equation with two of them may convert: "1 hour / 4 = 15 minutes"
_KINDS = (
    "s sec second min minute h hr hour day week fortnight month year decade century",
    "mm cm m km in inch inche ft foot feet yd yard mi mile meter metre kilometer kilometre "
    "centimeter centimetre millimeter millimetre",
    "mg g kg gram kilogram milligram oz ounce lb pound ton tonne",
    "ml l liter litre milliliter millilitre gallon quart pint cup tablespoon teaspoon",
    "cent dollar penny pennie nickel dime buck euro",
    "bit byte kb mb gb tb",
    "kph mph kmh",
)
_KIND = {word: kind for kind, words in enumerate(_KINDS) for word in words.split()}
# these change a number, or say what is done with it
_CHANGING = (
    "dozen pair couple score hundred thousand million billion trillion percent half halve third "
    "quarter fourth fifth tenth hundredth squared cubed factorial mod modulo choose plus minus "
    "time over divided multiplied of by or and to than less more per pi sqrt sin cos tan log ln "
    "base remainder"
)
_NO_UNITS = frozenset(_CHANGING.split())
_WORD = r"[A-Za-z]{2,20}(?![A-Za-z])"
_PHRASE = re.compile(
    rf"(?<=\d)[ \t]?({_WORD}(?:[ \t]{_WORD}){{0,2}}(?:[ \t]?/[ \t]?{_WORD})?)"
    r"(?=[ \t]*(?:$|[=≈+*/×÷·−.,;:)-]|x[ \t]\d))",
    re.MULTILINE,
)
_ANY_WORD = re.compile(r"[A-Za-z]+")


def blank_units(text: str) -> str:
    """The text with spaces in the place of every unit: one to three words between a number and a
    sign or the end of a line, "per" something perhaps, written with a stroke."""

    def blank(found: re.Match[str]) -> str:
        words = {_singular(word) for word in _ANY_WORD.findall(found[1])}
        return found[0] if words & _NO_UNITS else " " * len(found[0])

    return _PHRASE.sub(blank, text)


def may_convert(equation: str) -> bool:
    """Whether an equation names two units of one kind, so that its numbers alone say nothing."""
    units = {_singular(word) for word in _ANY_WORD.findall(equation)}
    units |= {"dollar"} if "$" in equation else set()
    kinds = [_KIND[unit] for unit in units if unit in _KIND]
    return len(kinds) > len(set(kinds))


def _singular(word: str) -> str:
    return word.lower().rstrip("s") or "s"
