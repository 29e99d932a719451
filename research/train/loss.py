"""Cross-entropy of a large vocabulary in little memory and with few collectives.

    loss_sum = sum over tokens of weight * (nll + z_loss * logsumexp(logits)^2)

Each device takes its own tokens in chunks, so that the logits of one chunk [C, V] are all that
exists at a time, and makes the gradient of the logits in the same pass (Liger Kernel, 2410.10989,
does so too): the forward ends with the gradients of the hidden states and of the head, and the
backward only scales them. The head is gathered once and its gradient reduce-scattered once, however
many chunks there are; the gradient of a very large head is made part by part in a second pass. The
z-loss is PaLM's (2204.02311, section 5).
"""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from research.model.projection import gather_rows, on_one_cpu, scatter_rows
from research.model.sharding import BATCH_AXES

# a float32 gradient of the head of more than this is never held whole: it would be the largest
# array of the step
ACCUMULATOR_BYTES = 512 << 20


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
        head_DxV = gather_rows(head_shard.astype(dtype), self.mesh)
        rows = (
            hidden_bxLxD.reshape(-1, hidden_bxLxD.shape[-1]),
            targets_bxL.reshape(-1) - self.first_id(head_DxV),
            weights_bxL.reshape(-1).astype(jnp.float32),
        )
        in_one_pass = 4 * head_DxV.size <= ACCUMULATOR_BYTES
        if gradients and in_one_pass:
            loss, nll_N, d_hidden_NxD, d_head = self.one_pass(head_DxV, *rows)
        else:
            loss, nll_N, lse_N = self.forward(head_DxV, *rows)
            if gradients:
                d_hidden_NxD, d_head = self.second_pass(head_DxV, *rows, lse_N)
        loss = self.sum(loss, BATCH_AXES)
        if not gradients:
            return loss, nll_N.reshape(shape)
        d_hidden_NxD = self.sum(d_hidden_NxD, ("tensor",)).astype(dtype)
        d_head = self.sum(d_head, ("slice", "data")).astype(head_shard.dtype)
        return loss, nll_N.reshape(shape), d_hidden_NxD.reshape(hidden_bxLxD.shape), d_head

    def one_pass(self, head_DxV, *rows):
        """Loss and gradients chunk by chunk, adding up the gradient of the head."""
        exact = self.soft_cap is None and head_DxV.dtype == jnp.float32
        if exact and on_one_cpu(self.mesh):
            return self.one_pass_on_cpu(head_DxV, *rows)

        def step(carry, chunk):
            loss, d_head_DxV = carry
            hidden_CxD, targets_C, weights_C = chunk
            logits_CxV = self.logits(hidden_CxD, head_DxV)
            part, nll_C, lse_C = self.losses(logits_CxV, targets_C, weights_C)
            d_hidden_CxD, d_head = self.products(
                self.d_logits(logits_CxV, targets_C, weights_C, lse_C), hidden_CxD, head_DxV
            )
            return (loss + part, d_head_DxV + d_head), (nll_C, d_hidden_CxD)

        carry = jnp.float32(0), jnp.zeros(head_DxV.shape, jnp.float32)
        (loss, d_head_DxV), chunks = lax.scan(step, carry, self.split(rows))
        nll_N, d_hidden_NxD = self.join(chunks, len(rows[1]))
        return loss, nll_N, d_hidden_NxD, self.scatter(d_head_DxV, rows[0].dtype)

    def one_pass_on_cpu(self, head_DxV, hidden_NxD, targets_N, weights_N):
        """The same, with the gradient of the logits never written.

        It is exp(logits) by a factor for each token, which may as well go to the hidden state, less
        the weight at the target, whose share in both products is a row looked up or added.  In less
        than float32, the difference of the two products would be nothing but their rounding.
        """
        target_NxD = head_DxV.T[targets_N]
        target_N = (hidden_NxD * target_NxD).sum(axis=-1)

        def step(carry, chunk):
            loss, d_head_DxV = carry
            hidden_CxD, target_C, weights_C = chunk
            logits_CxV = self.logits(hidden_CxD, head_DxV)
            largest_C = logits_CxV.max(axis=-1)
            exp_CxV = jnp.exp(logits_CxV - largest_C[:, None])
            sum_C = exp_CxV.sum(axis=-1)
            lse_C = largest_C + jnp.log(sum_C)
            nll_C = lse_C - target_C
            loss += jnp.sum(weights_C * (nll_C + self.z_loss * lse_C**2))
            scale_Cx1 = (weights_C * (1 + 2 * self.z_loss * lse_C) / sum_C)[:, None]
            d_head_DxV += (scale_Cx1 * hidden_CxD).T @ exp_CxV
            return (loss, d_head_DxV), (nll_C, scale_Cx1 * (exp_CxV @ head_DxV.T))

        carry = jnp.float32(0), jnp.zeros_like(head_DxV)
        chunks = self.split((hidden_NxD, target_N, weights_N))
        (loss, d_head_DxV), chunks = lax.scan(step, carry, chunks)
        nll_N, d_hidden_NxD = self.join(chunks, len(targets_N))
        d_hidden_NxD -= weights_N[:, None] * target_NxD
        d_head_VxD = d_head_DxV.T.at[targets_N].add(-weights_N[:, None] * hidden_NxD)
        return loss, nll_N, d_hidden_NxD, d_head_VxD.T

    def forward(self, head_DxV, *rows):
        def step(loss, chunk):
            hidden_CxD, targets_C, weights_C = chunk
            logits_CxV = self.logits(hidden_CxD, head_DxV)
            part, *of_tokens_C = self.losses(logits_CxV, targets_C, weights_C)
            return loss + part, of_tokens_C

        loss, chunks = lax.scan(step, jnp.float32(0), self.split(rows))
        return loss, *self.join(chunks, len(rows[1]))

    def second_pass(self, head_DxV, hidden_NxD, targets_N, weights_N, lse_N):
        """Gradients by parts of the vocabulary, all tokens at a time.

        It computes the logits again and never holds the whole gradient of the head, which for
        Llama 3 8B would be 2 GB on top of the activations that wait for the backward.
        """
        vocabulary = head_DxV.shape[1]
        most = max(1, self.chunk * vocabulary // len(targets_N))
        size = next(n for n in range(min(most, vocabulary), 0, -1) if vocabulary % n == 0)

        def step(d_hidden_NxD, first):
            head_DxS = lax.dynamic_slice_in_dim(head_DxV, first, size, axis=1)
            d_logits_NxS = self.d_logits(
                self.logits(hidden_NxD, head_DxS), targets_N - first, weights_N, lse_N
            )
            d_hidden, d_head_DxS = self.products(d_logits_NxS, hidden_NxD, head_DxS)
            d_head = self.scatter(d_head_DxS, hidden_NxD.dtype)
            return d_hidden_NxD + d_hidden.astype(jnp.float32), d_head

        zeros = jnp.zeros(hidden_NxD.shape, jnp.float32)
        firsts = jnp.arange(0, vocabulary, size, dtype=targets_N.dtype)
        d_hidden_NxD, d_head_PxDxS = lax.scan(step, zeros, firsts)
        d_head = jnp.moveaxis(d_head_PxDxS, 0, 1)
        dtype = self.reduce_dtype(hidden_NxD.dtype)
        return d_hidden_NxD.astype(dtype), d_head.reshape(d_head.shape[0], vocabulary)

    def split(self, rows):
        """Arrays [N, …] as [chunks, C, …]; what pads the last chunk has weight 0."""
        tokens = len(rows[0])
        chunks = -(-tokens // self.chunk)
        size = -(-tokens // chunks)

        def pad(x_N):
            if chunks * size > tokens:
                x_N = jnp.pad(x_N, [(0, chunks * size - tokens)] + [(0, 0)] * (x_N.ndim - 1))
            return x_N.reshape(chunks, size, *x_N.shape[1:])

        return jax.tree.map(pad, rows)

    def join(self, chunks, tokens):
        """Inverse of `split`."""
        return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:])[:tokens], chunks)

    def logits(self, hidden_CxD, head_DxV):
        logits_CxV = jnp.matmul(hidden_CxD, head_DxV, preferred_element_type=jnp.float32)
        if self.soft_cap is not None:
            logits_CxV = self.soft_cap * jnp.tanh(logits_CxV / self.soft_cap)
        return logits_CxV

    def losses(self, logits_CxV, targets_C, weights_C):
        """Weighted loss [], nll_C and the logarithm of the partition function lse_C."""
        largest_C = self.max_over_vocabulary(logits_CxV.max(axis=-1))
        exp_CxV = jnp.exp(logits_CxV - largest_C[:, None])
        lse_C = largest_C + jnp.log(self.sum(exp_CxV.sum(axis=-1), ("tensor",)))
        target_CxV = jnp.where(self.is_target(logits_CxV, targets_C), logits_CxV, 0.0)
        nll_C = lse_C - self.sum(target_CxV.sum(axis=-1), ("tensor",))
        return jnp.sum(weights_C * (nll_C + self.z_loss * lse_C**2)), nll_C, lse_C

    def d_logits(self, logits_CxV, targets_C, weights_C, lse_C):
        """The gradient of the logits before the cap."""
        scale_C = weights_C * (1 + 2 * self.z_loss * lse_C)
        d_logits_CxV = jnp.exp(logits_CxV - lse_C[:, None]) * scale_C[:, None]
        d_logits_CxV -= jnp.where(self.is_target(logits_CxV, targets_C), weights_C[:, None], 0.0)
        if self.soft_cap is not None:
            d_logits_CxV *= 1 - (logits_CxV / self.soft_cap) ** 2
        return d_logits_CxV

    def products(self, d_logits_CxV, hidden_CxD, head_DxV):
        """The gradients of hidden states (before the sum over tensor) and of the head."""
        d_logits_CxV = d_logits_CxV.astype(hidden_CxD.dtype)
        d_hidden_CxD = jnp.matmul(
            d_logits_CxV, head_DxV.T, preferred_element_type=self.reduce_dtype(hidden_CxD.dtype)
        )
        return d_hidden_CxD, jnp.matmul(
            hidden_CxD.T, d_logits_CxV, preferred_element_type=jnp.float32
        )

    def is_target(self, logits_CxV, targets_C):
        """Comparing with a counter fuses with what is around it; a gather or scatter does not."""
        ids_V = jnp.arange(logits_CxV.shape[1], dtype=targets_C.dtype)
        return ids_V[None, :] == targets_C[:, None]

    def first_id(self, head_DxV):
        """Of this device's part of the vocabulary."""
        if self.mesh.shape["tensor"] == 1:
            return 0
        return lax.axis_index("tensor") * head_DxV.shape[1]

    def reduce_dtype(self, dtype):
        """XLA aborts on a bfloat16 reduction between CPU devices."""
        return jnp.float32 if self.mesh.devices.flat[0].platform == "cpu" else dtype

    def sum(self, x, axes):
        axes = self.wide(axes)
        return lax.psum(x, axes) if axes else x

    def max_over_vocabulary(self, x):
        return lax.pmax(x, "tensor") if self.mesh.shape["tensor"] > 1 else x

    def scatter(self, d_head_DxV, dtype):
        return scatter_rows(d_head_DxV.astype(self.reduce_dtype(dtype)), self.mesh)

    def wide(self, axes):
        return tuple(axis for axis in axes if self.mesh.shape[axis] > 1)
