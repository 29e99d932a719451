"""`gristmill bench compile_sizes`: every shipped size, compiled for TPUs that it suits.

No TPU is needed; each size is compiled in a process of its own, in one to a few minutes.
"""

from __future__ import annotations

import dataclasses

from research.bench.compile_step import estimate
from research.bench.figures import Figure
from research.bench.proxy_runs import RUNS
from research.terminal import progress

GIB = 2.0**30


@dataclasses.dataclass(frozen=True)
class Placement:
    """A size on a topology.

    Attributes:
      size: name of a file in gin_configs/models, without its ending.
      topology, mesh, batch, length, remat: what is compiled.
    """

    size: str
    topology: str
    mesh: str
    batch: int
    length: int
    remat: str


PLACEMENTS = (
    Placement("1m", "v5e:2x2", "data=4", 128, 1024, "none"),
    Placement("3m", "v5e:2x2", "data=4", 128, 1024, "none"),
    Placement("10m", "v5e:2x2", "data=4", 128, 1024, "none"),
    Placement("30m", "v5e:2x2", "data=4", 128, 1024, "none"),
    Placement("125m", "v5e:4x4", "fsdp=16", 256, 2048, "minimal"),
    Placement("350m", "v5e:4x4", "fsdp=16", 256, 2048, "minimal"),
    Placement("1b", "v5e:16x16", "fsdp=256", 1024, 2048, "minimal"),
    Placement("3b", "v6e:8x8", "fsdp=64", 128, 8192, "full"),
    Placement("8b", "v6e:16x16", "fsdp=256", 256, 8192, "full"),
    Placement("8b", "v5p:8x8x8", "fsdp=512", 512, 8192, "full"),
)


def compile_sizes(rounds: int) -> list[Figure]:
    """Peak memory of a chip, and the roofline's MFU: at most, and if nothing overlaps.

    Args:
      rounds: not used: compiling twice gives the same numbers.

    Raises:
      GristmillError: libtpu is not installed, or a size does not fit.
    """
    figures = []
    for p in progress(PLACEMENTS, desc="compile_sizes", unit="size"):
        model = str(RUNS.parent / "models" / f"{p.size}.gin")
        found = estimate(p.topology, p.mesh, [model], p.batch, p.length, p.remat)
        name, chip = f"{p.size}_{p.topology}", f"GiB of {found['memory'] / GIB:.2f}"
        figures += [
            Figure("compile_sizes", f"peak_gib_{name}", found["peak"] / GIB, chip),
            Figure("compile_sizes", f"mfu_{name}", found["mfu"], "at most"),
            Figure("compile_sizes", f"mfu_{name}", found["mfu_without_overlap"], "no overlap"),
        ]
    return figures
