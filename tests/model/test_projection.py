"""The product on one device: its derivatives are those of a plain tensor product."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.model.projection import lay_for_few, project, project_few
from research.model.transformer import NARROW_AXES, OUTPUT_AXES, WIDEN_AXES


@pytest.mark.parametrize(
    ("x_shape", "w_shape", "contract"),
    [
        ((2, 5, 4), (4, 7), 1),
        ((2, 5, 7), (7, 4), 1),
        ((2, 5, 4), (4, 3, 2), 1),
        ((2, 5, 3, 4), (3, 4, 6), 2),
        ((2, 5, 3, 2), (3, 2, 6), 2),
    ],
)
def test_derivatives(x_shape: tuple, w_shape: tuple, contract: int) -> None:
    rng = np.random.default_rng(0)
    x, w = (jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in (x_shape, w_shape))
    axes = ("embed", "heads", "head_dim")[: len(w_shape)]
    y, pull = jax.vjp(lambda x, w: project(x, w, axes, None, contract), x, w)
    plain, pull_plain = jax.vjp(lambda x, w: jnp.tensordot(x, w, contract), x, w)
    np.testing.assert_allclose(y, plain, rtol=1e-6)
    dy = jnp.asarray(rng.normal(size=y.shape), jnp.float32)
    for found, wanted in zip(pull(dy), pull_plain(dy), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("w_shape", "axes", "contract"),
    [((4, 7), WIDEN_AXES, 1), ((7, 4), NARROW_AXES, 1), ((3, 2, 4), OUTPUT_AXES, 2)],
)
def test_few_tokens_give_the_same(w_shape: tuple, axes: tuple, contract: int) -> None:
    rng = np.random.default_rng(0)
    x, w = (
        jnp.asarray(rng.normal(size=shape), jnp.float32)
        for shape in ((2, 5, *w_shape[:contract]), w_shape)
    )
    few = project_few(x, lay_for_few(w, axes), axes, None, contract)
    np.testing.assert_allclose(few, project(x, w, axes, None, contract), rtol=1e-6)
