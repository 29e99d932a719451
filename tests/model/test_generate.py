"""Decoding with a cache says what the model itself says, however prompts are put together."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_families import write_tiny

from research.errors import GristmillError
from research.model import transformer
from research.model.config import ModelConfig
from research.model.generate import PIECE, Completion, Generator, Prompt
from research.model.sampling import choose
from research.model.sharding import MeshSpec, make_mesh
from research.model.weights import read_hf

STOP = 7
LONGEST = 320
SHAPE = {
    "vocabulary_size": 304, "layers": 3, "width": 48, "heads": 6, "kv_heads": 2, "head_dim": 8,
    "mlp_width": 96, "max_length": 512, "compute_dtype": "float32",
}  # fmt: skip
FAMILIES = {
    "llama": {},
    "gemma": {
        "window": 16, "window_pattern": 3, "qk_norm": True, "post_norms": True, "norm_offset": 1.0,
        "embedding_scale": 7.0, "tied_embeddings": True, "logit_soft_cap": 30.0,
        "attention_soft_cap": 20.0, "activation": "geglu", "rope_local_base": 1e4, "rope_base": 1e6,
    },
    "qwen": {"qkv_bias": True, "tied_embeddings": True},
}  # fmt: skip
# imported from Hugging Face folders, whose logits are those of `transformers` (test_weights.py)
IMPORTED = "llama3", "qwen3", "gemma3"


@functools.cache
def model(family: str) -> tuple[ModelConfig, transformer.Params]:
    if family in IMPORTED:
        with tempfile.TemporaryDirectory() as folder:
            _, config, params = read_hf(write_tiny(family, Path(folder) / "hf"))
        return config, jax.device_put(params)
    config = ModelConfig(**SHAPE | FAMILIES[family])
    params = transformer.init_params(config, 0)
    # weights large enough for answers to depend on all of the prompt
    return config, jax.tree.map(lambda a: 5 * a if a.ndim > 1 else a, params)


@functools.cache
def forward(family: str):
    """Logits of the token after the first n of a row, by the model that is trained."""
    config, params = model(family)

    @jax.jit
    def logits(row_1xL: jax.Array, count: jax.Array) -> jax.Array:
        hidden = transformer.hidden_states(
            params, config, row_1xL, jnp.ones_like(row_1xL), jnp.arange(LONGEST)[None],
            mesh=None, attention="plain", remat="none",
        )  # fmt: skip
        return transformer.logits(hidden, params, config)[0, count - 1]

    return logits


def without_cache(family: str, prompt: Prompt) -> Completion:
    tokens, logprobs = list(prompt.tokens), []
    finish = "length"
    for _ in range(prompt.max_tokens):
        row = np.zeros((1, LONGEST), np.int32)
        row[0, : len(tokens)] = tokens
        logits = forward(family)(row, len(tokens))
        token = int(logits.argmax())
        if token == STOP:
            finish = "stop"
            break
        tokens.append(token)
        logprobs.append(float(jax.nn.log_softmax(logits)[token]))
    return Completion(tuple(tokens[len(prompt.tokens) :]), tuple(logprobs), finish)


def prompts(count: int, shared: int, max_tokens: int = 12) -> list[Prompt]:
    """Prompts of many lengths, the later half with a common beginning."""
    rng = np.random.default_rng(count)
    head = rng.integers(STOP + 1, 304, shared)
    bodies = [rng.integers(STOP + 1, 304, rng.integers(1, 2 * PIECE)) for _ in range(count)]
    rows = [b if i < count // 2 else np.r_[head, b][:300] for i, b in enumerate(bodies)]
    return [Prompt(row.tolist(), max_tokens + i % 4) for i, row in enumerate(rows)]


@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_answers_are_those_without_a_cache(family: str) -> None:
    config, params = model(family)
    generator = Generator(params, config, stop_ids=[STOP], slots=4, context=400)
    asked = prompts(10, shared=60)
    answers = dict(generator.generate(iter(asked)))
    for number, prompt in enumerate(asked):
        expected = without_cache(family, prompt)
        assert answers[number].tokens == expected.tokens
        assert answers[number].finish == expected.finish
        np.testing.assert_allclose(answers[number].logprobs, expected.logprobs, atol=1e-3)
    # for all lengths; decoding for 4, 2 and 1 slots
    programs = {name: f._cache_size() for name, f in generator._functions.items()}
    assert programs == {"prefill": 1, "place": 1, "decode": 3, "move": 1}


@pytest.mark.parametrize("family", IMPORTED)
def test_imported_models_answer_as_they_do_without_a_cache(family: str) -> None:
    config, params = model(family)
    rng = np.random.default_rng(0)
    asked = [
        Prompt(rng.integers(STOP + 1, config.vocabulary_size, length).tolist(), 8)
        for length in (1, PIECE, PIECE + 9, 2 * PIECE + 1)
    ]
    generator = Generator(params, config, stop_ids=[STOP], slots=1, context=200)
    answers = dict(generator.generate(iter(asked)))
    for number, prompt in enumerate(asked):
        expected = without_cache(family, prompt)
        assert answers[number].tokens == expected.tokens
        np.testing.assert_allclose(answers[number].logprobs, expected.logprobs, atol=1e-3)


def test_what_prompts_share_is_read_once() -> None:
    config, params = model("llama")
    generator = Generator(params, config, stop_ids=[STOP], slots=2, context=400)
    read, prefill = [], generator._functions["prefill"]

    def count(*args: object) -> object:
        read.append(int(args[-1]))
        return prefill(*args)

    generator._functions["prefill"] = count
    head = list(range(STOP + 1, STOP + 1 + 2 * PIECE))
    asked = [Prompt([*head, *tail], 4) for tail in ([9, 8, 11], [10] * 5, [10] * 5, [12])]
    answers = dict(generator.generate(iter(asked)))
    assert read == [0, PIECE, 2 * PIECE, 2 * PIECE]  # the third is the second, the fourth the head
    for number, prompt in enumerate(asked):
        assert answers[number].tokens == without_cache("llama", prompt).tokens


def test_no_length_compiles_anything_more() -> None:
    config, params = model("llama")
    generator = Generator(params, config, stop_ids=[], slots=3, context=300)
    watched = Prompt([9, 10], 4, ended=lambda tokens: 1 if tokens else None)
    ends = [Prompt([9] * 5, count, temperature=0.5) for count in (9, 18, 27)]
    list(generator.generate(iter([watched, *ends])))
    compiled: list[str] = []

    def listen(event: str, seconds: float, **facts: object) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            compiled.append(str(facts))

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        asked = [Prompt([9 + length % 7] * length, 1 + length % 9) for length in range(1, 290, 17)]
        asked += [watched] * 3
        answers = dict(generator.generate(iter(asked)))
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
    assert len(answers) == len(asked)
    assert not compiled
    assert sum(f._cache_size() for f in generator._functions.values()) == 6


def test_a_mesh_says_the_same() -> None:
    config, params = model("llama")
    mesh = make_mesh(MeshSpec(tensor=2), jax.devices()[:2])
    asked = prompts(6, shared=60)
    one = dict(Generator(params, config, stop_ids=[STOP], slots=2, context=400)
               .generate(iter(asked)))  # fmt: skip
    two = dict(Generator(params, config, stop_ids=[STOP], slots=2, context=400, mesh=mesh)
               .generate(iter(asked)))  # fmt: skip
    assert [one[i].tokens for i in range(6)] == [two[i].tokens for i in range(6)]
    with pytest.raises(GristmillError, match="by tensor only"):
        Generator(params, config, stop_ids=[], mesh=make_mesh(MeshSpec(data=2), jax.devices()[:2]))


def test_answers_end_where_they_should() -> None:
    config, params = model("llama")
    generator = Generator(params, config, stop_ids=[STOP], slots=2, context=64)
    (row,) = (prompt.tokens[:60] for prompt in prompts(1, shared=0))
    asked = [
        Prompt(row[:20], 12),
        Prompt(row[:20], 12, ended=lambda tokens: 3 if len(tokens) >= 3 else None),
        Prompt(row[:20], 1),
        Prompt(row[:20], 500),  # more than there is room for
    ]
    answers = dict(generator.generate(iter(asked)))
    assert answers[1].tokens == answers[0].tokens[:3] and answers[1].finish == "stop"
    assert answers[2].tokens == answers[0].tokens[:1] and answers[2].finish == "length"
    assert len(answers[3].tokens) == 44 and answers[3].finish == "length"
    with pytest.raises(GristmillError, match="a prompt of 64 tokens"):
        list(generator.generate(iter([Prompt([9] * 64, 1)])))


def test_a_draw_depends_on_its_own_seed_and_place() -> None:
    config, params = model("llama")
    asked = [
        Prompt(prompt.tokens, 10, temperature=0.8, top_p=0.9, seed=seed)
        for seed, prompt in enumerate(prompts(6, shared=40))
    ]
    many = dict(Generator(params, config, stop_ids=[STOP], slots=4, context=400)
                .generate(iter(asked)))  # fmt: skip
    alone = Generator(params, config, stop_ids=[STOP], slots=4, context=400)
    for number, prompt in enumerate(asked):
        ((_, answer),) = alone.generate(iter([prompt]))
        assert answer.tokens == many[number].tokens


def test_tokens_are_drawn_as_often_as_they_are_likely() -> None:
    logits_V = np.log(np.array([0.4, 0.3, 0.2, 0.06, 0.04], np.float32))
    draws = 4000

    def share(temperature: float, top_p: float, top_k: int) -> np.ndarray:
        full = functools.partial(np.full, draws)
        tokens, logprobs = choose(
            jnp.tile(logits_V, (draws, 1)), full(np.float32(temperature)), full(np.float32(top_p)),
            full(np.int32(top_k)), full(np.uint32(3)), np.arange(draws),
        )  # fmt: skip
        np.testing.assert_allclose(logprobs, logits_V[np.asarray(tokens)], atol=1e-5)
        return np.bincount(tokens, minlength=5) / draws

    def near(found: np.ndarray, expected: list[float]) -> None:
        np.testing.assert_allclose(found, expected, atol=0.03)
        assert not found[np.array(expected) == 0].any()

    near(share(0.0, 1.0, 0), [1, 0, 0, 0, 0])
    near(share(1.0, 1.0, 0), [0.4, 0.3, 0.2, 0.06, 0.04])
    near(share(1.0, 1.0, 2), [4 / 7, 3 / 7, 0, 0, 0])
    near(share(1.0, 0.75, 0), [4 / 9, 3 / 9, 2 / 9, 0, 0])
    near(share(1.0, 0.5, 3), [4 / 7, 3 / 7, 0, 0, 0])
    squares = np.exp(2 * logits_V)
    near(share(0.5, 1.0, 0), (squares / squares.sum()).tolist())
