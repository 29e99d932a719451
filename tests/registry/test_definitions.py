"""Tasks and Mixtures in a file of the data root, as a user writes one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from research.cli import main
from research.registry.definitions import read_definitions, write_definitions
from research.registry.specs import load_mixture

TASK = {"corpus": "math_sample", "vocabulary": "byte", "validation_share": 0.1}
MINE = {
    "tasks": {"defined_all": TASK, "defined_by_template": {**TASK, "domain_fields": ["template"]}},
    "mixtures": {
        "defined_3to1": {"defined_all": 3, "defined_by_template": 1},
        "defined_natural": {"defined_all": None, "defined_by_template": None},
    },
}


@pytest.fixture
def root(sample_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "corpora").mkdir()
    (tmp_path / "corpora" / "math_sample").symlink_to(sample_root / "corpora" / "math_sample")
    monkeypatch.setenv("GRISTMILL_ROOT", str(tmp_path))
    write(tmp_path, MINE)
    return tmp_path


def write(root: Path, value: Any) -> None:
    (root / "definitions").mkdir(exist_ok=True)
    (root / "definitions" / "mine.json").write_text(json.dumps(value), encoding="utf-8")


def test_a_mixture_is_cached_and_shown_by_its_file(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cache", "defined_3to1", "--modules", "mine.json"]) == 0
    capsys.readouterr()
    words = ["mixture", "show", "defined_3to1", "--tokens", "1M", "--length", "100", "--batch", "8"]
    assert main(words) == 0  # the file need not be named again
    shown = capsys.readouterr().out
    assert "75.0" in shown and "math_sample/template=" in shown
    natural = load_mixture(root, "defined_natural", ["mine.json"])
    assert set(natural.shares.values()) == {None} and natural.modules == ("mine.json",)
    found = read_definitions(root, "mine.json")
    write_definitions(root, "mine.json", found)
    assert read_definitions(root, "mine.json") == found
    assert load_mixture(root, "defined_3to1").shares == {
        "defined_all": 3.0,
        "defined_by_template": 1.0,
    }


def test_a_file_at_fault_is_told_in_one_line(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = {**TASK, "validation_share": 0.2}
    for value, message in (
        ([], "mine.json: it is no object with tasks and mixtures"),
        ({"task": {}}, "mine.json: definitions.task: unknown; did you mean tasks?"),
        ({"tasks": {"t": {"corpus": "c"}}}, "definitions.tasks['t'].vocabulary is not set"),
        ({"tasks": {"t": {**TASK, "vocabulary": 5}}}, "vocabulary is 5; it must be str"),
        ({"mixtures": {"m": {"math_sample": "half"}}}, "is 'half'; it must be float"),
        ({"mixtures": {"m": {"mathsample": 1}}}, "unknown Task mathsample; did you mean math_sam"),
        ({"tasks": {"t/t": TASK}}, "Task 't/t': a name has letters, digits and"),
        ({"tasks": {"defined_all": changed}}, "defined_all is not what this process had it"),
    ):
        write(root, MINE)
        load_mixture(root, "defined_3to1", ["mine.json"])
        write(root, value)
        assert main(["cache", "defined_3to1", "--modules", "mine.json"]) == 1, message
        told = capsys.readouterr().err
        assert message in told and told.count("\n") == 1, told
    (root / "definitions" / "mine.json").write_text("{", encoding="utf-8")
    assert main(["cache", "defined_natural", "--modules", "mine.json"]) == 1
    assert "mine.json: Expecting property name" in capsys.readouterr().err
    assert main(["cache", "nothing", "--modules", "other.json"]) == 1
    assert "other.json: write them, or name a module" in capsys.readouterr().err
