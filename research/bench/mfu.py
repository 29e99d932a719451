"""`gristmill bench mfu`: model FLOPs utilisation of whole training steps on an accelerator.

The 1B model, rows of 2048 tokens, bfloat16, on all devices that jax finds; model FLOPs are 6·N·D
and causal attention, recomputation not counted, against the peak that the maker states.
"""

from __future__ import annotations

import statistics
import time

from research.bench.figures import Figure
from research.errors import GristmillError
from research.terminal import progress

ROWS, LENGTH = 8, 2048  # rows of a device
STEPS = 10  # of a round


def mfu(rounds: int) -> list[Figure]:
    """MFU and tokens a second: the median of the rounds.

    Raises:
      GristmillError: there is no accelerator, or none whose peak is known.
    """
    import jax

    from research.model.config import flops_per_token
    from research.model.sharding import MeshSpec, make_mesh
    from research.train.hardware import hardware_of
    from research.train.step import make_trainer

    device, devices = jax.devices()[0], jax.device_count()
    if device.platform == "cpu":
        raise GristmillError("mfu needs a GPU or a TPU; jax finds none here")
    hardware = hardware_of(device)
    if hardware is None:
        raise GristmillError(
            f"mfu needs the peak of {device.device_kind}, which research/train/hardware.py lacks"
        )
    run, execution = _run(ROWS * devices)
    trainer = make_trainer(run, execution, make_mesh(MeshSpec(fsdp=devices)), 1)
    batches = _batches(run.model.vocabulary_size, ROWS * devices, trainer.batch_sharding)
    state = trainer.init(run.seed)
    state, metrics = trainer.steps(state, batches)
    jax.block_until_ready(metrics)
    speeds = []
    for _ in progress(range(rounds), desc="mfu", unit="round"):
        start = time.perf_counter()
        for _ in range(STEPS):
            state, metrics = trainer.steps(state, batches)
        jax.block_until_ready(metrics)
        speeds.append(STEPS * ROWS * devices * LENGTH / (time.perf_counter() - start))
    speed = statistics.median(speeds)
    share = speed * flops_per_token(run.model, LENGTH) / (devices * hardware.flops)
    what = f"of {devices} x {hardware.name}"
    return [Figure("mfu", "mfu", share, what), Figure("mfu", "tokens_per_s", speed, "tokens/s")]


def _run(rows: int):
    from research.bench.proxy_runs import RUNS
    from research.train.run_spec import resolve

    bindings = [
        "data.mixture = 'demo'", f"data.batch = {rows}", f"data.length = {LENGTH}", "data.seed = 0",
        "run.seed = 0", "run.steps = 1000", "learning_rate.peak = 3e-4",
        "learning_rate.warmup_steps = 100", "exec.remat = 'minimal'",
    ]  # fmt: skip
    return resolve([str(RUNS.parent / "models" / "1b.gin")], bindings)


def _batches(vocabulary: int, rows: int, sharding):
    import jax
    import numpy as np

    rng, shape = np.random.default_rng(0), (1, rows, LENGTH)
    places = np.broadcast_to(np.arange(LENGTH, dtype=np.int32), shape)
    batches = {
        "inputs": rng.integers(vocabulary, size=shape, dtype=np.int32),
        "targets": rng.integers(vocabulary, size=shape, dtype=np.int32),
        "segment_ids": np.ones(shape, np.int32),
        "positions": places,
        "loss_weights": np.ones(shape, np.float32),
        "domain_ids": np.zeros(shape, np.int32),
    }
    return jax.device_put(batches, sharding)
