"""A build that is killed, doubled or out of room is finished by running the same command again."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq

from research.corpora.document import Corpus, Document, Quarantined, Unit, build_corpus

COMMAND = [sys.executable, "-m", "research.cli", "--root"]


def build(root: Path, name: str, **options) -> subprocess.CompletedProcess:
    command = [*COMMAND, str(root), "corpora", "build", name]
    return subprocess.run(command, capture_output=True, text=True, **options)


def corpus_of(root: Path, name: str) -> Corpus:
    return Corpus.open(root, name)


def test_killed_build_goes_on_and_a_second_one_is_refused(
    tmp_path: Path, sample_root: Path
) -> None:
    first = subprocess.Popen([*COMMAND, str(tmp_path), "corpora", "build", "docs_sample"])
    folder = tmp_path / "corpora/docs_sample/1.44.5"
    deadline = time.monotonic() + 60
    while not (folder / "part-00000.json").exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    os.kill(first.pid, signal.SIGSTOP)
    second = build(tmp_path, "docs_sample")
    assert second.returncode == 1 and second.stderr.count("\n") == 1
    assert f"process {first.pid} is building this; wait for it" in second.stderr
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert not (folder / "manifest.json").exists()
    assert list(folder.glob(".tmp-*"))  # it died in the middle of the second part
    kept = (folder / "part-00000.parquet").stat()

    assert build(tmp_path, "docs_sample").returncode == 0
    assert (folder / "part-00000.parquet").stat().st_mtime_ns == kept.st_mtime_ns
    undisturbed = corpus_of(sample_root, "docs_sample").manifest
    again = corpus_of(tmp_path, "docs_sample").manifest
    assert again["fingerprint"] == undisturbed["fingerprint"]
    assert again["documents"] == undisturbed["documents"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [".lock", "manifest.json", *undisturbed["files"]]
    )


def test_full_disk(tmp_path: Path, sample_root: Path) -> None:
    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (900_000, 900_000))

    full = build(tmp_path, "code_sample", preexec_fn=little_room)
    assert full.returncode == 1
    assert full.stderr.count("\n") == 1 and "what was finished is kept" in full.stderr
    assert not list(tmp_path.rglob(".tmp-*"))
    assert build(tmp_path, "code_sample").returncode == 0
    undisturbed = corpus_of(sample_root, "code_sample").manifest
    assert corpus_of(tmp_path, "code_sample").manifest["fingerprint"] == undisturbed["fingerprint"]


def test_rows_are_those_documents_of_a_part(tmp_path: Path, sample_root: Path) -> None:
    samples = [Unit(name, 0, corpus_of(sample_root, name).documents)
               for name in ("code_sample", "web_sample")]  # fmt: skip
    corpus = build_corpus(tmp_path, "x", "1", samples, licence="", definition={}, command="x")
    (part,) = corpus.parts
    documents = list(corpus.documents())
    end = len(documents)
    file = pq.ParquetFile(corpus.folder / part)
    assert file.num_row_groups > 2
    group = file.metadata.row_group(0).num_rows
    for start, stop in ((0, 0), (0, 1), (7, group), (group, group + 9), (group - 1, end - 1),
                        (end - 1, end), (end, end)):  # fmt: skip
        assert list(corpus.rows(part, start, stop)) == documents[start:stop]


def unit(name: str, count: int, identity: str = "", broken_at: int | None = None) -> Unit:
    def read():
        for i in range(count):
            if i == broken_at:
                raise RuntimeError
            if i % 10 == 9:
                yield Quarantined("every tenth", f"{name}:{i}")
            else:
                yield Document(f"{name} {i} " * 20, f"{name}#{i}", "test")

    return Unit(name, identity, read)


def make(root: Path, units: list[Unit], **options) -> Corpus:
    return build_corpus(root, "x", "1", units, licence="CC0-1.0", definition={}, command="x",
                        part_bytes=2_000, **options)  # fmt: skip


def test_a_changed_input_costs_only_the_parts_it_is_in(tmp_path: Path) -> None:
    whole = make(tmp_path / "whole", [unit("a", 60), unit("b", 60, "new")]).manifest
    for broken_at in (0, 1, 33):
        root = tmp_path / str(broken_at)
        try:
            make(root, [unit("a", 60), unit("b", 60, "old", broken_at)])
        except RuntimeError:
            folder = root / "corpora/x/1"
        states = [json.loads(path.read_text()) for path in sorted(folder.glob("part-*.json"))]
        in_a = [state["part"] for state in states if state["next"][0] == 0]
        assert in_a
        kept = {name: (folder / name).stat().st_mtime_ns for name in in_a}
        corpus = make(root, [unit("a", 60), unit("b", 60, "new")])
        assert corpus.manifest["fingerprint"] == whole["fingerprint"]
        assert corpus.manifest["quarantined"] == {"every tenth": 12}
        assert kept == {name: (folder / name).stat().st_mtime_ns for name in in_a}


def test_half_written_parts_are_made_again(tmp_path: Path) -> None:
    whole = make(tmp_path / "whole", [unit("a", 60)]).manifest
    for damage in (lambda part: part.write_bytes(part.read_bytes()[:-9]), Path.unlink):
        root = tmp_path / str(damage)
        try:
            make(root, [unit("a", 60, broken_at=50)])
        except RuntimeError:
            damage(root / "corpora/x/1/part-00001.parquet")
        assert make(root, [unit("a", 60)]).manifest["fingerprint"] == whole["fingerprint"]


def test_limit_counts_documents_over_a_resumed_build(tmp_path: Path) -> None:
    units = [unit("a", 30), unit("b", 30)]
    undisturbed = make(tmp_path / "1", units, limit=41).manifest
    try:
        make(tmp_path / "2", [units[0], unit("b", 30, broken_at=12)], limit=41)
    except RuntimeError:
        resumed = make(tmp_path / "2", units, limit=41).manifest
    assert resumed["documents"] == undisturbed["documents"] == 41
    assert resumed["fingerprint"] == undisturbed["fingerprint"]


def test_what_is_built_stays_unless_it_would_be_another(gristmill, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"text": "one"}\n{"text": "two"}\n')
    command = ("x", "jsonl", "--path", path)
    assert gristmill.import_(*command)[0] == 0
    manifest = gristmill.corpus("x").folder / "manifest.json"
    before = manifest.stat().st_mtime_ns
    assert gristmill.import_(*command)[1].startswith("x@1 built before: 2 documents")
    assert manifest.stat().st_mtime_ns == before
    status, _, error = gristmill.import_(*command, "--limit", "1")
    assert status == 1 and "already holds a corpus made otherwise, by: gristmill corpora" in error
    assert "--path" in error and "(differing in limit); give this one another name" in error
    status, _, error = gristmill.import_(*command, "--licence", "MIT")
    assert status == 1 and "made under the licence CC0-1.0, not MIT; give" in error
    os.utime(path, (1, 1))
    (tmp_path / "y.jsonl").touch()
    status, _, error = gristmill.import_(*command, "--path", tmp_path / "y.jsonl")
    assert status == 1 and "other input: y.jsonl was added, x.jsonl has changed since;" in error
    assert gristmill.import_(*command, "--limit", "1", "--version", "2")[0] == 0
    status, _, error = gristmill.run("corpora", "show", "x")
    assert status == 1 and "has versions 1, 2: name one, as in x@2" in error
    assert gristmill.run("verify", gristmill.root)[0] == 0
    part = manifest.parent / "part-00000.parquet"
    part.write_bytes(part.read_bytes().replace(b"PAR1", b"PAR2"))
    status, output, _ = gristmill.run("verify", gristmill.root)
    assert status == 1 and "part-00000.parquet has other contents" in output
    assert gristmill.run("corpora", "show", "x@1", "--examples", "1")[0] == 1
