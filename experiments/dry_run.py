"""`gristmill sweep --dry_run`: what a sweep would run, and about how long it would take."""

from __future__ import annotations

import json
import math
import os
import re
import statistics

from experiments.cells import Cell, Sweep
from experiments.display import duration, own_flops, share_done
from research.analyse.cell_state import state_of
from research.errors import GristmillError
from research.terminal import human, table
from research.train.hardware import KINDS

# what is assumed where nothing was measured
UTILISATION = 0.4  # of an accelerator's peak
CORE_FLOPS = 50e9  # model FLOP/s of a CPU core, of models of 1M to 10M parameters


def dry_run(sweep: Sweep, hardware: str, workers: int) -> str:
    """A table of the cells, the plan of every arm, and hours.

    Args:
      sweep: not begun, or in part.
      hardware: 'cpu', or a kind of accelerator with the chips of a run: 'v5e:16', 'v5e:4x4'.
      workers: runs at a time.

    Raises:
      GristmillError: there is no such hardware, or a file of the sweep is damaged.
    """
    assumed, assumption = assumed_speed(hardware, workers)
    rows, seconds = [], 0.0
    speeds = _measured(sweep) if hardware == "cpu" else {}
    for cell in sweep.cells:
        record = cell.record
        state = state_of(sweep.folder, record)
        speed = speeds.get((record.size, cell.run.data.length), assumed)
        left = own_flops(record) * (1 - share_done(record, state)) / speed
        seconds += left
        steps = f"{record.first_step}-{record.steps}" if record.first_step else record.steps
        rows.append(
            (record.arm, record.size, record.seed, steps, human(record.tokens),
             human(own_flops(record)), state.state, duration(left), record.fingerprint[:12])
        )  # fmt: skip
    header = ("arm", "size", "seed", "steps", "tokens", "FLOPs", "state", "time left", "run")
    parts = [table(header, rows)]
    for arm in sweep.record.arms:
        mark = " (baseline)" if arm.baseline else ""
        parts.append(f"{arm.name}{mark}: {arm.description}\n{_indented(arm.mixture)}")
    known = [f"{human(speed, 'FLOP/s')} of size {size}" for (size, _), speed in speeds.items()]
    basis = f"measured on the finished cells: {', '.join(known)}" if known else assumption
    total = human(sum(own_flops(cell.record) for cell in sweep.cells), "FLOPs")
    parts.append(
        f"{len(sweep.cells)} cells, {total} in all; metric {sweep.record.metric}; {sweep.folder}\n"
        f"about {duration(seconds / workers)} are left on {hardware} with {workers} "
        f"{'cell' if workers == 1 else 'cells'} at a time ({basis})"
    )
    return "\n\n".join(parts)


def assumed_speed(hardware: str, workers: int) -> tuple[float, str]:
    """Model FLOP/s of one cell, and in words where the number is from.

    Raises:
      GristmillError: there is no such hardware.
    """
    if hardware == "cpu":
        cores = max(1, (os.cpu_count() or 1) // workers)
        return cores * CORE_FLOPS, (
            f"assuming {human(CORE_FLOPS, 'FLOP/s')} a core, {cores} for each cell"
        )
    name, _, chips = hardware.partition(":")
    kinds = {kind.name: kind for kind in KINDS.values()}
    if name not in kinds or not re.fullmatch(r"(\d{1,6}(x\d{1,3}){0,2})?", chips):
        raise GristmillError(
            f"--hardware {hardware}: name cpu, or one of {', '.join(sorted(kinds))} with the chips "
            "of a run, as v5e:16 or v5e:4x4"
        )
    count = math.prod(int(part) for part in (chips or "1").split("x"))
    if not count:
        raise GristmillError(f"--hardware {hardware}: there are no chips")
    kind = kinds[name]
    return UTILISATION * kind.flops * count, (
        f"assuming {UTILISATION:.0%} of the peak of {human(kind.flops, 'FLOP/s')} a chip"
    )


def _measured(sweep: Sweep) -> dict[tuple[str, int], float]:
    """FLOP/s of the finished cells of each size and row length: the median of their speeds."""
    found: dict[tuple[str, int], list[float]] = {}
    for cell in sweep.cells:
        if (speed := _speed(sweep, cell)) is not None:
            found.setdefault((cell.record.size, cell.run.data.length), []).append(speed)
    return {key: statistics.median(values) for key, values in found.items()}


def _speed(sweep: Sweep, cell: Cell) -> float | None:
    if state_of(sweep.folder, cell.record).state != "finished":
        return None
    path = sweep.folder / cell.record.directory / "result.json"
    tokens_per_s = json.loads(path.read_text()).get("tokens_per_s")
    return tokens_per_s and tokens_per_s * cell.record.flops / cell.record.tokens


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
