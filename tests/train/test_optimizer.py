"""AdamW and Muon against numpy, and what each of them is given."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from research.model import transformer
from research.train.optimizer import (
    MUON_RMS,
    apply_updates,
    is_hidden_matrix,
    is_matrix,
    make_optimizer,
)
from research.train.run_spec import OptimizerConfig
from research.train.state_paths import flatten

from .conftest import TINY_MODEL

AXES = {
    "embedding": ("vocabulary", "embed"),
    "norm": ("norm",),
    "query": ("layers", "embed", "heads", "head_dim"),
    "output": ("layers", "heads", "head_dim", "embed"),
}
SHAPES = {"embedding": (5, 6), "norm": (6,), "query": (2, 6, 2, 4), "output": (2, 2, 4, 6)}


def random_tree(seed: int) -> dict[str, jax.Array]:
    rng = np.random.default_rng(seed)
    return {k: jnp.asarray(rng.normal(size=s), jnp.float32) for k, s in SHAPES.items()}


def trained(config: OptimizerConfig, steps: int = 3) -> dict[str, np.ndarray]:
    optimizer = make_optimizer(config, AXES)
    params = random_tree(0)
    state = optimizer.init(params)
    for step in range(steps):
        directions, state = optimizer.update(random_tree(1 + step), state, params)
        decay = jnp.float32(config.weight_decay)
        params = apply_updates(params, directions, AXES, rate=jnp.float32(0.1), decay=decay)
    return {name: np.asarray(value) for name, value in params.items()}


def adamw(name: str, config: OptimizerConfig, steps: int = 3) -> np.ndarray:
    """Loshchilov and Hutter (2019), algorithm 2, with a decay of its own."""
    x = np.asarray(random_tree(0)[name], np.float64)
    m = v = np.zeros_like(x)
    decay = config.weight_decay if is_matrix(AXES[name]) else 0.0
    for t in range(1, steps + 1):
        g = np.asarray(random_tree(t)[name], np.float64)
        m = config.b1 * m + (1 - config.b1) * g
        v = config.b2 * v + (1 - config.b2) * g * g
        direction = m / (1 - config.b1**t) / (np.sqrt(v / (1 - config.b2**t)) + config.eps)
        x = x - 0.1 * direction - decay * x
    return x


def muon(name: str, config: OptimizerConfig, steps: int = 3) -> np.ndarray:
    """Jordan et al. (2024), each layer by itself, with the scale of Liu et al. (2025)."""
    layers = np.asarray(random_tree(0)[name], np.float64)
    rows = SHAPES[name][1] if name == "query" else SHAPES[name][1] * SHAPES[name][2]
    result = []
    for layer in range(len(layers)):
        x = layers[layer].reshape(rows, -1)
        m = np.zeros_like(x)
        for t in range(1, steps + 1):
            g = np.asarray(random_tree(t)[name][layer], np.float64).reshape(x.shape)
            m = config.momentum * m + (1 - config.momentum) * g
            ahead = config.momentum * m / (1 - config.momentum ** (t + 1))
            ahead += (1 - config.momentum) * g / (1 - config.momentum**t)
            y = ahead.T if ahead.shape[0] > ahead.shape[1] else ahead
            y = y / np.linalg.norm(y)
            for _ in range(config.newton_schulz_steps):
                a = y @ y.T
                y = 3.4445 * y + (-4.7750 * a + 2.0315 * a @ a) @ y
            y = y.T if ahead.shape[0] > ahead.shape[1] else y
            x = x - 0.1 * MUON_RMS * np.sqrt(max(x.shape)) * y - config.weight_decay * x
        result.append(x.reshape(SHAPES[name][1:]))
    return np.stack(result)


def test_adamw_is_the_reference() -> None:
    config = OptimizerConfig("adamw", weight_decay=0.01)
    found = trained(config)
    for name in AXES:
        np.testing.assert_allclose(found[name], adamw(name, config), rtol=1e-5, atol=1e-5)


def test_muon_is_the_reference_and_leaves_the_rest_to_adamw() -> None:
    config = OptimizerConfig("muon", weight_decay=0.01)
    found = trained(config)
    for name in ("query", "output"):
        np.testing.assert_allclose(found[name], muon(name, config), rtol=1e-3, atol=1e-4)
    for name in ("embedding", "norm"):
        np.testing.assert_allclose(found[name], adamw(name, config), rtol=1e-5, atol=1e-5)


def test_the_model_s_parameters_are_told_apart() -> None:
    axes = {
        name: value
        for name, value in jax.tree_util.tree_flatten_with_path(
            transformer.logical_axes(TINY_MODEL), is_leaf=lambda x: isinstance(x, tuple)
        )[0]
    }
    hidden = {jax.tree_util.keystr(p, simple=True, separator="/")
              for p, a in axes.items() if is_hidden_matrix(a)}  # fmt: skip
    assert hidden == {f"layers/attention/{n}" for n in ("query", "key", "value", "output")} | {
        f"layers/mlp/{n}" for n in ("gate", "up", "down")
    }
    plain = flatten(transformer.abstract_params(TINY_MODEL))
    assert sum(is_matrix(a) for a in axes.values()) == len(hidden) + 2
    assert all(len(plain[name].shape) >= 3 for name in hidden)
