"""Rotary position embeddings (Su et al. 2021, RoFormer)."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np

from research.model.config import ModelConfig


def frequencies(config: ModelConfig, local: bool) -> np.ndarray:
    """float32 [K/2], radians per position of each pair; `local` for layers with a window."""
    base, scaling = config.rope_base, config.rope_scaling
    if local and config.rope_local_base is not None:
        base, scaling = config.rope_local_base, "none"
    half = config.head_dim // 2
    frequency = base ** (-np.arange(half, dtype=np.float64) / half)
    if scaling == "linear":
        frequency /= config.rope_factor
    elif scaling == "llama3":
        # short wavelengths stay, long ones are stretched, those between move smoothly from one
        # to the other (Llama Team 2024, The Llama 3 Herd of Models; Llama 3.1's reference code)
        low, high = config.rope_low_frequency, config.rope_high_frequency
        turns = config.rope_original_length * frequency / (2 * math.pi)
        kept = np.clip((turns - low) / (high - low), 0, 1)
        frequency = frequency * (kept + (1 - kept) / config.rope_factor)
    return frequency.astype(np.float32)


def rope_tables(
    positions_BxL: jax.Array, config: ModelConfig, local: bool
) -> tuple[jax.Array, jax.Array]:
    """Cosines and sines, float32 [B, L, K/2]: bfloat16 cannot tell far positions apart."""
    angle_BxLxP = positions_BxL[..., None].astype(jnp.float32) * frequencies(config, local)
    return jnp.cos(angle_BxLxP), jnp.sin(angle_BxLxP)


def rotate(
    x_BxLxHxK: jax.Array, tables: tuple[jax.Array, jax.Array], config: ModelConfig
) -> jax.Array:
    """Turns each pair of components by its angle; float32 [B, L, H, K]."""
    cos_BxLx1xP, sin_BxLx1xP = (table[:, :, None] for table in tables)
    x_BxLxHxK = x_BxLxHxK.astype(jnp.float32)
    if config.rope_layout == "halves":
        a, b = jnp.split(x_BxLxHxK, 2, axis=-1)
    else:
        a, b = x_BxLxHxK[..., 0::2], x_BxLxHxK[..., 1::2]
    turned = (a * cos_BxLx1xP - b * sin_BxLx1xP, b * cos_BxLx1xP + a * sin_BxLx1xP)
    if config.rope_layout == "halves":
        return jnp.concatenate(turned, axis=-1)
    return jnp.stack(turned, axis=-1).reshape(x_BxLxHxK.shape)


def interleaved_to_halves(head_dim: int) -> np.ndarray:
    """int [K]: `w[..., order]` of an 'interleaved' query or key weight is its 'halves' form."""
    return np.concatenate([np.arange(0, head_dim, 2), np.arange(1, head_dim, 2)])


def halves_to_interleaved(head_dim: int) -> np.ndarray:
    """int [K]: the inverse of `interleaved_to_halves`."""
    return np.argsort(interleaved_to_halves(head_dim))
