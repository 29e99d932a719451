"""Reads models of the Llama family from GGUF files, the format of llama.cpp.

Quantised tensors are dequantised to float32.  llama.cpp rotates neighbouring components, so its
converter interleaves the rows of queries and keys; here they are put back into halves.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from research.errors import GristmillError
from research.model.config import ModelConfig
from research.model.rope import frequencies, interleaved_to_halves
from research.model.transformer import Params

ARCHITECTURES = ("llama",)
LLAMA3_FACTORS = (8.0, 32.0)  # of Llama 3.1 and 3.2; the file holds only what follows from them
# what splits text before merging, by `tokenizer.ggml.pre`, where byte-level splitting is not all
DIGITS = {"smollm": "individual"}
LLAMA3_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
PATTERNS = {"llama-bpe": LLAMA3_PATTERN}
PLAIN = ("default", "gpt-2")
CONTROL = 3  # token type


def read_gguf(path: Path, tokenizer_out: Path) -> tuple[str, ModelConfig, Params]:
    """The model of a GGUF file; its tokenizer goes to a folder as tokenizer.json.

    Args:
      path: the file.
      tokenizer_out: a folder, made if need be.

    Returns:
      ('gguf llama', shape, float32 parameters).

    Raises:
      GristmillError: the file is damaged or cut short, of another architecture, quantised in a
        way that cannot be undone, or lacks a tensor or key.
    """
    fields, tensors = _read_file(path)
    architecture = fields.get("general.architecture")
    if architecture not in ARCHITECTURES:
        raise GristmillError(
            f"{path}: architecture {architecture!r} is not supported in GGUF; "
            f"supported: {', '.join(ARCHITECTURES)}"
        )
    config = _config(fields, tensors, path)
    params = _params(config, tensors, path)
    tokenizer_out.mkdir(parents=True, exist_ok=True)
    _write_tokenizer(fields, tokenizer_out, path)
    return f"gguf {architecture}", config, params


def _read_file(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    from gguf import GGUFReader

    try:
        reader = GGUFReader(path)
        fields = {name: field.contents() for name, field in reader.fields.items()}
        tensors = {tensor.name: tensor for tensor in reader.tensors}
    except (ValueError, IndexError, KeyError, OverflowError, UnicodeDecodeError) as error:
        raise GristmillError(f"{path} is damaged or cut short ({error})") from None
    return fields, tensors


def _config(fields: dict[str, Any], tensors: dict[str, Any], path: Path) -> ModelConfig:
    def field(name: str, default: Any = None) -> Any:
        value = fields.get(f"llama.{name}", default)
        if value is None:
            raise GristmillError(f"{path} has no llama.{name}")
        return value

    width, heads = int(field("embedding_length")), int(field("attention.head_count"))
    embedding = tensors.get("token_embd.weight")
    if embedding is None:
        raise GristmillError(f"{path} has no tensor token_embd.weight")
    head_dim = int(field("attention.key_length", width // heads))
    if int(field("rope.dimension_count", head_dim)) != head_dim:
        raise GristmillError(f"{path}: rotating a part of each head is not supported")
    config = ModelConfig(
        vocabulary_size=int(embedding.shape[1]),
        layers=int(field("block_count")),
        width=width,
        heads=heads,
        kv_heads=int(field("attention.head_count_kv", heads)),
        head_dim=head_dim,
        mlp_width=int(field("feed_forward_length")),
        max_length=int(field("context_length")),
        rope_base=float(field("rope.freq_base", 10_000.0)),
        norm_eps=float(str(np.float32(field("attention.layer_norm_rms_epsilon")))),
        tied_embeddings="output.weight" not in tensors,
        **_linear_scaling(fields, path),
    )
    return _with_llama3_scaling(config, tensors, path)


def _linear_scaling(fields: dict[str, Any], path: Path) -> dict[str, Any]:
    kind = fields.get("llama.rope.scaling.type", "none")
    if kind == "none":
        return {}
    if kind != "linear":
        raise GristmillError(f"{path}: rope scaling {kind!r} is not supported")
    return {
        "rope_scaling": "linear",
        "rope_factor": float(fields["llama.rope.scaling.factor"]),
    }


def _with_llama3_scaling(config: ModelConfig, tensors: dict[str, Any], path: Path) -> ModelConfig:
    """Finds the Llama 3 scaling whose divisors of the frequencies are those in the file."""
    import dataclasses

    if "rope_freqs.weight" not in tensors:
        return config
    divisors = _dequantize(tensors["rope_freqs.weight"], path)
    plain = frequencies(config, local=False)
    for factor in LLAMA3_FACTORS:
        scaled = dataclasses.replace(config, rope_scaling="llama3", rope_factor=factor)
        if np.allclose(plain / frequencies(scaled, local=False), divisors, rtol=1e-4):
            return scaled
    raise GristmillError(f"{path}: rope_freqs.weight is none of Llama 3's scalings")


def _params(c: ModelConfig, tensors: dict[str, Any], path: Path) -> Params:
    D, H, J, K, F = c.width, c.heads, c.kv_heads, c.head_dim, c.mlp_width

    def get(name: str, *shape: int) -> np.ndarray:
        if name not in tensors:
            raise GristmillError(f"{path} has no tensor {name}")
        array = _dequantize(tensors[name], path)
        if array.shape != shape:
            raise GristmillError(
                f"{path}: {name} is {list(array.shape)}, the model's is {list(shape)}"
            )
        return array

    order = interleaved_to_halves(K)

    def layer(i: int, name: str, *shape: int) -> np.ndarray:
        return get(f"blk.{i}.{name}.weight", *shape)

    def heads(i: int, name: str, count: int) -> np.ndarray:
        return layer(i, name, count * K, D).reshape(count, K, D).transpose(2, 0, 1)

    def stack(make: Any) -> np.ndarray:
        return np.stack([make(i) for i in range(c.layers)])

    params: Params = {
        "embedding": get("token_embd.weight", c.vocabulary_size, D),
        "final_norm": {"scale": get("output_norm.weight", D)},
        "layers": {
            "attention_norm": {"scale": stack(lambda i: layer(i, "attn_norm", D))},
            "mlp_norm": {"scale": stack(lambda i: layer(i, "ffn_norm", D))},
            "attention": {
                "query": stack(lambda i: heads(i, "attn_q", H)[..., order]),
                "key": stack(lambda i: heads(i, "attn_k", J)[..., order]),
                "value": stack(lambda i: heads(i, "attn_v", J)),
                "output": stack(lambda i: layer(i, "attn_output", D, H * K).T.reshape(H, K, D)),
            },
            "mlp": {
                "gate": stack(lambda i: layer(i, "ffn_gate", F, D).T),
                "up": stack(lambda i: layer(i, "ffn_up", F, D).T),
                "down": stack(lambda i: layer(i, "ffn_down", D, F).T),
            },
        },
    }
    if not c.tied_embeddings:
        params["head"] = np.ascontiguousarray(get("output.weight", c.vocabulary_size, D).T)
    return params


def _dequantize(tensor: Any, path: Path) -> np.ndarray:
    from gguf.quants import dequantize

    try:
        return dequantize(tensor.data, tensor.tensor_type).astype(np.float32, copy=False)
    except (NotImplementedError, ValueError) as error:
        raise GristmillError(
            f"{path}: {tensor.name} of type {tensor.tensor_type.name} cannot be read ({error})"
        ) from None


def _write_tokenizer(fields: dict[str, Any], out: Path, path: Path) -> None:
    """tokenizer.json of a byte-level BPE; files with other tokenizers give none."""
    from research.model.hf_tokenizer import write_settings

    kind, pre = fields.get("tokenizer.ggml.model"), fields.get("tokenizer.ggml.pre", "default")
    if kind != "gpt2" or pre not in (*DIGITS, *PATTERNS, *PLAIN):
        return
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

    tokens = fields["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE({token: id for id, token in enumerate(tokens)}, merges))
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=pre not in PATTERNS)
    if pre in DIGITS:
        steps = [pre_tokenizers.Digits(individual_digits=True), level]
    elif pre in PATTERNS:
        steps = [pre_tokenizers.Split(Regex(PATTERNS[pre]), "isolated"), level]
    else:
        steps = [level]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
    tokenizer.decoder = decoders.ByteLevel()
    types = fields["tokenizer.ggml.token_type"]
    tokenizer.add_special_tokens(
        [
            AddedToken(token, special=True, normalized=False)
            for token, kind in zip(tokens, types, strict=True)
            if kind == CONTROL
        ]
    )
    tokenizer.save(str(out / "tokenizer.json"))
    roles = {"bos": "bos", "eos": "eos", "pad": "padding", "unk": "unknown"}
    special = {
        f"{role}_token": tokens[fields[f"tokenizer.ggml.{key}_token_id"]]
        for role, key in roles.items()
        if f"tokenizer.ggml.{key}_token_id" in fields
    }
    more = {}
    if "tokenizer.chat_template" in fields:
        more["chat_template"] = fields["tokenizer.chat_template"]
    write_settings(out, "PreTrainedTokenizerFast", special, more)
