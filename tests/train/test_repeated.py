"""Runs one after another in one process, as a sweep makes them."""

from __future__ import annotations

import gc
import signal
import threading
from pathlib import Path

import jax
import numpy as np
import pytest

from research.evaluate.assemble import make_evaluators
from research.train.loop import train
from research.train.run_spec import resolve

from .conftest import read_lines

COMPILED = "/jax/core/compile/backend_compile_duration"
STOPS = (signal.SIGTERM, signal.SIGINT)
CLOCKS = {"tokens_per_s", "mfu", "data_wait", "goodput"}


def threads_left(before: list[threading.Thread]) -> list[str]:
    """Names of threads that were started since and do not end."""
    gc.collect()
    started = [thread for thread in threading.enumerate() if thread not in before]
    for thread in started:
        thread.join(timeout=60)
    return [thread.name for thread in started if thread.is_alive()]


def test_later_runs_compile_nothing_leave_nothing_and_repeat_bit_for_bit(
    demo_root: Path, tiny_gin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRISTMILL_ROOT", str(demo_root))
    handlers = [signal.getsignal(number) for number in STOPS]
    compiled: list[str] = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, seconds, **_: compiled.append(event) if event == COMPILED else None
    )
    counts, lines = {}, {}
    # other sources, another number of them and another seed, then the first run once more
    for name, mixture, seed in (("first", "demo", 0), ("other", "wiki_sample", 1),
                                ("again", "demo", 0)):  # fmt: skip
        before, threads = len(compiled), threading.enumerate()
        options = [
            f"exec.directory='{tmp_path / name}'", "exec.mesh='data=8'", "exec.tensorboard=True",
            f"data.mixture='{mixture}'", f"data.seed={seed}", f"run.seed={seed}", "run.steps=6",
            "evals.mixtures=['wiki_sample']", "evals.documents=2", "evals.every=3",
        ]  # fmt: skip
        train(*resolve([str(tiny_gin)], options), make_evaluators)
        counts[name] = len(compiled) - before
        left = threads_left(threads)
        lines[name] = [
            {key: value for key, value in line.items() if key not in CLOCKS}
            for line in read_lines(tmp_path / name)
        ]
        assert [signal.getsignal(number) for number in STOPS] == handlers
        jax.jit(lambda x: x + 1)(np.ones(3))  # implicit transfers are allowed again
    assert counts["first"] > 0
    assert counts["other"] == counts["again"] == 0
    assert left == []
    assert lines["again"] == lines["first"] != lines["other"]
