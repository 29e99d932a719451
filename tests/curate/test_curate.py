"""`gristmill curate` on real samples and on documents made to break it."""

from __future__ import annotations

import json
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from research.cli import main
from research.corpora.document import Corpus, Document, Unit, build_corpus
from research.curate.filters.lines import Length
from research.curate.recipes import RECIPES, find_recipe, restore
from research.curate.report import apply
from research.curate.runner import LARGEST_TEXT, curate
from research.curate.steps import Step
from research.errors import GristmillError
from research.terminal import progress

CURATION = sorted((Path(__file__).parents[2] / "gin_configs" / "curation").glob("*.gin"))


@pytest.fixture(scope="module")
def root(sample_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with the web sample, to write to."""
    root = tmp_path_factory.mktemp("curate")
    shutil.copytree(sample_root / "corpora" / "web_sample", root / "corpora" / "web_sample")
    return root


def gristmill(root: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "research.cli", "--root", str(root), *arguments]


def corpus_of(root: Path, name: str, texts: Sequence[str]) -> Corpus:
    unit = Unit(name, 0, lambda: (Document(text, f"d{i}", name) for i, text in enumerate(texts)))
    return build_corpus(root, name, "1", [unit], licence="CC0", definition={}, command="a test")


def run(root: Path, source: Corpus, steps: Sequence[Step], name: str, workers: int = 1) -> Corpus:
    corpus, _ = curate(root, source, "test", steps, name, "1", workers=workers, command="a test",
                       progress=progress)  # fmt: skip
    return corpus


def test_web_sample_through_fineweb(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["--root", str(root), "curate", "web_sample", "--recipe", "fineweb_en", "--out"]
    subprocess.run([*gristmill(root, *command[2:]), "two", "--workers", "2"], check=True)
    assert main([*command, "one"]) == 0
    one, two = (Corpus.open(root, name) for name in ("one", "two"))
    assert one.manifest["fingerprint"] == two.manifest["fingerprint"]
    assert (one.folder / "examples.json").read_bytes() == (
        two.folder / "examples.json"
    ).read_bytes()
    source = Corpus.open(root, "web_sample")
    originals = {document.id: document for document in source.documents()}
    kept = list(one.documents())
    assert 20 < len(kept) < 200
    assert all(document.root_ids == originals[document.id].root_ids for document in kept)
    funnel = one.manifest["funnel"]
    assert funnel[0]["documents_in"] == len(originals) and funnel[-1]["documents_out"] == len(kept)
    for step in funnel:
        dropped = sum(tally["documents"] for tally in step["dropped"].values())
        assert step["documents_in"] == step["documents_out"] + dropped
    capsys.readouterr()

    assert main(["--root", str(root), "curate", "show", "one"]) == 0
    shown = capsys.readouterr().out
    examples = json.loads((one.folder / "examples.json").read_text())["steps"]
    assert [step["step"] for step in examples] == [step["step"] for step in funnel]
    # what the examples say of a document is what `explain` finds when it runs the steps again
    for step in examples:
        for reason, tally in list(step["dropped"].items())[:2]:
            example = tally["examples"][0]
            assert example["id"] in shown
            assert (
                main(["--root", str(root), "curate", "explain", "one", "--id", example["id"]]) == 0
            )
            told = capsys.readouterr().out
            assert f"{step['step']}: DROPPED: {reason} ({example['detail']})" in told
    assert main(["--root", str(root), "curate", "explain", "one", "--id", kept[0].id]) == 0
    assert f"so it is in {one.name}" in capsys.readouterr().out
    steps = restore(one.manifest["definition"]["steps"])
    document = originals[kept[0].id]
    for step in steps:
        document, _ = apply(step, document)
    assert document == kept[0]
    assert main(["--root", str(root), "verify", str(one.folder)]) == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["web_sample", "--out", "x"], "name a recipe with --recipe; there are: "),
        (["web_sample", "--recipe", "fine", "--out", "x"], "no recipe 'fine'; there are: "),
        (["web_sample", "--recipe", "c4"], "name the corpus to make with --out"),
        (["web_sample", "--recipe", "c4", "--out", "../x"], "is no name of a corpus"),
        (["nothing", "--recipe", "c4", "--out", "x"], "no finished corpus nothing"),
        (["web_sample", "--recipe", "c4", "--out", "web_sample", "--version", "0.10.0"], "--out"),
        (["show", "web_sample"], "was not made by gristmill curate but by"),
        (["show"], "name the corpus"),
        (["show", "x", "--examples", "-3"], "--examples is -3"),
        (["explain", "web_sample"], "name the document with --id"),
        (["web_sample", "more", "--recipe", "c4"], "one corpus at a time"),
        (["web_sample", "--recipe", "c4", "--out", "x", "--beam_option", "a=b"], "--runner beam"),
    ],
)
def test_mistakes_get_one_line(
    root: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    assert main(["--root", str(root), "curate", *arguments]) == 1
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nose.length = 2", "x.gin:2: unknown section nose"),
        ("gopher_qualty.min_words = 2", "did you mean gopher_quality"),
        ("gopher_quality.min_words = 2", "binds nothing: recipe c4 has the steps language, c4, wo"),
        ("c4.sentences = 2", "x.gin:2: c4 has no field sentences; did you mean min_sentences"),
        ("c4.min_sentences = -1", "x.gin:2: c4.min_sentences is -1; it must be a whole number fr"),
        ("c4.min_sentences = 2.5", "x.gin:2: c4.min_sentences is 2.5; it must be int"),
        ("c4.min_sentences = 'many'", "x.gin:2: c4.min_sentences is 'many'; it must be int"),
        ("language.min_score = 1.5", "x.gin:2: language.min_score is 1.5; it must be a number"),
        ("language.min_score = 1e999", "x.gin:2: language.min_score is inf; it must be a number"),
        ("c4.citations = 1", "x.gin:2: c4.citations is 1; it must be bool"),
        ("language.languages = 3", "x.gin:2: language.languages is 3; it must be"),
        ("c4.min_sentences = 2\nc4.min_sentences = 3", "x.gin:3: c4.min_sentences is set already"),
        ("WORDS = 3", "x.gin:2: nothing uses the macro WORDS"),
        ("import os", "x.gin:2: gin files import nothing"),
        ("c4.min_sentences =", "x.gin:2: "),
    ],
)
def test_bindings_are_checked(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, told: str
) -> None:
    (tmp_path / "x.gin").write_text(f"# looser\n{text}\n")
    command = ["--root", str(root), "curate", "web_sample", "--recipe", "c4", "--out", "x"]
    assert main([*command, "--gin_file", str(tmp_path / "x.gin")]) == 1
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1


def test_bindings_are_taken_and_recorded(tmp_path: Path) -> None:
    file = tmp_path / "c4.gin"
    file.write_text("MOST = 1\nlanguage.min_score = %MOST\nc4.min_sentences = 4\n")
    options = ["language.languages=['de', 'fr']", "c4.min_sentences=3", "c4.citations=False"]
    steps = find_recipe("c4", [str(file)], options)
    assert steps[0].languages == ("de", "fr")
    assert (steps[1].min_sentences, steps[1].citations) == (3, False)
    assert restore(json.loads(json.dumps([step.describe() for step in steps]))) == steps
    # settings decide, not how or where they are bound: 1 is 1.0, and 4 was overridden
    told = ["language.min_score=1.0", *options]
    describe = [json.dumps(step.describe()) for step in find_recipe("c4", [], told)]
    assert describe == [json.dumps(step.describe()) for step in steps]


@pytest.mark.parametrize("file", CURATION, ids=lambda file: file.stem)
def test_shipped_bindings_change_what_they_say(file: Path) -> None:
    recipe = re.search(r"--recipe (\w+)", file.read_text())[1]
    assert find_recipe(recipe, [str(file)]) != find_recipe(recipe)


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_is_what_its_description_says(name: str) -> None:
    steps = find_recipe(name)
    assert steps == RECIPES[name]
    assert restore(json.loads(json.dumps([step.describe() for step in steps]))) == steps
    assert len({step.name for step in steps}) == len(steps)  # a binding speaks of one of them


def test_another_result_under_the_same_name_is_refused(tmp_path: Path) -> None:
    source = corpus_of(tmp_path, "small", ["one two", "three"])
    made = run(tmp_path, source, [Length(min_characters=4)], "out")
    assert run(tmp_path, source, [Length(min_characters=4)], "out").manifest == made.manifest
    with pytest.raises(GristmillError, match=r"made otherwise, .*differing in step length"):
        run(tmp_path, source, [Length(min_characters=6)], "out")
    with pytest.raises(GristmillError, match="keeps no document of small@1: 2 × length: too_few"):
        run(tmp_path, source, [Length(min_characters=60)], "none")


def test_what_cannot_be_processed_is_quarantined(tmp_path: Path, fragile: Step) -> None:
    texts = ["good", "odd", "all", "a deadly one", "fine", "x" * (LARGEST_TEXT + 1), "better"]
    made = run(tmp_path, corpus_of(tmp_path, "texts", texts), [fragile, Length()], "out", workers=2)
    assert [document.text for document in made.documents()] == ["good", "fine", "better"]
    assert made.manifest["quarantined"] == {
        "step fragile failed (ValueError: an odd text)": 1,
        "ends the process that works on it": 1,
        "text larger than 8 MiB": 1,
    }
    assert made.manifest["funnel"][0]["dropped"]["nothing_left"]["documents"] == 1
    lines = "".join(path.read_text() for path in sorted(made.folder.glob("quarantine-*.jsonl")))
    assert {json.loads(line)["where"] for line in lines.splitlines()} == {"d1", "d3", "d5"}


def test_ctrl_c_then_going_on(root: Path) -> None:
    source = Corpus.open(root, "web_sample")
    whole = run(root, source, find_recipe("gopher"), "whole")
    out = root / "corpora" / "again" / "1"
    command = gristmill(root, "curate", "web_sample", "--recipe", "gopher", "--out", "again")
    process = subprocess.Popen([*command, "--workers", "2"], stderr=subprocess.PIPE, text=True)
    while not list(out.glob("part-*.json")) and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    error = process.communicate()[1]
    assert process.returncode == 128 + signal.SIGINT and "interrupted" in error
    states = [path.with_suffix(".parquet") for path in out.glob("part-*.json")]
    finished = {path: path.stat().st_mtime_ns for path in states if path.exists()}
    assert finished and not (out / "manifest.json").exists()
    again, before = curate(root, source, "gopher", find_recipe("gopher"), "again", "1", workers=1,
                           command="", progress=progress)  # fmt: skip
    assert not before and again.manifest["fingerprint"] == whole.manifest["fingerprint"]
    assert all(path.stat().st_mtime_ns == then for path, then in finished.items())
    assert not [path for path in out.iterdir() if path.name.startswith(".tmp")]


def test_a_full_disk_is_one_line_and_the_rest_is_kept(root: Path) -> None:
    command = gristmill(root, "curate", "web_sample", "--recipe", "gopher", "--out", "full")
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (6_000, 6_000))  # noqa: E731
    ended = subprocess.run([*command, "--workers", "2"], preexec_fn=limit, capture_output=True,
                           text=True, check=False)  # fmt: skip
    assert ended.returncode == 1
    assert "File too large" in ended.stderr and "run the same command again" in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert main(["--root", str(root), *command[5:]]) == 0
