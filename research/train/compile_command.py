"""`gristmill compile`: will this run fit that TPU, and how fast could it be?"""

from __future__ import annotations

import argparse
import dataclasses
import subprocess
import sys
from typing import TYPE_CHECKING

from research.errors import GristmillError
from research.terminal import human, table

if TYPE_CHECKING:
    from research.model.sharding import MeshSpec
    from research.train.aot import Estimate
    from research.train.run_spec import ExecSpec, RunSpec

DOES_NOT_FIT = 2  # exit status
GIB = 2.0**30
MOST_FALLBACKS = 4  # meshes tried after one that does not fit


def compile(parser: argparse.ArgumentParser) -> None:
    """Fills the parser of `gristmill compile`."""
    parser.add_argument(
        "--gin-file", action="append", default=[], help="of the run; may be given several times"
    )
    parser.add_argument("--gin", action="append", default=[], help="one binding, over the files'")
    parser.add_argument("--topology", required=True, help="as v5e:16x16: kind of chip, and shape")
    parser.add_argument("--slices", type=int, default=1, help="how many such slices")
    parser.add_argument("--mesh", help="as data=1,fsdp=256 (default: exec.mesh, else fsdp=-1)")
    parser.add_argument(
        "--sweep-mesh", action="store_true", help="try meshes and batch sizes; rank what fits"
    )
    parser.add_argument(
        "--most", type=int, default=12, help="of meshes and batch sizes that a sweep tries"
    )
    parser.set_defaults(run=run_compile)


def run_compile(args: argparse.Namespace) -> int:
    """Compiles and reports; 2 where it does not fit."""
    if "jax" in sys.modules:  # which may have begun to look for devices
        return subprocess.run(_command(args), check=False).returncode
    from research.train.run_spec import resolve

    run, execution = resolve(args.gin_file, args.gin)
    from research.model.sharding import MeshSpec
    from research.train import aot

    mesh = MeshSpec.parse(args.mesh or execution.mesh or f"slice={args.slices},fsdp=-1")
    if args.sweep_mesh:
        return _sweep(run, execution, args)
    try:
        print(report(aot.compile_step(run, execution, args.topology, mesh, args.slices)))
    except aot.DoesNotFit as error:
        print(f"gristmill: {error}", file=sys.stderr)
        print(f"gristmill: {_remedy(run, execution, args, mesh)}", file=sys.stderr)
        return DOES_NOT_FIT
    return 0


def report(estimate: Estimate) -> str:
    """What one compiled step needs and could reach."""
    e, chip = estimate, estimate.hardware
    lines = [
        f"{e.batch} rows of {e.length} tokens on {e.topology} ({e.devices} × {chip.name}), "
        f"mesh {e.mesh}: fits",
        "",
        "memory of a chip",
        f"  arguments     {e.arguments / GIB:9.2f} GiB  state and batch",
        f"  temporary     {e.temporary / GIB:9.2f} GiB",
        f"  peak          {e.peak / GIB:9.2f} GiB  of {chip.memory / GIB:.2f}",
        "",
        "FLOPs of a step, all chips",
        f"  program       {human(e.flops):>9}      matrix products and kernels, loops counted",
        f"  model         {human(e.model_flops):>9}      6·N·D and causal attention",
        f"  ratio         {e.flops / e.model_flops:9.3f}",
        "",
    ]
    rows = [
        [t.kind, t.count, f"{t.operand_bytes / 1e6:,.1f}", f"{t.sent_bytes / 1e6:,.1f}"]
        for t in e.traffic
    ]
    header = ["collectives of a step", "count", "MB moved", "MB sent by a chip"]
    lines.append(table(header, rows) if rows else "collectives: none")
    best, worst = e.mfu
    lines += [
        "",
        "roofline of a step",
        f"  compute       {e.compute_seconds * 1e3:9.1f} ms   program FLOPs at "
        f"{chip.flops / 1e12:.0f} TFLOP/s",
        f"  memory        {e.memory_seconds * 1e3:9.1f} ms   at "
        f"{chip.memory_bandwidth / 1e9:.0f} GB/s; products read and write once, the rest is fused",
        f"  network       {e.network_seconds * 1e3:9.1f} ms   at "
        f"{chip.network_bandwidth / 1e9:.0f} GB/s, all links of a chip busy",
        f"  step          {e.seconds[0] * 1e3:9.1f} ms   if all three overlap; "
        f"{e.seconds[1] * 1e3:.1f} ms if nothing does",
        f"  MFU           {best:9.1%}      at most; {worst:.1%} if nothing overlaps",
        f"  peaks of a chip: {chip.source}",
    ]
    return "\n".join(lines)


