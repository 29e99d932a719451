"""One attempt at a cell; and the process that makes attempts, one after another.

A worker process reads a job a line (JSON) and answers each with an outcome a line.  It keeps what
is paid once: imports, compiled programs.  When the process that reads its answers is gone, it ends
at once, as if it were killed: what it has saved is gone on from.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import queue
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from experiments.cells import Cell
from research.analyse.cell_state import FAILURE, Failure, hold, read_failure, write_failure
from research.errors import GristmillError
from research.evaluate.assemble import make_evaluators
from research.train.loop import Diverged, train
from research.train.processes import Preempted
from research.train.run_spec import ExecSpec, RunSpec


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of an attempt.

    Attributes:
      kind: 'held': another process is at this cell; 'stopped': a signal asked to stop, and a
        checkpoint was saved.
      cause: of 'failed' and 'diverged', one line.
    """

    kind: Literal["finished", "failed", "diverged", "held", "stopped"]
    cause: str | None = None


def job_of(cell: Cell) -> dict[str, Any]:
    """The attempt at a cell as plain JSON values."""
    return {"run": cell.run.to_json(), "exec": dataclasses.asdict(cell.execution)}


def attempt(job: Mapping[str, Any]) -> Outcome:
    """Trains a cell, from its newest checkpoint if there is one.

    What it prints goes to log.txt, what goes wrong to failure.json.
    """
    run, execution = RunSpec.from_json(job["run"]), ExecSpec(**job["exec"])
    directory = Path(execution.directory or "")
    try:
        with hold(directory) as held:
            if not held:
                return Outcome("held")
            with _printing_into(directory / "log.txt"):
                outcome = _attempt(run, execution)
            if outcome.kind == "finished":
                (directory / FAILURE).unlink(missing_ok=True)
            elif outcome.kind != "stopped":
                record_failure(directory, outcome)
            return outcome
    except (OSError, GristmillError) as error:  # of the log or of failure.json
        return Outcome("failed", _line(error))


def _attempt(run: RunSpec, execution: ExecSpec) -> Outcome:
    try:
        train(run, execution, make_evaluators)
        return Outcome("finished")
    except Preempted:
        return Outcome("stopped")
    except Diverged as error:
        cause, kind = _line(error), "diverged"
    except GristmillError as error:
        cause, kind = _line(error), "failed"
    except (Exception, SystemExit) as error:  # a fault of the program, told in full in the log
        traceback.print_exc()
        cause, kind = _line(error), "failed"
    print(f"gristmill: {cause}", file=sys.stderr, flush=True)
    return Outcome(kind, cause)


def record_failure(directory: Path, outcome: Outcome) -> None:
    """Writes failure.json, counting the attempts before this one."""
    before = read_failure(directory)
    attempts = 1 + (before.attempts if before else 0)
    write_failure(directory, Failure(outcome.cause or "", attempts, outcome.kind == "diverged"))


def _line(error: BaseException) -> str:
    said = " ".join(str(error).split())
    if len(said) > 1000:  # XLA says much
        said = said[:1000] + "…"
    return said if isinstance(error, GristmillError) else f"{type(error).__name__}: {said}"


@contextlib.contextmanager
def _printing_into(path: Path) -> Iterator[None]:
    """Appends to a file all that this process prints, libraries in C++ included."""
    sys.stdout.flush()
    sys.stderr.flush()
    before = [os.dup(1), os.dup(2)]
    with open(path, "ab") as log:
        try:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, kept in enumerate(before, 1):
                os.dup2(kept, number)
                os.close(kept)


def main() -> None:
    """Answers jobs until there are no more."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # prints are no answers
    jobs: queue.Queue[str] = queue.Queue()
    busy = threading.Event()
    threading.Thread(target=_read, args=(jobs, busy), daemon=True).start()
    while job := jobs.get():
        outcome = attempt(json.loads(job))
        busy.clear()
        print(json.dumps(dataclasses.asdict(outcome)), file=answers, flush=True)


def _read(jobs: queue.Queue[str], busy: threading.Event) -> None:
    for line in sys.stdin:
        busy.set()
        jobs.put(line)
    if busy.is_set():
        os._exit(1)  # who asked is gone, and may be asking others already
    jobs.put("")


if __name__ == "__main__":
    main()
