"""How long a rewrite is beside what it was made of."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from research.rephrase.style import Check, Rejection


@dataclasses.dataclass(frozen=True)
class LengthRatio(Check):
    """Rewrites whose characters, white space aside, are so many times those of the source.

    Attributes:
      least, most: of the ratio.
      few: characters of a source below which only `most` counts, and as if it had so many: a title
        may become a sentence.
    """

    name: ClassVar[str] = "length_ratio"
    version: ClassVar[int] = 1

    least: float
    most: float
    few: int = 80

    def __call__(self, source: str, rewrite: str) -> Rejection | None:
        before, after = (sum(map(len, text.split())) for text in (source, rewrite))
        if after > self.most * max(before, self.few):
            return Rejection("too long", f"{after} characters of {before}")
        if before >= self.few and after < self.least * before:
            return Rejection("too short", f"{after} characters of {before}")
        return None
