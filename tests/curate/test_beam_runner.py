"""Beam makes the corpus that the local runner makes, as a command and as a transform."""

from __future__ import annotations

import glob
import json
import shutil
from pathlib import Path

import pytest

from research.cli import main
from research.corpora.document import SCHEMA, Corpus, Document
from research.curate.recipes import find_recipe
from research.curate.steps import Step

beam = pytest.importorskip("apache_beam", reason="needs: pip install gristmill[beam]")

import pyarrow.parquet as pq  # noqa: E402
from apache_beam.testing.util import assert_that, equal_to  # noqa: E402

from research.curate.beam_runner import CurateDocuments  # noqa: E402


@pytest.fixture(scope="module")
def root(sample_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with the web sample and what the local runner makes of it."""
    root = tmp_path_factory.mktemp("beam")
    shutil.copytree(sample_root / "corpora" / "web_sample", root / "corpora" / "web_sample")
    assert main(command(root, "local")) == 0
    return root


def command(root: Path, out: str, *more: str) -> list[str]:
    return ["--root", str(root), "curate", "web_sample", "--recipe", "fineweb_en", "--out", out,
            *more]  # fmt: skip


def test_the_command_makes_the_same_files(root: Path) -> None:
    assert main(command(root, "beam", "--runner", "beam")) == 0
    local, made = (Corpus.open(root, name) for name in ("local", "beam"))
    assert made.manifest["files"] == local.manifest["files"]  # names, bytes and hashes
    for key in ("fingerprint", "job", "parts", "funnel", "quarantined", "definition"):
        assert made.manifest[key] == local.manifest[key]


def test_the_transform_gives_the_same_documents_and_counts(root: Path, tmp_path: Path) -> None:
    local = Corpus.open(root, "local")
    parts = str(Corpus.open(root, "web_sample").folder / "part-*.parquet")
    with beam.Pipeline("FnApiRunner") as pipeline:
        found = (
            pipeline
            | beam.io.ReadFromParquet(parts)
            | beam.Map(Document.from_row)
            | beam.Reshuffle()
            | CurateDocuments(find_recipe("fineweb_en"))
        )
        rows = found.kept | beam.Map(Document.as_row)
        rows | beam.io.WriteToParquet(str(tmp_path / "part"), SCHEMA, codec="zstd")
        found.report | beam.Map(json.dumps) | beam.io.WriteToText(str(tmp_path / "report"))
    report = json.loads("".join(Path(p).read_text() for p in glob.glob(f"{tmp_path}/report*")))
    assert report == json.loads((local.folder / "examples.json").read_text())["steps"]
    written = [row for path in tmp_path.glob("part*") for row in pq.read_table(path).to_pylist()]
    by_id = {row["id"]: Document.from_row(row) for row in written}
    assert len(by_id) == len(written)
    assert by_id == {document.id: document for document in local.documents()}


def test_what_cannot_be_judged_is_quarantined(fragile: Step) -> None:
    texts = ["good", "odd", "all", "fine"]
    documents = [Document(text, f"d{i}", "test") for i, text in enumerate(texts)]
    with beam.Pipeline("FnApiRunner") as pipeline:
        found = pipeline | beam.Create(documents) | CurateDocuments([fragile])
        kept = found.kept | beam.Map(lambda document: document.text)
        assert_that(kept, equal_to(["good", "fine"]), "kept")
        where = found.quarantined | beam.Map(lambda item: item.where)
        assert_that(where, equal_to(["d1"]), "quarantined")
        counts = found.report | beam.Map(_counts)
        reason = "step fragile failed (ValueError: an odd text)"
        assert_that(counts, equal_to([(4, 2, {reason: 1}, ["nothing_left"])]), "report")


def _counts(report: list) -> tuple:
    (step,) = report
    return step["documents_in"], step["documents_out"], step["quarantined"], [*step["dropped"]]


def test_what_the_work_refuses_is_told_in_one_line(
    root: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(root / "corpora" / "web_sample", tmp_path / "corpora" / "web_sample")
    (part, *_) = tmp_path.rglob("part-00001.parquet")
    part.write_bytes(part.read_bytes()[:-100])
    assert main(command(tmp_path, "x", "--runner", "beam")) == 1
    error = capfd.readouterr().err
    assert "is missing or damaged" in error.splitlines()[-1] and "Traceback" not in error


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--beam_option", "runnr=FlinkRunner"], "no option runnr; did you mean runner"),
        (["--beam_option", "runner=SlowRunner"], "Unexpected pipeline runner: SlowRunner"),
        (["--workers", "2"], "--workers is for --runner local"),
        (["--beam_option", "direct_num_workers=many"], "direct_num_workers"),
    ],
)
def test_mistakes_get_one_line(
    root: Path, capfd: pytest.CaptureFixture[str], more: list[str], told: str
) -> None:
    assert main(command(root, "x", "--runner", "beam", *more)) == 1
    error = capfd.readouterr().err
    assert told in error.splitlines()[-1] and "Traceback" not in error
