"""Cross-entropy of a large vocabulary in little memory and with few collectives.

    loss_sum = sum over tokens of weight * (nll + z_loss * logsumexp(logits)^2)

Each device takes its own tokens in chunks, so that the logits of one chunk [C, V] are all that
exists at a time, and makes the gradient of the logits in the same pass (Liger Kernel, 2410.10989,
does so too): the forward ends with the gradients of the hidden states and of the head, and the
backward only scales them. The head is gathered once and its gradient reduce-scattered once, however
many chunks there are. The z-loss is PaLM's (2204.02311, section 5).
"""

from __future__ import annotations

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from research.model.projection import reduce_scatter
from research.model.sharding import BATCH_AXES


def cross_entropy(
    hidden_BxLxD: jax.Array,
    head_DxV: jax.Array,
    targets_BxL: jax.Array,
    weights_BxL: jax.Array,
    *,
    mesh: Mesh,
    chunk: int,
    z_loss: float,
    soft_cap: float | None,
) -> tuple[jax.Array, jax.Array]:
    """The weighted loss of the targets, and the negative log-likelihood of each.

    Args:
      hidden_BxLxD: last hidden states, in the dtype that the matrix products shall have; sharded
        over slice × data × fsdp by rows.
      head_DxV: the output projection; sharded over fsdp by D and over tensor by V.
      targets_BxL: int, in [0, V).
      weights_BxL: float32; 0 takes a token out.
      mesh: with axes slice, data, fsdp and tensor.
      chunk: tokens of one device whose logits exist at a time.
      z_loss: coefficient of the square of the log of the partition function; 0 for none.
      soft_cap: logits become `soft_cap * tanh(logits / soft_cap)`; None for no cap.

    Returns:
      loss_sum: float32 [], differentiable by hidden states and head.
      nll_BxL: float32, in nats, unweighted; carries no gradient.
    """
    local = _Local(mesh, chunk, z_loss, soft_cap)
    return _cross_entropy(local, hidden_BxLxD, head_DxV, targets_BxL, weights_BxL)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _cross_entropy(local, hidden_BxLxD, head_DxV, targets_BxL, weights_BxL):
    loss, nll_BxL, *_ = _sharded(local, False)(hidden_BxLxD, head_DxV, targets_BxL, weights_BxL)
    return loss, nll_BxL


def _forward(local, hidden_BxLxD, head_DxV, targets_BxL, weights_BxL):
    run = _sharded(local, True)
    loss, nll_BxL, *gradients = run(hidden_BxLxD, head_DxV, targets_BxL, weights_BxL)
    return (loss, nll_BxL), gradients


def _backward(local, gradients, cotangents):
    scale, _ = cotangents
    d_hidden_BxLxD, d_head_DxV = gradients
    return (
        (d_hidden_BxLxD * scale).astype(d_hidden_BxLxD.dtype),
        (d_head_DxV * scale).astype(d_head_DxV.dtype),
        None,
        None,
    )


_cross_entropy.defvjp(_forward, _backward)


def _sharded(local: _Local, gradients: bool):
    run = functools.partial(local.run, gradients=gradients)
    if local.mesh.size == 1:
        return run
    batch, head = P(BATCH_AXES), P("fsdp", "tensor")
    outputs = (P(), batch, batch, head) if gradients else (P(), batch)
    inputs = (batch, head, batch, batch)
    return jax.shard_map(run, mesh=local.mesh, in_specs=inputs, out_specs=outputs, check_vma=False)


