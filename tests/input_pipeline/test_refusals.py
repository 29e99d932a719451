"""What a Task, a cache or an option that is at fault gets: one line that names it."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from research.cli import main
from research.corpora.document import Document, Unit, build_corpus
from research.input_pipeline.batches import BatchSource, DataSpec
from research.input_pipeline.loader import open_caches
from research.input_pipeline.mixture_plan import Schedule
from research.registry.specs import load_mixture


@pytest.fixture
def root(demo_root: Path, tmp_path: Path) -> Path:
    for name in ("corpora", "vocabularies", "mixtures"):
        shutil.copytree(demo_root / name, tmp_path / name)
    return tmp_path


def refused(root: Path, capfd: pytest.CaptureFixture, *args: str) -> str:
    """The one line on standard error of a command that is refused."""
    status = main(["--root", str(root), *args])
    lines = capfd.readouterr().err.strip().splitlines()
    assert status == 1 and len(lines) == 1, lines
    return lines[0]


@pytest.mark.parametrize(
    ("option", "fault"),
    [
        (("--length", "0"), "no whole number of at least 1"),
        (("--tokens", "inf"), "no whole number of at least 1"),
        (("--batch", "-4"), "no whole number of at least 1"),
        (("--hosts", "0"), "no whole number of at least 1"),
    ],
)
def test_options_that_are_no_sizes(
    demo_root: Path, capfd: pytest.CaptureFixture, option: tuple[str, str], fault: str
) -> None:
    with pytest.raises(SystemExit):
        main(["--root", str(demo_root), "batches", "demo", *option])
    assert fault in capfd.readouterr().err


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (("--tokens", "1000000T"), "steps is"),
        (("--max-epochs", "inf"), "max_epochs of"),
        (("--max-epochs", "web_sample=many"), "give a number for all sources"),
        (("--schedule", "."), "Is a directory"),
        (("--schedule", "fraction.json"), "is no schedule"),
        (("--schedule", "huge.json"), "the shares sum to inf"),
    ],
)
def test_options_that_make_no_plan(
    demo_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture, options: tuple[str, str], fault: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("fraction.json").write_text('{"kind": "step", "points": [[0.5, {"web_sample": 1}]]}')
    Path("huge.json").write_text(
        '{"kind": "step", "points": [[0, {"web_sample": 1e308, "code_sample": 1e308}]]}'
    )
    assert fault in refused(demo_root, capfd, "mixture", "show", "demo", *options)


FAULTY = """
from research.registry.preprocessors import text_preprocessor
from research.registry.tasks import add_task

@text_preprocessor
def fails(text):
    raise ValueError("not this one")

def beyond(dataset):
    return dataset.map(lambda example: {**example, "targets": example["targets"] + 100_000})

more = dict(corpus="wiki_sample", vocabulary="demo_8k", validation_share=0.05)
add_task("failing", preprocessors=[fails], **more)
add_task("misnamed", domain_fields=("langauge",), **more)
"""


def test_tasks_that_fail_name_the_document(
    root: Path, tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    module = tmp_path / "faulty_tasks.py"
    module.write_text(FAULTY)
    for task, fault in (
        ("failing", "faulty_tasks.py:fails fails on document wiki_sample/"),
        ("misnamed", "domain_fields names langauge, which no document"),
    ):
        line = refused(root, capfd, "cache", task, "--modules", str(module), "--workers", "1")
        assert fault in line


def test_a_part_that_was_exchanged_is_not_tokenised(
    root: Path, capfd: pytest.CaptureFixture
) -> None:
    first, second = sorted((root / "corpora" / "docs_sample").glob("*/part-*.parquet"))[:2]
    swapped = first.read_bytes()
    shutil.copy(second, first)
    second.write_bytes(swapped)
    line = refused(root, capfd, "cache", "docs_sample", "--workers", "1")
    assert "is not what the corpus was finished with" in line


def test_a_cap_changes_nothing_before_it_is_met(demo_root: Path) -> None:
    caches = open_caches(demo_root, load_mixture(demo_root, "demo"), "train")
    spec = DataSpec(
        schedule=Schedule.constant({"wiki_sample": 1.0, "docs_sample": 3.0}), steps=140, batch=32,
        length=1024, seed=0, packer="concat", max_epochs={}, on_cap="redistribute",
    )  # fmt: skip
    free = BatchSource(spec, caches, 3, 0)
    for cap in (1, 2):
        capped = BatchSource(
            dataclasses.replace(spec, max_epochs={"wiki_sample": cap}), caches, 3, 0
        )
        met = capped.plan.exhausted.get("wiki_sample", spec.steps)
        assert cap == 2 or 20 < met < spec.steps
        for step in range(0, met - 1):
            assert (free[step]["targets"] == capped[step]["targets"]).all()
            assert free.state(step) == capped.state(step)
        differ = [s for s in range(met - 1, spec.steps)
                  if (free[s]["targets"] != capped[s]["targets"]).any()]  # fmt: skip
        assert all(free.state(s + 1) != capped.state(s + 1) for s in differ)


def test_the_splits_are_told_apart(demo_root: Path) -> None:
    mixture = load_mixture(demo_root, "demo")
    spec = DataSpec(
        schedule=Schedule.constant({"docs_sample": 1.0}), steps=9, batch=4, length=64, seed=0,
        packer="concat", max_epochs={}, on_cap="error",
    )  # fmt: skip
    states = [
        BatchSource(spec, open_caches(demo_root, mixture, split), 3, 0).state(5)
        for split in ("train", "validation")
    ]
    assert states[0] != states[1]


DOMAINS = """
from research.registry.tasks import add_task
add_task("labelled", corpus="labelled", vocabulary="byte", validation_share=0.0,
         domain_fields=("a", "b"))
"""


def test_domains_with_other_values_are_other_domains(
    root: Path, tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    labels = [{"a": "1/b=2", "b": "3"}, {"a": "1", "b": "2/b=3"}, {"a": "1"}, {"a": "1", "b": "-"}]
    unit = Unit("labels", 0, lambda: (Document("text", str(i), "labelled", meta)
                                      for i, meta in enumerate(labels)))  # fmt: skip
    build_corpus(root, "labelled", "1", [unit], licence="MIT", definition={}, command="test")
    module = tmp_path / "labelled_tasks.py"
    module.write_text(DOMAINS)
    assert main(["--root", str(root), "cache", "labelled", "--modules", str(module)]) == 0
    cache = open_caches(root, load_mixture(root, "labelled", [str(module)]), "train")["labelled"]
    assert len(set(cache.domains.tolist())) == len(cache.manifest["domains"]) == len(labels)
    capfd.readouterr()
    line = refused(root, capfd, "mixture", "show", "labelled", "--split", "validation")
    assert "no Task has a document in the split validation" in line


def test_workers_end_with_their_parent(root: Path) -> None:
    command = [sys.executable, "-m", "research.cli", "--root", str(root), "cache", "demo_bytes"]
    process = subprocess.Popen([*command, "--workers", "2"], stderr=subprocess.DEVNULL)
    while not (started := list(root.glob("caches/*/*/parts/.tmp-*"))):
        assert process.poll() is None
        time.sleep(0.005)
    worker = int(started[0].name.split("-")[1])
    assert worker != process.pid
    process.send_signal(signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 30
    while Path(f"/proc/{worker}/stat").exists() and time.monotonic() < deadline:
        if Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            break
        time.sleep(0.05)
    else:
        assert not Path(f"/proc/{worker}").exists(), os.kill(worker, signal.SIGKILL)
