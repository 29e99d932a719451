"""`gristmill quality` and the step `quality`, on real samples and on corpora made to break them."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
import types
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from research import artefacts
from research.cli import main
from research.corpora.document import Corpus, Document, Unit, build_corpus
from research.curate.filters.lines import Length
from research.curate.quality.models import QualityModel
from research.curate.quality.ratings import CRITERIA, DOMAINS, Rating, fault, rate
from research.curate.quality.step import Quality
from research.curate.runner import curate
from research.curate.score_tables import ScoreTable, save
from research.curate.steps import Drop
from research.errors import GristmillError
from research.terminal import progress


@pytest.fixture(scope="module")
def root(sample_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with two samples and a model of them, to write to."""
    root = tmp_path_factory.mktemp("quality")
    for name in ("web_sample", "wiki_sample"):
        shutil.copytree(sample_root / "corpora" / name, root / "corpora" / name)
    train = ["quality", "train", "--positive", "wiki_sample", "--negative", "web_sample"]
    assert main(["--root", str(root), *train, "--out", "q1", "--seed", "0"]) == 0
    return root


@pytest.fixture(autouse=True)
def at_root(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRISTMILL_ROOT", str(root))


def corpus_of(root: Path, name: str, documents: Sequence[Document]) -> Corpus:
    unit = Unit(name, 0, lambda: iter(documents))
    return build_corpus(root, name, "1", [unit], licence="CC0", definition={}, command="a test")


def kept(root: Path, source: Corpus, steps: list, name: str, workers: int = 1) -> list[Document]:
    corpus, _ = curate(root, source, "test", steps, name, "1", workers=workers, command="a test",
                       progress=progress)  # fmt: skip
    return list(corpus.documents())


def test_a_model_tells_articles_from_pages(root: Path, capsys) -> None:
    model = QualityModel.open(root, "q1")
    report = model.manifest["report"]
    assert report["auc"] > 0.98 and report["ece"] < 0.08 and report["documents"] > 150
    assert model.manifest["examples"]["repeated"] > 0
    shown = {words for words, _, _ in model.manifest["telling"]["against"]}
    assert shown & {"contact", "login", "email", "your", "password"}
    assert main(["verify", str(root / "quality")]) == 0
    again = ["quality", "train", "--positive", "wiki_sample", "--negative", "web_sample"]
    assert main([*again, "--out", "q1"]) == 0 and "trained before" in capsys.readouterr().out
    assert main([*again, "--out", "q1b"]) == 0
    assert QualityModel.open(root, "q1b").fingerprint == model.fingerprint
    assert main([*again, "--out", "q1", "--seed", "1"]) == 1
    assert "made otherwise (differing in training)" in capsys.readouterr().err


def test_the_kept_share_is_exact_for_any_order_and_workers(root: Path, capsys) -> None:
    web = Corpus.open(root, "web_sample")
    command = ["curate", "web_sample", "--recipe", "quality", "--gin", "quality.model='q1'"]
    share = ["--gin", "quality.keep_share=0.25"]
    assert main([*command, *share, "--out", "one"]) == 0
    assert main([*command, *share, "--out", "two", "--workers", "2"]) == 0
    one, two = (Corpus.open(root, name) for name in ("one", "two"))
    number = int(0.25 * web.manifest["documents"] + 0.5)
    assert one.manifest["documents"] == number
    assert one.manifest["fingerprint"] == two.manifest["fingerprint"]
    backwards = corpus_of(root, "backwards", list(web.documents())[::-1])
    step = Quality(model="q1", keep_share=0.25)
    ids = {document.id for document in kept(root, backwards, [step], "three")}
    assert ids == {document.id for document in one.documents()}
    capsys.readouterr()
    assert main([*command, *share, "--out", "one"]) == 0  # the cut is known: no second survey
    assert "made before" in capsys.readouterr().out
    scores = {document.id: document.meta["quality"] for document in one.documents()}
    assert main(["quality", "score", "web_sample", "--model", "q1", "--out", "scored"]) == 0
    scored = list(Corpus.open(root, "scored").documents())
    everywhere = {document.id: document.meta["quality"] for document in scored}
    assert all(everywhere[id] == score for id, score in scores.items())
    assert min(scores.values()) >= max(v for id, v in everywhere.items() if id not in scores)
    buckets = [document.meta["quality_bucket"] for document in scored]
    sizes = [buckets.count(f"b{i}") for i in range(10)]
    assert sum(sizes) == len(scored) and max(sizes) - min(sizes) <= 1
    gone = next(document.id for document in scored if document.id not in scores)
    assert main(["curate", "explain", "one", "--id", gone]) == 0
    assert "DROPPED: low_rank" in capsys.readouterr().out


def test_ties_and_earlier_steps_count(root: Path) -> None:
    texts = ["The same old text of the sea and the ships."] * 30 + ["short"] * 10
    source = corpus_of(root, "ties", [Document(t, f"d{i}", "s") for i, t in enumerate(texts)])
    found = kept(root, source, [Length(min_characters=20), Quality(model="q1", keep_share=0.3)],
                 "some_ties")  # fmt: skip
    assert len(found) == 9
    tiny = Quality(model="q1", keep_share=0.01)
    with pytest.raises(GristmillError, match="not one of the 40 documents that reach this step"):
        kept(root, source, [tiny], "no_ties")


def test_a_document_is_not_scored_by_a_model_that_saw_it(root: Path) -> None:
    step = Quality(model="q1", fingerprint=QualityModel.open(root, "q1").fingerprint)
    document = next(Corpus.open(root, "wiki_sample").documents())
    own = [step(Document(document.text, f"copy {i}", "s")).meta for i in range(40)]
    seen = [meta["quality"] for meta in own if "quality_seen" in meta]
    unseen = [meta["quality"] for meta in own if "quality_seen" not in meta]
    assert len(set(unseen)) == 1 and len(set(seen)) == 3  # a model of its fold; those of others
    assert "quality_seen" not in step(document).meta
    assert step(document).meta["quality"] == unseen[0]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["train", "--positive", "wiki_sample", "--negative", "wiki_sample", "--out", "x"],
         "wiki_sample@4.4.0 is positive and negative"),
        (["train", "--positive", "few", "--negative", "web_sample", "--out", "x"],
         "too few documents: --positive few@1 has 3 different usable ones"),
        (["train", "--positive", "wiki_sample", "--out", "x"], "--positive and with --negative"),
        (["train", "--scores", "none", "--positive", "few", "--out", "x"], "give one of"),
        (["train", "--scores", "none", "--column", "a", "--out", "x"], "no table of scores none"),
        (["train", "--positive", "few", "--negative", "few2", "--out", "x", "--bits", "40"],
         "--bits is 40; it must be from 10 to 26"),
        (["score", "web_sample", "--model", "q9", "--out", "x"], "no quality model q9"),
        (["score", "web_sample", "--model", "q1", "--head", "law", "--out", "x"], "no head 'law'"),
        (["show", "../q1"], "is no name of a quality model"),
        (["rate", "web_sample", "--rater", "nobody", "--out", "x"], "no rater 'nobody'"),
        (["train", "--ratings", "plain", "--out", "x"], "no table of ratings"),
    ],
)  # fmt: skip
def test_refusals(root: Path, arguments: list[str], told: str, capsys) -> None:
    if not (root / "corpora" / "few").exists():
        few = corpus_of(root, "few", [Document(f"text {c}", c, "s") for c in "abc"])
        table = pa.table({"id": ["a", "b"], "loss": [1.0, 2.0]})
        save(root, "plain", table, few, {}, command="a test")
    assert main(["quality", *arguments]) == 1
    err = capsys.readouterr().err
    assert told in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ([], "quality.model names no model"),
        (["quality.model='q1'", "quality.keep_share=1.5"], "from 0 to 1"),
        (["quality.model='q1'", "quality.min_score=0.5"], "keep_share or min_score, not both"),
        (["quality.cuts=('a',)"], "quality.cuts cannot be bound"),
        (["quality.model='old'"], "has format 0, and this version of Gristmill reads format 1"),
    ],
)
def test_the_step_refuses(root: Path, settings: list[str], told: str, capsys) -> None:
    if not (root / "quality" / "old").exists():
        shutil.copytree(root / "quality" / "q1", root / "quality" / "old")
        manifest = json.loads((root / "quality" / "old" / "manifest.json").read_text())
        del manifest["manifest_sha256"]
        artefacts.write_manifest(root / "quality" / "old", manifest | {"format": 0})
    bindings = [word for setting in settings for word in ("--gin", setting)]
    assert main(["curate", "web_sample", "--recipe", "quality", "--out", "no", *bindings]) == 1
    err = capsys.readouterr().err
    assert told in err and err.count("\n") == 1


