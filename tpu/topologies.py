"""Cloud TPU accelerator types: their chips, shapes, hosts and runtime versions.

    find("v5litepod-256").topology   ->  "16x16"
    find("v5litepod-256").hosts      ->  64

Sources:
  memory and speed: https://cloud.google.com/tpu/docs/v4, /v5e, /v5p and /v6e.  Pages of different
    dates give 800 GiB/s or 819 GB/s for v5e, 1600 or 1640 GB/s for v6e.
  ICI: the same pages (v5e 400, v5p 1200, v6e 800 GB/s); v4 is six links of 50 GB/s each way, from
    table 4 of Jouppi et al., "TPU v4: An Optically Reconfigurable Supercomputer", 2023.
  shapes and virtual machines: the v5p and v6e pages; for v4 and v5litepod the tables of xpk,
    https://github.com/AI-Hypercomputer/xpk, src/xpk/core/system_characteristics.py.
  runtime versions: https://cloud.google.com/tpu/docs/runtimes.
"""

from __future__ import annotations

import dataclasses
import math


@dataclasses.dataclass(frozen=True)
class Chip:
    """A generation of TPUs.

    Attributes:
      name: as the TPU compiler calls it, 'v5e'.
      prefix: of its accelerator types, 'v5litepod'.
      counted: what the number in an accelerator type counts of each chip: 2 where it counts
        TensorCores, 1 where it counts chips.
      runtime: version of the virtual machine's software that JAX is installed on.
      bf16_tflops: peak of a chip, in 10**12 operations a second.
      hbm_gb: memory of a chip.
      hbm_gb_per_s: its bandwidth.
      ici_gb_per_s: bandwidth of all links of a chip to its neighbours, both directions together.
      shapes: of the slices that can be had.
    """

    name: str
    prefix: str
    counted: int
    runtime: str
    bf16_tflops: float
    hbm_gb: float
    hbm_gb_per_s: float
    ici_gb_per_s: float
    shapes: tuple[tuple[int, ...], ...]


FLAT = ((1, 1), (2, 2), (2, 4), (4, 4), (4, 8), (8, 8), (8, 16), (16, 16))
CUBES = (
    *((2, 2, 1), (2, 2, 2), (2, 2, 4), (2, 4, 4), (4, 4, 4), (4, 4, 8), (4, 8, 8), (8, 8, 8)),
    *((8, 8, 16), (8, 16, 16)),
)
CHIPS = (
    Chip("v4", "v4", 2, "tpu-ubuntu2204-base", 275, 32, 1200, 600, CUBES),
    Chip("v5e", "v5litepod", 1, "v2-alpha-tpuv5-lite", 197, 16, 819, 400, FLAT),
    Chip("v5p", "v5p", 2, "v2-alpha-tpuv5", 459, 95, 2765, 1200,
         (*CUBES, (16, 16, 16), (16, 16, 24))),
    Chip("v6e", "v6e", 1, "v2-alpha-tpuv6e", 918, 32, 1640, 800, FLAT),
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Slice:
    """An accelerator type: chips that are wired to each other.

    Attributes:
      chip: its generation.
      shape: chips along each axis of the torus or mesh.
    """

    chip: Chip
    shape: tuple[int, ...]

    @property
    def chips(self) -> int:
        """Their number."""
        return math.prod(self.shape)

    @property
    def accelerator_type(self) -> str:
        """As gcloud calls it, 'v5litepod-256'."""
        return f"{self.chip.prefix}-{self.chips * self.chip.counted}"

    @property
    def topology(self) -> str:
        """The shape as text, '16x16'."""
        return "x".join(map(str, self.shape))

    @property
    def compiler_name(self) -> str:
        """What `gristmill compile --topology` takes, 'v5e:16x16'."""
        return f"{self.chip.name}:{self.topology}"

    @property
    def chips_per_host(self) -> int:
        """Chips that one virtual machine sees; a flat slice of 8 chips or fewer is one machine."""
        return self.chips if len(self.shape) == 2 and self.chips <= 8 else 4

    @property
    def hosts(self) -> int:
        """Virtual machines, each with one process of the job."""
        return self.chips // self.chips_per_host


SLICES = {
    each.accelerator_type: each
    for each in (Slice(chip, shape) for chip in CHIPS for shape in chip.shapes)
}


def find(accelerator_type: str) -> Slice:
    """The slice of an accelerator type.

    Raises:
      ValueError: there is no such type; the message lists those there are.
    """
    if accelerator_type in SLICES:
        return SLICES[accelerator_type]
    sizes: dict[str, list[str]] = {}
    for name in SLICES:
        prefix, _, size = name.rpartition("-")
        sizes.setdefault(prefix, []).append(size)
    known = "; ".join(f"{prefix}- {', '.join(each)}" for prefix, each in sizes.items())
    raise ValueError(f"unknown accelerator type {accelerator_type!r}; there are {known}")
