"""Compiling a training step for TPUs that are not here, to learn whether it fits and how it runs.

    RunSpec, ExecSpec, topology ──> TPU compiler ──> memory, collectives ──┐
                  └────> jaxpr ──> FLOPs, bytes ──────────────────────────> Estimate

The compiler is that of the `libtpu` package, which needs no TPU to compile; the program is the one
that training runs, sharded over the devices of a topology that is only described.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import jax

from research.errors import GristmillError
from research.model.attention import splash_blocks
from research.model.config import ModelConfig, flops_per_token
from research.model.sharding import MeshSpec, check_mesh, make_mesh
from research.train.flops import count
from research.train.hardware import Hardware, hardware_of
from research.train.hlo import Traffic, collectives
from research.train.run_spec import ExecSpec, RunSpec

# before libtpu is loaded: ask no metadata server which TPU this is, stay on the CPU, allow others
# to have libtpu loaded at the same time, say nothing that the user cannot mend
ENVIRONMENT = {
    "TPU_SKIP_MDS_QUERY": "1",
    "JAX_PLATFORMS": "cpu",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-1",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_STDERR_LOG_LEVEL": "3",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
# topologies that Google Cloud rents; others of the same kinds compile as well
TOPOLOGIES = {
    "v4": "2x2x1 2x2x2 2x2x4 2x4x4 4x4x4 4x4x8 4x8x8 8x8x8 8x8x12 8x8x16 8x16x16",
    "v5e": "1x1 2x2 2x4 4x4 4x8 8x8 8x16 16x16",
    "v5p": "2x2x1 2x2x2 2x2x4 2x4x4 4x4x4 4x4x8 4x8x8 8x8x8 8x8x16 8x16x16 16x16x16 16x16x24",
    "v6e": "1x1 2x2 2x4 4x4 4x8 8x8 8x16 16x16",
}
DOMAINS = 16  # of the data, which is not looked at
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


class DoesNotFit(GristmillError):
    """The compiler found no way to run the step in the memory of the chip.

    Attributes:
      needed: bytes, or None where the compiler does not say.
      available: bytes, or None.
    """

    def __init__(self, message: str, needed: float | None, available: float | None) -> None:
        super().__init__(message)
        self.needed, self.available = needed, available


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A step on a topology; bytes and seconds are of one chip.

    Attributes:
      topology, mesh, batch, length: what was compiled.
      devices: number of chips.
      hardware: of a chip.
      arguments, temporary, peak: bytes of the state and batch, of what the step needs beside them,
        and of the most that lives at one time.
      flops: of the whole step on all chips, as programmed.
      model_flops: the same as the model asks it: 6·N·D and causal attention.
      traffic: collectives by kind.
      compute_seconds, memory_seconds, network_seconds: the terms of the roofline.
    """

    topology: str
    mesh: MeshSpec
    batch: int
    length: int
    devices: int
    hardware: Hardware
    arguments: float
    temporary: float
    peak: float
    flops: float
    model_flops: float
    traffic: list[Traffic]
    compute_seconds: float
    memory_seconds: float
    network_seconds: float

    @property
    def sent_bytes(self) -> float:
        """What a chip sends in a step."""
        return sum(traffic.sent_bytes for traffic in self.traffic)

    @property
    def seconds(self) -> tuple[float, float]:
        """Of a step: if all three terms overlap wholly, and if nothing overlaps."""
        terms = self.compute_seconds, self.memory_seconds, self.network_seconds
        return max(terms), sum(terms)

    @property
    def mfu(self) -> tuple[float, float]:
        """Model FLOPs utilisation where everything overlaps, and where nothing does."""
        at_peak = self.model_flops / (self.devices * self.hardware.flops)
        return at_peak / self.seconds[0], at_peak / self.seconds[1]


