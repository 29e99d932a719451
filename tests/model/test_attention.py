"""Plain attention by parts of a row's queries, against the rule written out for whole rows."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.model.attention import CPU_PARTS, SHORTEST_PART, attend
from research.model.config import ModelConfig

CONFIG = ModelConfig(
    vocabulary_size=8,
    layers=1,
    width=32,
    heads=4,
    kv_heads=2,
    head_dim=8,
    mlp_width=8,
    max_length=512,
    compute_dtype="float32",
)


def by_the_rule(q, k, v, segment_ids, window, soft_cap):
    k, v = (jnp.repeat(x, q.shape[2] // x.shape[2], axis=2) for x in (k, v))
    scores = jnp.einsum("bqhk,blhk->bhql", q, k)
    if soft_cap is not None:
        scores = soft_cap * jnp.tanh(scores / soft_cap)
    place = np.arange(q.shape[1])
    back = place[:, None] - place[None, :]
    seen = (back >= 0) & (back < (window or len(place)))
    seen = seen & (segment_ids[:, :, None] == segment_ids[:, None, :])
    weights = jax.nn.softmax(jnp.where(seen[:, None], scores, -jnp.inf), axis=-1)
    return jnp.einsum("bhql,blhk->bqhk", weights, v)


@pytest.mark.parametrize(
    ("window", "soft_cap"), [(None, None), (SHORTEST_PART + 9, None), (7, 5.0)]
)
def test_parts_make_up_the_whole(window: int | None, soft_cap: float | None) -> None:
    length = CPU_PARTS * SHORTEST_PART
    rng = np.random.default_rng(0)
    q = rng.normal(size=(2, length, 4, 8)).astype(np.float32)
    k, v = rng.normal(size=(2, 2, length, 2, 8)).astype(np.float32)
    d_out = rng.normal(size=q.shape).astype(np.float32)
    ends = np.array([[100, 101, 250], [30, 128, 200]])
    segment_ids = (np.arange(length)[None, :, None] >= ends[:, None, :]).sum(-1) + 1
    segment_ids[0, 250:] = 0
    config = dataclasses.replace(CONFIG, attention_soft_cap=soft_cap)

    def ours(q, k, v):
        segments = jnp.asarray(segment_ids)
        return attend(q, k, v, segments, config, window=window, mesh=None, kind="plain")

    def expected(q, k, v):
        return by_the_rule(q, k, v, segment_ids, window, soft_cap)

    def with_gradients(function):
        out, pull = jax.vjp(function, q, k, v)
        return out, *pull(jnp.asarray(d_out))

    results = jax.jit(lambda: (with_gradients(ours), with_gradients(expected)))()
    for found, wanted in zip(*results, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
