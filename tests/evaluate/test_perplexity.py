"""`gristmill perplexity` on a tiny run, and what curation makes of its table."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from research.cli import main
from research.corpora.document import Corpus, Document, Unit, build_corpus
from research.curate.score_tables import ScoreTable

TINY = """
model.vocabulary_size = 2000
model.layers = 1
model.width = 16
model.heads = 2
model.kv_heads = 2
model.head_dim = 8
model.mlp_width = 32
model.max_length = 64
model.compute_dtype = 'float32'
data.mixture = 'demo'
data.length = 64
data.batch = 8
data.seed = 1
run.seed = 2
learning_rate.peak = 1e-2
learning_rate.warmup_steps = 1
run.steps = 2
exec.tensorboard = False
"""


def test_a_corpus_is_scored_cut_into_thirds_and_learned(
    demo_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    root = tmp_path / "root"  # with all that is there, and room for more
    (root / "corpora").mkdir(parents=True)
    for path in (*demo_root.iterdir(), *(demo_root / "corpora").iterdir()):
        if path != demo_root / "corpora":
            (root / path.relative_to(demo_root)).symlink_to(path)
    monkeypatch.setenv("GRISTMILL_ROOT", str(root))
    (tmp_path / "tiny.gin").write_text(TINY)
    run = str(tmp_path / "run")
    train = ["train", "--gin_file", str(tmp_path / "tiny.gin"), "--gin"]
    assert main([*train, f"exec.directory='{run}'"]) == 0
    pages = list(Corpus.open(root, "wiki_sample").documents())[:90]
    documents = [Document(page.text[:400], page.id, "small") for page in pages]
    unit = Unit("small", 0, lambda: iter(documents))
    build_corpus(root, "small", "1", [unit], licence="CC0", definition={}, command="a test")
    assert main(["perplexity", run, "small", "--out", "ppl", "--batch", "4"]) == 0
    table = ScoreTable.open(root, "ppl").read().to_pandas().set_index("id")
    assert list(table.index) == [document.id for document in documents]
    np.testing.assert_allclose(np.exp(table.loss), table.perplexity)
    bits = table.loss * table.tokens / math.log(2) / table.bytes
    np.testing.assert_allclose(bits, table.bits_per_byte)
    assert 6 < table.loss.mean() < 10  # about the logarithm of the vocabulary's size
    capsys.readouterr()
    assert main(["perplexity", run, "small", "--out", "ppl"]) == 0
    assert "ppl made before" in capsys.readouterr().out
    assert main(["perplexity", run, "wiki_sample", "--out", "ppl"]) == 1
    assert "made otherwise (differing in corpus)" in capsys.readouterr().err

    score = ["curate", "small", "--recipe", "ccnet_head", "--gin", "score_between.table='ppl'"]
    assert main([*score, "--out", "head"]) == 0
    kept = {document.id for document in Corpus.open(root, "head").documents()}
    assert kept == set(table.perplexity.nsmallest(30).index)
    thirds = ["--gin", "score_between.keep_share=1.0", "--gin", "score_between.buckets=3"]
    assert main([*score, *thirds, "--out", "thirds"]) == 0
    places = [document.meta["score_between_bucket"]
              for document in Corpus.open(root, "thirds").documents()]  # fmt: skip
    assert [places.count(name) for name in ("head", "middle", "tail")] == [30, 30, 30]
    middle = float(table.perplexity.median())
    between = [
        "--gin",
        "score_between.keep_share=1.0",
        "--gin",
        f"score_between.max_value={middle}",
    ]
    assert main([*score, *between, "--out", "below"]) == 0
    below = Corpus.open(root, "below")
    assert below.manifest["documents"] == int((table.perplexity <= middle).sum())
    capsys.readouterr()
    for bindings, told in (
        (["score_between.column='wit'"], "has no column of numbers 'wit'; it has: bits_per_byte"),
        (["score_between.prefer='middle'"], "must be low or high"),
        (["score_between.min_value=3.0", "score_between.max_value=2.0"], "nothing lies between"),
    ):
        words = [word for binding in bindings for word in ("--gin", binding)]
        assert main([*score, *words, "--out", "no"]) == 1
        err = capsys.readouterr().err
        assert told in err and err.count("\n") == 1