def topology_devices(name: str, slices: int = 1) -> list[jax.Device]:
    """The devices of a topology, to compile for and not to compute on.

    Args:
      name: as 'v5e:16x16': kind of chip, and how many of them along each dimension.
      slices: so many of them, joined by the data-centre network.

    Raises:
      GristmillError: libtpu is not installed, or there is no such topology.
    """
    os.environ.update(ENVIRONMENT)
    from jax.experimental import topologies

    kind, _, shape = name.partition(":")
    known = f"known: {'; '.join(f'{k}: {shapes}' for k, shapes in TOPOLOGIES.items())}"
    if kind not in TOPOLOGIES or not re.fullmatch(r"\d+(x\d+){1,2}", shape):
        raise GristmillError(f"topology {name!r} is unknown; write KIND:SHAPE; {known}")
    sides = [int(side) for side in shape.split("x")]
    options: dict[str, object] = {"num_slices": slices} if slices > 1 else {}
    if kind == "v4":  # one device a chip
        options["chip_config_name"] = "megacore"
    if len(sides) == 3 and all(side % 4 == 0 for side in sides):
        options["wrap"] = (True, True, True)  # whole cubes are joined to a torus
    if math.prod(sides) < 4:
        options["chips_per_host_bounds"] = (*sides, *(1,) * (3 - len(sides)))
    try:
        topology = topologies.get_topology_desc(platform="tpu", topology_name=name, **options)
    except RuntimeError as error:
        if "not installed" in str(error):
            raise GristmillError(
                "compiling for TPUs needs libtpu: pip install 'gristmill[aot]'"
            ) from None
        reason = str(error).splitlines()[0]
        raise GristmillError(f"topology {name!r} is unknown ({reason}); {known}") from None
    return list(topology.devices)


def compile_step(
    run: RunSpec, execution: ExecSpec, topology: str, mesh: MeshSpec, slices: int = 1
) -> Estimate:
    """Compiles the training step of a run for a topology.

    Args:
      run, execution: the run; `execution.mesh` is not looked at.
      topology: as 'v5e:16x16'.
      mesh: over all its devices.
      slices: number of such slices.

    Raises:
      GristmillError: the topology is unknown, or the mesh or batch does not divide.
      DoesNotFit: the step needs more memory than a chip has.
    """
    from research.train.step import make_trainer

    devices = topology_devices(topology, slices)
    mesh = mesh.resolve(len(devices))
    check_mesh(run.model, mesh)
    execution = dataclasses.replace(execution, mesh=str(mesh), steps_per_call=1)
    hardware = hardware_of(devices[0])
    trainer = make_trainer(run, execution, make_mesh(mesh, devices), DOMAINS)
    shape = (1, run.data.batch, run.data.length)
    integers = jax.ShapeDtypeStruct(shape, "int32", sharding=trainer.batch_sharding)
    batches = dict.fromkeys(
        ("inputs", "targets", "segment_ids", "positions", "domain_ids"), integers
    )
    batches["loss_weights"] = jax.ShapeDtypeStruct(
        shape, "float32", sharding=trainer.batch_sharding
    )
    traced = trainer.steps.trace(trainer.abstract, batches)
    with tempfile.TemporaryDirectory() as folder:
        try:
            # `compiled.as_text()` fails on some programs for v5p; the compiler's own dump does not
            compiled = traced.lower().compile(compiler_options={"xla_dump_to": folder})
        except jax.errors.JaxRuntimeError as error:
            raise _explained(error, run, topology, mesh) from None
        text = max(Path(folder).glob("*.after_optimizations.txt"), key=lambda p: p.stat().st_size)
        traffic = collectives(text.read_text(encoding="utf-8"))
    memory = compiled.memory_analysis()
    share = functools.partial(visited_share, run.model, run.data.length)
    cost = count(traced.jaxpr, share)
    gathered = sum(t.operand_bytes for t in traffic if t.kind == "all-gather")
    # the state is read and written once, what is gathered is written and read again
    moved = 2 * memory.argument_size_in_bytes + 2 * gathered + cost.bytes / len(devices)
    sent = sum(t.sent_bytes for t in traffic)
    tokens = run.data.batch * run.data.length
    return Estimate(
        topology=topology,
        mesh=mesh,
        batch=run.data.batch,
        length=run.data.length,
        devices=len(devices),
        hardware=hardware,
        arguments=memory.argument_size_in_bytes,
        temporary=memory.temp_size_in_bytes,
        peak=memory.peak_memory_in_bytes,
        flops=cost.flops,
        model_flops=tokens * flops_per_token(run.model, run.data.length),
        traffic=traffic,
        compute_seconds=cost.flops / len(devices) / hardware.flops,
        memory_seconds=moved / hardware.memory_bandwidth,
        network_seconds=sent / hardware.network_bandwidth,
    )


