"""Which cell runs next: dependencies, retries, and what to leave to other sweeps."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable

from etils import epath

from experiments.cells import Cell, Sweep
from experiments.display import Display
from experiments.runners import Runner
from experiments.worker import Outcome
from research.analyse.cell_state import FAILURE, state_of
from research.errors import GristmillError
from research.train.run_directory import check_identity
from research.train.run_spec import read_spec

SAVING = 120.0  # seconds that interrupted cells may take to save
_TURN = 1.0  # seconds between looks at how far cells are


@dataclasses.dataclass
class _Waiting:
    """A cell to be run: after how many failures, and not before when."""

    cell: Cell
    failures: int = 0
    not_before: float = 0.0


def finished_before(sweep: Sweep) -> dict[str, Outcome]:
    """Outcomes of the cells, by directory, that need no attempt, or that none could mend.

    A finished cell counts if it is of the same run, and of sources of the same contents.
    """
    outcomes = {}
    for cell in sweep.cells:
        name = cell.record.directory
        try:
            if state_of(sweep.folder, cell.record).state == "finished":
                directory = sweep.folder / name
                spec = read_spec(epath.Path(directory))
                check_identity(spec, cell.run, cell.sources, str(directory))
                (directory / FAILURE).unlink(missing_ok=True)  # of an attempt before the last
                outcomes[name] = Outcome("finished")
        except GristmillError as error:
            outcomes[name] = Outcome("failed", str(error))
    return outcomes


def run_cells(
    sweep: Sweep, make_runner: Callable[[], Runner], display: Display
) -> dict[str, Outcome]:
    """Runs the cells that are not finished.

    A cell that fails is tried again, later; one that another process is at is left to it; a
    branch waits for its stem.

    Args:
      sweep: whose sweep.json is written.
      make_runner: called if there is anything to run.
      display: is told of what happens.

    Returns:
      The last outcome of every cell, by directory.
    """
    outcomes = finished_before(sweep)
    waiting = [_Waiting(cell) for cell in sweep.cells if cell.record.directory not in outcomes]
    display.start(outcomes)
    if not waiting:
        return outcomes
    running: dict[str, _Waiting] = {}
    runner = make_runner()
    try:
        while waiting or running:
            for item in _hopeless(waiting, running, outcomes):
                waiting.remove(item)
                stem = item.cell.record.after
                outcomes[item.cell.record.directory] = Outcome(
                    "failed", f"{stem}, which it branches off, is not finished"
                )
            for item in _ready(waiting, outcomes):
                if not runner.free():
                    break
                waiting.remove(item)
                running[item.cell.record.directory] = item
                runner.start(item.cell)
            soonest = min((item.not_before for item in waiting), default=0.0) - time.monotonic()
            pause = _TURN if running else min(_TURN, max(0.01, soonest))
            for cell, outcome in runner.wait(pause):
                item = running.pop(cell.record.directory)
                outcomes[cell.record.directory] = outcome
                again = outcome.kind in ("failed", "stopped")
                again = again and item.failures + 1 < sweep.settings.attempts
                if again:
                    delay = sweep.settings.backoff * 2**item.failures
                    waiting.append(_Waiting(cell, item.failures + 1, time.monotonic() + delay))
                display.ended(cell, outcome, again)
            display.update(list(running))
    finally:
        runner.stop(SAVING)
    held = {name for name, outcome in outcomes.items() if outcome.kind == "held"}
    for cell in sweep.cells:
        name = cell.record.directory
        if name in held and state_of(sweep.folder, cell.record).state == "finished":
            outcomes[name] = Outcome("finished")
    return outcomes


def _ready(waiting: list[_Waiting], outcomes: dict[str, Outcome]) -> list[_Waiting]:
    """The cells that may start now, in the order of the sweep."""
    now = time.monotonic()
    return [
        item
        for item in waiting
        if item.not_before <= now
        and (item.cell.record.after is None or _finished(outcomes, item.cell.record.after))
    ]


def _hopeless(
    waiting: list[_Waiting], running: dict[str, _Waiting], outcomes: dict[str, Outcome]
) -> list[_Waiting]:
    """Branches whose stem has ended, for this sweep, without a result."""
    to_come = {item.cell.record.directory for item in waiting} | running.keys()
    return [
        item
        for item in waiting
        if (stem := item.cell.record.after) in outcomes
        and stem not in to_come
        and not _finished(outcomes, stem)
    ]


def _finished(outcomes: dict[str, Outcome], directory: str) -> bool:
    outcome = outcomes.get(directory)
    return outcome is not None and outcome.kind == "finished"
