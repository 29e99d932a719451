"""Membership probes: the losses of a document's own tokens, and what is made of them."""

from __future__ import annotations

import math
import zlib

import jax
import numpy as np
import pytest

from research import cli
from research.corpora.document import Document
from research.evaluate.document_losses import score, windows_of
from research.evaluate.domains import token_losses
from research.evaluate.membership import area, scores
from research.model.config import ModelConfig
from research.model.sharding import MeshSpec, make_mesh
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


@pytest.mark.parametrize("rows", [1, 3])
def test_every_token_is_scored_once_in_its_own_document(rows: int) -> None:
    params = jax.tree.map(lambda x: x * 8, init_params(CONFIG, 0))
    random = np.random.default_rng(0)
    ids = [random.integers(2, 64, size) for size in (3, 16, 40, 1, 7)]
    mesh = make_mesh(MeshSpec(), jax.devices()[:1])
    losses = token_losses(CONFIG, mesh, "plain", chunk=16)
    found = score(params, losses, windows_of(ids, 16, 1), 16, rows, 0)
    assert [len(nll) for nll in found] == [len(document) for document in ids]

    @jax.jit
    def reference(inputs_1x16: jax.Array, real_1x16: jax.Array) -> jax.Array:
        hidden = hidden_states(
            params, CONFIG, inputs_1x16, real_1x16, jax.numpy.arange(16)[None],
            mesh=None, attention="plain", remat="none",
        )  # fmt: skip
        return jax.nn.log_softmax(logits(hidden, params, CONFIG)[0])

    for document, nll in zip(ids, found, strict=True):
        inputs, expected = np.append(1, document[:-1]), []
        for start in range(0, len(document), 16):
            window, targets = inputs[start : start + 16], document[start : start + 16]
            padded, real = np.zeros((2, 1, 16), np.int32)
            padded[0, : len(window)], real[0, : len(window)] = window, 1
            chances = np.asarray(reference(padded, real))
            expected += (-chances[np.arange(len(targets)), targets]).tolist()
        np.testing.assert_allclose(nll, expected, rtol=1e-4)


def test_scores_by_hand() -> None:
    nll = np.array([0.1, 5.0, 0.2, 3.0, 0.3, 0.1, 0.1, 0.2, 0.3, 0.7])
    row = scores(Document("ab" * 50, "x", "t"), nll, 20)
    assert row["loss"] == pytest.approx(1.0) and row["min_k"] == pytest.approx(4.0)
    bits = 8 * len(zlib.compress(b"ab" * 50, 9))
    assert row["zlib_ratio"] == pytest.approx(10 / math.log(2) / bits)
    assert scores(Document("a", "x", "t"), nll[:2], 1)["min_k"] == 5.0
    assert area(np.array([1.0, 2.0]), np.array([3.0, 4.0])) == 1.0
    assert area(np.array([1.0, 4.0]), np.array([2.0, 4.0])) == pytest.approx(0.625)


def test_refusals(tmp_path, capsys) -> None:
    words = ["--root", str(tmp_path), "membership", str(tmp_path), "--corpus", "absent"]
    assert cli.main(words) == 1 and "no finished corpus absent" in capsys.readouterr().err
    assert cli.main([*words, "--k", "0"]) == 1 and "--k is 0.0" in capsys.readouterr().err