def _remedy(run: RunSpec, execution: ExecSpec, args: argparse.Namespace, refused: MeshSpec) -> str:
    """Which mesh, or which other setting, would fit; found by compiling."""
    from research.train import aot

    devices = len(aot.topology_devices(args.topology, args.slices))
    refused = refused.resolve(devices)
    meshes = [m for m in aot.candidate_meshes(run, devices, args.slices) if m != refused]
    trials = [(mesh, execution.remat) for mesh in meshes[:MOST_FALLBACKS]]
    if execution.remat != "full":
        trials += [(mesh, "full") for mesh in [refused, *meshes[:MOST_FALLBACKS]]]
    closest = None
    for mesh, remat in trials:
        changed = dataclasses.replace(execution, remat=remat)
        try:
            found = aot.compile_step(run, changed, args.topology, mesh, args.slices)
        except aot.DoesNotFit as error:
            if error.needed and (closest is None or error.needed < closest[0]):
                closest = error.needed, mesh, remat
            continue
        setting = "" if remat == execution.remat else f" and exec.remat='{remat}'"
        return f"mesh {mesh}{setting} fits, with a peak of {found.peak / GIB:.2f} GiB"
    near = ""
    if closest:
        near = f" (mesh {closest[1]}, remat {closest[2]} comes nearest: {closest[0] / GIB:.2f} GiB)"
    return f"no mesh that was tried fits{near}; take a smaller data.batch or a larger topology"


def _sweep(run: RunSpec, execution: ExecSpec, args: argparse.Namespace) -> int:
    """Compiles meshes × batch sizes, and prints those that fit, the fastest first."""
    from research.train import aot

    devices = len(aot.topology_devices(args.topology, args.slices))
    trials = []
    for factor in (1, 2, 0.5, 4):
        batch = int(run.data.batch * factor)
        sized = dataclasses.replace(run, data=dataclasses.replace(run.data, batch=batch))
        meshes = aot.candidate_meshes(sized, devices, args.slices) if batch else ()
        trials.append([(sized, mesh) for mesh in meshes])
    # the first meshes of every batch size before the others of any
    order = [
        t for rank in range(max(map(len, trials))) for ts in trials for t in ts[rank : rank + 1]
    ]
    if not order:
        raise GristmillError(
            f"no mesh over {devices} chips divides data.batch {run.data.batch} and the model"
        )
    fitting, refused = [], 0
    for number, (sized, mesh) in enumerate(order[: args.most]):
        what = f"batch {sized.data.batch}, mesh {mesh}"
        print(f"{number + 1}/{min(len(order), args.most)} {what}", file=sys.stderr, flush=True)
        try:
            fitting.append(aot.compile_step(sized, execution, args.topology, mesh, args.slices))
        except aot.DoesNotFit:
            refused += 1
    fitting.sort(key=lambda e: e.seconds[0] / e.batch)
    rows = [
        [
            str(e.mesh),
            e.batch,
            f"{e.peak / GIB:.2f}",
            f"{e.sent_bytes / 1e9:.2f}",
            f"{e.seconds[0] * 1e3:.1f}",
            f"{e.mfu[0]:.1%}",
            f"{e.mfu[1]:.1%}",
        ]
        for e in fitting
    ]
    header = ["mesh", "batch", "peak GiB", "sent GB", "ms a step", "MFU at most", "no overlap"]
    print(table(header, rows) if rows else "nothing fits")
    print(f"{len(fitting)} fit, {refused} do not, {len(order) - args.most} not tried"
          if len(order) > args.most else f"{len(fitting)} fit, {refused} do not")  # fmt: skip
    return 0 if fitting else DOES_NOT_FIT


def _command(args: argparse.Namespace) -> list[str]:
    """The same command, for a process of its own."""
    command = [sys.executable, "-m", "research.cli", "compile", "--topology", args.topology]
    for option, values in (("--gin-file", args.gin_file), ("--gin", args.gin)):
        for value in values:
            command += [option, value]
    command += ["--slices", str(args.slices), "--most", str(args.most)]
    command += ["--mesh", args.mesh] if args.mesh else []
    return command + ["--sweep-mesh"] * args.sweep_mesh
