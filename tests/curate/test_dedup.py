"""Duplicates of real documents: what is found, which copy stays, and that nothing else matters."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from research import cli
from research.corpora.document import Corpus, Document, Unit, build_corpus

METHODS = ("exact", "paragraph", "minhash", "bloom")


def documents_with_copies(root: Path) -> list[Document]:
    """Real pages and articles, some of them again whole, edited, or in part."""
    originals = [
        document
        for name in ("web_sample", "wiki_sample")
        for document in list(Corpus.open(root, name).documents())[:80]
        if len(document.text.split()) > 60
    ]
    random = np.random.default_rng(7)
    out = list(originals)
    for i, document in enumerate(originals):
        words = re.findall(r"\s*\S+", document.text)
        if i % 4 == 0:
            out.append(dataclasses.replace(document, id=f"again-{document.id}"))
        if i % 4 == 1:
            for place in random.permutation(len(words))[: len(words) // 100 + 1]:
                words[place] = " changed"
            out.append(dataclasses.replace(document, id=f"edited-{i}", text="".join(words)))
        if i % 4 == 2:
            half = "".join(words[: len(words) // 2])
            out.append(dataclasses.replace(document, id=f"half-{i}", text=half))
    return out


def build(root: Path, name: str, documents: Sequence[Document], part_bytes: int = 1 << 20) -> None:
    unit = Unit(name, len(documents), lambda: iter(documents))
    build_corpus(root, name, "1", [unit], licence="test", definition={}, command="",
                 part_bytes=part_bytes)  # fmt: skip


def run(root: Path, *words: str) -> Corpus:
    workers = [] if "--workers" in words else ["--workers", "1"]
    assert cli.main(["--root", str(root), "dedup", *words, *workers]) == 0
    return Corpus.open(root, words[words.index("--out") + 1])


def table(corpus: Corpus) -> list[dict]:
    return pq.read_table(corpus.folder / "clusters.parquet").to_pylist()


def shingles(text: str) -> set[str]:
    """Word 5-grams by Python's own Unicode functions."""
    text = unicodedata.normalize("NFD", re.sub(r"\d+([.,]\d+)?", "0", text.lower()))
    text = re.sub("([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff])", r" \1 ", text)
    letters = (c for c in text if unicodedata.category(c) not in ("Mn", "Cf"))
    words = "".join(c if unicodedata.category(c)[0] in "LMN" else " " for c in letters).split()
    return {" ".join(words[i : i + 5]) for i in range(max(1, len(words) - 4))}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, sample_root: Path) -> Path:
    folder = tmp_path_factory.mktemp("dedup")
    documents = documents_with_copies(sample_root)
    build(folder, "first", documents[::2], part_bytes=200_000)
    build(folder, "second", documents[1::2], part_bytes=200_000)
    shuffled = [documents[i] for i in np.random.default_rng(3).permutation(len(documents))]
    (folder / "other").mkdir()
    names = {document.id for document in documents[::2]}
    build(folder / "other", "first", [d for d in shuffled if d.id in names])
    build(folder / "other", "second", [d for d in shuffled if d.id not in names], 90_000)
    return folder


@pytest.mark.parametrize("method", METHODS)
def test_neither_order_nor_shards_nor_workers_matter(root: Path, method: str) -> None:
    words = ["first", "second", "--method", method, "--out", method]
    one = run(root, *words, "--workers", "1")
    other = run(root / "other", *words, "--workers", "2" if method == "minhash" else "1")
    assert len(one.manifest["parts"]) != len(Corpus.open(root / "other", "first").parts)
    assert table(one) == table(other) and len(table(one)) > 20
    texts = [
        {d.id: (d.text, d.meta, d.roots) for d in corpus.documents()} for corpus in (one, other)
    ]
    assert texts[0] == texts[1]
    read = sum(Corpus.open(root, name).manifest["documents"] for name in ("first", "second"))
    manifest = one.manifest
    dropped = manifest["dropped"]["duplicate"]
    assert manifest["documents"] + dropped == read and not manifest["quarantined"]
    assert dropped == sum(row["paragraph"] is None for row in table(one))
    assert not (root / "work").exists() or not list((root / "work").iterdir())
    assert cli.main(["--root", str(root), "verify", str(one.folder)]) == 0


def test_minhash_decisions_are_right(root: Path) -> None:
    corpus = run(root, "first", "second", "--method", "minhash", "--out", "right")
    texts = {
        d.id: d.text for name in ("first", "second") for d in Corpus.open(root, name).documents()
    }
    sets = {id: shingles(text) for id, text in texts.items()}

    def jaccard(a: str, b: str) -> float:
        return len(sets[a] & sets[b]) / len(sets[a] | sets[b])

    rows = table(corpus)
    for row in rows:
        assert row["similarity"] >= 0.8
        assert jaccard(row["kept_id"], row["id"]) == pytest.approx(row["similarity"], abs=0.01)
    kept = [document.id for document in corpus.documents()]
    missed = [(a, b) for i, a in enumerate(kept) for b in kept[:i] if jaccard(a, b) >= 0.81]
    assert not missed
    gone = {row["id"] for row in rows}
    assert gone | set(kept) == set(texts) and not gone & set(kept)
    for document in corpus.documents():
        copies = [f"{row['corpus']}/{row['id']}" for row in rows if row["kept_id"] == document.id]
        assert document.meta.get("dedup", {}).get("dropped", []) == copies
        assert document.text == texts[document.id]


