"""The decoder: layers as Flax NNX modules, the model as functions of a dict of parameters.

The tree of parameters (N layers, D width, H and J query and key-value heads of K, F MLP columns,
V vocabulary), all float32:

    embedding           [V, D]
    layers/             every array stacked over the N layers
      attention_norm/scale, mlp_norm/scale                  [N, D]
      attention/query [N, D, H, K]   key, value [N, D, J, K]   output [N, H, K, D]
      attention/query_bias [N, H, K]   key_bias, value_bias [N, J, K]         (qkv_bias)
      attention/query_norm/scale, key_norm/scale            [N, K]            (qk_norm)
      attention_post_norm/scale, mlp_post_norm/scale        [N, D]            (post_norms)
      mlp/gate, up [N, D, F]   down [N, F, D]
    final_norm/scale    [D]
    head                [D, V]                                                (not if tied)
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
from flax import nnx
from jax.ad_checkpoint import checkpoint_name
from jax.sharding import Mesh

from research.errors import GristmillError
from research.model.attention import AttentionKind, attend
from research.model.config import ModelConfig
from research.model.embedding import look_up
from research.model.projection import GATHERED, on_one_cpu, project
from research.model.rope import rope_tables, rotate
from research.model.sharding import constrain

Params = dict[str, Any]
Remat = Literal["none", "full", "dots", "minimal"]
INIT_STD = 0.02
# layers that a CPU runs one after another without a scan, which would copy all that the backward
# needs into stacked arrays: a tenth of the step
MOST_UNROLLED = 12
# logical axes of the matrices of a block
QUERY_AXES = ("embed", "heads", "head_dim")
KV_AXES = ("embed", "kv_heads", "head_dim")
OUTPUT_AXES = ("heads", "head_dim", "embed")
WIDEN_AXES = ("embed", "mlp")
NARROW_AXES = ("mlp", "embed")
# what 'minimal' keeps for the backward pass beside each layer's input: all that attention is made
# of, so that only norms and the MLP are computed again
SAVED_NAMES = ("query", "key", "value", "attention_residual", "attention_out")


def weight(rngs: nnx.Rngs, shape: tuple[int, ...], axes: tuple[str, ...], std: float) -> nnx.Param:
    """A normal draw cut at three standard deviations: no weight starts as an outlier."""
    draw = jax.random.truncated_normal(rngs.params(), -3.0, 3.0, shape, jnp.float32)
    return nnx.Param(std * draw, axes=axes)


class Norm(nnx.Module):
    """RMSNorm (Zhang and Sennrich 2019) over the last axis, computed in float32."""

    def __init__(self, size: int, config: ModelConfig) -> None:
        self.config = config
        self.scale = nnx.Param(jnp.full(size, 1.0 - config.norm_offset), axes=("norm",))

    def __call__(self, x: jax.Array) -> jax.Array:
        y = x.astype(jnp.float32)
        y *= jax.lax.rsqrt(jnp.mean(y * y, axis=-1, keepdims=True) + self.config.norm_eps)
        return (y * (self.config.norm_offset + self.scale[...])).astype(x.dtype)


@dataclasses.dataclass(frozen=True)
class Place:
    """What a layer needs to know of the rows, and of where it stands among the layers.

    Attributes:
      tables: cosines and sines for its queries and keys.
      attend: its kernel with its window, from queries, keys and values.
      mesh: what the activations are sharded over.
      project: what multiplies by its weights, as they have been laid out.
    """

    tables: tuple[jax.Array, jax.Array]
    attend: Callable[[jax.Array, jax.Array, jax.Array], jax.Array]
    mesh: Mesh | None
    project: Callable[..., jax.Array] = project


class Attention(nnx.Module):
    """Grouped-query attention with rotary positions."""

    def __init__(self, config: ModelConfig, rngs: nnx.Rngs) -> None:
        self.config = c = config
        D, H, J, K = c.width, c.heads, c.kv_heads, c.head_dim
        self.query = weight(rngs, (D, H, K), QUERY_AXES, INIT_STD)
        self.key = weight(rngs, (D, J, K), KV_AXES, INIT_STD)
        self.value = weight(rngs, (D, J, K), KV_AXES, INIT_STD)
        self.output = weight(rngs, (H, K, D), OUTPUT_AXES, residual_std(c))
        if c.qkv_bias:
            self.query_bias = nnx.Param(jnp.zeros((H, K)), axes=("heads", "head_dim"))
            self.key_bias = nnx.Param(jnp.zeros((J, K)), axes=("kv_heads", "head_dim"))
            self.value_bias = nnx.Param(jnp.zeros((J, K)), axes=("kv_heads", "head_dim"))
        if c.qk_norm:
            self.query_norm, self.key_norm = Norm(K, c), Norm(K, c)

    def __call__(self, x_BxLxD: jax.Array, place: Place) -> jax.Array:
        c, mesh = self.config, place.mesh
        q_BxLxHxK = place.project(x_BxLxD, self.query[...], QUERY_AXES, mesh)
        k_BxLxJxK = place.project(x_BxLxD, self.key[...], KV_AXES, mesh)
        v_BxLxJxK = place.project(x_BxLxD, self.value[...], KV_AXES, mesh)
        if c.qkv_bias:
            q_BxLxHxK += self.query_bias[...].astype(q_BxLxHxK.dtype)
            k_BxLxJxK += self.key_bias[...].astype(k_BxLxJxK.dtype)
            v_BxLxJxK += self.value_bias[...].astype(v_BxLxJxK.dtype)
        if c.qk_norm:
            q_BxLxHxK, k_BxLxJxK = self.query_norm(q_BxLxHxK), self.key_norm(k_BxLxJxK)
        q_BxLxHxK = rotate(q_BxLxHxK, place.tables, c) * c.attention_scale
        k_BxLxJxK = rotate(k_BxLxJxK, place.tables, c)
        split = ("batch", "length", "heads", "head_dim")
        q, k, v = (
            checkpoint_name(constrain(x.astype(x_BxLxD.dtype), split, mesh), name)
            for x, name in ((q_BxLxHxK, "query"), (k_BxLxJxK, "key"), (v_BxLxJxK, "value"))
        )
        out_BxLxHxK = checkpoint_name(place.attend(q, k, v), "attention_out")
        return place.project(out_BxLxHxK, self.output[...], OUTPUT_AXES, mesh, contract=2)


class Mlp(nnx.Module):
    """Gated MLP (Shazeer 2020, GLU Variants Improve Transformer)."""

    def __init__(self, config: ModelConfig, rngs: nnx.Rngs) -> None:
        self.config = c = config
        self.gate = weight(rngs, (c.width, c.mlp_width), WIDEN_AXES, INIT_STD)
        self.up = weight(rngs, (c.width, c.mlp_width), WIDEN_AXES, INIT_STD)
        self.down = weight(rngs, (c.mlp_width, c.width), NARROW_AXES, residual_std(c))

    def __call__(self, x_BxLxD: jax.Array, place: Place) -> jax.Array:
        gate_BxLxF = place.project(x_BxLxD, self.gate[...], WIDEN_AXES, place.mesh)
        up_BxLxF = place.project(x_BxLxD, self.up[...], WIDEN_AXES, place.mesh)
        if self.config.activation == "swiglu":
            gate_BxLxF = jax.nn.silu(gate_BxLxF)
        else:
            gate_BxLxF = jax.nn.gelu(gate_BxLxF, approximate=True)
        hidden_BxLxF = constrain(gate_BxLxF * up_BxLxF, ("batch", "length", "mlp"), place.mesh)
        return place.project(hidden_BxLxF, self.down[...], NARROW_AXES, place.mesh)


class Block(nnx.Module):
    """Attention and MLP, each beside the residual stream."""

    def __init__(self, config: ModelConfig, rngs: nnx.Rngs) -> None:
        self.config = c = config
        self.attention_norm, self.mlp_norm = Norm(c.width, c), Norm(c.width, c)
        self.attention, self.mlp = Attention(c, rngs), Mlp(c, rngs)
        if c.post_norms:
            self.attention_post_norm, self.mlp_post_norm = Norm(c.width, c), Norm(c.width, c)

    def __call__(self, x_BxLxD: jax.Array, place: Place) -> jax.Array:
        stream = ("batch", "length", "width")
        y_BxLxD = self.attention(self.attention_norm(x_BxLxD), place)
        if self.config.post_norms:
            y_BxLxD = self.attention_post_norm(y_BxLxD)
        x_BxLxD = constrain(x_BxLxD + y_BxLxD, stream, place.mesh)
        y_BxLxD = self.mlp(self.mlp_norm(x_BxLxD), place)
        if self.config.post_norms:
            y_BxLxD = self.mlp_post_norm(y_BxLxD)
        return constrain(x_BxLxD + y_BxLxD, stream, place.mesh)


class Ends(nnx.Module):
    """What comes before and after the blocks."""

    def __init__(self, config: ModelConfig, rngs: nnx.Rngs) -> None:
        c = config
        self.embedding = weight(
            rngs, (c.vocabulary_size, c.width), ("vocabulary", "embed"), INIT_STD
        )
        self.final_norm = Norm(c.width, c)
        if not c.tied_embeddings:
            self.head = weight(
                rngs, (c.width, c.vocabulary_size), ("embed", "vocabulary"), INIT_STD
            )


def residual_std(config: ModelConfig) -> float:
    """Of the matrices that write to the residual stream: 2N of them add up to one of INIT_STD
    (Radford et al. 2019, GPT-2)."""
    return INIT_STD / (2 * config.layers) ** 0.5


def init_params(config: ModelConfig, seed: int | jax.Array) -> Params:
    """Fresh parameters, the same on every mesh; jit it with `out_shardings=param_shardings(…)`.

    Matrices and embeddings are normal, cut at three deviations, with standard deviation 0.02,
    those that write to the residual stream 0.02 / √(2N); biases start at 0 and norms as the
    identity.  Layer i depends on (seed, i) alone.
    """
    ends_key, layers_key = jax.random.split(jax.random.key(seed))
    keys_N = jax.vmap(lambda i: jax.random.fold_in(layers_key, i))(jnp.arange(config.layers))
    params = _pure(Ends(config, nnx.Rngs(params=ends_key)))
    params["layers"] = jax.vmap(lambda key: _pure(Block(config, nnx.Rngs(params=key))))(keys_N)
    return params


def abstract_params(config: ModelConfig) -> Params:
    """`jax.ShapeDtypeStruct` of every parameter."""
    return jax.eval_shape(lambda: init_params(config, 0))


def logical_axes(config: ModelConfig) -> Params:
    """The names of every parameter's axes (keys of `sharding.RULES`), in the same tree."""
    _, ends = structure(Ends, config)
    _, block = structure(Block, config)
    axes = _map_variables(lambda variable: variable.get_metadata()["axes"], ends)
    axes["layers"] = _map_variables(
        lambda variable: ("layers", *variable.get_metadata()["axes"]), block
    )
    return axes


