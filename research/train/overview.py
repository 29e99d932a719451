"""What a run is about to do, in words: for the start of training and for --dry_run."""

from __future__ import annotations

from typing import Any

import jax
from jax.sharding import Mesh

from research.input_pipeline.batches import BatchSource
from research.model.config import flops_per_token, parameters
from research.terminal import human, table
from research.train.run_spec import ExecSpec, RunSpec
from research.train.state_paths import flatten


def hello(run: RunSpec, execution: ExecSpec, mesh: Mesh) -> str:
    """Process, devices, mesh and batch."""
    kind = mesh.devices.flat[0].device_kind
    axes = ", ".join(f"{axis} {size}" for axis, size in mesh.shape.items())
    rows = mesh.size // mesh.shape["tensor"]
    return (
        f"process {jax.process_index()} of {jax.process_count()}, "
        f"{jax.local_device_count()} of {mesh.size} devices ({kind}); mesh {axes}\n"
        f"batch {run.data.batch} × {run.data.length} tokens, {run.data.batch / rows:g} rows on "
        f"each of {rows} shards, in {execution.microbatches} microbatches\n"
        f"run {run.fingerprint[:16]} in {execution.directory}"
    )


def parameter_table(params: Any) -> str:
    """Paths, shapes, shardings and sizes of the parameters, and their sum."""
    arrays = flatten(params)
    rows = [
        (name, " × ".join(map(str, a.shape)), str(a.sharding.spec), human(a.size))
        for name, a in arrays.items()
    ]
    total = sum(a.size for a in arrays.values())
    return table(("parameter", "shape", "sharding", "size"), [*rows, ("all", "", "", human(total))])


def plan(run: RunSpec, source: BatchSource) -> str:
    """Tokens, epochs of every source, parameters and FLOPs of a run."""
    steps, length = len(source), run.data.length
    tokens = steps * run.data.batch * length
    flops = flops_per_token(run.model, length) * tokens
    totals = source.plan.totals(steps)
    rows = []
    for name, packer, cache, count in zip(
        source.plan.sources, source.packers, source.caches, totals.tolist(), strict=True
    ):
        rows.append(
            (
                name,
                f"{count / max(1, totals.sum()):.3%}",
                human(count * length),
                f"{count / (packer.rows_in(100) / 100):.3g}",
                human(int(cache.manifest["tokens"])),
            )
        )
    asked = f" (of {run.steps}: a cap stops the run)" if steps < run.steps else ""
    lines = [
        f"{human(tokens)} tokens: {steps} steps{asked} × {run.data.batch} rows × {length} tokens",
        table(("source", "share", "tokens", "epochs", "tokens there are"), rows),
        f"{human(parameters(run.model))} parameters, "
        f"{human(parameters(run.model, embeddings=False))} of them not embeddings",
        f"{human(flops, 'FLOPs')}, {human(flops / steps, 'FLOPs')} a step",
    ]
    lines += [
        f"at step {step} {name} reaches its cap of {run.data.max_epochs[name]:g} epochs"
        for name, step in source.plan.exhausted.items()
    ]
    return "\n".join(lines)
