"""Causal attention over packed rows, by whichever kernel the hardware has.

One rule says what a token sees, and every kernel follows it: tokens not after it, of its own
segment, fewer than `window` places back.  Padding is segment 0, and sees itself.

    plain    jax.numpy; queries in chunks where the row is long
    splash   the Pallas kernel for TPUs; elsewhere interpreted, to be tested
    fused    cuDNN's flash attention, on GPUs

Softmax is computed in float32 everywhere.
"""

from __future__ import annotations

from typing import Literal, get_args

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from research.errors import GristmillError
from research.model.config import ModelConfig
from research.model.sharding import partition_spec

AttentionKind = Literal["auto", "plain", "splash", "fused"]
QUERY_CHUNK = 1024  # longest stretch of queries whose logits plain attention holds at once
# on CPUs each part of a row's queries meets only the keys that it may see: the logits fit into
# caches, and most of those that the mask would hide are never computed
CPU_PARTS = 4
SHORTEST_PART = 64
SPLASH_BLOCK = 512  # tile edge; tiles must also be multiples of 128
MOST_PARTIAL_SUMS = 8  # of the gradient of the queries in the backward pass
LONGEST_KEY_BLOCK = 2048  # of the backward pass: what fits into a core's own memory
LANES = 128
MASKED = -1e30  # finite, so that exp and its gradient never meet inf - inf


def resolve_kind(
    kind: AttentionKind, config: ModelConfig, mesh: Mesh | None
) -> Literal["plain", "splash", "fused"]:
    """The kernel that 'auto' stands for on the mesh's devices (or the default ones).

    Raises:
      GristmillError: there is no such kind, or it cannot compute this model.
    """
    if kind not in get_args(AttentionKind):
        known = ", ".join(get_args(AttentionKind))
        raise GristmillError(f"attention is one of {known}, not {kind!r}")
    # what cuDNN has no kernel for
    unfused = config.attention_soft_cap is not None or config.compute_dtype == "float32"
    if kind == "auto":
        best = {"tpu": "splash", "gpu": "fused"}.get(_platform(mesh), "plain")
        return "plain" if best == "fused" and unfused else best
    if kind == "fused" and unfused:
        raise GristmillError(
            "fused attention computes in bfloat16 and has no soft cap; use attention 'plain'"
        )
    return kind


def attend(
    q_BxLxHxK: jax.Array,
    k_BxLxJxK: jax.Array,
    v_BxLxJxK: jax.Array,
    segment_ids_BxL: jax.Array,
    config: ModelConfig,
    *,
    window: int | None,
    mesh: Mesh | None,
    kind: AttentionKind,
) -> jax.Array:
    """Grouped-query attention (Ainslie et al. 2023): head h reads key-value head h·J/H.

    Args:
      q_BxLxHxK: queries, rotated and already scaled.
      k_BxLxJxK: keys, rotated.
      v_BxLxJxK: values.
      segment_ids_BxL: the document of each token within its row; 0 for padding.
      config: for its attention_soft_cap.
      window: how many tokens, itself included, a token sees; None for all.
      mesh: what the arrays are sharded over, or None.
      kind: the kernel.

    Returns:
      [B, L, H, K] in the dtype of v.

    Raises:
      GristmillError: the kernel cannot do this shape or soft cap.
    """
    arrays = (q_BxLxHxK, k_BxLxJxK, v_BxLxJxK, segment_ids_BxL)
    window = None if window is None or window >= q_BxLxHxK.shape[1] else window
    match resolve_kind(kind, config, mesh):
        case "splash":
            return _splash(*arrays, config, window, mesh)
        case "fused":
            return _fused(*arrays, window)
        case _:
            return _plain(*arrays, config, window, on_cpu=_platform(mesh) == "cpu")


def _platform(mesh: Mesh | None) -> str:
    return jax.default_backend() if mesh is None else mesh.devices.flat[0].platform


