"""Gin files and --gin options become one RunSpec and one ExecSpec, or one line saying why not."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from research.errors import GristmillError
from research.train.run_spec import ExecSpec, RunSpec, differences, resolve

from .conftest import TINY_GIN

RUNS = sorted((Path(__file__).parents[2] / "gin_configs" / "runs").glob("*.gin"))


def write(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def test_a_file_and_options_resolve(tmp_path: Path) -> None:
    path = write(tmp_path, "tiny.gin", TINY_GIN)
    run, execution = resolve([path], ["exec.mesh='data=1,fsdp=4'", "run.steps = 12"])
    assert run.steps == 12 and run.model.width == 16 and run.data.mixture == "demo"
    assert execution.mesh == "data=1,fsdp=4" and execution.checkpoint_every == 4
    assert execution.directory is not None and execution.directory.endswith("runs/tiny/seed2")
    assert RunSpec.from_json(run.to_json()) == run
    assert RunSpec.from_json(run.to_json()).fingerprint == run.fingerprint


def test_tokens_become_steps_and_macros_values(tmp_path: Path) -> None:
    text = TINY_GIN.replace("run.steps = 24", "LENGTH = 2560\nrun.tokens = %LENGTH")
    run, _ = resolve([write(tmp_path, "a.gin", text)], [])
    assert run.steps == 10 and run.tokens == 2560


def test_includes_are_relative_to_their_file_and_two_deep(tmp_path: Path) -> None:
    write(tmp_path, "base/c.gin", TINY_GIN)
    write(tmp_path, "base/b.gin", "include 'c.gin'\n")
    top = write(tmp_path, "a.gin", "include 'base/b.gin'\n")
    assert resolve([top], [])[0].steps == 24
    over = write(tmp_path, "z.gin", "include 'a.gin'\n")
    with pytest.raises(GristmillError, match=r"b\.gin:1: files are included at most 2 levels deep"):
        resolve([over], [])


def test_what_changes_the_result_changes_the_fingerprint_and_nothing_else(tmp_path: Path) -> None:
    path = write(tmp_path, "tiny.gin", TINY_GIN)
    run, _ = resolve([path], [])
    for option in (
        "optimizer.b2=0.99",
        "run.seed=3",
        "data.max_epochs={'wiki_sample': 2}",
        "data.schedule=[(0, {'wiki_sample': 1})]",
        "bad_steps.policy='skip'",
    ):
        assert resolve([path], [option])[0].fingerprint != run.fingerprint
    for option in ("exec.mesh=None", "exec.microbatches=2", "data.modules=['a.py']"):
        assert resolve([path], [option])[0].fingerprint == run.fingerprint


def test_differences_name_every_field() -> None:
    there = {"a": {"b": 1, "c": [1, 2]}, "d": "x"}
    here = {"a": {"b": 2, "c": [1, 2]}, "d": "x", "e": None}
    assert differences(there, here) == ["a.b: 1 there, 2 here", 'e: "unset" there, null here']


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model.widht = 3", r"x\.gin:1: model has no field widht; did you mean width"),
        ("\nmodle.width = 3", r"x\.gin:2: unknown section modle; did you mean model"),
        ("run.steps = 5\nrun.steps = 6", r"x\.gin:2: run.steps is set already at .*x\.gin:1"),
        ("SIZE = 3", r"x\.gin:1: nothing uses the macro SIZE"),
        ("run.steps = %SIZE", r"x\.gin:1: no macro SIZE"),
        ("A = %B\nB = %A\nrun.steps = %A", r"x\.gin:\d: the macro . is defined by itself"),
        ("run.steps = 5 5", r"x\.gin:1: "),
        ("run.steps = [5", r"x\.gin:\d: "),
        ("run.steps = five", r"x\.gin:1: .*five"),
        ("run.steps = " + "[" * 3000, "nested too deeply"),
        ("run.steps = {[1]: 2}", "unhashable"),
        ("model.kind = word", "word is no value; words need quotes: \"A.B='word'\""),
        ("run.steps = @five()", r"x\.gin:1: .*values are literals or %macros"),
        ("a/run.steps = 5", r"x\.gin:1: .*scopes"),
        ("import os", r"x\.gin:1: gin files import nothing"),
        ("include 'y.gin'", r"x\.gin:1: it includes .*y\.gin, which does not exist"),
        ("run.steps = 'many'", r"x\.gin:1: run.steps is 'many'; it must be"),
        ("optimizer.kind = 'sgd'", r"x\.gin:1: optimizer.kind is one of adamw, muon"),
        ("optimizer.b1 = 1.5", r"x\.gin:1: optimizer.b1 is 1.5"),
        ("model.heads = 3", r"x\.gin:1: model heads \(3\) are not a multiple"),
        ("learning_rate.decay_steps = 3", r"x\.gin:1: learning_rate.decay_steps"),
        ("exec.keep_last = 0", r"x\.gin:1: exec.keep_last is 0"),
        ("init.kind = 'branch'", r"init.path is not set"),
        ("run.tokens = 100", r"run.steps or run.tokens: set one of the two"),
    ],
)
def test_every_mistake_has_its_line(tmp_path: Path, text: str, message: str) -> None:
    names = {line.partition("=")[0].strip() for line in text.splitlines()}
    rest = [line for line in TINY_GIN.splitlines() if line.partition("=")[0].strip() not in names]
    files = [write(tmp_path, "rest.gin", "\n".join(rest)), write(tmp_path, "x.gin", text + "\n")]
    with pytest.raises(GristmillError, match=message) as caught:
        resolve(files, [])
    assert "\n" not in str(caught.value)


def test_mistakes_in_options_and_files_that_are_none(tmp_path: Path) -> None:
    path = write(tmp_path, "tiny.gin", TINY_GIN)
    with pytest.raises(GristmillError, match=r"--gin 'run\.stesp=1': run has no field stesp"):
        resolve([path], ["run.stesp=1"])
    with pytest.raises(GristmillError, match=r"run\.steps is set already at --gin 'run\.steps=1'"):
        resolve([path], ["run.steps=1", "run.steps=2"])
    with pytest.raises(GristmillError, match="no such gin file"):
        resolve([str(tmp_path / "none.gin")], [])
    with pytest.raises(GristmillError, match=r"model.vocabulary_size is not set"):
        resolve([write(tmp_path, "short.gin", "run.seed = 1\nrun.steps = 3\n")], [])
    with pytest.raises(GristmillError, match="no configuration"):
        resolve([], [])


@pytest.mark.parametrize("path", RUNS, ids=lambda path: path.stem)
def test_shipped_runs_resolve(path: Path) -> None:
    run, execution = resolve([str(path)], [])
    assert isinstance(run, RunSpec) and isinstance(execution, ExecSpec)
    assert dataclasses.replace(run, seed=run.seed + 1).fingerprint != run.fingerprint
