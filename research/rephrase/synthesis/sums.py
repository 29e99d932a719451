"""Sums written in three ways, and the generator `sums` of them.

    plain        128+367=495
    reversed     128+367=594
    scratchpad   128+367=
                 A->5,C->1
                 A->9,C->0
                 A->4,C->0.
                 495

after Lee et al., "Teaching Arithmetic to Small Transformers" (2023, arXiv 2307.03381), whose
'simplified scratchpad' the third is: digit A and carry C of every column, the units first.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import ClassVar, Literal

from research.corpora.document import Document
from research.rephrase.synthesis.draws import Draws
from research.rephrase.synthesis.generator import Generator, Items, Source

FORMATS = ("plain", "reversed", "scratchpad")


def carries(a: int, b: int) -> int:
    """How many columns of a sum carry a one."""
    count = carry = 0
    while a or b:
        carry = (a % 10 + b % 10 + carry) >= 10
        count += carry
        a, b = a // 10, b // 10
    return count


def root(a: int, b: int) -> str:
    """What decides the side of a sum: the same for a+b and b+a."""
    return f"{min(a, b)}+{max(a, b)}"


def document(a: int, b: int, format: str) -> Document:
    """A sum in one of the FORMATS; its meta has the `prompt` up to '=' and the `answer`."""
    prompt, answer = f"{a}+{b}=", str(a + b)
    written = answer
    if format == "reversed":
        written = answer = answer[::-1]
    elif format == "scratchpad":
        written = scratchpad(a, b) + answer
    return Document(
        text=prompt + written,
        id=f"{a}+{b}",
        source="addition",
        meta={"prompt": prompt, "answer": answer},
        roots=(root(a, b),),
    )


def scratchpad(a: int, b: int) -> str:
    """Digit and carry of every column, the units first, each on a line."""
    lines, carry = [], 0
    for place in range(len(str(max(a, b)))):
        column = a // 10**place % 10 + b // 10**place % 10 + carry
        carry = column // 10
        lines.append(f"A->{column % 10},C->{carry}")
    return "\n" + "\n".join(lines) + ".\n"


@dataclasses.dataclass(frozen=True)
class Sums(Generator):
    """Sums of two numbers, balanced over how many columns carry.

    The longer number has as many digits as one drawn uniformly up to `digits`, so short sums are
    rare; of a length, every number of carries is drawn equally often, and every choice of the
    columns that carry.  Sums repeat once their number comes near that of all there are.

    Attributes:
      digits: of the longer number, at most.
      format: 'plain', 'reversed', 'scratchpad', or 'mixed': one of them, drawn.
    """

    name: ClassVar[str] = "sums"
    version: ClassVar[int] = 1
    about: ClassVar[str] = "sums written plainly, reversed, or with every column and carry"
    licence: ClassVar[str] = "CC0-1.0"

    digits: int = 4
    format: Literal["mixed", "plain", "reversed", "scratchpad"] = "mixed"

    def __post_init__(self) -> None:
        """Raises GristmillError for numbers without digits, or of too many."""
        self.refuse("digits", 1 <= self.digits <= 200, "it must be from 1 to 200")

    def items(self, seed: int, start: int, stop: int, source: Source | None) -> Items:
        """See `Generator.items`."""
        formats = FORMATS if self.format == "mixed" else (self.format,)
        for index in range(start, stop):
            draws = Draws(f"{seed}/sums/{self.digits}/{index}")
            a, b = _numbers(draws, self.digits)
            format = draws.choice(formats)
            made = document(a, b, format)
            facts = {"style": format, "seed": seed, "difficulty": carries(a, b)}
            yield dataclasses.replace(made, id=f"sums/{seed}/{index}", meta={**made.meta, **facts})


def _numbers(draws: Draws, digits: int) -> tuple[int, int]:
    """Two numbers, column by column from the units."""
    length = len(str(sum(draws.below(10) * 10**place for place in range(digits))))
    carrying = set(draws.several(range(length), draws.below(length + 1)))
    a = b = carry = 0
    for place in range(length):
        x, y = draws.choice(_columns(carry, place in carrying, place == length - 1 > 0))
        a, b = a + x * 10**place, b + y * 10**place
        carry = int(place in carrying)
    return a, b


@functools.cache
def _columns(carry: int, carries_on: bool, first: bool) -> list[tuple[int, int]]:
    """Pairs of digits of a column that carry or do not; the first column is not of two zeros."""
    return [
        (x, y)
        for x in range(10)
        for y in range(10)
        if (x + y + carry >= 10) == carries_on and (x or y or not first)
    ]
