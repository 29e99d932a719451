"""The processes of a run: how they find each other, share arrays, agree, and stop on a signal."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import NamedSharding

from research.errors import GristmillError
from research.train.run_spec import ExecSpec


def start_processes(execution: ExecSpec) -> None:
    """Joins the processes of a run on several hosts; nothing to do on one.

    On Cloud TPU, jax finds the hosts by the machine's metadata; elsewhere exec.coordinator,
    exec.hosts and exec.process say who they are.
    """
    if jax.distributed.is_initialized():
        return
    if execution.coordinator is not None:
        jax.distributed.initialize(execution.coordinator, execution.hosts, execution.process)
    elif (execution.hosts or tpu_hosts()) > 1:
        jax.distributed.initialize()
    if execution.hosts is not None and jax.process_count() != execution.hosts:
        raise GristmillError(
            f"exec.hosts is {execution.hosts}, but {jax.process_count()} processes were found"
        )


def tpu_hosts() -> int:
    """Hosts of the TPU slices that this machine is part of, by what the TPU runtime is told; 1 on
    other machines."""
    workers = os.environ.get("TPU_WORKER_HOSTNAMES", "").split(",")
    if not all(re.fullmatch(r"[\w.:-]+", worker.strip()) for worker in workers):
        return 1  # where there is no TPU, the runtime writes a warning there
    return len(workers) * int(os.environ.get("MEGASCALE_NUM_SLICES", "1"))


def to_devices(
    local: Mapping[str, np.ndarray], sharding: NamedSharding, shape: tuple[int, ...]
) -> dict[str, jax.Array]:
    """Global arrays from what each process has of them.

    Args:
      local: this process's part of every array, by key.
      sharding: of the arrays.
      shape: of the global arrays.
    """
    with jax.transfer_guard("allow"):  # these are meant
        return {
            key: jax.make_array_from_process_local_data(sharding, array, shape)
            for key, array in local.items()
        }


def synchronise(name: str) -> None:
    """Waits until all processes are here."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(name)


def agree(value: bool) -> bool:
    """Process 0's value, on all processes."""
    if jax.process_count() == 1:
        return value
    with jax.transfer_guard("allow"):
        return bool(multihost_utils.broadcast_one_to_all(np.array(value)))


class Preempted(Exception):
    """A signal asked the run to stop; a checkpoint was saved.

    Attributes:
      signal: its number.
    """

    def __init__(self, number: int, step: int) -> None:
        name = signal.Signals(number).name
        super().__init__(f"stopped by {name} after step {step}, which is saved; "
                         "run the same command again to go on")  # fmt: skip
        self.signal = number


class StopSignals:
    """Remembers that SIGTERM or SIGINT came.

    Attributes:
      number: of the signal, 0 until it came (in all processes, once `reached` said so).
    """

    def __init__(self) -> None:
        self.number = 0

    def handle(self, number: int, frame: Any) -> None:
        """The handler; a second signal acts as it would without us."""
        self.number = number
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT
                      else signal.SIG_DFL)  # fmt: skip

    def reached(self, step: int) -> bool:
        """Whether to stop after `step`; all processes agree on it."""
        if jax.process_count() > 1 and multihost_utils.reached_preemption_sync_point(step):
            self.number = signal.SIGTERM
        return bool(self.number)


@contextlib.contextmanager
def stop_signals() -> Iterator[StopSignals]:
    """Catches the signals that ask to stop.

    Of several processes jax's coordination service catches SIGTERM itself, in whichever it comes.
    """
    stop = StopSignals()
    if jax.process_count() > 1 or threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {n: signal.signal(n, stop.handle) for n in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
