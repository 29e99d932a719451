"""The product of activations and weights, which every dense layer goes through.

Over a mesh, a weight is gathered over fsdp for the product, and its gradient goes back to its shard
by reduce-scatter, both said outright: left to itself, XLA's partitioner all-reduces the gradient of
every layer and turns small products into thousands of collective-permutes.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax
from jax.ad_checkpoint import checkpoint_name
from jax.experimental.layout import Layout, with_layout_constraint
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from research.model.sharding import BATCH_AXES, partition_spec

# a remat policy must never keep what has this name: whole weights, of every layer
GATHERED = "gathered_weight"


def project(
    x: jax.Array, w: jax.Array, axes: Sequence[str], mesh: Mesh | None, contract: int = 1
) -> jax.Array:
    """Sums over the last `contract` axes of x and the first of w.

    Args:
      x: activations, in the dtype to compute in: [B, L, D], or [B, L, H, K] with contract=2.
      w: a float32 parameter: [D, …], or [H, K, D].
      axes: logical axes of w.
      mesh: what x and w are sharded over; None on a single device.
      contract: number of axes summed over.

    Returns:
      [B, L, …], in the dtype of x.
    """
    if on_one_cpu(mesh):
        return _product(contract, x, w.astype(x.dtype))
    if mesh is None or mesh.size == 1:
        return jnp.tensordot(x, w.astype(x.dtype), contract)
    spec = partition_spec(axes)
    manual = P(*(axis if axis == "fsdp" else None for axis in spec))
    product = _Sharded(mesh, manual, contract)
    whole = checkpoint_name(product.gather(lax.stop_gradient(w).astype(x.dtype)), GATHERED)
    return _project(product, x, w, whole)


def project_few(
    x: jax.Array,
    w: jax.Array,
    axes: Sequence[str],
    mesh: Mesh | None,
    contract: int = 1,
    *,
    dtype: jnp.dtype | None = None,
) -> jax.Array:
    """`project` for few tokens on a CPU, by a weight that `lay_for_few` has laid out.

    The weight is the left side: XLA packs the right side of a product anew each time, which for a
    hundred tokens or less takes up to a third of the time if that is the weight.

    Args:
      x: as for `project`.
      w: [F, D], [H, K, D], or [D, H, K] with contract=2.
      axes, mesh: not looked at; they are there so that a `Place` can call either.
      contract: number of axes summed over, the last ones of both.
      dtype: of the result, if not that of x.

    Returns:
      [B, L, …].
    """
    rows = x.ndim - contract
    dimensions = (_last(w, contract), _last(x, contract))
    y = lax.dot_general(w, x, (dimensions, ((), ())), preferred_element_type=dtype)
    # behind a barrier, or XLA swaps the two again
    return jnp.moveaxis(lax.optimization_barrier(y), range(-rows, 0), range(rows))


def lay_for_few(w: jax.Array, axes: Sequence[str]) -> jax.Array:
    """A weight with what is summed over in its last axes: [D, …] as […, D], […, D] as [D, …]."""
    return jnp.moveaxis(w, 0, -1) if axes[0] == "embed" else jnp.moveaxis(w, -1, 0)


def on_one_cpu(mesh: Mesh | None) -> bool:
    """Whether a single CPU device computes it all."""
    if mesh is None:
        return jax.default_backend() == "cpu"
    return mesh.size == 1 and mesh.devices.flat[0].platform == "cpu"


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _product(contract, x, w):
    """On a CPU, which transposes the left side of a sum over tokens before it multiplies.

    Jax's own derivative puts the gradient there; this one puts the narrower of the two.
    """
    return jnp.tensordot(x, w, contract)


def _product_forward(contract, x, w):
    return _product(contract, x, w), (x, w)


def _product_backward(contract, residuals, dy):
    x, w = residuals
    tokens = tuple(range(x.ndim - contract))
    sum_over_tokens = ((tokens, tokens), ((), ()))
    if dy.size >= x.size:
        return _input_gradient(contract, dy, w), lax.dot_general(x, dy, sum_over_tokens)
    dw = lax.dot_general(dy, x, sum_over_tokens)
    # behind a barrier, or XLA swaps the two again
    return _input_gradient(contract, dy, w), jnp.moveaxis(
        lax.optimization_barrier(dw), range(-contract, 0), range(contract)
    )


_product.defvjp(_product_forward, _product_backward)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _project(product, x, w, whole):
    return jnp.tensordot(x, whole, product.contract)


def _forward(product, x, w, whole):
    return _project(product, x, w, whole), (x, whole)


def _backward(product, residuals, dy):
    x, whole = residuals
    dx = _input_gradient(product.contract, dy, whole)
    return dx, product.weight_gradient(x, dy), None


def _input_gradient(contract, dy, w):
    outputs = w.ndim - contract
    return lax.dot_general(dy, w, ((_last(dy, outputs), tuple(range(contract, w.ndim))), ((), ())))


_project.defvjp(_forward, _backward)


@dataclasses.dataclass(frozen=True)
class _Sharded:
    """One product over a mesh; `tensor` is left to the partitioner.

    Attributes:
      mesh: all of it.
      spec: where fsdp splits the weight, if it does: along its first axis or its last.
      contract: number of axes summed over.
    """

    mesh: Mesh
    spec: P
    contract: int

    @property
    def split(self) -> int | None:
        """The axis of the weight that fsdp splits."""
        if self.mesh.shape["fsdp"] == 1 or "fsdp" not in self.spec:
            return None
        return self.spec.index("fsdp")

    def gather(self, w: jax.Array) -> jax.Array:
        """The weight, whole but for `tensor`."""
        if self.split is None:
            return w
        return jax.shard_map(
            self._local_gather,
            mesh=self.mesh,
            in_specs=self.spec,
            out_specs=P(),
            axis_names={"fsdp"},
            check_vma=False,
        )(w)

    def _local_gather(self, w: jax.Array) -> jax.Array:
        w = jnp.moveaxis(w, self.split, 0)
        whole = gather_rows(w.reshape(len(w), -1), self.mesh)
        return jnp.moveaxis(whole.reshape(-1, *w.shape[1:]), 0, self.split)

    def weight_gradient(self, x: jax.Array, dy: jax.Array) -> jax.Array:
        """float32, lying as the weight does."""
        return jax.shard_map(
            self._local_gradient,
            mesh=self.mesh,
            in_specs=(P(BATCH_AXES), P(BATCH_AXES)),
            out_specs=self.spec,
            axis_names=set(BATCH_AXES),
            check_vma=False,
        )(x, dy).astype(jnp.float32)

    def _local_gradient(self, x: jax.Array, dy: jax.Array) -> jax.Array:
        batch = tuple(range(x.ndim - self.contract))
        # XLA aborts on a bfloat16 reduction between CPU devices
        on_cpu = self.mesh.devices.flat[0].platform == "cpu"
        dtype = jnp.float32 if on_cpu else x.dtype
        flip = self.split is not None and self.split >= self.contract
        left, right = (dy, x) if flip else (x, dy)
        dw = lax.dot_general(left, right, ((batch, batch), ((), ())), preferred_element_type=dtype)
        if self.split is not None:
            rest = dw.shape[1:]
            dw = scatter_rows(dw.reshape(len(dw), -1), self.mesh)
            dw = dw.reshape(-1, *rest)
        if flip:
            dw = jnp.moveaxis(dw, 0, -1)
        copies = tuple(axis for axis in ("slice", "data") if self.mesh.shape[axis] > 1)
        return lax.psum(dw, copies) if copies else dw


def gather_rows(shard: jax.Array, mesh: Mesh) -> jax.Array:
    """A whole matrix from its rows, which lie over fsdp; to be called under `jax.shard_map`."""
    if mesh.shape["fsdp"] == 1:
        return shard
    return _by_rows(lax.all_gather(_by_rows(shard, mesh), "fsdp", axis=0, tiled=True), mesh)


def scatter_rows(matrix: jax.Array, mesh: Mesh) -> jax.Array:
    """Sums a matrix over fsdp and leaves each device its rows; under `jax.shard_map`.

    It goes by one dimension of the torus after another: XLA for TPUs turns a reduce-scatter over
    several of them into an all-reduce of twice the traffic.
    """
    size = stride = mesh.shape["fsdp"]
    if size == 1:
        return matrix
    for part in torus_sides(mesh, "fsdp"):
        stride //= part
        # the devices whose places on the mesh axis differ in one digit of a mixed-radix number
        groups = [
            [high + digit * stride + low for digit in range(part)]
            for high in range(0, size, part * stride)
            for low in range(stride)
        ]
        matrix = lax.psum_scatter(
            _by_rows(matrix, mesh),
            "fsdp",
            scatter_dimension=0,
            axis_index_groups=groups,
            tiled=True,
        )
    return _by_rows(matrix, mesh)


def _by_rows(matrix: jax.Array, mesh: Mesh) -> jax.Array:
    """The same matrix, laid out row by row on TPUs.

    XLA for TPUs gathers and scatters whole rows as such; slivers of columns, narrower than a tile
    of 128 lanes, it all-reduces instead.
    """
    if mesh.devices.flat[0].platform != "tpu":
        return matrix
    return with_layout_constraint(matrix, Layout(major_to_minor=(0, 1)))


def torus_sides(mesh: Mesh, axis_name: str) -> tuple[int, ...]:
    """The extents of a mesh axis along the dimensions of the torus, those that change last first.

    Their product is the size of the axis; a single number where the axis fills no box, or where
    devices have no coordinates.
    """
    number = mesh.axis_names.index(axis_name)
    size = mesh.devices.shape[number]
    line = [mesh.devices.take(i, number).flat[0] for i in range(size)]
    if not hasattr(line[0], "coords"):
        return (size,)
    places = [device.coords for device in line]
    sides = []
    for values in zip(*places, strict=True):
        if extent := len(set(values)) - 1:
            first_change = next(i for i, value in enumerate(values) if value != values[0])
            sides.append((first_change, extent + 1))
    extents = tuple(extent for _, extent in sorted(sides, reverse=True))
    return extents if math.prod(extents) == size else (size,)


def _last(x: jax.Array, count: int) -> tuple[int, ...]:
    return tuple(range(x.ndim - count, x.ndim))