def hidden_states(
    params: Params,
    config: ModelConfig,
    inputs_BxL: jax.Array,
    segment_ids_BxL: jax.Array,
    positions_BxL: jax.Array,
    *,
    mesh: Mesh | None,
    attention: AttentionKind,
    remat: Remat,
) -> jax.Array:
    """What the model makes of rows of tokens, after the final norm.

    Args:
      params: as `init_params` makes them.
      config: of those parameters.
      inputs_BxL: token ids.
      segment_ids_BxL: the document of each token within its row, 0 for padding; tokens see their
        own segment only.
      positions_BxL: place of each token within its document.
      mesh: what params and rows are sharded over; None on a single device.
      attention: the kernel; 'auto' for the device's.
      remat: what the backward pass finds computed: 'none' recomputes nothing, 'full' everything
        from the input of each layer, 'dots' all but products with weights, 'minimal' all but
        attention (SAVED_NAMES).

    Returns:
      [B, L, D] in the compute dtype.

    Raises:
      GristmillError: the attention or remat is unknown, or the kernel cannot do this shape.
    """
    if remat not in get_args(Remat):
        raise GristmillError(f"remat is one of {', '.join(get_args(Remat))}, not {remat!r}")
    c = config
    graph, _ = structure(Block, c)
    ends = assemble(
        structure(Ends, c)[0], {name: params[name] for name in params if name != "layers"}
    )
    dtype = jnp.dtype(c.compute_dtype)
    x_BxLxD = look_up(ends.embedding[...], inputs_BxL, dtype, mesh)
    if c.embedding_scale != 1.0:
        x_BxLxD *= jnp.asarray(c.embedding_scale, dtype)
    windows = list(dict.fromkeys(c.windows))
    tables = {w: rope_tables(positions_BxL, c, local=w is not None) for w in windows}
    kernels = {
        w: functools.partial(
            lambda q, k, v, w: attend(
                q, k, v, segment_ids_BxL, c, window=w, mesh=mesh, kind=attention
            ),
            w=w,
        )
        for w in windows
    }

    def layer(x_BxLxD, block_and_choice):
        block_params, choice = block_and_choice
        if len(windows) == 1:
            place = Place(tables[windows[0]], kernels[windows[0]], mesh)
        else:
            chosen = jax.tree.map(lambda *xs: jax.lax.select_n(choice, *xs), *tables.values())
            place = Place(
                chosen, lambda *qkv: jax.lax.switch(choice, list(kernels.values()), *qkv), mesh
            )
        return assemble(graph, block_params)(x_BxLxD, place), None

    if remat != "none" or (mesh is not None and mesh.size > 1):
        layer = jax.checkpoint(layer, policy=REMAT_POLICIES[remat], prevent_cse=False)
    choices_N = jnp.asarray([windows.index(w) for w in c.windows])
    layers = params["layers"], choices_N
    if on_one_cpu(mesh) and c.layers <= MOST_UNROLLED:
        for number in range(c.layers):
            x_BxLxD, _ = layer(x_BxLxD, jax.tree.map(lambda a, i=number: a[i], layers))
    else:
        x_BxLxD, _ = jax.lax.scan(layer, x_BxLxD, layers)

    return ends.final_norm(x_BxLxD)


