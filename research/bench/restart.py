"""`gristmill bench restart`: from the start of the process to the first resumed step, on the CPU.

A run of the 10M proxy, with 8 rows a step, is stopped by SIGTERM once it has trained a step, and
the same command is given again; the compiled step is found in the cache on disk.
"""

from __future__ import annotations

import signal
import statistics
import tempfile
import time
from pathlib import Path

from research.bench import proxy_runs
from research.bench.figures import Figure
from research.terminal import progress

FIRST_STEP = "the first call of"  # so begins the line that the loop prints after its first step
BINDINGS = [
    "run.steps = 10000", "run.tokens = None", "data.batch = 8", "evals.mixtures = []",
    "evals.every = None", "exec.steps_per_call = 1", "exec.checkpoint_every = 10000",
]  # fmt: skip


def restart(rounds: int) -> list[Figure]:
    """Seconds of a resumed start: the median of so many, after one that is not resumed.

    Raises:
      GristmillError: the demo mixture is not cached below the data root, or the run failed.
    """
    proxy_runs.need_demo("restart")
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "run"
        seconds = [
            _until_first_step(directory)
            for _ in progress(range(rounds + 1), desc="restart", unit="start")
        ]
    return [Figure("restart", "seconds", statistics.median(seconds[1:]), "s")]


def _until_first_step(directory: Path) -> float:
    began = time.perf_counter()
    process = proxy_runs.start("proxy_10m_cpu", directory, BINDINGS)
    assert process.stdout
    for line in process.stdout:
        if line.startswith(FIRST_STEP):
            seconds = time.perf_counter() - began
            process.send_signal(signal.SIGTERM)
            process.communicate()  # it saves
            return seconds
    process.wait()
    raise proxy_runs.failure("restart", directory)
