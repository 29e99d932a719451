"""Ctrl-C while modules are imported."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def interrupts_kept() -> Iterator[None]:
    """Makes sure that Ctrl-C ends the block.

    Imports lose a KeyboardInterrupt that comes while Python runs a weak reference's callback or
    an extension module calls back: it is raised again when the block ends.
    """
    before = signal.getsignal(signal.SIGINT)
    # another handler than Python's own does what it likes, and only the main thread is told
    ours = threading.current_thread() is threading.main_thread()
    if not ours or before is not signal.default_int_handler:
        yield
        return
    interrupted = False

    def on_interrupt(number: int, frame: object) -> None:
        nonlocal interrupted
        interrupted = True
        before(number, frame)

    signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if interrupted:
            raise KeyboardInterrupt
