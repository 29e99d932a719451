"""A word problem with its solution in steps and as a program, and the proof that these agree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from research.rephrase.synthesis.draws import Draws
from research.rephrase.synthesis.exact import (
    OUTPUT,
    Value,
    Wrong,
    check_equations,
    numbers_in,
    run_program,
)


class Problem(NamedTuple):
    """What a template makes of its draws.

    Attributes:
      question: in words and figures.
      given: the question's numbers by the names they have in the program.
      steps: sentences, each with at most a few equations; the last equation yields the answer.
      body: assignments of the program that follow those of the given numbers; the last is of
        `answer`.  It is the same text for all items of a template.
      answer: the result.
    """

    question: str
    given: Mapping[str, Value]
    steps: tuple[str, ...]
    body: str
    answer: Value


Template = Callable[[Draws], Problem]


def program(problem: Problem) -> str:
    """The whole program, which prints the answer."""
    lines = [f"{name} = {_literal(value)}" for name, value in problem.given.items()]
    text = "\n".join([*lines, problem.body, OUTPUT])
    imports = ""
    if "Decimal(" in text:
        imports += "from decimal import Decimal\n"
    if "Fraction(" in text:
        imports += "from fractions import Fraction\n"
    if "gcd(" in text or "lcm(" in text:
        imports += "from math import gcd, lcm\n"
    return imports + text


def _literal(value: Value) -> str:
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal):
        return f'Decimal("{value}")'
    return f"Fraction({value.numerator}, {value.denominator})"


def dollars(cents: int) -> Decimal:
    """An amount of money, with its two places."""
    return Decimal(cents).scaleb(-2)


def verify(question: str, steps: str, code: str, answer: str, given: Mapping[str, Value]) -> int:
    """Proves an item from its text: every equation of the steps is computed again, and so is the
    program; both must come to the answer, and the question must state every given number.

    Args:
      question, steps, code, answer: as they stand in the item.
      given: numbers that the program begins with.

    Returns:
      How many equations the steps have.

    Raises:
      Wrong: something does not agree.
    """
    results = check_equations(steps)
    stated = Fraction(answer) if "." in answer or "/" in answer else int(answer)
    if not results or results[-1] != stated:
        raise Wrong(f"the steps end with {results[-1:]}, and the answer is {answer}: {question!r}")
    printed = run_program(code)
    if printed != stated or str(printed) != answer:
        raise Wrong(f"the program prints {printed}, and the answer is {answer}: {question!r}")
    there = set(numbers_in(question))
    for name, value in given.items():
        if str(value) not in there:
            raise Wrong(f"{name} = {value} is not in the question {question!r}")
    return len(results)
