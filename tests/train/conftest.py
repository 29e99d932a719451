"""Tiny runs: a model of some thousand parameters on the demo mixture."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from research import cli
from research.model.config import ModelConfig
from research.train.run_spec import (
    BadStepsConfig,
    DataConfig,
    EvalsConfig,
    ExecSpec,
    InitConfig,
    LossConfig,
    OptimizerConfig,
    RunSpec,
)
from research.train.schedules import LearningRate

TINY_MODEL = ModelConfig(
    vocabulary_size=64,
    layers=2,
    width=16,
    heads=4,
    kv_heads=2,
    head_dim=4,
    mlp_width=32,
    max_length=64,
    compute_dtype="float32",
)

TINY_GIN = """
model.vocabulary_size = 2000
model.layers = 2
model.width = 16
model.heads = 4
model.kv_heads = 2
model.head_dim = 4
model.mlp_width = 32
model.max_length = 64
model.compute_dtype = 'float32'
data.mixture = 'demo'
data.length = 32
data.batch = 8
data.seed = 1
run.seed = 2
run.steps = 24
learning_rate.peak = 1e-2
learning_rate.warmup_steps = 2
exec.checkpoint_every = 4
exec.log_every = 3
exec.mesh = 'data=1'
exec.tensorboard = False
"""


QUICK_COMPILATION = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"


@pytest.fixture
def tiny_run() -> RunSpec:
    return RunSpec(
        model=TINY_MODEL,
        data=DataConfig(mixture="demo", length=16, batch=8, seed=0),
        optimizer=OptimizerConfig(weight_decay=1e-3),
        learning_rate=LearningRate(peak=1e-2, warmup_steps=2),
        loss=LossConfig(z_loss=1e-3),
        bad_steps=BadStepsConfig(),
        evals=EvalsConfig(),
        init=InitConfig(),
        steps=20,
        seed=0,
    )


@pytest.fixture
def tiny_exec(tmp_path: Path) -> ExecSpec:
    return ExecSpec(directory=str(tmp_path / "run"), loss_chunk=32, tensorboard=False)


def random_batches(
    steps: int, batch: int = 8, length: int = 16, vocabulary: int = 64, domains: int = 3
) -> dict[str, np.ndarray]:
    """Batches [K, B, L] of two documents a row, with some padding at the end of row 0."""
    rng = np.random.default_rng(steps * 1000 + batch)
    shape = (steps, batch, length)
    border = rng.integers(1, length, (steps, batch, 1))
    place = np.arange(length)
    weights = np.ones(shape, np.float32)
    weights[:, 0, length - 5 :] = 0
    return {
        "inputs": rng.integers(0, vocabulary, shape).astype(np.int32),
        "targets": rng.integers(0, vocabulary, shape).astype(np.int32),
        "segment_ids": np.where(place < border, 1, 2).astype(np.int32) * (weights > 0),
        "positions": np.where(place < border, place, place - border).astype(np.int32),
        "loss_weights": weights,
        "domain_ids": rng.integers(0, domains, shape).astype(np.int32),
    }


def put(batches: dict[str, np.ndarray], sharding: jax.sharding.Sharding) -> dict[str, jax.Array]:
    return {key: jax.device_put(value, sharding) for key, value in batches.items()}


@pytest.fixture(scope="session")
def gristmill(demo_root: Path) -> Callable[..., subprocess.Popen]:
    """Starts `gristmill` on the demo data; the arguments are its own."""

    def start(*arguments: str, devices: int = 1, **environment: str) -> subprocess.Popen:
        # compiling is most of the work of a tiny run
        flags = f"--xla_force_host_platform_device_count={devices} {QUICK_COMPILATION}"
        return subprocess.Popen(
            [sys.executable, "-m", "research.cli", "--root", str(demo_root), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags} | environment,
        )

    return start


@pytest.fixture
def command(
    demo_root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> Callable[..., tuple[int, str, str]]:
    """Runs `gristmill` on the demo data within this process, which saves the imports: the exit
    status, and what it printed."""
    monkeypatch.setenv("GRISTMILL_ROOT", str(demo_root))

    def run(*arguments: str) -> tuple[int, str, str]:
        status = cli.main(list(arguments))
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


@pytest.fixture(scope="session")
def tiny_gin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gin") / "tiny.gin"
    path.write_text(TINY_GIN)
    return path


def read_lines(directory: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]
