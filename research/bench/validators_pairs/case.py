"""What a hand-made case is."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Case:
    """A text, rewrites of it that a check should take, and rewrites that it should not.

    Attributes:
      check: name of the check it is about; a rewrite may fail others.
      source: the text.
      good, bad: the rewrites.
      held_out: written before the check was, and never looked at while the check was made better.
    """

    check: str
    source: str
    good: tuple[str, ...]
    bad: tuple[str, ...]
    held_out: bool = False