def output_projection(params: Params, config: ModelConfig) -> jax.Array:
    """float32 [D, V], from hidden states to logits (before logit_soft_cap)."""
    return params["embedding"].T if config.tied_embeddings else params["head"]


def logits(hidden_BxLxD: jax.Array, params: Params, config: ModelConfig) -> jax.Array:
    """float32 [B, L, V], all of them at once; losses go by chunks instead."""
    head_DxV = output_projection(params, config).astype(hidden_BxLxD.dtype)
    logits_BxLxV = jnp.einsum(
        "bld,dv->blv", hidden_BxLxD, head_DxV, preferred_element_type=jnp.float32
    )
    return capped(logits_BxLxV, config)


def capped(logits: jax.Array, config: ModelConfig) -> jax.Array:
    """Logits after the model's logit_soft_cap, if it has one."""
    if config.logit_soft_cap is None:
        return logits
    return config.logit_soft_cap * jnp.tanh(logits / config.logit_soft_cap)


REMAT_POLICIES = {
    "none": jax.checkpoint_policies.save_anything_except_these_names(GATHERED),
    "full": jax.checkpoint_policies.nothing_saveable,
    "dots": jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
    "minimal": jax.checkpoint_policies.save_only_these_names(*SAVED_NAMES),
}


@functools.cache
def structure(module: type[nnx.Module], config: ModelConfig) -> tuple[nnx.GraphDef, nnx.State]:
    """A module without its arrays, and the shapes of these."""
    return nnx.split(nnx.eval_shape(lambda: module(config, nnx.Rngs(params=0))))


def assemble(graph: nnx.GraphDef, params: Params) -> nnx.Module:
    """A module of a structure and its arrays, as they are named in our trees."""
    return nnx.merge(graph, nnx.State(params))


def _pure(module: nnx.Module) -> Params:
    return nnx.to_pure_dict(nnx.state(module, nnx.Param))


def _map_variables(function: Callable[[nnx.Param], Any], state: nnx.State) -> Params:
    tree: Params = {}
    for path, variable in nnx.to_flat_state(state):
        node = tree
        for name in path[:-1]:
            node = node.setdefault(name, {})
        node[path[-1]] = function(variable)
    return tree
