"""Building caches: the same bytes however they are built, and every mishap in one line."""

from __future__ import annotations

import filecmp
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from research import artefacts
from research.corpora.document import Corpus, Document, Unit, build_corpus
from research.input_pipeline.loader import open_caches
from research.input_pipeline.token_cache import FILES, TokenCache, task_folder
from research.registry.specs import load_mixture
from research.registry.splits import SPLITS, split_of
from research.registry.tokenizers import load_tokenizer


@pytest.fixture
def root(demo_root: Path, tmp_path: Path) -> Path:
    """The samples and the vocabulary, nothing cached yet; a copy, free to be written."""
    for name in ("corpora", "vocabularies", "mixtures"):
        shutil.copytree(demo_root / name, tmp_path / name)
    return tmp_path


def gristmill(root: Path, *args: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "research.cli", "--root", str(root), *args]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def refused(result: subprocess.CompletedProcess) -> str:
    """The one line a refused command ends with."""
    assert result.returncode == 1, result.stderr
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("gristmill: "), result.stderr
    return lines[0]


def same_caches(one: Path, other: Path) -> bool:
    mixture = load_mixture(one, "demo")
    return all(
        filecmp.cmp(*(task_folder(r, task) / split / name for r in (one, other)), shallow=False)
        for task in mixture.tasks.values()
        for split in SPLITS
        for name in FILES
    )


