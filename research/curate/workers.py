"""Pieces of work in several processes, of which any may die.

A process that dies (killed, out of memory, a crash in native code) is replaced and its piece begun
again.  If it dies at the same document again, that document is at fault and is left out.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from research.errors import GristmillError

DEATHS_OF_A_DOCUMENT = 2
DEATHS_IN_ALL = 20
STARTING = -1  # the row of a process that has not come to a document yet

# work(piece, deadly, at): does a piece, leaving out the rows in `deadly`; calls at(row) before each
Work = Callable[[Any, frozenset[int], Callable[[int], None]], None]
# run(work, pieces, workers): does all pieces, yielding each one that is finished
Run = Callable[[Work, Sequence[Any], int], Iterator[Any]]


def run_pieces(work: Work, pieces: Sequence[Any], workers: int) -> Iterator[Any]:
    """Does all pieces, yielding each one that is finished.

    Args:
      work: a picklable callable that leaves its results on disk.
      pieces: picklable; the order in which they are begun.
      workers: processes; 1 works in this one.

    Raises:
      GristmillError: processes die again and again.
      Exception: what `work` raised, from whichever process; the others are stopped.
    """
    if workers == 1:
        for piece in pieces:
            work(piece, frozenset(), lambda row: None)
            yield piece
        return
    waiting = deque(range(len(pieces)))
    deaths: Counter[tuple[int, int]] = Counter()
    crew: list[_Worker] = []
    try:
        crew = [_Worker(work) for _ in range(min(workers, len(pieces)))]
        while waiting or any(worker.piece is not None for worker in crew):
            for worker in crew:
                if worker.piece is None and waiting:
                    number = waiting.popleft()
                    deadly = [row for (piece, row), times in deaths.items()
                              if piece == number and times >= DEATHS_OF_A_DOCUMENT]  # fmt: skip
                    worker.begin(number, pieces[number], frozenset(deadly))
            for worker in _ready(crew):
                number, error = worker.finish()
                if error is None:
                    yield pieces[number]
                elif isinstance(error, _Died):
                    deaths[number, error.row] += 1
                    _check_deaths(deaths, number, error)
                    waiting.appendleft(number)
                    crew[crew.index(worker)] = _Worker(work)
                else:
                    raise error
    finally:
        for worker in crew:
            worker.stop()


class _Died(Exception):
    def __init__(self, row: int, status: int | None) -> None:
        super().__init__()
        self.row, self.status = row, status


def _check_deaths(deaths: Counter[tuple[int, int]], number: int, died: _Died) -> None:
    in_vain = died.row == STARTING and deaths[number, STARTING] >= DEATHS_OF_A_DOCUMENT
    if in_vain or deaths.total() >= DEATHS_IN_ALL:
        raise GristmillError(
            f"working processes died {deaths.total()} times (the last with status {died.status}; "
            "-9 is often too little memory); what was finished is kept: run the same command "
            "again, perhaps with fewer --workers"
        )


class _Worker:
    """One process, with a pipe to it and the row it has come to."""

    def __init__(self, work: Work) -> None:
        context = multiprocessing.get_context("spawn")
        self._row = context.Value("q", STARTING, lock=False)
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(work, theirs, self._row), daemon=True)
        self.process.start()
        theirs.close()
        self.piece: int | None = None

    def begin(self, number: int, piece: Any, deadly: frozenset[int]) -> None:
        self.piece, self._row.value = number, STARTING
        with contextlib.suppress(BrokenPipeError):  # it died meanwhile: finish() will say so
            self.pipe.send((piece, deadly))

    def finish(self) -> tuple[int, Exception | None]:
        number, self.piece = self.piece, None
        try:
            return number, self.pipe.recv()
        except (EOFError, ConnectionResetError):
            self.process.join()
            return number, _Died(self._row.value, self.process.exitcode)

    def stop(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


def _ready(crew: Sequence[_Worker]) -> list[_Worker]:
    busy = {worker.pipe: worker for worker in crew if worker.piece is not None}
    return [busy[pipe] for pipe in multiprocessing.connection.wait(list(busy))]


def _serve(work: Work, pipe: Any, row: Any) -> None:
    """The life of a working process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, who stops us
    threading.Thread(target=_end_with_parent, daemon=True).start()

    def at(number: int) -> None:
        row.value = number

    while True:
        try:
            piece, deadly = pipe.recv()
        except EOFError:
            return
        try:
            work(piece, deadly, at)
            outcome = None
        except Exception as error:
            outcome = error
        pipe.send(outcome)


def _end_with_parent() -> None:
    multiprocessing.connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)
