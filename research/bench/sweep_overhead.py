"""`gristmill bench sweep_overhead`: what a sweep costs beyond the training of its cells.

The demo's sweep of 9 cells, 2.5 times as long and without evaluations, by two workers on two cores:
its wall time over the seconds that its cells spent on training steps, shared by the workers.  Nine
equal cells take two workers five turns, so that the ratio is 10/9 before anything else is counted.
The first round compiles; later ones find the programs on disk.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path

from research.analyse import sweep_record
from research.bench.crash_sweep import command, need_demo, run
from research.bench.figures import Figure
from research.terminal import progress

WORKERS = 2
GIN = Path(__file__).parents[2] / "gin_configs" / "sweeps" / "demo.gin"
OPTIONS = ("run.steps=500", "evals.mixtures=[]", "sweep.metric='loss'")


def sweep_overhead(rounds: int) -> list[Figure]:
    """Wall over pure training time, the least of so many sweeps (others only disturb).

    Raises:
      GristmillError: the demo mixture is not cached below the data root.
    """
    need_demo("sweep_overhead")
    measured = []
    for _ in progress(range(rounds), desc="sweep_overhead", unit="sweep"):
        with tempfile.TemporaryDirectory() as folder:
            words = command("experiments.domain_mixture", GIN, Path(folder))
            words += [word for option in OPTIONS for word in ("--gin", option)]
            began = time.monotonic()
            run(words)
            wall = time.monotonic() - began
            training = 0.0
            for cell in sweep_record.read(Path(folder)).cells:
                result = json.loads((Path(folder) / cell.directory / "result.json").read_text())
                training += result["training_seconds"]
        measured.append((wall * WORKERS / training, wall, training / WORKERS))
    ratio, wall, share = min(measured)
    anchor = f"training, over {WORKERS} workers on {os.cpu_count()} cores"
    return [Figure("sweep_overhead", "ratio", wall, "s", anchor, share, ratio)]
