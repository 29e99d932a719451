"""`gristmill bench train_step`: whole training steps on the CPU, against PyTorch.

The 1M and 10M models with a vocabulary of 8192, rows of 256 tokens, float32, AdamW, clipping. All
contenders take turns; PyTorch runs by the interpreter that $GRISTMILL_TORCH_PYTHON names (this one
if it has PyTorch), with glibc's malloc tuned to keep memory, without which it is far slower.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from research.bench.figures import Figure
from research.errors import GristmillError
from research.model.config import ModelConfig
from research.terminal import progress

LENGTH, SECONDS, STEPS_PER_CALL = 256, 4.0, 8
SHAPES = {  # width, layers, heads, kv_heads, head_dim, mlp_width, batch: as gin_configs/models
    "1m": (128, 5, 4, 2, 32, 384, 16),
    "10m": (384, 6, 6, 2, 64, 1152, 16),
}
MALLOC = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TOP_PAD_": "500000000",
    "MALLOC_TRIM_THRESHOLD_": "100000000000",
}
TORCH = "2.13.0"


def train_step(rounds: int) -> list[Figure]:
    """Tokens a second of both sizes, ours against PyTorch's better mode.

    Raises:
      GristmillError: there is no PyTorch.
    """
    torch = _torch_python()
    figures = []
    for size, shape in SHAPES.items():
        sizes = _sizes(shape)
        decoder = str(Path(__file__).with_name("torch_decoder.py"))
        commands = {
            "gristmill": [sys.executable, "-m", "research.bench.train_step", json.dumps(sizes)],
            "torch eager": [torch, decoder, json.dumps(sizes), "eager"],
            "torch compiled": [torch, decoder, json.dumps(sizes), "compiled"],
        }
        runners = {name: _start(name, command) for name, command in commands.items()}
        speeds: dict[str, list[float]] = {name: [] for name in commands}
        for _ in progress(range(rounds), desc=f"train_step {size}", unit="round"):
            for name, runner in runners.items():
                assert runner.stdin and runner.stdout
                runner.stdin.write("go\n")
                runner.stdin.flush()
                result = json.loads(runner.stdout.readline())
                speeds[name].append(result["tokens"] / result["seconds"])
        for runner in runners.values():
            runner.communicate()
        ours = speeds.pop("gristmill")
        for name, theirs in speeds.items():
            ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
            values = statistics.median(ours), "tokens/s", name, statistics.median(theirs), ratio
            figures.append(Figure("train_step", f"tokens_per_s_{size}", *values))
    return figures


def _sizes(shape: tuple[int, ...]) -> dict[str, float]:
    width, layers, heads, kv_heads, head_dim, mlp_width, batch = shape
    return {
        "vocabulary_size": 8192, "width": width, "layers": layers, "heads": heads,
        "kv_heads": kv_heads, "head_dim": head_dim, "mlp_width": mlp_width, "batch": batch,
        "length": LENGTH, "seconds": SECONDS, "threads": os.cpu_count() or 1,
    }  # fmt: skip


def _torch_python() -> str:
    named = os.environ.get("GRISTMILL_TORCH_PYTHON")
    if named or importlib.util.find_spec("torch"):
        return named or sys.executable
    raise GristmillError(
        f"train_step compares with PyTorch: pip install torch=={TORCH} into an environment of its "
        "own, and set GRISTMILL_TORCH_PYTHON to that environment's python"
    )


def _start(name: str, command: list[str]) -> subprocess.Popen:
    environment = os.environ | (MALLOC if name.startswith("torch") else {})
    environment["JAX_PLATFORMS"] = "cpu"
    runner = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    assert runner.stdout
    if runner.stdout.readline() != "ready\n":
        raise GristmillError(f"train_step: {name} did not start ({' '.join(command[:2])})")
    return runner


def _serve(sizes: dict[str, float]) -> None:
    """Our own turns: calls of several steps, as the training loop makes them."""
    import jax
    import numpy as np

    from research.model.sharding import MeshSpec, make_mesh
    from research.train.run_spec import resolve
    from research.train.step import make_trainer

    batch, length = int(sizes["batch"]), int(sizes["length"])
    fields = {field.name for field in dataclasses.fields(ModelConfig)}
    bindings = [f"model.{name} = {value}" for name, value in sizes.items() if name in fields]
    bindings += [
        "model.max_length = 256", "model.tied_embeddings = True",
        "model.compute_dtype = 'float32'", "data.mixture = 'demo'", "data.seed = 0",
        f"data.batch = {batch}", f"data.length = {length}", "run.seed = 0", "run.steps = 10000",
        "learning_rate.peak = 1e-3",
        "learning_rate.warmup_steps = 10", f"exec.steps_per_call = {STEPS_PER_CALL}",
    ]  # fmt: skip
    run, execution = resolve([], bindings)
    trainer = make_trainer(run, execution, make_mesh(MeshSpec(), jax.devices()[:1]), 1)
    state = trainer.init(0)
    shape = (STEPS_PER_CALL, batch, length)
    rng = np.random.default_rng(0)

    def tokens() -> np.ndarray:
        return rng.integers(run.model.vocabulary_size, size=shape, dtype=np.int32)

    batches = {
        "inputs": tokens(),
        "targets": tokens(),
        "segment_ids": np.ones(shape, np.int32),
        "positions": np.broadcast_to(np.arange(length, dtype=np.int32), shape),
        "loss_weights": np.ones(shape, np.float32),
        "domain_ids": np.zeros(shape, np.int32),
    }
    batches = jax.device_put(batches, trainer.batch_sharding)

    steps = trainer.compiled(batches)

    def call() -> None:
        nonlocal state
        state, metrics = steps(state, batches)
        jax.device_get(metrics)

    call()
    print("ready", flush=True)
    for _ in sys.stdin:
        calls, start, cpu = 0, time.perf_counter(), time.process_time()
        while (seconds := time.perf_counter() - start) < sizes["seconds"]:
            call()
            calls += 1
        spent = time.process_time() - cpu
        done = calls * STEPS_PER_CALL * batch * length
        print(json.dumps({"tokens": done, "seconds": seconds, "cpu_s": spent}), flush=True)


if __name__ == "__main__":
    _serve(json.loads(sys.argv[1]))