def test_what_only_bloom_finds(root: Path) -> None:
    gone = {}
    for method in ("minhash", "bloom"):
        corpus = run(root, "first", "second", "--method", method, "--out", f"of_{method}")
        gone[method] = {row["id"] for row in table(corpus)}
    halves = {id for id in gone["bloom"] if id.startswith("half-")}
    assert len(halves) > 20 and not halves & gone["minhash"]


def test_which_copy_is_kept(tmp_path: Path) -> None:
    line = "one line of text that is long enough to be compared with others\n"
    build(tmp_path, "a", [Document(line, "a2", "t"), Document(line.upper() + " ...", "a3", "t")])
    build(tmp_path, "b", [Document(line, "a1", "t"), Document(line, "a2", "t")])

    def kept(*words: str) -> list[str]:
        out = f"out{len(list((tmp_path / 'corpora').iterdir()))}"
        corpus = run(tmp_path, *words, "--out", out)
        return [row["kept_id"] for row in table(corpus)]

    assert kept("a", "b", "--method", "minhash") == ["a3"] * 3  # the longest of the first corpus
    assert kept("b", "a", "--method", "minhash") == ["a1"] * 3  # the smallest id of the first
    assert kept("a", "b", "--method", "minhash", "--keep", "shortest") == ["a1"] * 3
    assert kept("b", "a", "--method", "minhash", "--keep", "longest") == ["a3"] * 3
    assert kept("a", "b", "--method", "exact") == ["a2"] * 2
    assert kept("a", "b", "--method", "exact", "--normalise", "words") == ["a3"] * 3


def test_ids_that_two_corpora_share(tmp_path: Path) -> None:
    build(tmp_path, "a", [Document("some text of the first corpus", "x", "t")])
    build(
        tmp_path, "b", [Document("quite another text, of the second", "x", "t", {}, ("p",), ("r",))]
    )
    corpus = run(tmp_path, "a", "b", "--method", "exact", "--out", "both")
    first, second = corpus.documents()
    assert first.id == "x" and (second.id, second.parents, second.roots) == (
        "x@b@1",
        ("x",),
        ("r",),
    )


def test_paragraphs(tmp_path: Path) -> None:
    shared = "This sentence stands on every page of the site, whatever else they say.\n"
    texts = [f"{shared}Only here: {n}.\nsome words that no other page has, number {n * n}\n"
             for n in range(3)]  # fmt: skip
    build(tmp_path, "pages", [Document(t, f"p{n}", "t") for n, t in enumerate([*texts, shared])])
    corpus = run(tmp_path, "pages", "--method", "paragraph", "--out", "lines")
    assert [d.text for d in corpus.documents()] == [
        texts[0],
        *(t.removeprefix(shared) for t in texts[1:]),
    ]
    rows = [(row["kept_id"], row["id"], row["paragraph"]) for row in table(corpus)]
    assert rows == [("p0", "p1", 0), ("p0", "p2", 0), ("p0", "p3", None)]


def test_killed_reading_goes_on(root: Path, tmp_path: Path) -> None:
    (tmp_path / "corpora").symlink_to(root / "corpora")
    words = ["dedup", "first", "second", "--method", "minhash", "--ngram", "3", "--out", "resumed"]
    code = (
        "import os, sys; from research import artefacts, cli; from research.curate import dedup\n"
        "real, saved = dedup._save, []\n"
        "def save(path, array):\n"
        "    if len(saved) == 7: os._exit(9)\n"
        "    real(path, array); saved.append(path)\n"
        "dedup._save = save; cli.main(sys.argv[1:])"
    )
    command = [sys.executable, "-c", code, "--root", str(tmp_path), *words, "--workers", "1"]
    assert subprocess.run(command, check=False).returncode == 9
    (work,) = (tmp_path / "work").iterdir()
    done = {path: path.stat().st_mtime_ns for path in work.glob("*.sizes.npy")}
    assert done
    corpus = run(tmp_path, *words[1:], "--workers", "1")
    assert not work.exists() and table(corpus)
    again = run(root, *words[1:-1], "undisturbed")
    assert table(again) == table(corpus)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["first", "--method", "exact", "--bands", "3"], "--method exact has no --bands"),
        (["first", "first", "--method", "exact"], "is named twice"),
        (["first", "--method", "minhash", "--threshold", "1.2"], "--threshold is 1.2"),
        (["first", "--method", "minhash", "--rows", "0"], "--rows is 0"),
        (["first", "--method", "bloom", "--megabytes", "0"], "--megabytes is 0"),
        (["first", "--method", "exact", "--keep", "newest"], "--keep newest"),
        (["first", "--method", "paragraph", "--min-characters", "-5"], "--min-characters is -5"),
        (["absent", "--method", "exact"], "no finished corpus absent"),
    ],
)
def test_refusals(root: Path, capsys: pytest.CaptureFixture, words: list[str], said: str) -> None:
    assert cli.main(["--root", str(root), "dedup", *words, "--out", "refused"]) == 1
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert not (root / "corpora" / "refused").exists()


def test_output_that_is_there(root: Path, capsys: pytest.CaptureFixture) -> None:
    words = ["first", "--method", "exact", "--out", "there"]
    run(root, *words)
    capsys.readouterr()
    run(root, *words)
    assert capsys.readouterr().out.startswith("made before: there@1: ")
    otherwise = ["--root", str(root), "dedup", *words, "--normalise", "none"]
    assert cli.main(otherwise) == 1 and "differing in settings" in capsys.readouterr().err
    into_itself = ["--root", str(root), "dedup", "first", "--method", "exact", "--out", "first"]
    assert cli.main(into_itself) == 1 and "one of the corpora to read" in capsys.readouterr().err
