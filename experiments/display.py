"""What a sweep shows while it runs: a bar over all cells, or a line now and then."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence

from tqdm import tqdm

from experiments.cells import Cell, Sweep
from experiments.worker import Outcome
from research.analyse.cell_state import CellState, state_of
from research.analyse.sweep_record import CellRecord
from research.errors import GristmillError

EVERY = 30.0  # seconds between lines where there is no terminal


def share_done(cell: CellRecord, state: CellState) -> float:
    """The part of a cell's own steps that is done, 0 to 1."""
    steps = max(1, cell.steps - cell.first_step)
    return 1.0 if state.state == "finished" else min(1.0, (state.step - cell.first_step) / steps)


def own_flops(cell: CellRecord) -> float:
    """FLOPs of the steps that a cell itself takes: of a branch, those after its stem's."""
    return cell.flops * (cell.steps - cell.first_step) / max(1, cell.steps)


def duration(seconds: float) -> str:
    """Seconds for the eye: '40 s', '12 min', '3.5 h'."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


class Display:
    """Shows how far a sweep is, by the FLOPs of its cells."""

    def __init__(self, sweep: Sweep) -> None:
        self._sweep = sweep
        self._done: dict[str, float] = {}
        self._bar: tqdm | None = None
        self._finished = 0

    def start(self, outcomes: Mapping[str, Outcome]) -> None:
        """Says what is there already."""
        record = self._sweep.record
        self._finished = sum(outcome.kind == "finished" for outcome in outcomes.values())
        for cell in record.cells:
            self._look(cell)
        counts = {"arm": len(record.arms), "seed": len(record.seeds), "size": len(record.sizes)}
        parts = [
            f"{n} {what}{'s' * (n > 1)}" for what, n in counts.items() if n > 1 or what != "size"
        ]
        there = f"{self._finished} of {len(record.cells)} cells are finished"
        print(
            f"sweep {record.name}: {' × '.join(parts)}; {there}; {self._sweep.folder}", flush=True
        )
        for name, outcome in outcomes.items():
            if outcome.cause:
                print(f"{name}: {outcome.cause}", flush=True)
        if self._finished == len(record.cells):
            return
        total = sum(map(own_flops, record.cells))
        self._bar = tqdm(
            total=total,
            initial=self._sum(),
            disable=None,  # where standard error is no terminal
            dynamic_ncols=True,
            bar_format="{desc}{percentage:3.0f}%|{bar}| {elapsed}<{remaining}",
            smoothing=0.1,
        )
        self._began = self._spoke = time.monotonic()
        self._before = self._sum()

    def ended(self, cell: Cell, outcome: Outcome, again: bool) -> None:
        """Tells what an attempt came to."""
        name, record = cell.record.directory, self._sweep.record
        if outcome.kind == "finished":
            self._finished += 1
            text = f"{name} finished"
            path = self._sweep.folder / name / "result.json"
            value = json.loads(path.read_text()).get("evaluation", {}).get(record.metric)
            text += f", {record.metric} {value:.4f}" if isinstance(value, float) else ""
        elif outcome.kind == "held":
            text = f"{name} is left to the process that is at it"
        else:
            text = f"{name} {outcome.kind}"
            text += f": {outcome.cause}" if outcome.cause else ""
            text += f"; it is tried again in {self._sweep.settings.backoff:g} s or more" * again
        tqdm.write(text, file=sys.stdout)
        sys.stdout.flush()
        self._look(cell.record)

    def update(self, running: Sequence[str]) -> None:
        """Looks how far the running cells are, and shows it."""
        cells = {cell.directory: cell for cell in self._sweep.record.cells}
        for name in running:
            self._look(cells[name])
        assert self._bar is not None
        counts = f"{self._finished}/{len(cells)} cells, {len(running)} running"
        if not self._bar.disable:
            self._bar.set_description_str(f"{counts}: ", refresh=False)
            self._bar.n = self._sum()
            self._bar.refresh()
        elif time.monotonic() - self._spoke >= EVERY:
            self._spoke = time.monotonic()
            done, total = self._sum(), self._bar.total or sum(map(own_flops, cells.values()))
            gained = done - self._before
            left = (total - done) / gained * (self._spoke - self._began) if gained > 0 else None
            about = f", about {duration(left)} left" if left is not None else ""
            print(f"{done / total:.0%}: {counts}{about}", flush=True)

    def close(self) -> None:
        """Leaves the line of the bar."""
        if self._bar is not None:
            self._bar.close()

    def _look(self, cell: CellRecord) -> None:
        try:
            state = state_of(self._sweep.folder, cell)
        except GristmillError:
            return  # it is told where the cell is judged
        self._done[cell.directory] = own_flops(cell) * share_done(cell, state)

    def _sum(self) -> float:
        return sum(self._done.values())