def candidate_meshes(run: RunSpec, devices: int, slices: int = 1) -> Iterator[MeshSpec]:
    """Meshes that divide model and batch, those that need the least memory first."""
    per_slice = devices // slices
    sizes = [size for size in range(1, per_slice + 1) if per_slice % size == 0]
    for tensor in (size for size in sizes if size <= 8):
        for fsdp in reversed(sizes):
            if per_slice % (fsdp * tensor):
                continue
            mesh = MeshSpec(slices, per_slice // (fsdp * tensor), fsdp, tensor)
            try:
                check_mesh(run.model, mesh)
            except GristmillError:
                continue
            if run.data.batch % (devices // tensor) == 0:
                yield mesh


def _explained(
    error: jax.errors.JaxRuntimeError, run: RunSpec, topology: str, mesh: MeshSpec
) -> GristmillError:
    text = str(error)
    where = f"batch {run.data.batch} of {run.data.length} on {topology} with mesh {mesh}"
    if "RESOURCE_EXHAUSTED" not in text:
        return GristmillError(f"the compiler refuses {where}: {text.splitlines()[0]}")
    needed, available = parse_exhausted(text)
    if needed is None or available is None:
        return DoesNotFit(f"{where} does not fit: {text.splitlines()[0]}", needed, available)
    gib = 2.0**30
    return DoesNotFit(
        f"{where} does not fit: it needs {needed / gib:.2f} GiB of the {available / gib:.2f} GiB "
        f"of a chip, {(needed - available) / gib:.2f} too many",
        needed,
        available,
    )


def parse_exhausted(text: str) -> tuple[float | None, float | None]:
    """The bytes needed and available, from the compiler's RESOURCE_EXHAUSTED message."""
    size = r"([\d.]+)([KMGT]?)"
    for pattern in (rf"\({size}\) exceeds available HBM \({size}\)", rf"Used {size} of {size} hbm"):
        if match := re.search(pattern, text):
            needed, needed_unit, available, available_unit = match.groups()
            return float(needed) * _UNITS[needed_unit], float(available) * _UNITS[available_unit]
    return None, None


def visited_share(model: ModelConfig, length: int, kernel: str, grid: Sequence[int]) -> float:
    """The share of the grid of one of splash attention's kernels that the masks leave.

    Args:
      model: for its windows, over which the share is a mean.
      length: of a row.
      kernel: its name.
      grid: […, heads, blocks of queries, blocks of keys], of the backward kernel
        […, blocks of keys, heads, blocks of queries]; less what no window of a row reaches.
    """
    rows, keys = splash_blocks(length)
    if "fwd" in kernel:
        keys, cells = rows, grid[-2] * grid[-1]
    else:
        cells = grid[-3] * grid[-1]
    visited = 0
    for window in model.windows:
        reach = min(window or length, length)
        # blocks of which the last query sees the first key, and the first query the last key
        visited += sum(
            key <= row + rows - 1 and row - (key + keys - 1) < reach
            for row in range(0, length, rows)
            for key in range(0, length, keys)
        )
    return visited / (len(model.windows) * cells)
