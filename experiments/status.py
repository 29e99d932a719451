"""`gristmill sweep status`: what every cell of a sweep's folder is at."""

from __future__ import annotations

import collections
from pathlib import Path

from experiments.display import duration, own_flops, share_done
from research.analyse import sweep_record
from research.analyse.cell_state import CellState, read_failure, state_of
from research.analyse.sweep_record import CellRecord, SweepRecord
from research.errors import GristmillError
from research.terminal import table


def status(folder: Path) -> tuple[str, bool]:
    """A table of all cells, what is left to do, and why cells failed.

    Returns:
      The text, and whether every cell could be read.

    Raises:
      GristmillError: it is no sweep's folder.
    """
    record = sweep_record.read(folder)
    states: dict[str, CellState] = {}
    damaged: dict[str, str] = {}
    for cell in record.cells:
        try:
            states[cell.directory] = state_of(folder, cell)
        except GristmillError as error:
            damaged[cell.directory] = str(error)
    rows = []
    for arm in record.arms:
        for size in record.sizes:
            of_seed = {c.seed: c for c in record.cells if (c.arm, c.size) == (arm.name, size)}
            found = [_cell_text(of_seed.get(seed), states) for seed in record.seeds]
            rows.append((arm.name, *([size] if len(record.sizes) > 1 else []), *found))
    sizes = ["size"] if len(record.sizes) > 1 else []
    lines = [
        f"sweep {record.name} ({record.experiment}): {record.question}",
        table(["arm", *sizes, *(f"seed {seed}" for seed in record.seeds)], rows),
        summary(record, states),
    ]
    for name, state in states.items():
        if state.failure is not None:
            failure = read_failure(folder / name)
            tried = f" ({failure.attempts} attempts)" if failure else ""
            lines.append(f"{name} {state.state}{tried}: {state.failure}")
    lines += [f"{name} damaged: {text}" for name, text in damaged.items()]
    return "\n".join(lines), not damaged


def _cell_text(cell: CellRecord | None, states: dict[str, CellState]) -> str:
    if cell is None:
        return "-"
    state = states.get(cell.directory)
    if state is None:
        return "damaged"
    begun = state.state != "finished" and state.step > cell.first_step
    return f"{state.state} {share_done(cell, state):.0%}" if begun else state.state


def summary(record: SweepRecord, states: dict[str, CellState]) -> str:
    """One line: how many cells are in which state, the share done, and the time left."""
    counts = collections.Counter(state.state for state in states.values())
    told = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    done = seconds = flops = 0.0
    for cell in record.cells:
        if (state := states.get(cell.directory)) is not None:
            here = own_flops(cell) * share_done(cell, state)
            done += here
            if state.seconds and not (state.state == "finished" and cell.first_step):
                seconds, flops = seconds + state.seconds, flops + here
    total = sum(map(own_flops, record.cells))
    text = f"{len(record.cells)} cells: {told}; {done / max(total, 1):.0%} of the FLOPs"
    if seconds and flops and counts["running"]:
        speed = counts["running"] * flops / seconds
        text += f", about {duration((total - done) / speed)} left"
    return text
