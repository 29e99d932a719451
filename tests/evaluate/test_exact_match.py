"""Exact match: what greedy decoding writes, for any batch and mesh; the last line counts."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow.parquet as pq
import pytest
from etils import epath

from research.corpora.document import Document, Unit, build_corpus
from research.errors import GristmillError
from research.evaluate.exact_match import ExactMatch, Item, read_items
from research.model.config import ModelConfig
from research.model.sharding import MeshSpec, make_mesh, param_shardings
from research.model.transformer import hidden_states, init_params, logits
from research.registry.specs import load_mixture
from research.registry.tokenizers import BYTE_SPEC, ByteTokenizer
from research.train.run_spec import EvalsConfig

CONFIG = ModelConfig(
    vocabulary_size=264,
    layers=1,
    width=16,
    heads=2,
    kv_heads=2,
    head_dim=8,
    mlp_width=16,
    max_length=32,
    compute_dtype="float32",
)
BYTES = ByteTokenizer(BYTE_SPEC)
EOS, LENGTH = BYTE_SPEC.eos_id, 24


def item(prompt: str, completion: str) -> Item:
    tokens = np.append(BYTES.encode(prompt + completion), EOS).astype(np.int32)
    return Item(prompt, prompt, completion.rpartition("\n")[2], tokens, len(prompt.encode()))


ITEMS = [item(f"{'abcdefg'[: n + 1]}=", "answer"[: 1 + n % 6] * 2) for n in range(7)]


def evaluator(mesh: str = "data=1", batch: int = 4, items=ITEMS, **options) -> ExactMatch:
    spec = MeshSpec.parse(mesh)
    devices = jax.devices()[: math.prod(spec.sizes)]
    return ExactMatch(
        "held", CONFIG, items, BYTES,
        batch=batch, mesh=make_mesh(spec, devices),
        **{"length": LENGTH, "attention": "plain", **options},
    )  # fmt: skip


def run(found: ExactMatch, params: dict) -> float:
    placed = jax.device_put(params, param_shardings(CONFIG, found.mesh))
    with jax.transfer_guard("disallow"):  # as in the training loop
        ((name, value),) = found.evaluate(placed, 3)
    assert name == "held/exact_match"
    return value


@pytest.fixture(scope="module")
def params() -> dict:
    """Drawn so wide that every token depends on those before it, and EOS now and then wins."""
    drawn = jax.device_get(jax.tree.map(lambda x: x * 12, init_params(CONFIG, 1)))
    head = np.array(drawn["head"])
    head[:, EOS] *= 3
    return {**drawn, "head": head}


@pytest.fixture(scope="module")
def next_token(params: dict):
    on_device = jax.tree.map(jnp.asarray, params)

    @jax.jit
    def best(inputs_L: jax.Array) -> jax.Array:
        hidden = hidden_states(
            on_device, CONFIG, inputs_L[None], jnp.ones((1, LENGTH), int),
            jnp.arange(LENGTH)[None], mesh=None, attention="plain", remat="none",
        )  # fmt: skip
        return logits(hidden, on_device, CONFIG)[0, :, : BYTE_SPEC.size].argmax(-1)

    return best


def decoded_one_by_one(of: Item, next_token) -> tuple[str, bool]:
    tokens = of.tokens[: of.given].tolist()
    while len(tokens) < LENGTH:
        inputs = np.zeros(LENGTH, np.int32)
        inputs[: len(tokens) + 1] = [BYTE_SPEC.bos_id, *tokens]
        token = int(next_token(inputs)[len(tokens)])
        if token == EOS:
            return BYTES.decode(tokens[of.given :]), True
        tokens.append(token)
    return BYTES.decode(tokens[of.given :]), False


def test_completions_are_those_of_decoding_token_by_token(params: dict, next_token) -> None:
    found = evaluator()
    assert run(found, params) == 0
    expected = [decoded_one_by_one(of, next_token) for of in ITEMS]
    assert [(c.text, c.ended) for c in found.completions] == expected
    assert len({text for text, _ in expected}) > 3  # or the test would see little
    assert {ended for _, ended in expected} == {True, False}


def test_the_last_line_is_what_counts(params: dict, next_token) -> None:
    written = {of.id: decoded_one_by_one(of, next_token) for of in ITEMS}
    right = [dataclasses.replace(of, answer=written[of.id][0].rpartition("\n")[2]) for of in ITEMS]
    found = evaluator(items=right)
    ended = [written[of.id][1] for of in ITEMS]
    assert run(found, params) == sum(ended) / len(ended)
    assert [completion.right for completion in found.completions] == ended

    # a model that always writes "x", a line break, "7" and EOS, whatever the reference's first line
    tokens = [*BYTES.encode("x\n7").tolist(), EOS]
    table = np.zeros((264, 16), np.float32)
    head = np.zeros((16, 264), np.float32)
    for number, (before, after) in enumerate(zip([64, *tokens], tokens, strict=False)):
        table[before, number] = head[number, after] = 1.0
    simple = {**params, "embedding": table, "head": head}
    simple["layers"] = jax.tree.map(np.zeros_like, params["layers"])
    simple["final_norm"] = {"scale": np.ones(16, np.float32)}
    found = evaluator(items=[item("2+5=", "y\n7"), item("3+5=", "x\n8")])
    assert run(found, simple) == 0.5
    assert [c.text for c in found.completions] == ["x\n7", "x\n7"]


def test_batch_size_and_mesh_change_nothing(params: dict) -> None:
    first = evaluator()
    run(first, params)
    for mesh, batch in (("data=1", 7), ("data=2,fsdp=2,tensor=2", 3), ("fsdp=8", 16)):
        found = evaluator(mesh, batch)
        run(found, params)
        assert found.completions == first.completions


def test_the_table_has_every_item(params: dict, tmp_path: Path) -> None:
    found = evaluator(folder=epath.Path(tmp_path))
    run(found, params)
    table = pq.read_table(tmp_path / "held-3-completions.parquet").to_pydict()
    assert table["id"] == [of.id for of in ITEMS]
    assert table["completion"] == [completion.text for completion in found.completions]
    assert table["right"] == [completion.right for completion in found.completions]


def test_what_cannot_be_completed_is_refused() -> None:
    with pytest.raises(GristmillError, match="no held-out document"):
        evaluator(items=[])
    with pytest.raises(GristmillError, match=r"evals\.length is 64, more than model\.max_length"):
        evaluator(length=64)
    with pytest.raises(GristmillError, match=r"evals\.length is 8, and held has documents of"):
        evaluator(length=8)
    with pytest.raises(GristmillError, match=r"evals\.exact_match: 'a/b' has more than letters"):
        EvalsConfig(exact_match={"a/b": "c"})


TASKS = """
from research.registry.tasks import add_task
for name in ("good", "bare", "cut"):
    add_task(name, corpus=name, vocabulary="byte", validation_share=0.5)
