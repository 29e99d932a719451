"""`gristmill weights`, as its parser is filled."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from tiny_families import write_tiny

from research.errors import GristmillError
from research.weights_commands import weights


def call(*argv: str) -> None:
    parser = argparse.ArgumentParser()
    weights(parser)
    args = parser.parse_args(argv)
    args.run(args)


def test_an_import_says_what_it_made(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRISTMILL_ROOT", str(tmp_path / "root"))
    call("import", str(write_tiny("qwen3", tmp_path / "hf")), "--name", "tiny")
    out = capsys.readouterr().out
    assert "weights/tiny: qwen3, " in out
    assert "2 layers, width 32, 4/2 heads of 16, vocabulary 48" in out


def test_what_is_no_run_is_not_exported(tmp_path: Path) -> None:
    with pytest.raises(GristmillError) as caught:
        call("export", str(tmp_path / "ghost"), "--out", str(tmp_path / "out"))
    assert "ghost" in str(caught.value) and "\n" not in str(caught.value)
