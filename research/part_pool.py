"""Work on the parts of corpora, in this process or in several."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from research.errors import GristmillError

T = TypeVar("T")


def run_parts(
    function: Callable[..., T],
    units: Sequence[tuple[Any, ...]],
    workers: int,
    again: str = "run the same command again",
) -> Iterator[T]:
    """Calls `function(*unit)` for every unit, yielding what it returns as each ends.

    Args:
      function: a module's function that leaves its work on disk.
      units: its arguments.
      workers: processes; 1 works in this one.
      again: what to do when a worker died.

    Raises:
      GristmillError: a worker died; what the others finished is on disk.
    """
    if workers <= 1 or len(units) <= 1:
        for unit in units:
            yield function(*unit)
        return
    # spawned, not forked: this process may hold threads of TensorFlow or Arrow
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(units)), context, attend_parent) as pool:
        futures = [pool.submit(function, *unit) for unit in units]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool:
            raise GristmillError(
                "a working process died (killed, or out of memory); finished parts are kept; "
                f"{again}, perhaps with fewer --workers"
            ) from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def attend_parent() -> None:
    """Makes a worker leave Ctrl-C to its parent, and end when that is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def watch() -> None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
