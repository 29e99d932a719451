"""What accelerators can do at most: the denominators of model FLOPs utilisation and of rooflines.

Peaks are those that the makers state, of bfloat16 with float32 accumulation, without sparsity.
"""

from __future__ import annotations

import dataclasses

import jax


@dataclasses.dataclass(frozen=True)
class Hardware:
    """One chip.

    Attributes:
      name: as topologies call it.
      flops: peak bfloat16 FLOP/s.
      memory: bytes of HBM that programs may use; of TPUs, what their compiler says is available.
      memory_bandwidth: bytes/s of HBM.
      network_bandwidth: bytes/s that the chip can send to others of its slice (or node), over all
        its links together.
      source: where the numbers stand.
    """

    name: str
    flops: float
    memory: float
    memory_bandwidth: float
    network_bandwidth: float
    source: str


GIB = 2.0**30
_TPU = "https://cloud.google.com/tpu/docs/"
_NVIDIA = "https://www.nvidia.com/en-us/data-center/"
# by `jax.Device.device_kind`; network bandwidths are half of the bidirectional ones stated
KINDS = {
    "TPU v4": Hardware("v4", 275e12, 30.75 * GIB, 1228e9, 300e9, _TPU + "v4"),
    "TPU v5 lite": Hardware("v5e", 197e12, 15.75 * GIB, 819e9, 200e9, _TPU + "v5e"),
    "TPU v5": Hardware("v5p", 459e12, 95.73 * GIB, 2765e9, 600e9, _TPU + "v5p"),
    "TPU v6 lite": Hardware("v6e", 918e12, 31.24 * GIB, 1640e9, 400e9, _TPU + "v6e"),
    "NVIDIA A100-SXM4-80GB": Hardware("a100", 312e12, 80e9, 2039e9, 300e9, _NVIDIA + "a100/"),
    "NVIDIA H100 80GB HBM3": Hardware("h100", 989.4e12, 80e9, 3350e9, 450e9, _NVIDIA + "h100/"),
    "NVIDIA H200": Hardware("h200", 989.4e12, 141e9, 4800e9, 450e9, _NVIDIA + "h200/"),
}
KINDS["TPU v5e"], KINDS["TPU v5p"] = KINDS["TPU v5 lite"], KINDS["TPU v5"]
KINDS["TPU v6e"] = KINDS["TPU v6 lite"]


def hardware_of(device: jax.Device) -> Hardware | None:
    """The entry of a device, None for CPUs and for what is not in the table."""
    return KINDS.get(device.device_kind)
