"""Making a folder a sweep's, or checking that it is."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from experiments.cells import Sweep
from research.analyse import sweep_record
from research.analyse.sweep_record import SweepRecord
from research.errors import GristmillError
from research.train.run_spec import differences, read_spec

_NAMED = 4  # cells or fields that a message names


def claim(sweep: Sweep) -> None:
    """Writes sweep.json, if the folder is this sweep's to write into (see `check`)."""
    check(sweep)
    sweep_record.write(sweep.folder, sweep.record)


def check(sweep: Sweep) -> None:
    """Checks that the folder holds no cells of another sweep.

    A sweep may grow in its folder, by seeds, arms or sizes: what is there is kept.

    Raises:
      GristmillError: the folder is another sweep's; the cells and fields that differ are named.
    """
    if (sweep.folder / sweep_record.NAME).exists():
        with contextlib.suppress(sweep_record.Damaged):  # every cell says itself whose it is
            _compare(sweep, sweep_record.read(sweep.folder))


def _compare(sweep: Sweep, there: SweepRecord) -> None:
    """Raises GristmillError if a cell of the record is not one of the sweep's."""
    here = {cell.record.directory: cell for cell in sweep.cells}
    lacking = [cell.directory for cell in there.cells if cell.directory not in here]
    other = [
        cell.directory
        for cell in there.cells
        if cell.directory in here and here[cell.directory].record.fingerprint != cell.fingerprint
    ]
    if other:
        lines = _fields(sweep, there, other)
        what = f"{_some(other)} {'is' if len(other) == 1 else 'are'} of other runs"
        what += f" ({'; '.join(lines)})" if lines else ""
    elif lacking:
        what = f"it has {_some(lacking)}, which this sweep has not"
    else:
        return
    raise GristmillError(
        f"{sweep.folder} is of another sweep, {there.name}: {what}; "
        "run this one into another --directory"
    )


def _fields(sweep: Sweep, there: SweepRecord, cells: Sequence[str]) -> list[str]:
    """'field: value there, value here' of the first cell that was begun, else of the arms."""
    runs = {cell.record.directory: cell.run for cell in sweep.cells}
    for name in cells:
        folder: Path = sweep.folder / name
        if (folder / "spec.json").exists():
            lines = differences(read_spec(folder)["run"], runs[name].to_json())
            return lines[:_NAMED]
    changes = [{arm.name: arm.changes for arm in record.arms} for record in (there, sweep.record)]
    return differences(*changes)[:_NAMED]


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
