"""How far a cell of a sweep is, read from the files of its run."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from research import artefacts
from research.analyse.json_numbers import finite, whole
from research.analyse.sweep_record import CellRecord
from research.errors import GristmillError

FAILURE, LOCK = "failure.json", ".cell.lock"
_TAIL = 1 << 16  # bytes at the end of metrics.jsonl in which the last lines are looked for


@dataclasses.dataclass(frozen=True)
class CellState:
    """What is known of a cell.

    Attributes:
      state: 'finished' has a result; 'running' is held by a process; 'failed' and 'diverged' (its
        loss was not finite) say what the last attempt came to; 'waiting' is to be run, or to go
        on where it was interrupted.
      step: the last one that left a line of metrics; a branch begins at its first_step.
      seconds: of training, to that step; of a finished branch, its stem's part included.
      failure: the cause, one line; None but for 'failed' and 'diverged'.
    """

    state: Literal["finished", "failed", "diverged", "running", "waiting"]
    step: int
    seconds: float
    failure: str | None = None


@dataclasses.dataclass(frozen=True)
class Failure:
    """The contents of failure.json.

    Attributes:
      cause: one line.
      attempts: how many have failed.
      diverged: whether the loss was not finite.
    """

    cause: str
    attempts: int
    diverged: bool


def state_of(folder: Path, cell: CellRecord) -> CellState:
    """The state of one cell.

    Args:
      folder: of the sweep.
      cell: of its record.

    Raises:
      GristmillError: a file is damaged, or the result is of another run.
    """
    directory = folder / cell.directory
    result = _read(directory / "result.json", directory)
    if result is not None:
        try:
            fingerprint = str(result["fingerprint"])
            step, seconds = whole(result["step"]), finite(result["training_seconds"])
        except (KeyError, ValueError):
            raise _damaged(directory / "result.json", directory) from None
        if fingerprint != cell.fingerprint:
            raise GristmillError(
                f"{directory / 'result.json'} is of run {fingerprint[:12]}, the sweep's cell is "
                f"run {cell.fingerprint[:12]}: delete {directory} and run the sweep again"
            )
        return CellState("finished", step, seconds)
    step, seconds = _progress(directory, cell)
    if is_held(directory):
        return CellState("running", step, seconds)
    if (failure := read_failure(directory)) is not None:
        state = "diverged" if failure.diverged else "failed"
        return CellState(state, step, seconds, failure.cause)
    return CellState("waiting", step, seconds)


def read_failure(directory: Path) -> Failure | None:
    """Why the last attempt of a cell failed; None if none did.

    Raises:
      GristmillError: failure.json is damaged.
    """
    path = directory / FAILURE
    value = _read(path, directory)
    if value is None:
        return None
    try:
        return Failure(str(value["cause"]), whole(value["attempts"]), bool(value["diverged"]))
    except (KeyError, ValueError):
        raise GristmillError(f"{path} is damaged; delete it and run the sweep again") from None


def write_failure(directory: Path, failure: Failure) -> None:
    """Writes failure.json, in one piece."""
    directory.mkdir(parents=True, exist_ok=True)
    artefacts.write_json(directory / FAILURE, dataclasses.asdict(failure))


@contextlib.contextmanager
def hold(directory: Path, patience: float = 0.5) -> Iterator[bool]:
    """Holds a cell while the block runs; the kernel lets go of it with the process.

    Args:
      directory: of the cell.
      patience: seconds to try for; `is_held` looks by taking the lock for a moment.

    Yields:
      Whether it is held now; False where another process holds it.
    """
    directory.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + patience
    with open(directory / LOCK, "a", encoding="utf-8") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() < deadline:
                    time.sleep(0.01)
                    continue
                yield False
                return
            yield True
            return


def is_held(directory: Path) -> bool:
    """Whether some process holds a cell."""
    try:
        with open(directory / LOCK, encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except BlockingIOError:
        return True
    return False


def _progress(directory: Path, cell: CellRecord) -> tuple[int, float]:
    """The last step of metrics.jsonl, and the seconds to it at the speed of the last line."""
    path = directory / "metrics.jsonl"
    try:
        with open(path, "rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL))
            lines, _, _ = file.read().rpartition(b"\n")  # a line being written has no end yet
    except (FileNotFoundError, NotADirectoryError):
        return cell.first_step, 0.0
    except IsADirectoryError:
        raise _damaged(path, directory) from None
    step = speed = None
    for text in reversed(lines.split(b"\n")[1 if size > _TAIL else 0 :]):
        if not text:
            continue
        try:
            line = json.loads(text)
            step = whole(line["step"]) if step is None else step
            speed = line.get("tokens_per_s")
            speed = None if speed is None else finite(speed)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise _damaged(path, directory) from None
        if speed:
            break
    step = cell.first_step if step is None else max(step, cell.first_step)
    tokens = (step - cell.first_step) * cell.tokens / max(1, cell.steps)
    return step, tokens / speed if speed else 0.0


def _read(path: Path, directory: Path) -> Mapping[str, Any] | None:
    try:
        value = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (IsADirectoryError, ValueError):
        raise _damaged(path, directory) from None
    if not isinstance(value, Mapping):
        raise _damaged(path, directory)
    return value


def _damaged(path: Path, directory: Path) -> GristmillError:
    return GristmillError(f"{path} is damaged; delete {directory} and run the sweep again")
