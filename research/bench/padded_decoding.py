"""Padded batches, as decoding is usually first written: the anchor of `bench decode`.

All prompts of a batch are padded on the left to the longest and read at once; then every row is
decoded until the longest answer is done.  Attention goes over the whole cache, which is as long as
the longest prompt and the longest answer.  The layers are ours, each with its own arrays, and one
program reads and decodes a batch.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from research.model.config import ModelConfig
from research.model.embedding import look_up
from research.model.rope import rope_tables
from research.model.transformer import Block, Ends, Params, Place, assemble, logits, structure

Cache = list[tuple[jax.Array, jax.Array]]  # keys and values [B, S, J, K] of each layer


class PaddedDecoder:
    """Greedy answers, a padded batch at a time, from a model without windows."""

    def __init__(self, params: Params, config: ModelConfig) -> None:
        self.config = config
        layers = [
            jax.tree.map(lambda a, i=i: jnp.asarray(a[i]), params["layers"])
            for i in range(config.layers)
        ]
        ends = {name: params[name] for name in params if name != "layers"}
        self._params = {**jax.tree.map(jnp.asarray, ends), "layers": layers}
        self._generate = jax.jit(self._generate_batch, static_argnums=3)

    def prepare(self, prompts: Sequence[tuple[Sequence[int], int]]) -> Any:
        """A batch, padded, with the program that is compiled for its shape."""
        longest = max(len(tokens) for tokens, _ in prompts)
        steps = max(count for _, count in prompts)
        tokens_BxT = np.zeros((len(prompts), longest), np.int32)
        for row, (tokens, _) in zip(tokens_BxT, prompts, strict=True):
            row[longest - len(tokens) :] = tokens
        pads_B = np.array([longest - len(tokens) for tokens, _ in prompts], np.int32)
        program = self._generate.lower(self._params, tokens_BxT, pads_B, steps).compile()
        return functools.partial(program, self._params, tokens_BxT, pads_B), prompts

    def answer(self, batch: Any) -> list[list[int]]:
        """The answers to a prepared batch, each cut to the number of tokens asked for."""
        run, prompts = batch
        tokens_BxN = np.asarray(run())
        return [row[:n].tolist() for row, (_, n) in zip(tokens_BxN, prompts, strict=True)]

    def _generate_batch(
        self, params: Params, tokens_BxT: jax.Array, pads_B: jax.Array, steps: int
    ) -> jax.Array:
        c = self.config
        B, T = tokens_BxT.shape
        empty = jnp.zeros((B, T + steps, c.kv_heads, c.head_dim))
        cache, token_B = self._forward(params, [(empty, empty)] * c.layers, tokens_BxT, pads_B, 0)

        def step(carry: tuple[Cache, jax.Array], place: jax.Array) -> Any:
            cache, token_B = carry
            cache, next_B = self._forward(params, cache, token_B[:, None], pads_B, place)
            return (cache, next_B), token_B

        _, tokens_NxB = jax.lax.scan(step, (cache, token_B), T + jnp.arange(steps))
        return tokens_NxB.T

    def _forward(
        self,
        params: Params,
        cache: Cache,
        tokens_BxT: jax.Array,
        pads_B: jax.Array,
        start: jax.Array | int,
    ) -> tuple[Cache, jax.Array]:
        """Reads tokens at places from `start` on; the cache, and the likeliest token after them."""
        c = self.config
        B, T = tokens_BxT.shape
        ends = assemble(
            structure(Ends, c)[0], {name: params[name] for name in params if name != "layers"}
        )
        graph, _ = structure(Block, c)
        x_BxTxD = look_up(ends.embedding[...], tokens_BxT, jnp.float32, None)
        places_T = start + jnp.arange(T)
        tables = rope_tables(jnp.maximum(places_T - pads_B[:, None], 0), c, local=False)
        slots_S = jnp.arange(cache[0][0].shape[1])
        seen_BxTxS = (slots_S <= places_T[:, None]) & (slots_S >= pads_B[:, None, None])
        written = []
        for block, (keys, values) in zip(params["layers"], cache, strict=True):

            def attend(q, k, v, keys=keys, values=values):
                keys = jax.lax.dynamic_update_slice_in_dim(keys, k, start, 1)
                values = jax.lax.dynamic_update_slice_in_dim(values, v, start, 1)
                written.append((keys, values))
                q_BxTxJxGxK = q.reshape(B, T, c.kv_heads, -1, c.head_dim)
                att = jnp.einsum("btjgk,bsjk->bjgts", q_BxTxJxGxK, keys)
                att = jax.nn.softmax(jnp.where(seen_BxTxS[:, None, None], att, -1e30))
                return jnp.einsum("bjgts,bsjk->btjgk", att, values).reshape(q.shape)

            x_BxTxD = assemble(graph, block)(x_BxTxD, Place(tables, attend, None))
        last_Bx1xD = ends.final_norm(x_BxTxD[:, -1:])
        return written, logits(last_Bx1xD, params, c)[:, 0].argmax(-1).astype(jnp.int32)