def test_a_changed_model_is_not_used_for_an_old_cut(root: Path) -> None:
    step = Quality(model="q1", fingerprint="0" * 64, keep_share=0.5, cuts=("0.5@00",))
    with pytest.raises(GristmillError, match="model q1 is another than the one"):
        step(Document("a text", "a", "s"))
    bare = Quality(model="q1", fingerprint=QualityModel.open(root, "q1").fingerprint)
    assert not isinstance(bare(Document("", "a", "s")), Drop)  # no words: the chance without any


def rating(**levels: object) -> Rating:
    domain = levels.pop("domain", "law")
    return Rating({**dict.fromkeys(CRITERIA, 3), **levels}, domain)


def test_faults_of_ratings() -> None:
    assert len(CRITERIA) == 14 and len(DOMAINS) == 15
    assert fault(rating()) == ""
    assert fault(Rating({"overall": 3}, "law")) == "no rating of accuracy"
    assert fault(rating(accuracy=6)) == "accuracy rated '6', not 1 to 5"
    assert fault(rating(overall=True)) == "overall rated 'True', not 1 to 5"
    assert fault(rating(overall="4")) == "overall rated '4', not 1 to 5"
    assert fault(rating(wit=3)) == "rating of 'wit', which is no criterion"
    assert fault(rating(domain="Law")) == "'Law' is no domain"


