"""The curation ladder: each rung is of the one before it; no site is trained on and scored."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from experiments import curation_ladder as ladder
from experiments.declare import declare
from research.cli import main
from research.corpora.document import Corpus
from research.errors import GristmillError
from research.registry.splits import SAMPLE_VALIDATION_SHARE, TRAIN, split_of

GIN = Path(__file__).parents[2] / "gin_configs" / "sweeps" / "curation_ladder_cpu.gin"
PAGES = "160"


@pytest.fixture(scope="module")
def root(sample_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with the ladder of some of the pages."""
    root = tmp_path_factory.mktemp("ladder")
    for name in ("web_sample", "wiki_sample", "docs_sample"):
        shutil.copytree(sample_root / "corpora" / name, root / "corpora" / name)
    build = ["--root", str(root), "corpora", "build", "web_pages", "--limit", PAGES]
    assert main(build) == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRISTMILL_ROOT", str(root))
        ladder.prepare(ladder.Settings())
    return root


def training(root: Path, name: str) -> dict[str, str]:
    """The texts that are trained on, by id."""
    found = Corpus.open(root, name).documents()
    return {d.id: d.text for d in found
            if split_of(d.root_ids, SAMPLE_VALIDATION_SHARE) == TRAIN}  # fmt: skip


def test_rungs_shrink_and_matched_ones_are_as_small_as_the_last(root: Path) -> None:
    rungs = [training(root, ladder.corpus_of(rung)) for rung in ladder.RUNGS]
    sizes = [sum(map(len, rung.values())) for rung in rungs]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] > 10 * sizes[1]
    for smaller, larger in zip(rungs[1:], rungs, strict=False):
        assert smaller.keys() <= larger.keys()
    for rung, texts in zip(ladder.RUNGS[1:-1], rungs[1:], strict=False):
        cut = training(root, ladder.matched(rung))
        assert cut.items() <= texts.items()
        size = sum(len(text.encode()) for text in cut.values())
        last = sum(len(text.encode()) for text in rungs[-1].values())
        assert 0.9 * last < size <= last


def test_no_rung_trains_on_a_site_that_is_scored(root: Path) -> None:
    scored = {
        site
        for document in Corpus.open(root, ladder.WEB_TEXT).documents()
        for site in document.root_ids
        if split_of(document.root_ids, SAMPLE_VALIDATION_SHARE) != TRAIN
    }
    read = {
        site
        for document in Corpus.open(root, ladder.corpus_of("raw")).documents()
        for site in document.root_ids
        if split_of(document.root_ids, SAMPLE_VALIDATION_SHARE) == TRAIN
    }
    assert len(scored) > 10 and len(read) > 50 and not scored & read
    good = Corpus.open(root, ladder.POSITIVE)
    assert len(training(root, good.name)) == good.manifest["documents"] < 106


def test_the_shipped_file_has_an_arm_for_every_rung_and_variant(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GRISTMILL_ROOT", str(root))
    capsys.readouterr()
    options = ["run.steps=20"]
    sweep = declare("experiments.curation_ladder", [str(GIN)], options, None)
    assert capsys.readouterr().out == ""  # all was there: nothing is made again
    names = [arm.name for arm in sweep.record.arms]
    assert names == [*ladder.RUNGS, *(f"{rung}_matched" for rung in ladder.RUNGS[:-1])]
    assert sweep.record.arms[0].baseline and len(sweep.cells) == 27
    assert len({cell.record.tokens for cell in sweep.cells}) == 1
    options.append("curation_ladder.variants=['matched']")
    alone = declare("experiments.curation_ladder", [str(GIN)], options, None)
    arms = [(arm.name, arm.baseline) for arm in alone.record.arms]
    assert arms[0] == ("raw_matched", True) and arms[-1] == ("quality", False)


@pytest.mark.parametrize("variants", [(), ("equal",)])
def test_variants_are_checked(variants: tuple[str, ...]) -> None:
    with pytest.raises(GristmillError, match=r"curation_ladder\.variants is .*name some of equal"):
        ladder.Settings(variants=variants)
