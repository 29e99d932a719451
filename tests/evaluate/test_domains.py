"""Held-out loss: whole documents, exact sums, the same for any batch size and mesh."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow.parquet as pq
import pytest
from etils import epath

from research.errors import GristmillError
from research.evaluate.domains import DomainLoss
from research.input_pipeline.token_cache import TokenCache
from research.model.config import ModelConfig
from research.model.sharding import MeshSpec, make_mesh, param_shardings
from research.model.transformer import hidden_states, init_params, logits

CONFIG = ModelConfig(
    vocabulary_size=64,
    layers=1,
    width=16,
    heads=2,
    kv_heads=2,
    head_dim=8,
    mlp_width=16,
    max_length=32,
    compute_dtype="float32",
)
BOS, PAD = 1, 0


def cache(name: str, lengths: list[int], seed: int) -> TokenCache:
    """Random documents of two domains."""
    rng = np.random.default_rng(seed)
    return TokenCache(
        name=name,
        folder=Path("/nowhere"),
        manifest={"domains": [f"{name}/a", f"{name}/b"], "fingerprint": name},
        tokens=rng.integers(2, 64, sum(lengths)).astype(np.uint16),
        offsets=np.cumsum([0, *lengths]),
        domains=(np.arange(len(lengths)) % 2).astype(np.uint16),
        document_bytes=rng.integers(1, 200, len(lengths)).astype(np.uint32),
    )


CACHES = {"x": cache("x", [3, 16, 40, 1, 7, 33, 16], 0), "y": cache("y", [5, 5, 90], 1)}


def evaluator(mesh: str = "data=1", batch: int = 4, **options) -> DomainLoss:
    spec = MeshSpec.parse(mesh)
    devices = jax.devices()[: math.prod(spec.sizes)]
    settings = {"length": 16, "limit": None, "attention": "plain", "chunk": 32, **options}
    return DomainLoss(
        "held", CONFIG, CACHES, bos_id=BOS, pad_id=PAD, batch=batch,
        mesh=make_mesh(spec, devices), **settings,
    )  # fmt: skip


@pytest.fixture(scope="module")
def params() -> dict:
    drawn = init_params(CONFIG, 0)
    return jax.device_get(jax.tree.map(lambda x: x * 8, drawn))


def place(params: dict, found: DomainLoss) -> dict:
    return jax.device_put(params, param_shardings(CONFIG, found.mesh))


def test_a_uniform_model_has_log2_v_bits_a_token(params: dict) -> None:
    uniform = {**params, "head": np.zeros_like(params["head"])}
    found = evaluator()
    values = dict(found.evaluate(place(uniform, found), 0))
    tokens = sum(c.offsets[-1] for c in CACHES.values())
    size = sum(int(c.document_bytes.sum()) for c in CACHES.values())
    assert values["held/all/bits_per_byte"] == pytest.approx(math.log2(64) * tokens / size, 1e-6)
    assert found.sums["all"].tokens == tokens and found.sums["all"].bytes == size
    for name, source in CACHES.items():
        for number, domain in enumerate("ab"):
            here = source.domains == number
            exact = math.log2(64) * np.diff(source.offsets)[here].sum()
            exact /= source.document_bytes[here].sum()
            assert values[f"held/{name}/{domain}/bits_per_byte"] == pytest.approx(exact, 1e-6)


def test_every_document_has_the_sum_of_its_windows(params: dict) -> None:
    found = evaluator()
    list(found.evaluate(place(params, found), 0))
    params = jax.tree.map(jnp.asarray, params)

    @jax.jit
    def scores(inputs_1x16: jax.Array, real_1x16: jax.Array) -> jax.Array:
        hidden = hidden_states(
            params, CONFIG, inputs_1x16, real_1x16, jnp.arange(16)[None],
            mesh=None, attention="plain", remat="none",
        )  # fmt: skip
        return jax.nn.log_softmax(logits(hidden, params, CONFIG)[0])

    for source in CACHES.values():
        for document, nll in enumerate(found.documents[source.name].nll):
            begin, end = source.offsets[document : document + 2]
            tokens = source.tokens[begin:end].astype(np.int32)
            inputs = np.concatenate([[BOS], tokens[:-1]])
            total = 0.0
            for a in range(0, len(tokens), 16):
                targets = tokens[a : a + 16]
                window, real = np.zeros((2, 1, 16), np.int32)
                window[0, : len(targets)], real[0, : len(targets)] = inputs[a : a + 16], 1
                total -= float(scores(window, real)[np.arange(len(targets)), targets].sum())
            assert nll == pytest.approx(total, rel=1e-5)


def test_batch_size_and_mesh_change_nothing(params: dict) -> None:
    first = evaluator()
    expected = dict(first.evaluate(place(params, first), 0))
    for mesh, batch in (("data=1", 7), ("data=2,fsdp=2,tensor=2", 3), ("fsdp=8", 16)):
        found = evaluator(mesh, batch)
        values = dict(found.evaluate(place(params, found), 0))
        assert values.keys() == expected.keys()
        for name, value in values.items():
            assert value == pytest.approx(expected[name], rel=1e-5)


def test_the_first_documents_alone(params: dict) -> None:
    whole, part = evaluator(), evaluator(limit=2)
    list(whole.evaluate(place(params, whole), 0))
    list(part.evaluate(place(params, part), 0))
    assert part.sums["all"].documents == 4
    for name, losses in part.documents.items():
        np.testing.assert_allclose(losses.nll, whole.documents[name].nll[:2], rtol=1e-6)


def test_what_cannot_be_scored_is_refused() -> None:
    with pytest.raises(GristmillError, match=r"evals\.length is 64"):
        evaluator(length=64)
    with pytest.raises(GristmillError, match="validation split of e has no documents"):
        DomainLoss(
            "held", CONFIG, {"e": cache("e", [], 0)}, bos_id=BOS, pad_id=PAD, batch=4, length=16,
            limit=None, attention="plain", chunk=32, mesh=make_mesh(MeshSpec(), jax.devices()[:1]),
        )  # fmt: skip


def test_the_command_scores_a_run(demo_root: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    gin = tmp_path / "run.gin"
    gin.write_text(
        "model.vocabulary_size = 2000\nmodel.layers = 1\nmodel.width = 16\nmodel.heads = 2\n"
        "model.kv_heads = 2\nmodel.head_dim = 8\nmodel.mlp_width = 16\nmodel.max_length = 64\n"
        "model.compute_dtype = 'float32'\ndata.mixture = 'demo'\ndata.length = 32\n"
        "data.batch = 8\ndata.seed = 0\nrun.seed = 0\nrun.steps = 4\noptimizer.ema = 0.5\n"
        "learning_rate.peak = 1e-2\nlearning_rate.warmup_steps = 1\nexec.tensorboard = False\n"
        f"evals.mixtures = ['demo']\nevals.documents = 3\nexec.directory = '{run}'\n"
    )
    command = [sys.executable, "-m", "research.cli", "--root", str(demo_root)]
    subprocess.run([*command, "train", "--gin_file", str(gin)], check=True, capture_output=True)
    scored = subprocess.run(
        [*command, "evaluate", str(run), "--mixture", "demo", "--documents", "3",
         "--mesh", "data=2,fsdp=2,tensor=2", "--batch", "5"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert "bits per byte" in scored.stdout and "wiki_sample" in scored.stdout
    values = json.loads((run / "evaluations" / "demo-4.json").read_text())["values"]
    recorded = json.loads((run / "result.json").read_text())["evaluation"]
    for name, value in values.items():
        assert value == pytest.approx(recorded[name], rel=1e-4)
    documents = pq.read_table(epath.Path(run) / "evaluations" / "demo-4.parquet").to_pydict()
    assert len(set(documents["id"])) == len(documents["id"]) == 15
    bits = sum(documents["nll"]) / math.log(2) / sum(documents["bytes"])
    assert values["demo/all/bits_per_byte"] == pytest.approx(bits)
    for arguments, message in (
        (("--mixture", "nothing_such"), "nothing_such"),
        (("--mixture", "demo", "--step", "3"), "no checkpoint of step 3 (steps: 4)"),
        (("--mixture", "demo_bytes"), "vocabulary"),
    ):
        refused = subprocess.run(
            [*command, "evaluate", str(run), *arguments], capture_output=True, text=True
        )
        assert refused.returncode == 1 and "Traceback" not in refused.stderr
        assert message in refused.stderr.splitlines()[-1]