def _plain(q_BxLxHxK, k_BxLxJxK, v_BxLxJxK, segment_ids_BxL, config, window, on_cpu):
    B, L, H, K = q_BxLxHxK.shape
    J = k_BxLxJxK.shape[2]
    # heads before places: so the products need no other order of their results
    q_BxJxGxLxK = q_BxLxHxK.reshape(B, L, J, H // J, K).transpose(0, 2, 3, 1, 4)
    k_BxJxLxK, v_BxJxLxK = k_BxLxJxK.transpose(0, 2, 1, 3), v_BxLxJxK.transpose(0, 2, 1, 3)
    place_L = jnp.arange(L)

    def some(q_BxJxGxQxK, segment_BxQ, place_Q, keys=slice(None)):
        back_QxL = place_Q[:, None] - place_L[None, keys]
        seen_QxL = back_QxL >= 0 if window is None else (back_QxL >= 0) & (back_QxL < window)
        same_BxQxL = segment_BxQ[:, :, None] == segment_ids_BxL[:, None, keys]
        seen_Bx1x1xQxL = (seen_QxL & same_BxQxL)[:, None, None]
        k_BxJxSxK, v_BxJxSxK = k_BxJxLxK[:, :, keys], v_BxJxLxK[:, :, keys]
        if config.attention_soft_cap is None:
            return _mix(q_BxJxGxQxK, k_BxJxSxK, v_BxJxSxK, seen_Bx1x1xQxL)
        att_BxJxGxQxL = jnp.einsum(
            "bjgqk,bjlk->bjgql", q_BxJxGxQxK, k_BxJxSxK, preferred_element_type=jnp.float32
        )
        cap = config.attention_soft_cap
        att_BxJxGxQxL = jnp.where(seen_Bx1x1xQxL, cap * jnp.tanh(att_BxJxGxQxL / cap), MASKED)
        att_BxJxGxQxL = jax.nn.softmax(att_BxJxGxQxL, axis=-1).astype(v_BxJxSxK.dtype)
        return jnp.einsum("bjgql,bjlk->bjgqk", att_BxJxGxQxL, v_BxJxSxK)

    def part(queries):
        first = 0 if window is None else max(0, queries.start - window + 1)
        keys = slice(first, queries.stop)
        return some(
            q_BxJxGxLxK[:, :, :, queries], segment_ids_BxL[:, queries], place_L[queries], keys
        )

    size = L // CPU_PARTS
    if on_cpu and size >= SHORTEST_PART and L <= QUERY_CHUNK and L % CPU_PARTS == 0:
        parts = [part(slice(first, first + size)) for first in range(0, L, size)]
        out_BxJxGxLxK = jnp.concatenate(parts, axis=3)
    elif L <= QUERY_CHUNK or L % QUERY_CHUNK:
        out_BxJxGxLxK = some(q_BxJxGxLxK, segment_ids_BxL, place_L)
    else:
        chunks = L // QUERY_CHUNK

        def split(x, axis):
            parts = x.reshape(*x.shape[:axis], chunks, QUERY_CHUNK, *x.shape[axis + 1 :])
            return jnp.moveaxis(parts, axis, 0)

        out = jax.lax.map(
            lambda chunk: jax.checkpoint(some)(*chunk),
            (split(q_BxJxGxLxK, 3), split(segment_ids_BxL, 1), split(place_L, 0)),
        )
        out_BxJxGxLxK = jnp.moveaxis(out, 0, 3).reshape(q_BxJxGxLxK.shape)
    return out_BxJxGxLxK.transpose(0, 3, 1, 2, 4).reshape(B, L, H, K)


@jax.custom_vjp
def _mix(q_BxJxGxQxK, k_BxJxLxK, v_BxJxLxK, seen_Bx1x1xQxL):
    """Softmax attention that keeps nothing of size Q×L for the backward but the probabilities."""
    return _mix_forward(q_BxJxGxQxK, k_BxJxLxK, v_BxJxLxK, seen_Bx1x1xQxL)[0]


def _mix_forward(q_BxJxGxQxK, k_BxJxLxK, v_BxJxLxK, seen_Bx1x1xQxL):
    att_BxJxGxQxL = jnp.einsum(
        "bjgqk,bjlk->bjgql", q_BxJxGxQxK, k_BxJxLxK, preferred_element_type=jnp.float32
    )
    att_BxJxGxQxL = jnp.where(seen_Bx1x1xQxL, att_BxJxGxQxL, MASKED)
    exp_BxJxGxQxL = jnp.exp(att_BxJxGxQxL - att_BxJxGxQxL.max(axis=-1, keepdims=True))
    att_BxJxGxQxL = exp_BxJxGxQxL * (1.0 / exp_BxJxGxQxL.sum(axis=-1, keepdims=True))
    att_BxJxGxQxL = att_BxJxGxQxL.astype(v_BxJxLxK.dtype)
    out_BxJxGxQxK = jnp.einsum("bjgql,bjlk->bjgqk", att_BxJxGxQxL, v_BxJxLxK)
    return out_BxJxGxQxK, (q_BxJxGxQxK, k_BxJxLxK, v_BxJxLxK, att_BxJxGxQxL, out_BxJxGxQxK)


def _mix_backward(kept, d_out_BxJxGxQxK):
    q_BxJxGxQxK, k_BxJxLxK, v_BxJxLxK, att_BxJxGxQxL, out_BxJxGxQxK = kept
    d_att_BxJxGxQxL = jnp.einsum(
        "bjgqk,bjlk->bjgql", d_out_BxJxGxQxK, v_BxJxLxK, preferred_element_type=jnp.float32
    )
    # the softmax's own sum over L is a sum over K of what is at hand
    inner_BxJxGxQx1 = (d_out_BxJxGxQxK * out_BxJxGxQxK).astype(jnp.float32).sum(-1, keepdims=True)
    d_att_BxJxGxQxL = (att_BxJxGxQxL * (d_att_BxJxGxQxL - inner_BxJxGxQx1)).astype(
        q_BxJxGxQxK.dtype
    )
    return (
        jnp.einsum("bjgql,bjlk->bjgqk", d_att_BxJxGxQxL, k_BxJxLxK),
        jnp.einsum("bjgql,bjgqk->bjlk", d_att_BxJxGxQxL, q_BxJxGxQxK),
        jnp.einsum("bjgql,bjgqk->bjlk", att_BxJxGxQxL, d_out_BxJxGxQxK),
        None,
    )


_mix.defvjp(_mix_forward, _mix_backward)


def _splash(q_BxLxHxK, k_BxLxJxK, v_BxLxJxK, segment_ids_BxL, config, window, mesh):
    from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_kernel as kernel
    from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_mask as masks

    L = q_BxLxHxK.shape[1]
    if L % LANES:
        raise GristmillError(f"splash attention takes rows of a multiple of {LANES}, not {L}")
    block, backward_keys = splash_blocks(L)
    sizes = kernel.BlockSizes(
        block_q=block,
        block_kv=block,
        block_kv_compute=block,
        block_q_dkv=block,
        block_kv_dkv=backward_keys,
        block_kv_dkv_compute=block,
        use_fused_bwd_kernel=True,
    )
    if window is None:
        mask = masks.CausalMask((L, L))
    else:
        mask = masks.LocalMask((L, L), (window - 1, 0), offset=0)

    def local(q_BxHxLxK, k_BxJxLxK, v_BxJxLxK, segment_ids_BxL):
        attention = kernel.make_splash_mha(
            masks.MultiHeadMask([mask] * q_BxHxLxK.shape[1]),
            block_sizes=sizes,
            attn_logits_soft_cap=config.attention_soft_cap,
            head_shards=1,
            q_seq_shards=1,
            residual_checkpoint_name="attention_residual",
            interpret=_platform(mesh) != "tpu",
        )
        segments = kernel.SegmentIds(q=segment_ids_BxL, kv=segment_ids_BxL)
        return jax.vmap(attention)(q_BxHxLxK, k_BxJxLxK, v_BxJxLxK, segments)

    if mesh is not None:
        heads = partition_spec(("batch", "heads", "length", "head_dim"))
        row = partition_spec(("batch", "length"))
        # the kernel's outputs say nothing of how they vary over the mesh
        local = jax.shard_map(
            local,
            mesh=mesh,
            in_specs=(heads, heads, heads, row),
            out_specs=heads,
            check_vma=False,
        )
    q, k, v = (x.transpose(0, 2, 1, 3) for x in (q_BxLxHxK, k_BxLxJxK, v_BxLxJxK))
    return local(q, k, v, segment_ids_BxL).transpose(0, 2, 1, 3)


def splash_blocks(length: int) -> tuple[int, int]:
    """Tile edges for rows of a length: of queries and keys, and of keys in the backward pass.

    The backward kernel writes a gradient of all queries for every block of keys, to be summed
    afterwards: with the same tiles for rows of 8192, the 16 of them took a quarter of the step's
    memory.
    """
    block = next(size for size in range(SPLASH_BLOCK, 0, -LANES) if length % size == 0)
    longest = min(length, LONGEST_KEY_BLOCK)
    divisors = [size for size in range(block, longest + 1, block) if length % size == 0]
    few = (size for size in divisors if length // size <= MOST_PARTIAL_SUMS)
    return block, next(few, divisors[-1])


def _fused(q_BxLxHxK, k_BxLxJxK, v_BxLxJxK, segment_ids_BxL, window):
    same_Bx1xLxL = (segment_ids_BxL[:, :, None] == segment_ids_BxL[:, None, :])[:, None]
    return jax.nn.dot_product_attention(
        q_BxLxHxK,
        k_BxLxJxK,
        v_BxLxJxK,
        mask=same_Bx1xLxL,
        scale=1.0,
        is_causal=True,
        local_window_size=None if window is None else (window - 1, 0),
        implementation="cudnn",
    )
