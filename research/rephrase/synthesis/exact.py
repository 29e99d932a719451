"""Small programs and equations computed from their text, exactly, without running any code.

Only assignments of arithmetic are understood.  The text is parsed, and each expression becomes a
function of the numbers in it; expressions that differ in their numbers alone share one.
"""

from __future__ import annotations

import ast
import functools
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

Value = int | Fraction | Decimal
Variables = Mapping[str, Any]
IMPORTS = (
    "from decimal import Decimal",
    "from fractions import Fraction",
    "from math import gcd, lcm",
)
OUTPUT = "print(answer)"
LARGEST_EXPONENT = 64

_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_RESULT = r"-?\$?\d+(?:\.\d+)?(?:/\d+)?(?![\d/])"
_EQUATION = re.compile(rf"(?<![-+*/=] )([-$(\d][-\d$.()+*/ ]*) = ({_RESULT})")


class Wrong(ValueError):
    """A text that does not say what is so; the message says what it says."""


def _quotient(a: Value, b: Value) -> Value:
    """a / b as people write it: 12 / 4 is 3, and 1 / 3 is a fraction."""
    if isinstance(a, int) and isinstance(b, int) and a % b == 0:
        return a // b
    return Fraction(a) / Fraction(b)


def _true_division(a: Value, b: Value) -> Value:
    """a / b as Python computes it, where that is exact."""
    if isinstance(a, int) and isinstance(b, int):
        raise Wrong("a program that divides whole numbers by '/' would print a float")
    return a / b


def _power(a: Value, b: Value) -> Value:
    if not isinstance(b, int) or not 0 <= b <= LARGEST_EXPONENT:
        raise Wrong(f"the exponent {b} is not from 0 to {LARGEST_EXPONENT}")
    return a**b


_OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: _power,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "Decimal": Decimal,
    "Fraction": Fraction,
    "gcd": math.gcd,
    "lcm": math.lcm,
    "max": max,
    "min": min,
    "sum": sum,
}


def run_program(program: str) -> Value:
    """What a program of assignments prints in its last line, `print(answer)`.

    Raises:
      Wrong: the text is no such program, or it divides by zero.
    """
    values: dict[str, Any] = {}
    lines = program.split("\n")
    if lines.pop() != OUTPUT:
        raise Wrong(f"a program ends with {OUTPUT}")
    try:
        for line in lines:
            name, assigned, expression = line.partition(" = ")
            if not assigned:
                if line not in IMPORTS:
                    raise Wrong(f"{line!r} is no assignment")
            elif expression.isdecimal():
                values[name] = int(expression)
            else:
                values[name] = _expression(expression)(values)
        return values["answer"]
    except (ArithmeticError, LookupError, TypeError, SyntaxError) as error:
        raise Wrong(f"{type(error).__name__}: {error} in {program!r}") from None


def check_equations(text: str) -> list[Value]:
    """Computes every equation that stands in a text, as `(3 + 4) * $2.50 = $17.50`.

    Returns:
      Their right sides, in order.

    Raises:
      Wrong: one is not so, or an equals sign belongs to none that can be read.
    """
    found = _EQUATION.findall(text)
    if len(found) != text.count("="):
        raise Wrong(f"an equation cannot be read in {text!r}")
    results = []
    for left, right in found:
        result = _compute(right)
        if _compute(left) != result:
            raise Wrong(f"{left} is not {right}")
        results.append(result)
    return results


def numbers_in(text: str) -> list[str]:
    """The numbers that stand in a text, as they are written."""
    return _NUMBER.findall(text)


def _compute(written: str) -> Value:
    """An expression of plain numbers."""
    if written.isdecimal():
        return int(written)
    written = written.replace("$", "")
    values = [read_number(word) for word in _NUMBER.findall(written)]
    try:
        return _pattern(_NUMBER.sub("#", written))(values)
    except (ArithmeticError, SyntaxError) as error:
        raise Wrong(f"{written!r}: {error}") from None


@functools.lru_cache(1 << 16)
def read_number(word: str) -> Value:
    """A number from its digits, perhaps with a decimal point."""
    return Fraction(word) if "." in word else int(word)


@functools.lru_cache(1 << 12)
def _pattern(pattern: str) -> Callable[[Sequence[Value]], Value]:
    """The function that an expression with '#' in the places of its numbers is of these."""
    pieces = pattern.split("#")
    named = "".join(f"{piece}v{i}" for i, piece in enumerate(pieces[:-1])) + pieces[-1]
    tree = ast.parse(named.strip(), mode="eval")
    return _compile(tree.body, {**_OPERATORS, ast.Div: _quotient}, lambda name: int(name[1:]))


@functools.lru_cache(1 << 14)
def _expression(expression: str) -> Callable[[Variables], Value]:
    """The function that an expression of a program is of the program's variables."""
    tree = ast.parse(expression, mode="eval")
    return _compile(tree.body, {**_OPERATORS, ast.Div: _true_division}, str)


def _compile(
    node: ast.expr, operators: Mapping[type, Callable[[Any, Any], Any]], key: Callable[[str], Any]
) -> Callable[[Any], Any]:
    """The function that an expression is of its variables, which are found by the `key` of their
    names."""
    match node:
        case ast.Constant(value=int() | str() as value):
            return lambda values: value
        case ast.Name(id=name):
            place = key(name)
            return lambda values: values[place]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            inner = _compile(operand, operators, key)
            return lambda values: -inner(values)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in operators:
            apply = operators[type(op)]
            a, b = _compile(left, operators, key), _compile(right, operators, key)
            return lambda values: apply(a(values), b(values))
        case ast.List(elts=elements):
            parts = [_compile(element, operators, key) for element in elements]
            return lambda values: [part(values) for part in parts]
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS:
            function = _FUNCTIONS[name]
            given = [_compile(argument, operators, key) for argument in arguments]
            return lambda values: function(*[argument(values) for argument in given])
    raise Wrong(f"{ast.unparse(node)!r} is no arithmetic")