def odd_rater(documents: Sequence[Document]) -> list[Rating]:
    """Rates by length; now and then it forgets to, as models do."""
    return [
        rating(overall=0 if "wiki" not in document.id else 1 + len(document.text) % 5)
        for document in documents
    ]


def test_a_rater_of_ones_own(root: Path, monkeypatch, capsys) -> None:
    module = types.ModuleType("a_rater")
    module.rate = odd_rater
    monkeypatch.setitem(sys.modules, "a_rater", module)
    documents = [Document(f"text {i} " * i, f"{'wiki' if i % 3 else 'odd'}{i}", "s")
                 for i in range(1, 31)]  # fmt: skip
    corpus_of(root, "to_rate", documents)
    command = ["quality", "rate", "to_rate", "--rater", "a_rater:rate", "--out", "odd_ratings"]
    assert main(command) == 0
    assert "20 documents of to_rate@1 rated by a_rater:rate, 10 ratings" in capsys.readouterr().out
    lines = (root / "scores/odd_ratings/quarantine.jsonl").read_text().splitlines()
    assert json.loads(lines[0])["reason"] == "overall rated '0', not 1 to 5"


@pytest.mark.parametrize(
    ("rater", "told"),
    [
        (lambda: [], "rater r failed"),
        (lambda documents: None, "rater r returned NoneType"),
        (lambda documents: [None for _ in documents], "rater r returned a list with NoneType"),
    ],
)
def test_a_wrong_rater_is_named(rater, told: str) -> None:
    with pytest.raises(GristmillError, match=told):
        list(rate("r", rater, [Document("a text", "a", "s")]))


def test_damage_is_not_used(root: Path) -> None:
    folder = root / "quality" / "hurt"
    shutil.copytree(root / "quality" / "q1", folder)
    data = bytearray((folder / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "model.safetensors").write_bytes(data)
    with pytest.raises(
        GristmillError, match=r"model\.safetensors is missing or damaged.*and run: "
    ):
        QualityModel.open(root, "hurt")
    few = corpus_of(root, "few_scored", [Document("a text", "a", "s")])
    empty = pa.table({"id": ["a"], "loss": pa.array([None], pa.float64())})
    table = save(root, "hurt", empty, few, {}, command="a test")
    with pytest.raises(GristmillError, match="column loss of table hurt has no values"):
        table.numbers("loss")
    with (table.folder / "scores.parquet").open("ab") as file:
        file.write(b"x")
    with pytest.raises(GristmillError, match=r"scores\.parquet is missing or damaged.*run: a test"):
        table.read()


def test_a_student_of_the_rules(root: Path, capsys) -> None:
    web = Corpus.open(root, "web_sample").documents()
    pages = [dataclasses.replace(document, text=document.text[:3000]) for document in web]
    source = corpus_of(root, "pages", pages)
    assert main(["quality", "rate", "pages", "--rater", "rules", "--out", "rated"]) == 0
    assert len(ScoreTable.open(root, "rated").read()) == len(pages)
    train = ["quality", "train", "--ratings", "rated", "--out", "student", "--bits", "16"]
    assert main([*train, "--epochs", "4"]) == 0
    assert "weighted kappa" in capsys.readouterr().out
    report = QualityModel.open(root, "student").manifest["report"]
    kappas = [found["kappa"] for found in report["criteria"].values()]
    assert np.mean(kappas) > 0.35 and report["domain"] > report["commonest_domain"] + 0.1
    # a classifier of the best against the worst by one criterion (PreSelect's way)
    train = ["quality", "train", "--scores", "rated", "--column", "professionalism", "--out", "q2"]
    assert main([*train, "--bits", "16"]) == 0
    assert QualityModel.open(root, "q2").manifest["report"]["auc"] > 0.85
    best = kept(root, source, [Quality(model="student", head="coherence", keep_share=0.1)], "best")
    assert len(best) == round(0.1 * source.manifest["documents"])
    assert all(1 <= d.meta["quality"] <= 5 and d.meta["topic"] in DOMAINS for d in best)
