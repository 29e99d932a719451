"""What an experiment module provides.

    # experiments/<name>.py: the docstring's first line is the question it answers
    @dataclasses.dataclass(frozen=True)
    class Settings:                                   # bound by Gin in the section <name>
        upweight: float = 2.0

    def arms(run: RunSpec, settings: Settings) -> list[Arm]: ...

and, where it needs data that no other command makes,

    def prepare(settings: Settings) -> None: ...      # builds it; called before every sweep, so
                                                      # quick when all is there
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Arm:
    """One side of a comparison: what it changes in the run that the Gin files describe.

    Attributes:
      name: letters, digits, '_', '-' and '.'; it names a directory.
      changes: {'data.schedule': ((0, {'web': 0.5, 'wiki': 0.5}),), 'optimizer.weight_decay': 0.1}:
        fields of the RunSpec by their Gin names.
      description: one line for the report.
      baseline: whether the other arms are compared with it; exactly one arm is.
      branch_of: another arm, from whose run of the same seed and size this one branches off;
        None for a run of its own.
      branch_at: the step where it does.
    """

    name: str
    changes: Mapping[str, Any]
    description: str = ""
    baseline: bool = False
    branch_of: str | None = None
    branch_at: int | None = None
