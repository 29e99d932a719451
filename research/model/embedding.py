"""The embedding look-up, which moves activations over the mesh and not the table."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from research.model.sharding import partition_spec


def look_up(
    table_VxD: jax.Array, ids_BxL: jax.Array, dtype: jnp.dtype, mesh: Mesh | None
) -> jax.Array:
    """Rows of the table.

    On a mesh every device looks up the tokens of its whole fsdp group in its own columns, and an
    all-to-all turns columns into rows of the batch.  What crosses the network has the size of the
    activations, forward and backward; left to the compiler, the table and its gradient do.

    Args:
      table_VxD: float32; rounded after the look-up, so that its gradient adds up in float32.
      ids_BxL: token ids below V.
      dtype: of the result.
      mesh: what the arguments are sharded over, or None.

    Returns:
      [B, L, D], rows sharded as a batch is.
    """
    if mesh is None:
        return table_VxD[ids_BxL].astype(dtype)
    return jax.shard_map(
        functools.partial(_look_up_shard, dtype=dtype),
        mesh=mesh,
        in_specs=(partition_spec(("vocabulary", "embed")), partition_spec(("batch", "length"))),
        out_specs=partition_spec(("batch", "length", "width")),
    )(table_VxD, ids_BxL)


def _look_up_shard(table_VxD, ids_BxL, *, dtype):
    ids_BxL = jax.lax.all_gather(ids_BxL, "fsdp", axis=0, tiled=True)
    rows = table_VxD.shape[0]
    ids_BxL = ids_BxL - rows * jax.lax.axis_index("tensor")
    here_BxLx1 = ((ids_BxL >= 0) & (ids_BxL < rows))[..., None]
    x_BxLxD = jnp.where(here_BxLx1, table_VxD[jnp.clip(ids_BxL, 0, rows - 1)], 0)
    # one shard has the row and the others zeros; in float32, as XLA on CPU reduces no bfloat16
    x_BxLxD = jax.lax.psum(x_BxLxD, "tensor").astype(dtype)
    return jax.lax.all_to_all(x_BxLxD, "fsdp", split_axis=0, concat_axis=2, tiled=True)
