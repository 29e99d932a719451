"""`gristmill bench input_wait`: the share of a training step that is lost to input, on the CPU.

Real runs of the 1M and 10M proxies; the loop itself measures how long it waits for batches. The
first line of metrics is left out, which has the start of the reader in it.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from etils import epath

from research.bench import proxy_runs
from research.bench.figures import Figure
from research.terminal import progress
from research.train.metrics import read_metrics

RUNS = {"1m": ("proxy_1m_cpu", 10), "10m": ("proxy_10m_cpu", 1)}  # gin file, steps of a line
LINES = 4  # of metrics, the first included


def input_wait(rounds: int) -> list[Figure]:
    """The share of both sizes: the median of so many runs.

    Raises:
      GristmillError: the demo mixture is not cached below the data root, or a run failed.
    """
    proxy_runs.need_demo("input_wait")
    shares: dict[str, list[float]] = {size: [] for size in RUNS}
    for _ in progress(range(rounds), desc="input_wait", unit="round"):
        for size, (name, every) in RUNS.items():
            with tempfile.TemporaryDirectory() as folder:
                shares[size].append(_share(name, every, Path(folder) / "run"))
    return [
        Figure("input_wait", f"share_{size}", statistics.median(found), "of the step time")
        for size, found in shares.items()
    ]


def _share(name: str, every: int, directory: Path) -> float:
    bindings = [
        f"run.steps = {LINES * every}", "run.tokens = None", "learning_rate.warmup_steps = 1",
        "evals.mixtures = []", "evals.every = None", f"exec.log_every = {every}",
        f"exec.steps_per_call = {every}", f"exec.checkpoint_every = {LINES * every}",
    ]  # fmt: skip
    process = proxy_runs.start(name, directory, bindings)
    process.communicate()
    if process.returncode:
        raise proxy_runs.failure("input_wait", directory)
    lines = read_metrics(epath.Path(directory) / "metrics.jsonl")[1:]
    # lines are of equal numbers of tokens, so 1 / tokens_per_s is the time of each
    seconds = [1 / line["tokens_per_s"] for line in lines]
    waited = sum(line["data_wait"] * time for line, time in zip(lines, seconds, strict=True))
    return waited / sum(seconds)
