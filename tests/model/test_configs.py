"""The shapes of models: what they count, and what bad ones get."""

from __future__ import annotations

import ast
import dataclasses
import json
from pathlib import Path

import jax
import pytest

from research.errors import GristmillError
from research.model.config import ModelConfig, flops_per_token, parameters
from research.model.transformer import abstract_params

FOLDER = Path(__file__).parents[2] / "gin_configs" / "models"
TINY = ModelConfig(
    vocabulary_size=64,
    layers=2,
    width=32,
    heads=4,
    kv_heads=2,
    head_dim=8,
    mlp_width=48,
    max_length=32,
)


def read_gin(path: Path) -> ModelConfig:
    bindings = [line.split(" = ") for line in path.read_text().splitlines() if "=" in line]
    return ModelConfig(**{k.removeprefix("model."): ast.literal_eval(v) for k, v in bindings})


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.gin")), ids=lambda path: path.stem)
def test_sizes_are_what_their_names_say(path: Path) -> None:
    config = read_gin(path)
    scale = {"m": 1e6, "b": 1e9}[path.stem[-1]]
    counted = parameters(config, embeddings=not config.tied_embeddings or scale == 1e9)
    assert counted == pytest.approx(int(path.stem[:-1]) * scale, rel=0.14)


def test_the_count_is_that_of_the_arrays() -> None:
    for changes in (
        {},
        {"tied_embeddings": True},
        {"qk_norm": True, "qkv_bias": True, "post_norms": True},
    ):
        config = dataclasses.replace(TINY, **changes)
        arrays = jax.tree.leaves(abstract_params(config))
        assert parameters(config) == sum(array.size for array in arrays)
        assert {str(array.dtype) for array in arrays} == {"float32"}


def test_flops_count_the_contexts_that_windows_leave() -> None:
    matrices = 2 * (2 * 32 * 8 * 6 + 3 * 32 * 48) + 64 * 32
    assert flops_per_token(TINY, 16) == 6 * matrices + 12 * 4 * 8 * 2 * 17 / 2
    windowed = dataclasses.replace(TINY, window=4, window_pattern=2)
    contexts = [min(place + 1, 4) for place in range(16)]
    expected = 6 * matrices + 12 * 4 * 8 * (sum(contexts) / 16 + 17 / 2)
    assert flops_per_token(windowed, 16) == pytest.approx(expected)


def test_a_config_survives_json() -> None:
    config = dataclasses.replace(TINY, window=4, window_pattern=2)
    assert ModelConfig(**json.loads(json.dumps(dataclasses.asdict(config)))) == config
    assert config.windows == (4, None)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"layers": 0}, "layers is 0"),
        ({"width": 3.5}, "width is 3.5"),
        ({"kv_heads": 3}, r"heads \(4\) are not a multiple of kv_heads \(3\)"),
        ({"head_dim": 7}, "odd"),
        ({"activation": "relu"}, "swiglu, geglu, not 'relu'"),
        ({"window_pattern": 2}, "pattern needs a window"),
        ({"logit_soft_cap": 0.0}, "logit_soft_cap is 0.0"),
    ],
)
def test_bad_shapes_get_one_line(changes: dict, words: str) -> None:
    with pytest.raises(GristmillError, match=words) as caught:
        dataclasses.replace(TINY, **changes)
    assert "\n" not in str(caught.value)