@pytest.mark.parametrize("split", SPLITS)
def test_a_cache_holds_every_document_of_its_split(demo_root: Path, split: str) -> None:
    mixture = load_mixture(demo_root, "demo")
    tokenizer = load_tokenizer(demo_root, "demo_8k")
    for name, cache in open_caches(demo_root, mixture, split).items():
        share = mixture.tasks[name].validation_share
        documents = [
            document
            for document in Corpus.open(demo_root, name).documents()
            if split_of(document.root_ids, share) == split
        ]
        assert len(documents) == len(cache.offsets) - 1 > 0
        assert cache.document_bytes.tolist() == [len(d.text.encode()) for d in documents]
        for number in range(0, len(documents), 1 + len(documents) // 40):
            ids = cache.tokens[cache.offsets[number] : cache.offsets[number + 1]]
            assert tokenizer.decode(ids[:-1]) == documents[number].text
            assert ids[-1] == tokenizer.spec.eos_id
            assert cache.document_id(number) == documents[number].id


def test_one_process_builds_what_many_do(root: Path, demo_root: Path) -> None:
    assert gristmill(root, "cache", "demo", "--workers", "1").returncode == 0
    assert same_caches(root, demo_root)
    again = gristmill(root, "cache", "demo")
    assert "built" not in again.stdout.replace("was there", "")


def test_killed_twice_then_finished_is_the_same(root: Path, demo_root: Path) -> None:
    command = [sys.executable, "-m", "research.cli", "--root", str(root), "cache", "demo"]
    for finished in (1, 4):
        process = subprocess.Popen(
            [*command, "--workers", "2"], start_new_session=True, stderr=subprocess.DEVNULL
        )
        while len(list(root.glob("caches/*/*/parts/[0-9]????.json"))) < finished:
            assert process.poll() is None, "finished before it could be killed"
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert not list(root.glob("caches/*/*/*/manifest.json"))
    result = gristmill(root, "cache", "demo")
    assert result.returncode == 0 and "resumed after" in result.stdout
    assert same_caches(root, demo_root)
    assert not list(root.glob("caches/**/.tmp-*"))


def test_a_dying_worker_ends_in_one_line(root: Path) -> None:
    command = [sys.executable, "-m", "research.cli", "--root", str(root), "cache", "demo"]
    process = subprocess.Popen(
        [*command, "--workers", "2"], stderr=subprocess.PIPE, text=True, stdout=subprocess.DEVNULL
    )
    while not (started := list(root.glob("caches/*/*/parts/.tmp-*"))):
        assert process.poll() is None
        time.sleep(0.005)
    os.kill(int(started[0].name.split("-")[1]), signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err.strip().splitlines()[-1].startswith("gristmill: a working process died")


def test_a_full_disk_ends_in_one_line_and_goes_on(root: Path, demo_root: Path) -> None:
    """No file may grow beyond 1 MiB: as a full disk does, that fails in the middle of a write."""
    limited = (
        "import resource, sys; from research.cli import main;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY));"
        "sys.exit(main(sys.argv[1:]))"
    )
    for workers in ("1", "2"):
        command = [sys.executable, "-c", limited, "--root", str(root), "cache", "demo"]
        line = refused(
            subprocess.run([*command, "--workers", workers], capture_output=True, text=True)
        )
        assert "File too large" in line and "run the same command again" in line
    assert gristmill(root, "cache", "demo").returncode == 0
    assert same_caches(root, demo_root)


def test_two_builders_do_not_meet(root: Path) -> None:
    task = load_mixture(root, "demo").tasks["web_sample"]
    with artefacts.exclusive(task_folder(root, task)):
        line = refused(gristmill(root, "cache", "demo"))
    assert f"process {os.getpid()} is building this" in line


def test_a_vocabulary_that_changed_after_caching(root: Path) -> None:
    assert gristmill(root, "cache", "web_sample").returncode == 0
    shutil.rmtree(root / "vocabularies" / "demo_8k")
    train = ["--corpora", "wiki_sample", "--size", "900", "--name", "demo_8k"]
    assert gristmill(root, "vocab", "train", *train).returncode == 0
    line = refused(gristmill(root, "mixture", "show", "web_sample"))
    assert "vocabulary.sha256" in line and "run: gristmill cache web_sample" in line


def test_what_is_missing_or_damaged_is_named(root: Path) -> None:
    line = refused(gristmill(root, "batches", "web_sample"))
    assert "run: gristmill cache web_sample" in line
    assert gristmill(root, "cache", "web_sample").returncode == 0
    folder = task_folder(root, load_mixture(root, "web_sample").tasks["web_sample"]) / "train"

    index = (folder / "index.npy").read_bytes()
    (folder / "index.npy").write_bytes(index[:-100] + bytes(100))
    verified = gristmill(root, "verify", str(root / "caches"))
    assert verified.returncode == 1 and "index.npy has other contents" in verified.stdout

    (folder / "index.npy").write_bytes(index[:-100])
    line = refused(gristmill(root, "batches", "web_sample"))
    assert "index.npy is missing or cut short" in line and "gristmill cache web_sample" in line

    (folder / "manifest.json").write_text('{"kind": "cache"')
    assert "manifest.json is damaged" in refused(gristmill(root, "batches", "web_sample"))


REWRITES = """
from research.registry.mixtures import add_mixture
from research.registry.tasks import add_task
add_task("rewrites", corpus="rewrites", vocabulary="demo_8k", validation_share={share},
         domain_fields=("style",))
add_mixture("both", {{"web_sample": 1.0, "rewrites": 1.0}})
"""


def test_a_rewrite_falls_on_the_side_of_its_original(root: Path, tmp_path: Path) -> None:
    """Rewrites of rewrites, and merged pages: no root of a training document is held out."""

    def rewrite() -> list[Document]:
        pages = list(Corpus.open(root, "web_sample").documents())
        short = [p.derive(p.text[:500], f"short/{p.id}", "rewrites", style="short") for p in pages]
        twice = [p.derive(p.text.upper(), f"loud/{p.id}", "rewrites", style="loud") for p in short]
        pairs = zip(pages[::2], pages[1::2], strict=True)
        merged = [
            Document(a.text + b.text, f"{a.id}+{b.id}", "rewrites", {}, (a.id, b.id), (a.id, b.id))
            for a, b in pairs
        ]
        return [*short, *twice, *merged]

    build_corpus(
        root, "rewrites", "1", [Unit("all", 0, lambda: iter(rewrite()))],
        licence="MIT", definition={}, command="test",
    )  # fmt: skip
    module = tmp_path / "my_rewrites.py"
    share = load_mixture(root, "demo").tasks["web_sample"].validation_share
    module.write_text(REWRITES.format(share=share))
    result = gristmill(root, "cache", "both", "--modules", str(module))
    assert result.returncode == 0, result.stderr
    assert "documents in neither split: roots on both sides" in result.stdout

    mixture = load_mixture(root, "both", [str(module)])
    rewrites = {d.id: d for d in Corpus.open(root, "rewrites").documents()}
    held_out, trained = set(), set()
    for split, ids in (("validation", held_out), ("train", trained)):
        for cache in open_caches(root, mixture, split).values():
            for number in range(len(cache.offsets) - 1):
                name = cache.document_id(number)
                ids |= set(rewrites[name].root_ids if name in rewrites else [name])
    assert held_out and trained and not held_out & trained

    cache = TokenCache.open(root, mixture.tasks["rewrites"], "train", "")
    assert cache.manifest["domains"] == ["rewrites/style", "rewrites/style=loud",
                                         "rewrites/style=short"]  # fmt: skip
    assert np.bincount(cache.domains).tolist() == cache.manifest["domain_documents"]

    module.write_text(REWRITES.format(share=share / 2))
    line = refused(gristmill(root, "cache", "both", "--modules", str(module)))
    assert "validation share" in line and "both" in line


def test_caching_says_what_it_would_do(root: Path) -> None:
    result = gristmill(root, "cache", "demo", "--dry-run")
    assert result.returncode == 0 and "parts to tokenise" in result.stdout
    assert not (root / "caches").exists()
    task = json.loads((root / "mixtures" / "demo.json").read_text())["tasks"]["code_sample"]
    assert task["corpus"].startswith("code_sample@")
