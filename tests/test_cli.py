"""The command itself: which word is the command, and how mistakes and signals end it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from research import cli

COMMAND = [sys.executable, "-m", "research.cli"]


def test_a_root_may_be_named_like_a_command(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRISTMILL_ROOT", "")
    assert cli.main(["--root", "cache", "corpora", "list"]) == 0
    assert "Built corpora lie in cache." in capsys.readouterr().out
    assert cli.main(["--root=corpora", "vocab", "list"]) == 0


def test_a_root_that_is_a_file(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("GRISTMILL_ROOT", "")
    (tmp_path / "x").touch()
    for root, said in {
        tmp_path / "x": "x is a file; name a folder with --root",
        tmp_path / "x/below": "Not a directory",
        tmp_path / ("n" * 300): "File name too long",
    }.items():
        assert cli.main(["--root", str(root), "corpora", "build", "math_sample"]) == 1
        error = capsys.readouterr().err
        assert said in error and str(root) in error and error.count("\n") == 1
    assert cli.main(["--root", str(tmp_path / "x"), "corpora", "list"]) == 1


@pytest.mark.parametrize("variable", [("PYTHONIOENCODING", "ascii"), ("LC_ALL", "C")])
def test_a_terminal_of_ascii_alone(tmp_path: Path, variable: tuple[str, str]) -> None:
    (tmp_path / "x.jsonl").write_text('{"text": "Grüße, 世界"}\n', encoding="utf-8")
    options = ("--format", "jsonl", "--licence", "©", "--path", str(tmp_path / "x.jsonl"))
    root = ("--root", str(tmp_path / "root"), "corpora")
    environment = os.environ | dict([variable])
    for command in (("import", "x", *options), ("show", "x", "--examples", "1"), ("list",)):
        run = subprocess.run([*COMMAND, *root, *command], env=environment, capture_output=True)
        assert run.returncode == 0, run.stderr


def test_sigterm_ends_a_command_in_order(tmp_path: Path) -> None:
    command = [*COMMAND, "--root", str(tmp_path), "corpora", "build", "docs_sample"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    folder = tmp_path / "corpora/docs_sample/1.44.5"
    deadline = time.monotonic() + 60
    while not list(folder.glob(".tmp-*")) and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 128 + signal.SIGTERM
    assert process.stderr.read() == "gristmill: terminated; run the same command again to go on\n"
    assert not list(folder.glob(".tmp-*")) and (folder / ".lock").exists()
