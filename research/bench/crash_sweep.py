"""`gristmill bench crash_sweep`: random kill -9 over a sweep, then: is anything different?

A sweep of tiny cells, a branch among them, runs once undisturbed.  Then it is run by two workers
that are killed at random times: the sweep's process and all with it, or one worker.  The same
command goes on each time; when a sweep is finished, another begins, until there were 40 kills a
round.  Compared are all metrics, results and losses of single documents, bit for bit.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from research import artefacts
from research.analyse import sweep_record
from research.bench.figures import Figure
from research.errors import GristmillError
from research.input_pipeline.loader import open_caches
from research.registry.specs import load_mixture
from research.terminal import progress

KILLS_A_ROUND = 40
PAUSE = 0.6  # of the undisturbed sweep's time, the longest between kills
CLOCKS = {"tokens_per_s", "mfu", "data_wait", "goodput", "training_seconds"}
ARMS = '''"""Does a kill change anything?"""
import dataclasses
from experiments.arms import Arm

@dataclasses.dataclass(frozen=True)
class Settings:
    step: int = 200

def arms(run, settings):
    code = {"data.schedule": ((0, {"code_sample": 1.0}),)}
    late = {"data.schedule": ((0, {"code_sample": 1.0}), (settings.step, {"math_sample": 1.0}))}
    return [Arm("plain", {}, baseline=True), Arm("code", code),
            Arm("late", late, branch_of="code", branch_at=settings.step)]
'''
GIN = """
sweep.attempts = 50
sweep.backoff = 0.0
model.vocabulary_size = 8192
model.layers = 1
model.width = 16
model.heads = 2
model.kv_heads = 1
model.head_dim = 8
model.mlp_width = 32
model.max_length = 64
model.compute_dtype = 'float32'
data.mixture = 'demo'
data.length = 64
data.batch = 8
data.seed = 0
run.seed = 0
run.steps = 300
learning_rate.peak = 1e-2
learning_rate.warmup_steps = 2
evals.mixtures = ['demo']
evals.documents = 1
evals.every = 100
exec.checkpoint_every = 20
exec.log_every = 4
exec.tensorboard = False
"""


def crash_sweep(rounds: int) -> list[Figure]:
    """Kills, and cells that differ from those of the undisturbed sweep (0 is wanted).

    Raises:
      GristmillError: the demo mixture is not cached below the data root.
    """
    need_demo("crash_sweep")
    rng = random.Random(0)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "crash.py").write_text(ARMS)
        (folder / "crash.gin").write_text(GIN)
        began = time.monotonic()
        run(command(folder / "crash.py", folder / "crash.gin", folder / "undisturbed"))
        seconds = time.monotonic() - began
        undisturbed = contents(folder / "undisturbed")
        kills = sweeps = differences = 0
        bar = progress(total=rounds * KILLS_A_ROUND, desc="crash_sweep", unit="kill")
        while kills < rounds * KILLS_A_ROUND:
            target = folder / f"disturbed{sweeps}"
            words = command(folder / "crash.py", folder / "crash.gin", target)
            while not _finished(target):
                with open(folder / "output.txt", "wb") as output:
                    sweep = subprocess.Popen(words, stdout=output, stderr=output)
                while kills < rounds * KILLS_A_ROUND:
                    try:
                        sweep.wait(rng.uniform(0, PAUSE * seconds))
                        break
                    except subprocess.TimeoutExpired:
                        os.kill(rng.choice([sweep.pid, *_children(sweep.pid)]), signal.SIGKILL)
                        kills += 1
                        bar.update()
                status = sweep.wait()
                if status not in (0, -signal.SIGKILL):
                    raise GristmillError(f"the sweep failed: {_end(folder / 'output.txt')}")
            found = contents(target)
            differences += sum(found.get(cell) != value for cell, value in undisturbed.items())
            sweeps += 1
        bar.close()
    return [
        Figure("crash_sweep", "kills", kills, "kills"),
        Figure("crash_sweep", "sweeps", sweeps, "sweeps"),
        Figure("crash_sweep", "differences", differences, "cells"),
    ]


def need_demo(bench: str) -> None:
    """Raises GristmillError unless the demo mixture is cached below the data root."""
    root = artefacts.data_root()
    try:
        open_caches(root, load_mixture(root, "demo"), "train")
    except GristmillError as error:
        raise GristmillError(f"{bench} needs the demo mixture (make demo): {error}") from None


def command(experiment: Path | str, gin_file: Path, folder: Path) -> list[str]:
    """The command of a sweep with two workers, in a process of its own."""
    return [
        sys.executable, "-m", "research.cli", "sweep", str(experiment),
        "--gin_file", str(gin_file), "--directory", str(folder), "--workers", "2",
    ]  # fmt: skip


def run(words: Sequence[str]) -> None:
    """Runs a sweep to its end.

    Raises:
      GristmillError: it failed.
    """
    done = subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise GristmillError(f"the sweep failed: {(done.stderr.splitlines() or ['?'])[-1]}")


def contents(folder: Path) -> dict[str, Any]:
    """What every finished cell of a sweep found, without what a clock decides."""
    found = {}
    for cell in sweep_record.read(folder).cells:
        directory = folder / cell.directory
        lines = [json.loads(line) for line in (directory / "metrics.jsonl").open()]
        lines.append(json.loads((directory / "result.json").read_text()))
        tables = sorted((directory / "evaluations").glob("*.parquet"))
        found[cell.directory] = (
            [{k: v for k, v in line.items() if k not in CLOCKS} for line in lines],
            {path.name: pq.read_table(path).to_pydict() for path in tables},
        )
    return found


def _finished(folder: Path) -> bool:
    if not (folder / sweep_record.NAME).exists():
        return False
    cells = sweep_record.read(folder).cells
    return all((folder / cell.directory / "result.json").exists() for cell in cells)


def _children(pid: int) -> list[int]:
    """The workers of a sweep."""
    try:
        return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _end(path: Path) -> str:
    return (path.read_text(errors="replace").splitlines() or ["?"])[-1]
