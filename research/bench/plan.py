"""`gristmill bench plan` and `epoch_index`: what a long run costs before its first batch."""

from __future__ import annotations

import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from research.bench.figures import Figure
from research.input_pipeline.mixture_plan import MixturePlan, Schedule
from research.input_pipeline.packing import BestFitPacker, ConcatPacker

STEPS, ROWS, SOURCES = 100_000, 512, 16
DOCUMENTS, MEAN_TOKENS, LENGTH = 10_000_000, 140, 1024


def plan(rounds: int) -> list[Figure]:
    """A ramp over 100,000 steps of 512 rows from 16 sources, four of which meet a cap."""
    shares = {f"source_{i}": 1.0 / (i + 1) for i in range(SOURCES)}
    ramp = Schedule(((0, shares), (STEPS, {name: 1.0 for name in shares})), "linear")
    caps = {f"source_{i}": STEPS * (i + 1) for i in range(4)}

    def make() -> Any:
        made = MixturePlan(ramp, STEPS, ROWS, caps, "redistribute")
        return made, made.rows(STEPS // 2, 0)

    return _figures("plan", "", make, rounds)


def epoch_index(rounds: int) -> list[Figure]:
    """The order of one epoch of 10 million documents, and its first rows, for both packers.

    Memory is the peak of what is allocated; the offsets of the documents are a memory map.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "offsets.npy"
        sizes = np.random.default_rng(0).geometric(1 / MEAN_TOKENS, DOCUMENTS)
        np.save(path, np.concatenate([[0], np.cumsum(sizes)]))
        offsets = np.asarray(np.load(path, mmap_mode="r"))
        figures = []
        for prefix, packer in (("", ConcatPacker), ("best_fit_", BestFitPacker)):
            make = _maker(packer, offsets)
            figures += _figures("epoch_index", prefix, make, rounds)
        return figures


def _maker(packer: type, offsets: np.ndarray) -> Callable[[], Any]:
    def make() -> Any:
        made = packer(offsets, LENGTH, 0, "source", None)
        return made, made.pieces(np.arange(64))

    return make


def _figures(bench: str, prefix: str, make: Callable[[], Any], rounds: int) -> list[Figure]:
    seconds = []
    for _ in range(rounds):
        start = time.process_time()
        make()
        seconds.append(time.process_time() - start)
    tracemalloc.start()
    made = make()
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del made
    return [
        Figure(bench, f"{prefix}seconds", statistics.median(seconds), "cpu-s"),
        Figure(bench, f"{prefix}megabytes", peak / 1e6, "MB at peak"),
        Figure(bench, f"{prefix}megabytes_kept", kept / 1e6, "MB"),
    ]
