"""Where attempts at cells run: what a runner is, and the one of this machine's processes."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from experiments.cells import Cell
from experiments.worker import Outcome, job_of, record_failure
from research.analyse.cell_state import hold
from research.errors import GristmillError


class Runner(Protocol):
    """Runs attempts, several at a time."""

    def free(self) -> bool:
        """Whether another attempt can start now."""
        ...

    def start(self, cell: Cell) -> None:
        """Begins an attempt; only where one is free."""
        ...

    def wait(self, seconds: float) -> list[tuple[Cell, Outcome]]:
        """Attempts that have ended, as soon as there are any, or after so many seconds."""
        ...

    def stop(self, seconds: float) -> None:
        """Ends all attempts: asks them to save, and kills those that take longer."""
        ...


class LocalRunner:
    """Worker processes on this machine, each on its share of the cores."""

    def __init__(self, workers: int, log: Path) -> None:
        """Args:
        workers: how many processes.
        log: a file for what they print outside of attempts.
        """
        self._log = log
        self._free = shares_of_cores(_cores(), workers)
        self._stopping = False
        self._idle: list[_Worker] = []
        self._busy: list[_Worker] = []
        self._selector = selectors.DefaultSelector()

    def free(self) -> bool:
        return bool(self._idle or self._free)

    def start(self, cell: Cell) -> None:
        worker = self._idle.pop() if self._idle else _Worker(self._free.pop(0), self._log)
        worker.cell = cell
        self._busy.append(worker)
        self._selector.register(worker.answers, selectors.EVENT_READ, worker)
        worker.send(job_of(cell))

    def wait(self, seconds: float) -> list[tuple[Cell, Outcome]]:
        ended = []
        for key, _ in self._selector.select(seconds):
            worker: _Worker = key.data
            answer = worker.receive()
            cell = worker.cell
            assert cell is not None
            worker.cell = None
            self._selector.unregister(worker.answers)
            self._busy.remove(worker)
            if answer is None:
                status = worker.end()
                stopped = self._stopping
                outcome = Outcome("stopped") if stopped else died(cell, _end_of(status, self._log))
                self._free.append(worker.cores)
            else:
                outcome = Outcome(**answer)
                self._idle.append(worker)
            ended.append((cell, outcome))
        return ended

    def stop(self, seconds: float) -> None:
        self._stopping = True
        for worker in self._busy:
            worker.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + seconds
        try:
            while self._busy and time.monotonic() < deadline:
                self.wait(deadline - time.monotonic())
        finally:
            for worker in self._busy:
                worker.process.kill()
            for worker in (*self._busy, *self._idle):
                worker.end()


class _Worker:
    """A process that makes attempts.

    Attributes:
      cores: that it is confined to.
      cell: that it is at.
    """

    def __init__(self, cores: Sequence[int], log: Path) -> None:
        self.cores = cores
        self.cell: Cell | None = None
        command = [sys.executable, "-m", "experiments.worker"]
        with open(log, "ab") as errors, _confined_to(cores):
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,  # Ctrl-C is for the sweep, which then tells its workers
            )
        assert self.process.stdout
        self.answers = self.process.stdout

    def send(self, job: dict[str, Any]) -> None:
        assert self.process.stdin
        with contextlib.suppress(BrokenPipeError):  # dead while idle: seen at its answer's end
            self.process.stdin.write(json.dumps(job).encode() + b"\n")
            self.process.stdin.flush()

    def receive(self) -> dict[str, Any] | None:
        """Its next answer; None if it died."""
        line = self.answers.readline()
        return json.loads(line) if line.endswith(b"\n") else None

    def end(self) -> int:
        """Closes its pipes, upon which it ends, and returns its status."""
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        return self.process.wait()


def _cores() -> list[int]:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


@contextlib.contextmanager
def _confined_to(cores: Sequence[int]) -> Iterator[None]:
    """Confines this thread, and so what it starts, where the system can: XLA and BLAS start a
    thread for every core they may use."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def died(cell: Cell, cause: str) -> Outcome:
    """The outcome of an attempt whose process has ended, recorded in its failure.json."""
    outcome = Outcome("failed", cause)
    directory = Path(cell.execution.directory or "")
    with contextlib.suppress(OSError, GristmillError), hold(directory) as held:
        if held and not (directory / "result.json").exists():
            record_failure(directory, outcome)
    return outcome


def _end_of(status: int, log: Path) -> str:
    """What a worker process came to."""
    if status >= 0:
        return f"its worker process ended with {status}; see {log.name}"
    number = signal.Signals(-status)
    hint = " (out of memory?)" if number == signal.SIGKILL else f"; see {log.name}"
    return f"its worker process was killed by {number.name}{hint}"


def shares_of_cores(cores: Sequence[int], workers: int) -> list[list[int]]:
    """Disjoint shares of cores, as equal as can be; of fewer cores than workers, one each."""
    if workers >= len(cores):
        return [[cores[i % len(cores)]] for i in range(workers)]
    bounds = [i * len(cores) // workers for i in range(workers + 1)]
    return [list(cores[a:b]) for a, b in itertools.pairwise(bounds)]