"""


def test_items_are_the_held_out_documents(tmp_path: Path) -> None:
    def corpus(name: str, meta: dict) -> None:
        documents = [Document(f"{n}+1={n + 1}", f"{n}", "sums", meta) for n in range(9, 40)]
        build_corpus(
            tmp_path, name, "1", [Unit("sums", 1, lambda: iter(documents))],
            licence="CC0-1.0", definition={}, command="none",
        )  # fmt: skip

    corpus("good", {"prompt": "", "answer": "10"})
    corpus("bare", {"answer": "10"})
    corpus("cut", {"prompt": "2", "answer": "10"})
    module = tmp_path / "sums.py"
    module.write_text(TASKS)
    good, bare, cut = (load_mixture(tmp_path, n, [str(module)]) for n in ("good", "bare", "cut"))
    items = read_items(tmp_path, good, BYTES, None)
    assert 5 < len(items) < 26
    for found in items:
        assert BYTES.decode(found.tokens) == f"{found.id}+1={int(found.id) + 1}"
        assert found.tokens[-1] == EOS and found.given == 0
    assert [i.id for i in read_items(tmp_path, good, BYTES, 3)] == [i.id for i in items[:3]]
    with pytest.raises(GristmillError, match="has no 'prompt' and 'answer' in its meta"):
        read_items(tmp_path, bare, BYTES, None)
    with pytest.raises(GristmillError, match="does not begin with the tokens of its prompt"):
        read_items(tmp_path, cut, BYTES, None)
