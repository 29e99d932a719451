"""Where arrays lie: a mesh of devices, and one table from logical axes to mesh axes.

A parameter or an activation names its axes by what they mean; RULES says over which axes of the
mesh each is split:

    slice    pods joined by the data-centre network: copies of the model, gradients cross it once
    data     copies of the model within a slice
    fsdp     copies of the computation, shards of parameters and optimizer states (ZeRO-3)
    tensor   shards of heads, MLP columns and vocabulary (Megatron)
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.experimental import mesh_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from research.errors import GristmillError
from research.model.config import ModelConfig

MESH_AXES = ("slice", "data", "fsdp", "tensor")
BATCH_AXES = ("slice", "data", "fsdp")

RULES: dict[str, str | tuple[str, ...] | None] = {
    # of parameters
    "layers": None,
    "embed": "fsdp",
    "vocabulary": "tensor",
    "heads": "tensor",
    "kv_heads": "tensor",
    "head_dim": None,
    "mlp": "tensor",
    "norm": None,
    # of activations
    "batch": BATCH_AXES,
    "length": None,
    "width": None,
}


@dataclasses.dataclass(frozen=True)
class MeshSpec:
    """The size of every mesh axis; one of them may be -1, for the devices that the rest leave."""

    slice: int = 1
    data: int = 1
    fsdp: int = 1
    tensor: int = 1

    def __post_init__(self) -> None:
        """Raises GristmillError for sizes that make no mesh."""
        for axis, size in zip(MESH_AXES, self.sizes, strict=True):
            if size < 1 and size != -1:
                raise GristmillError(f"mesh axis {axis} is {size}; it must be above 0, or -1")
        if self.sizes.count(-1) > 1:
            raise GristmillError(f"mesh {self}: only one axis may be -1")

    def __str__(self) -> str:
        named = zip(MESH_AXES, self.sizes, strict=True)
        return ",".join(f"{axis}={size}" for axis, size in named if size != 1) or "data=1"

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """Sizes in the order of MESH_AXES."""
        return self.slice, self.data, self.fsdp, self.tensor

    @classmethod
    def parse(cls, text: str) -> MeshSpec:
        """Reads "data=1,fsdp=256"; axes that are not named have size 1.

        Raises:
          GristmillError: an axis is unknown, named twice or has no whole number.
        """
        sizes: dict[str, int] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            axis, _, size = (side.strip() for side in part.partition("="))
            if axis not in MESH_AXES:
                raise GristmillError(
                    f"mesh {text!r}: {axis!r} is no axis; there are {', '.join(MESH_AXES)}"
                )
            if axis in sizes:
                raise GristmillError(f"mesh {text!r} names {axis} twice")
            try:
                sizes[axis] = int(size)
            except ValueError:
                raise GristmillError(
                    f"mesh {text!r}: {part!r} has no whole number; write it as {axis}=8"
                ) from None
        return cls(**sizes)

    def resolve(self, devices: int) -> MeshSpec:
        """The same mesh over that many devices, with -1 filled in.

        Raises:
          GristmillError: the sizes do not multiply to the number of devices.
        """
        known = math.prod(size for size in self.sizes if size != -1)
        if -1 in self.sizes and devices % known == 0:
            rest = devices // known
            return MeshSpec(*(rest if size == -1 else size for size in self.sizes))
        if known != devices or -1 in self.sizes:
            divisors = [str(n) for n in range(1, devices + 1) if devices % n == 0]
            raise GristmillError(
                f"mesh {self} takes {'a multiple of ' if -1 in self.sizes else ''}{known} devices, "
                f"there are {devices}; the sizes of its axes must multiply to {devices} "
                f"(divisors: {', '.join(divisors)})"
            )
        return self


def make_mesh(spec: MeshSpec, devices: Sequence[jax.Device] | None = None) -> Mesh:
    """Lays devices out so that neighbours on a mesh axis are neighbours on the network.

    Args:
      spec: sizes of the axes.
      devices: all of them by default; those of a topology description, to compile ahead of time.

    Raises:
      GristmillError: the sizes do not multiply to the number of devices, or the `slice` axis is
        not the number of slices that the devices lie in.
    """
    devices = list(jax.devices() if devices is None else devices)
    slices = len({getattr(device, "slice_index", 0) for device in devices})
    spec = spec.resolve(len(devices))
    if slices > 1:
        if spec.slice != slices:
            raise GristmillError(
                f"mesh {spec}: the devices lie in {slices} slices; set slice={slices}"
            )
        grid = mesh_utils.create_hybrid_device_mesh(
            (1, *spec.sizes[1:]),
            (slices, 1, 1, 1),
            devices,
            allow_split_physical_axes=True,
        )
    else:
        grid = mesh_utils.create_device_mesh(spec.sizes, devices, allow_split_physical_axes=True)
    return Mesh(np.asarray(grid), MESH_AXES, axis_types=(AxisType.Auto,) * len(MESH_AXES))


def check_mesh(config: ModelConfig, spec: MeshSpec) -> None:
    """Raises GristmillError where the model's axes do not divide by a (resolved) mesh."""
    for axis in ("heads", "kv_heads", "mlp_width", "vocabulary_size"):
        if getattr(config, axis) % spec.tensor:
            raise GristmillError(
                f"mesh {spec}: tensor={spec.tensor} does not divide the model's {axis} "
                f"({getattr(config, axis)}); it may be {_common_divisors(config)}"
            )
    if config.width % spec.fsdp:
        raise GristmillError(
            f"mesh {spec}: fsdp={spec.fsdp} does not divide the model's width ({config.width}); "
            f"take fsdp={math.gcd(config.width, spec.fsdp)} and the rest as data"
        )


def _common_divisors(config: ModelConfig) -> str:
    most = math.gcd(config.heads, config.kv_heads, config.mlp_width, config.vocabulary_size)
    return ", ".join(str(n) for n in range(1, most + 1) if most % n == 0)


def partition_spec(axes: Sequence[str]) -> PartitionSpec:
    """The RULES applied to the logical axes of one array."""
    return PartitionSpec(*(RULES[axis] for axis in axes))


def param_shardings(config: ModelConfig, mesh: Mesh) -> dict[str, Any]:
    """A NamedSharding for every parameter, in the tree of `transformer.init_params`."""
    from research.model.transformer import logical_axes

    return jax.tree.map(
        lambda axes: NamedSharding(mesh, partition_spec(axes)),
        logical_axes(config),
        is_leaf=lambda node: isinstance(node, tuple),
    )


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """Of every array [B, L] of a batch: rows over slice × data × fsdp."""
    return NamedSharding(mesh, partition_spec(("batch", "length")))


def constrain(x: jax.Array, axes: Sequence[str], mesh: Mesh | None) -> jax.Array:
    """Says where an activation with these logical axes lies; nothing to say without a mesh."""
    if mesh is None:
        return x
    return jax.lax.with_sharding_constraint(x, NamedSharding(mesh, partition_spec(axes)))
