"""Attempts at cells as tasks of a Ray cluster: the one at $RAY_ADDRESS, else one started here.

A task runs on one machine.  The machines of a cluster share the data folder and the sweep's folder
under the same paths.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

from experiments.cells import Cell
from experiments.runners import died
from experiments.worker import Outcome, job_of
from research import artefacts
from research.errors import GristmillError

try:
    import ray
    from ray import exceptions
except ModuleNotFoundError:
    ray = None


class RayRunner:
    """Tasks that ask for CPUs, TPU chips or any resource that the cluster's nodes declare.

    Ray's scheduler places them; retries stay with the sweep, which backs off and counts.
    """

    def __init__(self, workers: int, resources: Sequence[str]) -> None:
        """Args:
        workers: attempts submitted at a time; those that the cluster has no room for wait in it.
        resources: 'NAME=N' that a task asks for; CPU=1 where none is named.

        Raises:
          GristmillError: Ray is not installed, does not start, or a resource makes no sense.
        """
        if ray is None:
            raise GristmillError("--runner ray needs Ray: pip install 'gristmill[ray]'")
        asked = parse_resources(resources)
        try:
            ray.init(
                address=os.environ.get("RAY_ADDRESS"),
                log_to_driver=False,
                logging_level="error",
                include_dashboard=None if os.environ.get("RAY_ADDRESS") else False,
            )
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise GristmillError(f"Ray does not start: {' '.join(str(error).split())}") from None
        there = ray.cluster_resources()
        for name, count in asked.items():
            if there.get(name, 0) < count:
                ray.shutdown()
                raise GristmillError(
                    f"--resources {name}={count:g}: this Ray cluster has {there.get(name, 0):g}"
                )
        environment = {"GRISTMILL_ROOT": str(artefacts.data_root().absolute())}
        self._task = ray.remote(_attempt).options(
            num_cpus=asked.pop("CPU", 0),
            num_gpus=asked.pop("GPU", 0),
            resources=asked,
            max_retries=0,
            runtime_env={"env_vars": environment},
        )
        self._workers = workers
        self._running: dict[Any, Cell] = {}

    def free(self) -> bool:
        return len(self._running) < self._workers

    def start(self, cell: Cell) -> None:
        self._running[self._task.remote(job_of(cell))] = cell

    def wait(self, seconds: float) -> list[tuple[Cell, Outcome]]:
        if not self._running:
            time.sleep(seconds)
            return []
        done, _ = ray.wait(list(self._running), num_returns=1, timeout=seconds)
        ended = []
        for reference in done:
            cell = self._running.pop(reference)
            try:
                outcome = Outcome(**ray.get(reference))
            except exceptions.TaskCancelledError:
                outcome = Outcome("stopped")
            except exceptions.RayError as error:
                outcome = died(cell, f"its Ray worker ended: {_first_line(error)}")
            ended.append((cell, outcome))
        return ended

    def stop(self, seconds: float) -> None:
        for reference in self._running:
            ray.cancel(reference, force=False)  # as Ctrl-C: the run saves and ends
        deadline = time.monotonic() + seconds
        try:
            while self._running and time.monotonic() < deadline:
                self.wait(deadline - time.monotonic())
        finally:
            for reference in self._running:
                with contextlib.suppress(exceptions.RayError):
                    ray.cancel(reference, force=True)
            ray.shutdown()


def _attempt(job: Mapping[str, Any]) -> dict[str, Any]:
    from experiments.worker import attempt

    return dataclasses.asdict(attempt(job))


def parse_resources(options: Sequence[str]) -> dict[str, float]:
    """{'TPU': 4.0} of ['TPU=4']; {'CPU': 1.0} of none.

    Raises:
      GristmillError: an option is not NAME=NUMBER.
    """
    found = {}
    for option in options or ["CPU=1"]:
        name, _, number = option.partition("=")
        try:
            found[name] = float(number)
        except ValueError:
            found[name] = 0.0
        if not name or not 0 < found[name] < 1e6:
            raise GristmillError(f"--resources {option}: give NAME=NUMBER, as CPU=4 or TPU=8")
    return found


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "")
