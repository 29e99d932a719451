"""The next token of each row, greedily or by chance."""

from __future__ import annotations

import jax
import jax.numpy as jnp

_HALVINGS = 30  # of the search for a cut: float32 probabilities are told apart long before


def choose(
    logits_BxV: jax.Array,
    temperature_B: jax.Array,
    top_p_B: jax.Array,
    top_k_B: jax.Array,
    seed_B: jax.Array,
    place_B: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """Draws a token for each row.

    The draw of a row depends on its logits, seed and place alone, and not on the rows beside it.

    Args:
      logits_BxV: float32.
      temperature_B: divides the logits; 0 takes the likeliest token.
      top_p_B: nucleus (Holtzman et al. 2020): only the likeliest tokens that together have so much
        probability.
      top_k_B: only so many of the likeliest tokens; 0 for all.  With ties at the cut, all of them.
      seed_B: of each row's random numbers.
      place_B: of the token in its row, which tells the draws of a row apart.

    Returns:
      Tokens int32 [B], and their log-probabilities float32 [B] under the untempered distribution.
    """
    greedy_B = jnp.argmax(logits_BxV, axis=-1).astype(jnp.int32)

    def draw() -> jax.Array:
        warm_B = jnp.where(temperature_B > 0, temperature_B, 1.0)
        prob_BxV = jax.nn.softmax(logits_BxV / warm_B[:, None], axis=-1)
        ones_BxV = jnp.ones_like(prob_BxV)
        prob_BxV = _cut(prob_BxV, ones_BxV, top_k_B.astype(jnp.float32), top_k_B > 0)
        prob_BxV = _cut(prob_BxV, prob_BxV, top_p_B * prob_BxV.sum(-1), top_p_B < 1)
        uniform_B = jax.vmap(
            lambda seed, place: jax.random.uniform(jax.random.fold_in(jax.random.key(seed), place))
        )(seed_B, place_B)
        below_BxV = jnp.cumsum(prob_BxV, axis=-1)
        # the first token whose cumulative probability is above the draw; none of probability 0
        reached_BxV = below_BxV > (uniform_B * below_BxV[:, -1])[:, None]
        token_B = jnp.argmax(reached_BxV & (prob_BxV > 0), axis=-1).astype(jnp.int32)
        return jnp.where(temperature_B > 0, token_B, greedy_B)

    token_B = jax.lax.cond(jnp.any(temperature_B > 0), draw, lambda: greedy_B)
    largest_B = jnp.take_along_axis(logits_BxV, token_B[:, None], axis=-1)[:, 0]
    return token_B, largest_B - jax.nn.logsumexp(logits_BxV, axis=-1)


def _cut(
    prob_BxV: jax.Array, weight_BxV: jax.Array, enough_B: jax.Array, asked_B: jax.Array
) -> jax.Array:
    """Sets to 0 the probabilities below the highest cut that leaves enough weight, in the rows that
    ask for it.

    The cut is found by halving, as sorting a vocabulary takes longer than the model does.
    """

    def halve(_: int, bounds: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        low_B, high_B = bounds
        middle_B = (low_B + high_B) / 2
        kept_B = jnp.where(prob_BxV >= middle_B[:, None], weight_BxV, 0.0).sum(-1)
        fits_B = kept_B >= enough_B
        return jnp.where(fits_B, middle_B, low_B), jnp.where(fits_B, high_B, middle_B)

    def cut() -> jax.Array:
        largest_B = prob_BxV.max(-1)
        low_B, _ = jax.lax.fori_loop(0, _HALVINGS, halve, (jnp.zeros_like(largest_B), largest_B))
        # the search ends just below the cut
        kept_BxV = (prob_BxV >= low_B[:, None]) | ~asked_B[:, None]
        return jnp.where(kept_BxV, prob_BxV, 0.0)

    return jax.lax.cond(asked_B.any(), cut, lambda: prob_BxV)
