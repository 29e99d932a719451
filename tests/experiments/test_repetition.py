"""Repetition: a fixed set of training documents, more steps for more epochs."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from experiments import repetition
from experiments.declare import SweepSettings, changed
from research.corpora.document import Corpus
from research.errors import GristmillError
from research.registry.specs import load_mixture
from research.registry.splits import SAMPLE_VALIDATION_SHARE, TRAIN, split_of
from research.train.loop import open_data
from research.train.run_spec import resolve_with

GIN = Path(__file__).parents[2] / "gin_configs" / "sweeps" / "repetition_cpu.gin"


@pytest.fixture(scope="module")
def root(sample_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with the smallest of the corpora and its cache."""
    root = tmp_path_factory.mktemp("repetition")
    shutil.copytree(sample_root, root, dirs_exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRISTMILL_ROOT", str(root))
        repetition.prepare(repetition.Settings(unique="50k"))
    return root


def test_the_corpus_is_of_training_documents_of_all_samples(root: Path) -> None:
    found = list(Corpus.open(root, "repetition_50k").documents())
    size = Counter()
    for document in found:
        assert split_of(document.root_ids, SAMPLE_VALIDATION_SHARE) == TRAIN
        size[document.source] += len(document.text.encode())
    assert len(size) == 5 and 45_000 < sum(size.values()) <= 50_000
    assert all(5_000 < part <= 10_000 for part in size.values())
    held_out = load_mixture(root, repetition.HELD_OUT)  # cached by `prepare`, too
    assert {task.validation_share for task in held_out.tasks.values()} == {SAMPLE_VALIDATION_SHARE}
    again = repetition.build(root, "50k")
    assert again.manifest == Corpus.open(root, "repetition_50k").manifest


def test_a_smaller_corpus_is_chosen_in_the_same_order(root: Path) -> None:
    corpus = Corpus.open(root, "wiki_sample")
    small = [document.id for document in repetition.chosen(corpus, 50_000)]
    large = [document.id for document in repetition.chosen(corpus, 1_000_000)]
    assert 1 < len(small) < len(large)
    places = [large.index(id) for id in small if id in large]
    assert places == sorted(places) and len(places) > 0.9 * len(small)


def test_the_arms_of_the_shipped_file_read_each_token_so_often(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRISTMILL_ROOT", str(root))
    sections = {"sweep": SweepSettings, "repetition": repetition.Settings}
    options = ["repetition.unique='50k'", "repetition.epochs=(1, 3)", "data.batch=2"]
    run, _, found = resolve_with([str(GIN)], options, sections)
    arms = repetition.arms(run, found["repetition"])
    assert [arm.baseline for arm in arms] == [True, False, False, False]
    for arm, epochs, decay in zip(arms, (1, 3, 1, 3), (1e-3, 1e-3, 1e-2, 1e-2), strict=True):
        made = changed(run, arm)
        assert made.optimizer.weight_decay == decay
        source = open_data(made, None)
        (cache,) = source.caches
        assert made.tokens / len(cache.tokens) == pytest.approx(epochs, abs=0.01)
        assert len(source) == made.steps and len(source.domains) == 5


def test_what_makes_no_sweep_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for options, message in (
        ({"unique": "1k"}, r"repetition\.unique: '1k' is none of 50k, 100k"),
        ({"epochs": (0,)}, "give numbers of at least 1"),
        ({"weight_decays": ()}, "give at least one"),
    ):
        with pytest.raises(GristmillError, match=message):
            repetition.Settings(**options)
    monkeypatch.setenv("GRISTMILL_ROOT", str(root))
    sections = {"sweep": SweepSettings, "repetition": repetition.Settings}
    options = ["repetition.unique='50k'", "data.batch=4096"]
    run, _, found = resolve_with([str(GIN)], options, sections)
    with pytest.raises(GristmillError, match="50k is less than a step of 1048576 tokens"):
        repetition.arms(run, found["repetition"])
