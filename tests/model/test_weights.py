"""Weights in and out: exact round trips, and the logits that `transformers` computes."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
import tiny_families
from safetensors.numpy import load_file, save_file
from tiny_families import HF_CONFIGS, TOKENS_BxL, write_tiny

from research.errors import GristmillError
from research.model import weights
from research.model.config import ModelConfig
from research.model.transformer import hidden_states, init_params, logits
from research.model.weights import export_hf, import_weights, load_weights, read_hf

# logits[row, position, id] of transformers 5.23.0 on torch 2.13.0 (CPU, float32, eager attention)
# for the folders of `write_tiny` and TOKENS_BxL; test_transformers_agrees computes them afresh
GOLDEN = json.loads((Path(__file__).parent / "golden_logits.json").read_text())


def our_logits(config: ModelConfig, params: dict) -> np.ndarray:
    inputs_BxL = jnp.asarray(TOKENS_BxL, jnp.int32)
    positions_BxL = jnp.broadcast_to(jnp.arange(inputs_BxL.shape[1]), inputs_BxL.shape)
    hidden_BxLxD = hidden_states(
        params,
        config,
        inputs_BxL,
        jnp.ones_like(inputs_BxL),
        positions_BxL,
        mesh=None,
        attention="plain",
        remat="none",
    )
    return np.asarray(logits(hidden_BxLxD, params, config))


@pytest.mark.parametrize("name", HF_CONFIGS)
def test_logits_are_those_recorded_from_transformers(name: str, tmp_path: Path) -> None:
    _, config, params = read_hf(write_tiny(name, tmp_path / name))
    ours = our_logits(config, params)
    for row, position, id, expected in GOLDEN[name]:
        assert ours[row, position, id] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", HF_CONFIGS)
def test_a_round_trip_changes_no_bit(name: str, tmp_path: Path) -> None:
    folder = write_tiny(name, tmp_path / "hf")
    made = import_weights(tmp_path / "root", folder, name, "test")
    config, params = load_weights(tmp_path / "root", name)
    assert config == made.config
    export_hf(config, params, None, tmp_path / "out")
    before = load_file(str(folder / "model.safetensors"))
    after = load_file(str(tmp_path / "out" / "model.safetensors"))
    assert before.keys() == after.keys()
    for tensor, array in before.items():
        np.testing.assert_array_equal(array, after[tensor])
    _, again, _ = read_hf(tmp_path / "out")
    assert again.windows == config.windows
    assert dataclasses.replace(again, window_pattern=config.window_pattern) == config


def test_interleaved_rotation_is_exported_as_halves(tmp_path: Path) -> None:
    _, config, _ = read_hf(write_tiny("llama3", tmp_path / "hf"))
    config = dataclasses.replace(config, rope_layout="interleaved")
    params = init_params(config, 5)
    export_hf(config, params, None, tmp_path / "out")
    _, halves, exported = read_hf(tmp_path / "out")
    assert halves.rope_layout == "halves"
    np.testing.assert_allclose(
        our_logits(halves, exported), our_logits(config, params), rtol=0, atol=1e-5
    )


def test_shards_hold_what_one_file_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, config, params = read_hf(write_tiny("qwen3", tmp_path / "hf"))
    monkeypatch.setattr(weights, "SHARD_BYTES", 20_000)
    files = export_hf(config, params, None, tmp_path / "out")
    assert sum(path.suffix == ".safetensors" for path in files) > 2
    _, _, again = read_hf(tmp_path / "out")
    np.testing.assert_array_equal(again["head"], params["head"])
    np.testing.assert_array_equal(
        again["layers"]["attention"]["query"], params["layers"]["attention"]["query"]
    )


def test_bfloat16_rounds_once(tmp_path: Path) -> None:
    _, config, params = read_hf(write_tiny("qwen2", tmp_path / "hf"))
    export_hf(config, params, None, tmp_path / "out", dtype="bfloat16")
    _, _, again = read_hf(tmp_path / "out")
    expected = np.asarray(jnp.asarray(params["embedding"]).astype(jnp.bfloat16), np.float32)
    np.testing.assert_array_equal(again["embedding"], expected)


def edit(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def without(folder: Path, name: str) -> None:
    tensors = load_file(str(folder / "model.safetensors"))
    del tensors[name]
    save_file(tensors, str(folder / "model.safetensors"))


def cut(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda f: edit(f, model_type="gpt2"), "'gpt2' is not supported; supported: llama, qwen2"),
        (lambda f: edit(f, attention_bias=True), "attention_bias=True of llama"),
        (lambda f: edit(f, rope_scaling={"rope_type": "yarn"}), "rope type 'yarn'"),
        (lambda f: edit(f, hidden_size=None), "no 'hidden_size'"),
        (lambda f: edit(f, intermediate_size=40), r"gate_proj.weight is \[48, 32\].* \[40, 32\]"),
        (lambda f: edit(f, num_hidden_layers=3), "lacks 9 of 30 tensors.*model.layers.2"),
        (lambda f: edit(f, num_hidden_layers=1), "9 tensors that its config.json does not ask"),
        (lambda f: without(f, "model.norm.weight"), "lacks 1 of 21 .* model.norm.weight"),
        (cut, "model.safetensors is damaged or cut short"),
        (lambda f: (f / "config.json").unlink(), "no config.json"),
        (lambda f: (f / "config.json").write_text("{"), "is no JSON"),
        (lambda f: (f / "model.safetensors").unlink(), "no .safetensors files"),
    ],
)
def test_bad_folders_get_one_line(spoil, words: str, tmp_path: Path) -> None:
    folder = write_tiny("llama2", tmp_path / "hf")
    spoil(folder)
    with pytest.raises(GristmillError, match=words) as caught:
        import_weights(tmp_path / "root", folder, "bad", "test")
    assert "\n" not in str(caught.value)
    with pytest.raises(GristmillError, match="was begun but not finished"):
        load_weights(tmp_path / "root", "bad")


def test_a_tokenizer_with_more_ids_than_the_model_is_refused(tmp_path: Path) -> None:
    import tokenizers

    folder = write_tiny("llama2", tmp_path / "hf")
    vocabulary = {f"w{id}": id for id in range(60)}
    model = tokenizers.models.WordLevel(vocabulary, unk_token="w0")
    tokenizers.Tokenizer(model).save(str(folder / "tokenizer.json"))
    with pytest.raises(GristmillError, match="has 60 ids, the model's vocabulary 48"):
        import_weights(tmp_path / "root", folder, "x", "test")


def test_a_model_that_no_family_holds_is_refused(tmp_path: Path) -> None:
    _, config, params = read_hf(write_tiny("llama2", tmp_path / "hf"))
    odd = dataclasses.replace(config, logit_soft_cap=30.0)
    with pytest.raises(GristmillError, match=r"nearest, llama, cannot have logit_soft_cap=30.0"):
        export_hf(odd, params, None, tmp_path / "out")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(GristmillError, match="is not empty"):
        export_hf(config, params, None, tmp_path / "full")


def test_weights_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(GristmillError, match="gristmill weights import … --name ghost"):
        load_weights(tmp_path, "ghost")
    with pytest.raises(GristmillError, match="does not exist"):
        import_weights(tmp_path, tmp_path / "ghost", "ghost", "test")
    import_weights(tmp_path, write_tiny("llama2", tmp_path / "hf"), "real", "test")
    with pytest.raises(GristmillError, match="already exists"):
        import_weights(tmp_path, tmp_path / "hf", "real", "test")


@pytest.mark.slow
def test_transformers_agrees(tmp_path: Path) -> None:
    """Set TRANSFORMERS_PYTHON to an interpreter that has torch and transformers."""
    python = os.environ.get("TRANSFORMERS_PYTHON", sys.executable)
    probe = subprocess.run([python, "-c", "import torch, transformers"], capture_output=True)
    if probe.returncode:
        pytest.skip(f"{python} has no torch and transformers (set TRANSFORMERS_PYTHON)")
    folders = {}
    for name in HF_CONFIGS:
        _, config, params = read_hf(write_tiny(name, tmp_path / name))
        export_hf(config, params, None, tmp_path / f"{name}_exported")
        folders[name] = (tmp_path / name, tmp_path / f"{name}_exported")
    script = Path(tiny_families.__file__).with_name("reference_logits.py")
    paths = [str(path) for pair in folders.values() for path in pair]
    command = [python, str(script), json.dumps(TOKENS_BxL.tolist()), *paths]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    reference = json.loads(run.stdout.splitlines()[-1])
    for name, pair in folders.items():
        for path in pair:
            _, config, params = read_hf(path)
            expected = np.asarray(reference[str(path)])
            difference = np.abs(our_logits(config, params) - expected).max()
            print(f"{path.name}: |difference| ≤ {difference:.1e}, |logits| ≤ {expected.max():.1f}")
            assert difference < 1e-4
            for row, position, id, recorded in GOLDEN[name]:
                assert expected[row, position, id] == pytest.approx(recorded, abs=1e-5)
