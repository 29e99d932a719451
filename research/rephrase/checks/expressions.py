"""Answers as mathematical expressions, and whether two of them are equal.

A small grammar of its own, so that nothing of an answer is ever run: numbers, letters, + - * / ^,
implied products, roots, fractions, a few functions, in plain text or LaTeX.  Two expressions are
equal if their values agree at several points (Schwartz 1980, Zippel 1979): exactly where they are
rational, to 12 digits where roots or functions come in.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from fractions import Fraction

DEEPEST = 40  # of brackets, functions and signs in each other
LONGEST = 400  # characters of an expression
LARGEST = 10**60
_POINTS = 6
_RELATIVE = 1e-12

Value = Fraction | float
Expression = Callable[[Mapping[str, Value]], Value]

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?|\.\d+)|(?P<command>\\[A-Za-z]+)|(?P<word>[A-Za-z]+)"
    r"|(?P<sign>\*\*|[-+*/^(){}\[\]!|×·÷−√π%]))"
)
_FUNCTIONS: dict[str, Callable[[float], float]] = {
    "sqrt": math.sqrt, "sin": math.sin, "cos": math.cos, "tan": math.tan, "ln": math.log,
    "log": math.log10, "exp": math.exp, "arctan": math.atan, "arcsin": math.asin,
    "arccos": math.acos,
}  # fmt: skip
_SPACING = re.compile(
    r"\\(?:left|right|displaystyle|limits|,|;|:|!|quad|qquad|big|Big)(?![A-Za-z])|~|\\ "
)
_UNIT = re.compile(r"\\(?:text|mathrm|mbox|textbf|operatorname)\s*\{[^{}]*\}")
_GROUPED = re.compile(r"(?<![\d.])(\d{1,3})((?:(?:,|\{,\}|\\,)\d{3})+)(?!\d)")


class _NotUnderstood(Exception):
    pass


def parse(text: str) -> Expression | None:
    """Reads an expression; None where it is none that is understood."""
    text = _GROUPED.sub(lambda m: m[1] + re.sub(r"\D", "", m[2]), _UNIT.sub(" ", text))
    text = _SPACING.sub(" ", text).replace("$", " ").strip().rstrip(".")
    if not text or len(text) > LONGEST:
        return None
    tokens: list[str] = []
    at = 0
    while at < len(text.rstrip()):
        found = _TOKEN.match(text, at)
        if not found:
            return None
        word = found["word"]
        if word and word not in _FUNCTIONS and word != "pi":
            if len(word) > 3:
                return None  # prose
            tokens += list(word)  # xy is x times y
        else:
            tokens.append(found[0].strip())
        at = found.end()
    try:
        reader = _Reader(tokens)
        expression = reader.sum(0)
        return expression if reader.at == len(tokens) else None
    except _NotUnderstood:
        return None


def equal(a: Expression, b: Expression) -> bool:
    """Whether two expressions have equal values wherever both have one, at some point at least."""
    met = 0
    for point in range(_POINTS):
        # every letter has its own value, positive so that roots exist
        values = {
            letter: Fraction(37 * (ord(letter) % 59) + 101 * point + 7, 13 + 2 * point)
            for letter in "abcdfghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
        }
        try:
            x, y = a(values), b(values)
        except (ArithmeticError, ValueError):
            continue
        met += 1
        exact = isinstance(x, Fraction) and isinstance(y, Fraction)
        if x != y if exact else not math.isclose(x, y, rel_tol=_RELATIVE, abs_tol=_RELATIVE):
            return False
    return met > 0


class _Reader:
    """Recursive descent over tokens, as deep as `DEEPEST`."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.at = 0

    def _next(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def _take(self, *wanted: str) -> str:
        token = self._next()
        if wanted and token not in wanted:
            raise _NotUnderstood
        self.at += 1
        return token

    def sum(self, depth: int) -> Expression:
        if depth > DEEPEST:
            raise _NotUnderstood
        total = self._product(depth)
        while self._next() in ("+", "-", "−"):
            sign = 1 if self._take() == "+" else -1
            total = _apply(_add if sign > 0 else _subtract, total, self._product(depth))
        return total

    def _product(self, depth: int) -> Expression:
        product = self._signed(depth)
        while True:
            token = self._next()
            if token in ("*", "×", "·", r"\cdot", r"\times"):
                self._take()
                product = _apply(_multiply, product, self._signed(depth))
            elif token in ("/", "÷", r"\div"):
                self._take()
                product = _apply(_divide, product, self._signed(depth))
            elif token and token not in ")}]|+-−^!**%":
                product = _apply(_multiply, product, self._power(depth))
            else:
                return product

    def _signed(self, depth: int) -> Expression:
        negative = False
        while self._next() in ("-", "−", "+"):
            negative ^= self._take() != "+"
        inner = self._power(depth)
        return _apply(_multiply, _constant(Fraction(-1)), inner) if negative else inner

    def _power(self, depth: int) -> Expression:
        base = self._atom(depth)
        while self._next() in ("!", "%", r"\%"):
            base = _apply(_percent if self._take() != "!" else _factorial, base)
        if self._next() in ("^", "**"):
            self._take()
            if depth >= DEEPEST:
                raise _NotUnderstood
            exponent = self._signed(depth + 1)
            return _apply(_raise, base, exponent)
        return base

    def _group(self, depth: int) -> Expression:
        """An argument: in braces, or a single token, as \\frac34 has."""
        if self._next() == "{":
            self._take()
            inner = self.sum(depth + 1)
            self._take("}")
            return inner
        token = self._next()
        if token.isdigit() and len(token) > 1:
            self.tokens[self.at] = token[1:]
            return _constant(Fraction(int(token[0])))
        return self._atom(depth + 1)

    def _atom(self, depth: int) -> Expression:
        if depth > DEEPEST:
            raise _NotUnderstood
        token = self._take()
        closing = {"(": ")", "{": "}", "[": "]"}.get(token)
        if closing:
            inner = self.sum(depth + 1)
            self._take(closing)
            return inner
        if token == "|":
            inner = self.sum(depth + 1)
            self._take("|")
            return _apply(abs, inner)
        if token[:1].isdigit() or token[:1] == ".":
            return _constant(Fraction(token))
        name = token.removeprefix("\\")
        if name in ("frac", "dfrac", "tfrac"):
            return _apply(_divide, self._group(depth), self._group(depth))
        if name in ("sqrt", "√"):
            if self._next() == "[":
                self._take()
                order = self.sum(depth + 1)
                self._take("]")
                inverse = _apply(_divide, _constant(Fraction(1)), order)
                return _apply(_raise, self._group(depth), inverse)
            return _apply(_root, self._group(depth))
        if name in _FUNCTIONS:
            return _apply(_function(_FUNCTIONS[name]), self._group(depth))
        if name in ("pi", "π"):
            return _constant(math.pi)
        if name == "e":
            return _constant(math.e)
        if len(name) == 1 and name.isalpha() and name.isascii():
            return lambda values: values[name]
        raise _NotUnderstood


def _constant(value: Value) -> Expression:
    return lambda values: value


def _apply(function: Callable[..., Value], *inner: Expression) -> Expression:
    def evaluate(values: Mapping[str, Value]) -> Value:
        result = function(*(part(values) for part in inner))
        if abs(result) > LARGEST:
            raise OverflowError
        return result

    return evaluate


def _add(a: Value, b: Value) -> Value:
    return a + b


def _subtract(a: Value, b: Value) -> Value:
    return a - b


def _multiply(a: Value, b: Value) -> Value:
    return a * b


def _divide(a: Value, b: Value) -> Value:
    return a / b


def _percent(a: Value) -> Value:
    return a / 100


def _factorial(a: Value) -> Value:
    if a != int(a) or not 0 <= a <= 40:
        raise ValueError
    return Fraction(math.factorial(int(a)))


def _raise(a: Value, b: Value) -> Value:
    if isinstance(a, Fraction) and isinstance(b, Fraction) and b.denominator == 1:
        if abs(b) > 200 or max(abs(a.numerator), a.denominator) ** min(abs(b.numerator), 200) > (
            LARGEST**8
        ):
            raise OverflowError
        return a ** int(b)
    if isinstance(b, Fraction) and b == Fraction(1, 2):
        return _root(a)
    result = float(a) ** float(b)
    if isinstance(result, complex):
        raise ValueError
    return result


def _root(a: Value) -> Value:
    if isinstance(a, Fraction) and a >= 0:
        above, below = math.isqrt(a.numerator), math.isqrt(a.denominator)
        if above * above == a.numerator and below * below == a.denominator:
            return Fraction(above, below)
    return math.sqrt(a)


def _function(function: Callable[[float], float]) -> Callable[[Value], Value]:
    return lambda value: function(float(value))
