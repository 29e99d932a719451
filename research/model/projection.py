"""The product of activations and weights, which every dense layer goes through."""

from __future__ import annotations

import jax
import jax.numpy as jnp


def project(x: jax.Array, w: jax.Array, contract: int = 1) -> jax.Array:
    """Sums over the last `contract` axes of x and the first of w.

    Args:
      x: activations, in the dtype to compute in: [B, L, D], or [B, L, H, K] with contract=2.
      w: a float32 parameter: [D, …], or [H, K, D].

    Returns:
      [B, L, …], in the dtype of x.
    """
    return jnp.tensordot(x, w.astype(x.dtype), contract)
