"""The chunked, sharded cross-entropy is the dense one."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh

from research.train import loss
from research.train.loss import cross_entropy

B, L, D, V = 8, 6, 16, 40
# (slice, data, fsdp, tensor)
MESHES = [
    (1, 1, 1, 1),
    (1, 8, 1, 1),
    (1, 1, 8, 1),
    (1, 1, 1, 8),
    (2, 1, 4, 1),
    (1, 2, 2, 2),
    (2, 2, 2, 1),
    (2, 1, 2, 2),
]


def make_mesh(shape: tuple[int, ...]) -> Mesh:
    devices = np.array(jax.devices()[: math.prod(shape)]).reshape(shape)
    return Mesh(devices, ("slice", "data", "fsdp", "tensor"))


def dense(hidden, head, targets, weights, z_loss, soft_cap):
    logits = jnp.einsum("bld,dv->blv", hidden, head, preferred_element_type=jnp.float32)
    if soft_cap is not None:
        logits = soft_cap * jnp.tanh(logits / soft_cap)
    lse = jax.nn.logsumexp(logits, axis=-1)
    nll = lse - jnp.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
    return jnp.sum(weights * (nll + z_loss * lse**2)), nll


@pytest.fixture(scope="module")
def arrays():
    rng = np.random.default_rng(0)
    weights = rng.random((B, L), np.float32)
    weights[rng.random((B, L)) < 0.3] = 0
    return (
        rng.standard_normal((B, L, D), np.float32),
        rng.standard_normal((D, V), np.float32),
        rng.integers(0, V, (B, L), np.int32),
        weights,
    )


def both(shape, arrays, chunk, z_loss, soft_cap):
    """((loss, nll), (d_hidden, d_head)) of ours and of the dense loss."""
    mesh = make_mesh(shape)
    hidden, head, targets, weights = arrays

    def ours(hidden, head):
        return cross_entropy(
            hidden, head, targets, weights,
            mesh=mesh, chunk=chunk, z_loss=z_loss, soft_cap=soft_cap,
        )  # fmt: skip

    def theirs(hidden, head):
        return dense(hidden, head, targets, weights, z_loss, soft_cap)

    return [
        jax.jit(jax.value_and_grad(f, argnums=(0, 1), has_aux=True))(hidden, head)
        for f in (ours, theirs)
    ]


def assert_close(found, expected):
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5), found, expected
    )


@pytest.mark.parametrize("shape", MESHES, ids=str)
@pytest.mark.parametrize(("z_loss", "soft_cap"), [(0.0, None), (1e-2, 3.0)])
def test_equals_the_dense_loss_on_any_mesh(shape, z_loss, soft_cap, arrays):
    assert_close(*both(shape, arrays, 4, z_loss, soft_cap))


@pytest.mark.parametrize("shape", MESHES, ids=str)
@pytest.mark.parametrize("chunk", [1, 13, 1000])
def test_two_passes_give_the_same(shape, chunk, arrays, monkeypatch):
    monkeypatch.setattr(loss, "ACCUMULATOR_BYTES", 0)
    assert_close(*both(shape, arrays, chunk, 1e-2, 3.0))


@pytest.mark.parametrize("chunk", [1, 5, 7, 47, 48, 1000])
def test_any_chunk_size_gives_the_same(chunk, arrays):
    assert_close(*both((1, 1, 1, 1), arrays, chunk, 1e-2, None))
    assert_close(*both((1, 2, 2, 2), arrays, chunk, 1e-2, None))


def test_a_scaled_loss_has_scaled_gradients_and_nll_has_none(arrays):
    hidden, head, targets, weights = arrays

    def objective(hidden, use_nll):
        loss_sum, nll = cross_entropy(
            hidden, head, targets, weights, mesh=make_mesh((1, 1, 1, 1)), chunk=9,
            z_loss=0.0, soft_cap=None,
        )  # fmt: skip
        return 3 * loss_sum + use_nll * nll.sum()

    plain = jax.grad(lambda h: dense(h, head, targets, weights, 0.0, None)[0])(hidden)
    assert_close(jax.grad(objective)(hidden, 0.0), 3 * plain)
    assert_close(jax.grad(objective)(hidden, 1.0), 3 * plain)


def test_weights_of_zero_take_tokens_out(arrays):
    hidden, head, targets, _ = arrays
    (loss_sum, nll), gradients = both(
        (1, 2, 2, 2), (hidden, head, targets, 0 * arrays[3]), 4, 1e-2, None
    )[0]
    assert loss_sum == 0
    assert (nll > 0).all()
    assert all((gradient == 0).all() for gradient in gradients)


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 1, 2, 4)], ids=str)
def test_uniform_logits_give_the_log_of_the_vocabulary(shape, arrays):
    hidden, _, targets, weights = arrays
    loss_sum, nll = cross_entropy(
        0 * hidden, np.ones((D, V), np.float32), targets, weights,
        mesh=make_mesh(shape), chunk=5, z_loss=0.0, soft_cap=None,
    )  # fmt: skip
    np.testing.assert_allclose(nll, math.log(V), rtol=1e-6)
    np.testing.assert_allclose(loss_sum, weights.sum() * math.log(V), rtol=1e-6)


def test_bfloat16_products_stay_close(arrays):
    hidden, head, targets, weights = arrays
    rounded = (hidden.astype(jnp.bfloat16), head, targets, weights)
    exact = both((1, 1, 1, 1), arrays, 8, 0.0, None)[1]
    for shape in [(1, 1, 1, 1), (1, 2, 2, 2)]:
        (loss_sum, nll), (d_hidden, d_head) = both(shape, rounded, 8, 0.0, None)[0]
        assert (loss_sum.dtype, nll.dtype) == (jnp.float32, jnp.float32)
        assert (d_hidden.dtype, d_head.dtype) == (jnp.bfloat16, jnp.float32)
        np.testing.assert_allclose(loss_sum, exact[0][0], rtol=1e-2)
        np.testing.assert_allclose(d_head, exact[1][1], atol=5e-2)