@dataclasses.dataclass(frozen=True)
class _Local:
    """What one device does with its tokens [b, L] and its shard of the head [D/fsdp, V/tensor]."""

    mesh: Mesh
    chunk: int
    z_loss: float
    soft_cap: float | None

    def run(self, hidden_bxLxD, head_shard, targets_bxL, weights_bxL, *, gradients: bool):
        dtype, shape = hidden_bxLxD.dtype, targets_bxL.shape
        head_DxV = self.gather(head_shard.astype(dtype))
        tokens = math.prod(shape)
        chunks = -(-tokens // self.chunk)
        size = -(-tokens // chunks)

        def split(x_bxL):
            x_N = x_bxL.reshape(tokens, *x_bxL.shape[2:])
            if chunks * size > tokens:  # what pads has weight 0
                x_N = jnp.pad(x_N, [(0, chunks * size - tokens)] + [(0, 0)] * (x_N.ndim - 1))
            return x_N.reshape(chunks, size, *x_N.shape[1:])

        def join(x_NxC):
            x_N = x_NxC.reshape(chunks * size, *x_NxC.shape[2:])[:tokens]
            return x_N.reshape(*shape, *x_N.shape[1:])

        def step(carry, xs):
            loss, d_head_DxV = carry
            hidden_CxD, targets_C, weights_C = xs
            part, nll_C, d_logits_CxV = self.chunk_loss(hidden_CxD, head_DxV, targets_C, weights_C)
            if not gradients:
                return (loss + part, None), (nll_C, None)
            d_logits_CxV = d_logits_CxV.astype(dtype)
            d_head_DxV += jnp.matmul(hidden_CxD.T, d_logits_CxV, preferred_element_type=jnp.float32)
            d_hidden_CxD = jnp.matmul(
                d_logits_CxV, head_DxV.T, preferred_element_type=self.reduce_dtype(dtype)
            )
            return (loss + part, d_head_DxV), (nll_C, d_hidden_CxD)

        zeros = jnp.zeros(head_DxV.shape, jnp.float32) if gradients else None
        xs = split(hidden_bxLxD), split(targets_bxL), split(weights_bxL.astype(jnp.float32))
        (loss, d_head_DxV), (nll_NxC, d_hidden_NxCxD) = lax.scan(step, (jnp.float32(0), zeros), xs)
        loss = self.sum(loss, BATCH_AXES)
        if not gradients:
            return loss, join(nll_NxC)
        d_hidden_bxLxD = self.sum(join(d_hidden_NxCxD), ("tensor",)).astype(dtype)
        d_head = self.scatter(d_head_DxV.astype(self.reduce_dtype(dtype)))
        return loss, join(nll_NxC), d_hidden_bxLxD, d_head.astype(head_shard.dtype)

    def chunk_loss(self, hidden_CxD, head_DxV, targets_C, weights_C):
        """Weighted loss, nll_C and the gradient of the logits before the cap [C, V/tensor]."""
        logits_CxV = jnp.matmul(hidden_CxD, head_DxV, preferred_element_type=jnp.float32)
        if self.soft_cap is not None:
            logits_CxV = self.soft_cap * jnp.tanh(logits_CxV / self.soft_cap)
        largest_C = self.max_over_vocabulary(logits_CxV.max(axis=-1))
        exp_CxV = jnp.exp(logits_CxV - largest_C[:, None])
        sum_C = self.sum(exp_CxV.sum(axis=-1), ("tensor",))
        lse_C = largest_C + jnp.log(sum_C)
        # comparing with a counter fuses with what is around it, where a gather or scatter does not
        ids_V = jnp.arange(head_DxV.shape[1], dtype=targets_C.dtype)
        if self.mesh.shape["tensor"] > 1:
            ids_V += lax.axis_index("tensor") * head_DxV.shape[1]
        is_target_CxV = ids_V[None, :] == targets_C[:, None]
        target_logit_C = jnp.where(is_target_CxV, logits_CxV, 0.0).sum(axis=-1)
        nll_C = lse_C - self.sum(target_logit_C, ("tensor",))
        loss = jnp.sum(weights_C * (nll_C + self.z_loss * lse_C**2))
        scale_C = weights_C * (1 + 2 * self.z_loss * lse_C) / sum_C
        d_logits_CxV = exp_CxV * scale_C[:, None]
        d_logits_CxV -= jnp.where(is_target_CxV, weights_C[:, None], 0.0)
        if self.soft_cap is not None:
            d_logits_CxV *= 1 - (logits_CxV / self.soft_cap) ** 2
        return loss, nll_C, d_logits_CxV

    def reduce_dtype(self, dtype):
        """XLA aborts on a bfloat16 reduction between CPU devices."""
        return jnp.float32 if self.mesh.devices.flat[0].platform == "cpu" else dtype

    def sum(self, x, axes):
        axes = self.wide(axes)
        return lax.psum(x, axes) if axes else x

    def max_over_vocabulary(self, x):
        return lax.pmax(x, "tensor") if self.mesh.shape["tensor"] > 1 else x

    def gather(self, head_shard):
        if self.mesh.shape["fsdp"] == 1:
            return head_shard
        return lax.all_gather(head_shard, "fsdp", axis=0, tiled=True)

    def scatter(self, d_head_DxV):
        if self.mesh.shape["fsdp"] > 1:
            d_head_DxV = reduce_scatter(d_head_DxV, "fsdp", 0, self.mesh)
        return self.sum(d_head_DxV, ("slice", "data"))

    def wide(self, axes):
        return tuple(axis for axis in axes if self.mesh.shape[axis] > 1)
