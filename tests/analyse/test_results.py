"""A sweep's files become tables, finished or not; what is damaged is refused in one line."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from research.analyse import sweep_record
from research.analyse.cell_state import Failure, state_of, write_failure
from research.analyse.decisions import noise_floors
from research.analyse.results import read_results, write_results
from research.analyse.statistics import compare, compare_domains
from research.analyse.verdicts import terminal_verdicts
from research.bench.calibration import simulated_sweep
from research.errors import GristmillError

from .simulated import SMALL, write_sweep

ARMS, SEEDS = ("natural", "web_x2"), (0, 1, 2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    simulated = simulated_sweep(SMALL, ARMS, SEEDS, np.random.default_rng(0))
    write_sweep(tmp_path / "sweep", simulated)
    return tmp_path / "sweep"


def test_a_finished_sweep_reads_whole(folder: Path) -> None:
    results = read_results(folder)
    assert list(results.cells["state"]) == ["finished"] * 6
    assert list(results.cells["seconds"]) == [2.0] * 6
    # the fields that differ, and no others
    assert {"data.seed", "run.seed", "data.schedule"} <= set(results.cells.columns)
    assert "model.width" not in results.cells.columns
    assert json.loads(results.cells["data.schedule"][3]) == [[0, {"web": 1.0, "web_x2": 1.0}]]
    table = results.table.set_index(["arm", "seed", "step", "metric"])["value"]
    assert table["natural", 1, 10, "loss"] == 5.0
    assert np.isnan(table["natural", 1, 10, "mfu"])
    last = results.last_values("demo/all/bits_per_byte")
    assert last["web_x2", "one", 2] == table["web_x2", 2, 20, "demo/all/bits_per_byte"]
    assert results.domains("demo") == ["web", "wiki"]
    # the documents are those of the last step, and give the metric that the run wrote
    assert set(results.documents["step"]) == {20}
    found = compare(results)[0]
    mean = last["web_x2"].mean() - last["natural"].mean()
    assert found.mean == pytest.approx(mean) and found.documents == 38


def test_an_unfinished_sweep_says_what_is_missing(folder: Path) -> None:
    (folder / "web_x2/seed0/result.json").unlink()
    write_failure(folder / "web_x2/seed0", Failure("the loss is nan at step 12", 3, True))
    for path in sorted((folder / "natural/seed1").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    cut = folder / "web_x2/seed2/metrics.jsonl"
    (folder / "web_x2/seed2/result.json").unlink()
    cut.write_text(cut.read_text() + '{"step": 30, "lo')  # as its writer was killed
    results = read_results(folder)
    states = dict(zip(results.cells["directory"], results.cells["state"], strict=True))
    assert states["web_x2/seed0"] == "diverged" and states["natural/seed1"] == "waiting"
    assert list(results.cells["step"][results.cells["directory"] == "web_x2/seed2"]) == [20]
    assert not len(results.table.query("arm == 'natural' and seed == 1"))
    (found,) = compare(results)
    assert found.seeds == () and found.verdict == "cannot tell"
    assert found.missing == (
        "seed 0: web_x2 diverged: the loss is nan at step 12",
        "seed 1: natural is not yet run",
        "seed 2: web_x2 is not yet run",
    )
    text = terminal_verdicts([found])
    assert "web_x2 diverged" in text and max(map(len, text.splitlines())) <= 80


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def another_run(path: Path) -> None:
    value = json.loads(path.read_text())
    path.write_text(json.dumps(value | {"fingerprint": "0" * 64}))


def edited(**fields: object) -> Callable[[Path], None]:
    def edit(path: Path) -> None:
        path.write_text(json.dumps(json.loads(path.read_text()) | fields))

    return edit


def first_cell(**fields: object) -> Callable[[Path], None]:
    def edit(path: Path) -> None:
        value = json.loads(path.read_text())
        value["cells"][0] |= fields
        path.write_text(json.dumps(value))

    return edit


def another_line(**fields: object) -> Callable[[Path], None]:
    def edit(path: Path) -> None:
        path.write_text(path.read_text() + json.dumps(fields) + "\n")

    return edit


def emptied(path: Path) -> None:
    path.write_text("")


def another_version(path: Path) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 99}))


@pytest.mark.parametrize(
    ("name", "harm", "said"),
    [
        ("sweep.json", cut_off, "damaged"),
        ("sweep.json", another_version, "version 99"),
        ("sweep.json", edited(better="sideways"), "damaged"),
        ("sweep.json", edited(metric=5), "damaged"),
        ("sweep.json", edited(seeds=[7, 8, 9]), "damaged"),
        ("sweep.json", first_cell(tokens="many"), "damaged"),
        ("sweep.json", first_cell(steps=math.inf), "damaged"),
        ("sweep.json", first_cell(arm="other"), "damaged"),
        ("natural/seed0/spec.json", cut_off, "damaged"),
        ("natural/seed0/result.json", edited(step=math.inf), "damaged"),
        ("natural/seed0/result.json", edited(training_seconds="long"), "damaged"),
        ("natural/seed0/metrics.jsonl", another_line(step=math.inf, loss=1.0), "damaged"),
        ("natural/seed0/metrics.jsonl", another_line(step=21, loss=10**400), "damaged"),
        ("natural/seed0/metrics.jsonl", emptied, "missing or empty"),
        ("natural/seed0/metrics.jsonl", Path.unlink, "missing or empty"),
        ("natural/seed0/spec.json", another_run, "of run 000000000000"),
        ("natural/seed0/result.json", cut_off, "damaged"),
        ("natural/seed0/result.json", another_run, "of run 000000000000"),
        ("natural/seed0/metrics.jsonl", cut_off, "damaged"),
        ("natural/seed0/evaluations/demo-20.parquet", cut_off, "damaged"),
    ],
)
def test_damage_is_one_line(folder: Path, name: str, harm: Callable, said: str) -> None:
    harm(folder / name)
    with pytest.raises(GristmillError) as error:
        read_results(folder)
    assert said in str(error.value) and name in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("fields", [{"step": math.inf}, {"step": 20, "tokens_per_s": "fast"}])
def test_a_damaged_cell_leaves_the_status_of_the_others(folder: Path, fields: dict) -> None:
    (folder / "natural/seed0/result.json").unlink()
    another_line(**fields)(folder / "natural/seed0/metrics.jsonl")
    cells = sweep_record.read(folder).cells
    with pytest.raises(GristmillError, match=r"metrics.jsonl is damaged"):
        state_of(folder, cells[0])
    assert {state_of(folder, cell).state for cell in cells[1:]} == {"finished"}


def test_no_sweep_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(GristmillError, match=r"no sweep's folder"):
        read_results(tmp_path)


def test_the_table_is_written_with_the_fields_of_cells(folder: Path) -> None:
    results = read_results(folder)
    write_results(results, folder)
    parquet = pd.read_parquet(folder / "results.parquet")
    csv = pd.read_csv(folder / "results.csv")
    assert len(parquet) == len(csv) == len(results.table)
    assert {"arm", "seed", "step", "metric", "value", "data.schedule"} <= set(parquet.columns)
    assert np.allclose(parquet["value"], csv["value"], equal_nan=True)
    assert not list(folder.glob(".tmp-*"))


def test_a_later_evaluation_has_the_last_word(folder: Path) -> None:
    directory = folder / "natural/seed0/evaluations"
    values = {"demo/all/bits_per_byte": 9.0, "arithmetic/accuracy": 0.5}
    value = {"mixture": "demo", "step": 20, "values": values}
    (directory / "demo-20.json").write_text(json.dumps(value))
    results = read_results(folder)
    assert results.last_values("demo/all/bits_per_byte")["natural", "one", 0] == 9.0
    assert results.last_values("arithmetic/accuracy").to_dict() == {("natural", "one", 0): 0.5}


def test_a_sweep_that_was_never_begun_reads_too(folder: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "sweep.json").write_bytes((folder / "sweep.json").read_bytes())
    results = read_results(empty)
    assert list(results.cells["state"]) == ["waiting"] * 6 and not len(results.table)
    (found,) = compare(results)
    assert found.note == "no finished pair" and len(found.missing) == 3
    assert "no finished pair" in terminal_verdicts([found])
    assert compare_domains(results) == [] and noise_floors(results) == []
    write_results(results, empty)
    assert len(pd.read_parquet(empty / "results.parquet")) == 0
