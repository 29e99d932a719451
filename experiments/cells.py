"""A sweep as values: what it is set to, its cells, and where they are."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from research.analyse.sweep_record import CellRecord, SweepRecord
from research.train.run_spec import ExecSpec, RunSpec, refuse_unless


@dataclasses.dataclass(frozen=True)
class SweepSettings:
    """The section `sweep`.

    Attributes:
      seeds: seed k is run.seed and data.seed of a cell, so that arms of equal seed begin with the
        same parameters and see every source in the same order.
      sizes: names of files of gin_configs/models (or of a folder `models` beside that of the
        first Gin file), whose fields replace the model's; none: the model as the files bind it.
      metric: that verdicts are about; None: <the first of evals.mixtures>/all/bits_per_byte.
      better: which values of it are.
      name: of the sweep; None: that of the first Gin file.
      directory: of the sweep; None: <data root>/sweeps/<name>.
      attempts: at a cell that fails, before it is left (a cell that diverged has one).
      backoff: seconds before the second attempt; doubled before each further one.
    """

    seeds: tuple[int, ...] = (0, 1, 2)
    sizes: tuple[str, ...] = ()
    metric: str | None = None
    better: Literal["lower", "higher"] = "lower"
    name: str | None = None
    directory: str | None = None
    attempts: int = 3
    backoff: float = 5.0

    def __post_init__(self) -> None:
        for name in ("seeds", "sizes"):
            values = getattr(self, name)
            refuse_unless(len(set(values)) == len(values), f"sweep.{name} names one twice")
        refuse_unless(bool(self.seeds), "sweep.seeds is empty; name at least one")
        refuse_unless(min(self.seeds) >= 0, "sweep.seeds has a negative one")
        refuse_unless(self.attempts >= 1, "sweep.attempts must be at least 1")
        refuse_unless(self.backoff >= 0, "sweep.backoff is negative")


@dataclasses.dataclass(frozen=True)
class Cell:
    """A cell with all that running it takes.

    Attributes:
      record: as sweep.json has it.
      run, execution: for `train`.
      sources: fingerprint of every source's tokens.
    """

    record: CellRecord
    run: RunSpec
    execution: ExecSpec
    sources: Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class Sweep:
    """What is to be run, and where.

    Attributes:
      folder: of the sweep, absolute.
      settings: the section `sweep`.
      record: for sweep.json.
      cells: in the order of the record.
    """

    folder: Path
    settings: SweepSettings
    record: SweepRecord
    cells: tuple[Cell, ...]
