"""`gristmill mixture` and `gristmill batches`, as a user runs them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from research.cli import main
from research.corpora.document import Corpus

PLAN = ("--tokens", "2M", "--length", "256", "--batch", "16")


def gristmill(root: Path, *args: str) -> int:
    return main(["--root", str(root), *args])


def test_show_prints_the_plan(demo_root: Path, capsys: pytest.CaptureFixture) -> None:
    assert gristmill(demo_root, "mixture", "show", "demo", *PLAN) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("demo: 2M tokens = 489 steps × 16 rows × 256 tokens")
    shares = [float(share) for share in re.findall(r"share ([\d.]+)%", shown)]
    assert len(shares) == 5 and sum(shares) == pytest.approx(100, abs=1e-3)
    assert float(re.search(r"within ([\d.]+) rows", shown)[1]) <= 1

    caps = ("--max_epochs", "wiki_sample=0.05", "--on_cap", "stop")
    assert gristmill(demo_root, "mixture", "show", "demo", *PLAN, *caps) == 0
    assert "a cap stops the run" in capsys.readouterr().out


def test_a_schedule_can_be_read_from_a_file(
    demo_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = tmp_path / "schedule.json"
    ramp = [[0, {"web_sample": 1}], [400, {"web_sample": 1, "code_sample": 1}]]
    path.write_text(json.dumps({"kind": "linear", "points": ramp}))
    options = ("mixture", "show", "demo", *PLAN, "--schedule", str(path))
    assert gristmill(demo_root, *options) == 0
    assert re.search(r"wiki_sample  share 0.0000%", capsys.readouterr().out)

    for points, fault in (
        ([[0, {"web_sample": float("nan")}]], "share of web_sample is nan"),
        ([[0, {"web_smaple": 1}]], "web_smaple, which is no source of this mixture"),
        ([0, 1], "is no schedule"),
    ):
        path.write_text(json.dumps({"kind": "linear", "points": points}))
        assert gristmill(demo_root, *options) == 1
        assert fault in capsys.readouterr().err


def test_batches_are_decoded_with_their_sources(
    demo_root: Path, capsys: pytest.CaptureFixture
) -> None:
    options = ("--step", "100", "--rows", "3", "--characters", "100000")
    assert gristmill(demo_root, "batches", "demo", *PLAN, *options) == 0
    shown = capsys.readouterr().out.splitlines()
    spans = [line for line in shown if line.startswith("  [")]
    texts = [json.loads(line) for line in shown if line.startswith("      ")]
    assert len(spans) == len(texts) >= 3
    for span, text in zip(spans, texts, strict=True):
        name, document = re.search(r"\] (\w+): (.*), its tokens", span).groups()
        found = [d for d in Corpus.open(demo_root, name).documents() if d.id == document]
        assert text.strip("\ufffd") in found[0].text  # a row may begin or end within a character

    assert gristmill(demo_root, "batches", "demo", *PLAN, "--step", "489") == 1
    assert "steps 0 to 488" in capsys.readouterr().err
    assert gristmill(demo_root, "batches", "demo", *PLAN, "--hosts", "3") == 1
    assert "does not divide among 3 hosts" in capsys.readouterr().err


def test_names_are_listed_and_corrected(demo_root: Path, capsys: pytest.CaptureFixture) -> None:
    assert gristmill(demo_root, "mixture", "list") == 0
    assert "demo_stratified" in capsys.readouterr().out
    assert gristmill(demo_root, "mixture", "show", "dmeo", *PLAN) == 1
    assert "did you mean demo" in capsys.readouterr().err
