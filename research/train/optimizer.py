"""AdamW and Muon, as directions of update; the step applies learning rate and weight decay.

What a parameter is follows from its logical axes: a matrix has the axis 'embed' (the width of the
residual stream), a hidden matrix 'layers' too.  Norms and biases have no 'embed'.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import optax
from optax import contrib

from research.train.run_spec import OptimizerConfig

# Muon's updates get the root mean square of AdamW's, so that one learning rate and one weight
# decay serve both: Liu et al., "Muon is scalable for LLM training" (2025), section 2.2
MUON_RMS = 0.2

Axes = Mapping[str, Any]  # the tree of the parameters, with tuples of axis names as leaves


def is_matrix(axes: Sequence[str]) -> bool:
    """Whether a parameter is a matrix: an embedding, an output projection or a hidden one."""
    return "embed" in axes


def is_hidden_matrix(axes: Sequence[str]) -> bool:
    """Whether a parameter is a stack of matrices between hidden activations, Muon's domain."""
    return "embed" in axes and "layers" in axes


def make_optimizer(config: OptimizerConfig, axes: Axes) -> optax.GradientTransformation:
    """Turns (clipped) gradients into directions to move against, before rate and decay.

    Muon: momentum, orthogonalised by Newton-Schulz iterations for every layer by itself (Jordan
    et al., "Muon: an optimizer for hidden layers in neural networks", 2024).

    Args:
      config: which optimizer, and its constants.
      axes: logical axes of every parameter.
    """
    adam = optax.scale_by_adam(b1=config.b1, b2=config.b2, eps=config.eps)
    if config.kind == "adamw":
        return adam
    labels = _map_axes(lambda a: "muon" if is_hidden_matrix(a) else "adamw", axes)
    numbers = _map_axes(
        lambda a: _matrix_axes(a) if is_hidden_matrix(a) else optax.MaskedNode(), axes
    )
    muon = optax.chain(
        contrib.scale_by_muon(
            beta=config.momentum,
            ns_steps=config.newton_schulz_steps,
            weight_dimension_numbers=numbers,
        ),
        optax.stateless(functools.partial(_match_rms, numbers)),
    )
    return optax.partition({"adamw": adam, "muon": muon}, labels)


def apply_updates(
    params: Any, directions: Any, axes: Axes, *, rate: jax.Array, decay: jax.Array
) -> Any:
    """Moves the parameters against the directions and shrinks the matrices.

    The decay is independent of the learning rate, as Loshchilov and Hutter (2019) define it and
    Wortsman et al., "Small-scale proxies for large-scale transformer training instabilities"
    (2023), found to keep optima in place across sizes.

    Args:
      params, directions: trees of arrays.
      axes: logical axes of every parameter.
      rate: learning rate.
      decay: share of itself that every matrix loses.
    """

    def move(names: Sequence[str], param: jax.Array, direction: jax.Array) -> jax.Array:
        moved = param - rate * direction
        return moved - decay * param if is_matrix(names) else moved

    return jax.tree.map(move, axes, params, directions, is_leaf=_is_axes)


def _match_rms(numbers: Any, updates: Any, params: Any) -> Any:
    """Scales orthogonal matrices [m, n] to the root mean square MUON_RMS."""

    def scale(sides: contrib.MuonDimensionNumbers, update: jax.Array) -> jax.Array:
        sizes = [math.prod(update.shape[axis] for axis in side) for side in sides]
        return MUON_RMS * math.sqrt(max(sizes)) * update

    return jax.tree.map(
        scale, numbers, updates, is_leaf=lambda x: isinstance(x, contrib.MuonDimensionNumbers)
    )


def _matrix_axes(names: Sequence[str]) -> contrib.MuonDimensionNumbers:
    """Which axes of a hidden matrix are its input and its output: 'embed' is one side."""
    inner = [i for i, name in enumerate(names) if name != "layers"]
    embed = names.index("embed")
    others = tuple(i for i in inner if i != embed)
    if embed == inner[0]:
        return contrib.MuonDimensionNumbers((embed,), others)
    return contrib.MuonDimensionNumbers(others, (embed,))


def _is_axes(node: Any) -> bool:
    return isinstance(node, tuple)


def _map_axes(function: Any, axes: Axes) -> Any:
    return jax.tree.map(function, axes, is_leaf=_is_axes)
