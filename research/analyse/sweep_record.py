"""What a sweep is, and where its cells are: the contents of `sweep.json`.

    DIR/sweep.json               this record, written before the first cell
    DIR/<arm>/seed<k>/           a cell: a run's directory (see `research.train.loop`); with more
    DIR/<arm>/<size>/seed<k>/    than one size, the size lies between
    <cell>/log.txt               what the run printed
    <cell>/failure.json          why the last attempt failed; gone when a later one succeeds

A cell is finished when it has a result.json, failed when it has a failure.json, running while its
lock is held, and waiting otherwise.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from research import artefacts, gin_bindings
from research.analyse.json_numbers import finite, whole
from research.errors import GristmillError

FORMAT = 1
NAME = "sweep.json"


@dataclasses.dataclass(frozen=True)
class ArmRecord:
    """One arm.

    Attributes:
      name: unique in the sweep.
      description: one line for the report.
      changes: what it sets, {'data.schedule': …}; field paths of a RunSpec.
      baseline: whether the other arms are compared with it; exactly one arm is.
      mixture: what its plan prints as, for one size: shares, tokens, epochs of every source.
    """

    name: str
    description: str
    changes: Mapping[str, Any]
    baseline: bool
    mixture: str


@dataclasses.dataclass(frozen=True)
class CellRecord:
    """One run of the sweep.

    Attributes:
      arm, size, seed: which one.
      directory: of the run, relative to the sweep's.
      fingerprint: of its RunSpec.
      steps, tokens, flops: of the whole run; `flops` of training, 6ND + attention.
      parameters: of the model.
      after: directory of the cell that must be finished first (it branches off it), or None.
      first_step: where it begins; above 0 for a branch.
    """

    arm: str
    size: str
    seed: int
    directory: str
    fingerprint: str
    steps: int
    tokens: int
    flops: float
    parameters: int
    after: str | None = None
    first_step: int = 0


@dataclasses.dataclass(frozen=True)
class SweepRecord:
    """A sweep as it was declared.

    Attributes:
      name: of the sweep.
      experiment: the module that made its arms.
      question: what it is to answer, one line.
      command: that runs it again.
      metric: the one that verdicts are about, such as 'demo/all/bits_per_byte'.
      better: whether 'lower' or 'higher' values of it are better.
      arms: in the order of the report.
      sizes: names, smallest first.
      seeds: those of every arm.
      cells: all runs.
      made_by: versions of the tools; no part of the fingerprint.
    """

    name: str
    experiment: str
    question: str
    command: str
    metric: str
    better: Literal["lower", "higher"]
    arms: tuple[ArmRecord, ...]
    sizes: tuple[str, ...]
    seeds: tuple[int, ...]
    cells: tuple[CellRecord, ...]
    made_by: Mapping[str, Any]

    @property
    def fingerprint(self) -> str:
        """Equal for two sweeps exactly when their cells are equal."""
        return artefacts.fingerprint(
            {"format": FORMAT, "cells": sorted((c.directory, c.fingerprint) for c in self.cells)}
        )

    @property
    def baseline(self) -> ArmRecord:
        """The arm that the others are compared with."""
        return next(arm for arm in self.arms if arm.baseline)


class Damaged(GristmillError):
    """A sweep.json cannot be read; the sweep's command writes it anew."""


def write(folder: Path, record: SweepRecord) -> None:
    """Writes the record into a sweep's folder, in one piece."""
    folder.mkdir(parents=True, exist_ok=True)
    value = {"format": FORMAT, "fingerprint": record.fingerprint, **dataclasses.asdict(record)}
    artefacts.write_json(folder / NAME, value)


def read(folder: Path) -> SweepRecord:
    """The record of a sweep's folder.

    Raises:
      Damaged: it cannot be read.
      GristmillError: there is none, or it is of another version of Gristmill.
    """
    path = folder / NAME
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        version, stated = value.pop("format"), value.pop("fingerprint")
        if version == FORMAT:
            record = _parsed(value)
            if record.fingerprint != stated:
                raise ValueError
            _check(record)
            return record
    except (FileNotFoundError, NotADirectoryError):
        raise GristmillError(f"{folder} is no sweep's folder (it has no {NAME})") from None
    except (GristmillError, ValueError, OverflowError, KeyError, TypeError, AttributeError):
        raise Damaged(
            f"{path} is damaged; run the command of the sweep again, which writes it anew"
        ) from None
    raise GristmillError(
        f"{path} is of version {version} of this format, this Gristmill writes {FORMAT}: "
        "run the sweep into another folder"
    )


def _parsed(value: dict[str, Any]) -> SweepRecord:
    """The record as JSON has it; raises unless every value is of its field's type."""
    made_by = dict(value.pop("made_by"))
    changes = [dict(arm.pop("changes")) for arm in value["arms"]]
    plain = [arm | {"changes": {}} for arm in value["arms"]]  # changes may be anything
    record = gin_bindings.build(SweepRecord, value | {"arms": plain, "made_by": {}}, NAME)
    arms = [
        dataclasses.replace(arm, changes=own) for arm, own in zip(record.arms, changes, strict=True)
    ]
    return dataclasses.replace(record, arms=tuple(arms), made_by=made_by)


def _check(record: SweepRecord) -> None:
    """Raises ValueError unless the parts of a record fit each other."""
    names = [arm.name for arm in record.arms]
    keys = {(cell.arm, cell.size, cell.seed) for cell in record.cells}
    directories = {cell.directory for cell in record.cells}
    for unique, values in (
        (set(names), names),
        (set(record.sizes), record.sizes),
        (set(record.seeds), record.seeds),
        (keys, record.cells),
        (directories, record.cells),
    ):
        if not unique or len(unique) != len(values):
            raise ValueError
    if sum(arm.baseline for arm in record.arms) != 1:
        raise ValueError
    for seed in record.seeds:
        whole(seed)
    for cell in record.cells:
        known = cell.arm in names and cell.size in record.sizes and cell.seed in record.seeds
        counts = [whole(n) for n in (cell.first_step, cell.steps, cell.tokens, cell.parameters)]
        if not known or counts[0] > counts[1] or finite(cell.flops) < 0:
            raise ValueError
        if cell.after is not None and cell.after not in directories:
            raise ValueError
