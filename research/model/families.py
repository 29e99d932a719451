"""The open model families: their `config.json` against ModelConfig, their tensors against ours.

The tables follow the published configurations and state dicts of Llama 2 and 3 (also SmolLM2),
Qwen2 and 2.5, Qwen3 and Gemma 3 (text) in Hugging Face's format.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from research.errors import GristmillError
from research.model.config import ModelConfig
from research.model.rope import halves_to_interleaved, interleaved_to_halves


@dataclasses.dataclass(frozen=True)
class Family:
    """A Hugging Face architecture.

    Attributes:
      model_type: in config.json.
      architecture: the class that loads it.
      activation: name of the MLP's activation under `activation_key`.
      defaults: of keys that a published config.json may leave out.
      choices: what the family fixes in a ModelConfig.
    """

    model_type: str
    architecture: str
    activation_key: str
    activation: str
    defaults: Mapping[str, Any]
    choices: Mapping[str, Any]


FAMILIES = {
    family.model_type: family
    for family in (
        Family(
            "llama",
            "LlamaForCausalLM",
            "hidden_act",
            "silu",
            {"rms_norm_eps": 1e-6, "tie_word_embeddings": False, "rope_theta": 10_000.0},
            {},
        ),
        Family(
            "qwen2",
            "Qwen2ForCausalLM",
            "hidden_act",
            "silu",
            {"rms_norm_eps": 1e-6, "tie_word_embeddings": False, "rope_theta": 10_000.0},
            {"qkv_bias": True},
        ),
        Family(
            "qwen3",
            "Qwen3ForCausalLM",
            "hidden_act",
            "silu",
            {
                "rms_norm_eps": 1e-6,
                "tie_word_embeddings": False,
                "rope_theta": 10_000.0,
                "head_dim": 128,
            },
            {"qk_norm": True},
        ),
        Family(
            "gemma3_text",
            "Gemma3ForCausalLM",
            "hidden_activation",
            "gelu_pytorch_tanh",
            {
                "rms_norm_eps": 1e-6,
                "tie_word_embeddings": True,
                "rope_theta": 1_000_000.0,
                "rope_local_base_freq": 10_000.0,
                "head_dim": 256,
                "num_attention_heads": 8,
                "num_key_value_heads": 4,
                "vocab_size": 262_208,
                "max_position_embeddings": 131_072,
                "query_pre_attn_scalar": 256,
                "sliding_window": 4096,
                "sliding_window_pattern": 6,
            },
            {"activation": "geglu", "norm_offset": 1.0, "post_norms": True, "qk_norm": True},
        ),
    )
}
SLIDING, FULL = "sliding_attention", "full_attention"


def read_hf_config(hf: Mapping[str, Any], where: str) -> tuple[Family, ModelConfig]:
    """The family and shape that a `config.json` describes.

    Args:
      hf: its contents, as older or newer `transformers` write it; of a multimodal Gemma 3, the
        text model is taken.
      where: the file, named in errors.

    Raises:
      GristmillError: the family is not supported, a key is missing, or it asks for something that
        our model does not have.
    """
    if hf.get("model_type") == "gemma3" and "text_config" in hf:
        hf = {**hf["text_config"], "model_type": "gemma3_text"}
    family = FAMILIES.get(hf.get("model_type", ""))
    if family is None:
        raise GristmillError(
            f"{where}: model_type {hf.get('model_type')!r} is not supported; "
            f"supported: {', '.join(FAMILIES)}"
        )
    hf = {**family.defaults, **{key: value for key, value in hf.items() if value is not None}}
    _refuse(hf, family, where)
    try:
        width, heads, layers = hf["hidden_size"], hf["num_attention_heads"], hf["num_hidden_layers"]
        window, pattern = _read_windows(hf, family, layers, where)
        shape = {
            "vocabulary_size": hf["vocab_size"],
            "layers": layers,
            "width": width,
            "heads": heads,
            "kv_heads": hf.get("num_key_value_heads", heads),
            "head_dim": hf.get("head_dim", width // heads),
            "mlp_width": hf["intermediate_size"],
            "max_length": hf["max_position_embeddings"],
            "tied_embeddings": bool(hf["tie_word_embeddings"]),
            "norm_eps": float(hf["rms_norm_eps"]),
            "window": window,
            "window_pattern": pattern,
            **_read_rope(hf, family, where),
            **family.choices,
        }
        if family.model_type == "gemma3_text":
            shape["embedding_scale"] = math.sqrt(width)
            shape["query_scale"] = float(hf["query_pre_attn_scalar"]) ** -0.5
            shape["logit_soft_cap"] = hf.get("final_logit_softcapping")
    except KeyError as error:
        raise GristmillError(f"{where} has no {error.args[0]!r}") from None
    dtype = hf.get("dtype", hf.get("torch_dtype"))
    shape["compute_dtype"] = "float32" if dtype == "float32" else "bfloat16"
    return family, ModelConfig(**shape)


def write_hf_config(config: ModelConfig) -> tuple[Family, dict[str, Any]]:
    """The family that holds a model, and the `config.json` that describes it there.

    Raises:
      GristmillError: no family can; the choices in the way of the nearest are named.
    """
    target = dataclasses.replace(config, rope_layout="halves")  # tensors are permuted to match
    if target.query_scale is not None and math.isclose(target.query_scale, target.head_dim**-0.5):
        target = dataclasses.replace(target, query_scale=None)
    misfits: dict[str, list[str]] = {}
    for family in FAMILIES.values():
        hf = _hf_config(target, family)
        _, back = read_hf_config(hf, "config.json")
        if family.model_type == "gemma3_text" and math.isclose(
            back.attention_scale, target.attention_scale
        ):
            back = dataclasses.replace(back, query_scale=target.query_scale)
        if back.windows == target.windows:
            same = {"window": target.window, "window_pattern": target.window_pattern}
            back = dataclasses.replace(back, **same)
        fields = [field.name for field in dataclasses.fields(ModelConfig)]
        differing = [name for name in fields if getattr(back, name) != getattr(target, name)]
        if not differing:
            return family, hf
        misfits[family.model_type] = differing
    nearest = min(misfits, key=lambda name: len(misfits[name]))
    choices = ", ".join(f"{name}={getattr(config, name)!r}" for name in misfits[nearest])
    raise GristmillError(
        f"no Hugging Face family holds this model ({', '.join(FAMILIES)}); "
        f"the nearest, {nearest}, cannot have {choices}"
    )


def _refuse(hf: Mapping[str, Any], family: Family, where: str) -> None:
    wanted = {
        family.activation_key: (family.activation,),
        "mlp_bias": (False,),
        "use_bidirectional_attention": (False,),
    }
    if family.model_type != "qwen2":
        wanted["attention_bias"] = (False,)
    if family.model_type == "gemma3_text":
        wanted["attn_logit_softcapping"] = (None,)
    for key, allowed in wanted.items():
        if key in hf and hf[key] not in allowed:
            raise GristmillError(
                f"{where}: {key}={hf[key]!r} of {family.model_type} is not supported"
            )


def _read_rope(hf: Mapping[str, Any], family: Family, where: str) -> dict[str, Any]:
    """Both spellings: rope_theta beside rope_scaling, and the newer rope_parameters."""
    rope = dict(hf.get("rope_parameters") or hf.get("rope_scaling") or {})
    local_base = hf.get("rope_local_base_freq")
    if isinstance(rope.get(SLIDING), Mapping):
        local_base = rope[SLIDING].get("rope_theta", local_base)
    if isinstance(rope.get(FULL), Mapping):
        rope = dict(rope[FULL])
    found: dict[str, Any] = {"rope_base": float(rope.get("rope_theta", hf["rope_theta"]))}
    if family.model_type == "gemma3_text":
        found["rope_local_base"] = float(local_base)
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind == "linear":
        found |= {"rope_scaling": "linear", "rope_factor": float(rope["factor"])}
    elif kind == "llama3":
        found |= {
            "rope_scaling": "llama3",
            "rope_factor": float(rope["factor"]),
            "rope_low_frequency": float(rope["low_freq_factor"]),
            "rope_high_frequency": float(rope["high_freq_factor"]),
            "rope_original_length": int(rope["original_max_position_embeddings"]),
        }
    elif kind != "default":
        raise GristmillError(
            f"{where}: rope type {kind!r} is not supported; supported: default, linear, llama3"
        )
    return found


def _read_windows(
    hf: Mapping[str, Any], family: Family, layers: int, where: str
) -> tuple[int | None, int]:
    """(window, window_pattern) from the list of layer types, or from the older pattern."""
    window = hf.get("sliding_window")
    if family.model_type == "llama" or window is None:
        return None, 0
    types = hf.get("layer_types")
    if family.model_type != "gemma3_text":
        if not hf.get("use_sliding_window"):
            return None, 0
        if types is None:
            types = [
                FULL if layer < hf["max_window_layers"] else SLIDING for layer in range(layers)
            ]
    elif types is None:
        return window, hf["sliding_window_pattern"]
    if SLIDING not in types:
        return None, 0
    if FULL not in types:
        return window, 0
    period = types.index(FULL) + 1
    expected = [FULL if (layer + 1) % period == 0 else SLIDING for layer in range(layers)]
    if types != expected:
        raise GristmillError(f"{where}: layer_types are not one full layer after every few sliding")
    return window, period


def _hf_config(config: ModelConfig, family: Family) -> dict[str, Any]:
    hf: dict[str, Any] = {
        "architectures": [family.architecture],
        "model_type": family.model_type,
        "vocab_size": config.vocabulary_size,
        "hidden_size": config.width,
        "intermediate_size": config.mlp_width,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.kv_heads,
        "head_dim": config.head_dim,
        family.activation_key: family.activation,
        "max_position_embeddings": config.max_length,
        "initializer_range": 0.02,
        "rms_norm_eps": config.norm_eps,
        "tie_word_embeddings": config.tied_embeddings,
        "rope_theta": config.rope_base,
        "torch_dtype": config.compute_dtype,
        "use_cache": True,
    }
    if config.rope_scaling == "linear":
        hf["rope_scaling"] = {"rope_type": "linear", "factor": config.rope_factor}
    elif config.rope_scaling == "llama3":
        hf["rope_scaling"] = {
            "rope_type": "llama3",
            "factor": config.rope_factor,
            "low_freq_factor": config.rope_low_frequency,
            "high_freq_factor": config.rope_high_frequency,
            "original_max_position_embeddings": config.rope_original_length,
        }
    types = [FULL if window is None else SLIDING for window in config.windows]
    match family.model_type:
        case "llama":
            hf |= {"attention_bias": False, "mlp_bias": False}
        case "qwen2" | "qwen3":
            hf |= {
                "use_sliding_window": config.window is not None,
                "sliding_window": config.window,
                "max_window_layers": types.count(FULL),
                "layer_types": types,
            }
        case "gemma3_text":
            scalar = config.attention_scale**-2
            hf |= {
                "query_pre_attn_scalar": round(scalar) if _near_integer(scalar) else scalar,
                "rope_local_base_freq": config.rope_local_base,
                "sliding_window": config.window,
                "layer_types": types,
                "final_logit_softcapping": config.logit_soft_cap,
                "attn_logit_softcapping": None,
            }
    return hf


def _near_integer(value: float) -> bool:
    return math.isclose(value, round(value), rel_tol=1e-9)


@dataclasses.dataclass(frozen=True)
class Tensor:
    """One tensor of a Hugging Face state dict, and where it lives in our tree.

    Attributes:
      name: in the state dict.
      path: in our tree, joined by '/'.
      layer: which of the stacked layers, or None.
      shape: in the state dict.
      split: the same with heads and their components told apart.
      order: how the axes of `split` are permuted to give ours (of one layer).
    """

    name: str
    path: str
    layer: int | None
    shape: tuple[int, ...]
    split: tuple[int, ...]
    order: tuple[int, ...]

    def to_ours(self, array: np.ndarray) -> np.ndarray:
        """The state dict's array as ours."""
        return array.reshape(self.split).transpose(self.order)

    def to_hf(self, array: np.ndarray) -> np.ndarray:
        """Our array as the state dict's."""
        return np.ascontiguousarray(array.transpose(np.argsort(self.order))).reshape(self.shape)


def hf_tensors(config: ModelConfig, family: Family) -> Iterator[Tensor]:
    """Every tensor of a model's state dict, in the order of the network."""
    c = config
    D, H, J, K, F = c.width, c.heads, c.kv_heads, c.head_dim, c.mlp_width

    def plain(name: str, path: str, layer: int | None, *shape: int) -> Tensor:
        return Tensor(name, path, layer, shape, shape, tuple(range(len(shape))))

    def matrix(name: str, path: str, layer: int | None, rows: int, columns: int) -> Tensor:
        return Tensor(name, path, layer, (rows, columns), (rows, columns), (1, 0))

    def heads(name: str, path: str, layer: int, count: int) -> Tensor:
        return Tensor(name, path, layer, (count * K, D), (count, K, D), (2, 0, 1))

    yield plain("model.embed_tokens.weight", "embedding", None, c.vocabulary_size, D)
    for i in range(c.layers):
        hf, ours = f"model.layers.{i}.", "layers/"
        yield plain(hf + "input_layernorm.weight", ours + "attention_norm/scale", i, D)
        after = hf + "post_attention_layernorm.weight"
        if c.post_norms:
            yield plain(after, ours + "attention_post_norm/scale", i, D)
            yield plain(hf + "pre_feedforward_layernorm.weight", ours + "mlp_norm/scale", i, D)
            yield plain(
                hf + "post_feedforward_layernorm.weight", ours + "mlp_post_norm/scale", i, D
            )
        else:
            yield plain(after, ours + "mlp_norm/scale", i, D)
        hf, ours = f"model.layers.{i}.self_attn.", "layers/attention/"
        for letter, word, count in (("q", "query", H), ("k", "key", J), ("v", "value", J)):
            yield heads(f"{hf}{letter}_proj.weight", ours + word, i, count)
            if c.qkv_bias:
                yield Tensor(
                    f"{hf}{letter}_proj.bias",
                    f"{ours}{word}_bias",
                    i,
                    (count * K,),
                    (count, K),
                    (0, 1),
                )
        if c.qk_norm:
            yield plain(hf + "q_norm.weight", ours + "query_norm/scale", i, K)
            yield plain(hf + "k_norm.weight", ours + "key_norm/scale", i, K)
        yield Tensor(hf + "o_proj.weight", ours + "output", i, (D, H * K), (D, H, K), (1, 2, 0))
        hf, ours = f"model.layers.{i}.mlp.", "layers/mlp/"
        yield matrix(hf + "gate_proj.weight", ours + "gate", i, F, D)
        yield matrix(hf + "up_proj.weight", ours + "up", i, F, D)
        yield matrix(hf + "down_proj.weight", ours + "down", i, D, F)
    yield plain("model.norm.weight", "final_norm/scale", None, D)
    if not c.tied_embeddings:
        yield matrix("lm_head.weight", "head", None, c.vocabulary_size, D)


# parameters whose last axis is the components of a head that rotates
ROTATED = tuple(
    f"layers/attention/{name}"
    for name in ("query", "key", "query_bias", "key_bias", "query_norm/scale", "key_norm/scale")
)


def relayout(path: str, array: np.ndarray, config: ModelConfig, layout: str) -> np.ndarray:
    """An array of a model of `config.rope_layout` as one of the other layout has it."""
    if path not in ROTATED or config.rope_layout == layout:
        return array
    order = interleaved_to_halves if layout == "halves" else halves_to_interleaved
    return array[..., order(config.head_dim)]
