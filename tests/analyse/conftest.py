"""A small real sweep, trained here by `small_sweep.py`, and parts of it."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from research.analyse import sweep_record
from research.analyse.sweep_record import SweepRecord

SMALL_SWEEP = Path(__file__).with_name("small_sweep.py")


@pytest.fixture(scope="session")
def small_sweep(demo_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sweep that `small_sweep.py` trains; do not write into it."""
    folder = tmp_path_factory.mktemp("sweep") / "all"
    environment = {"GRISTMILL_ROOT": str(demo_root), "JAX_PLATFORMS": "cpu", "XLA_FLAGS": ""}
    subprocess.run(
        [sys.executable, str(SMALL_SWEEP), str(folder), "40"],
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return folder


@pytest.fixture(scope="session")
def finished(small_sweep: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished sweep of 3 arms × 3 seeds; do not write into it."""
    folder = tmp_path_factory.mktemp("sweep") / "one size"
    part(small_sweep, folder, sizes=("large",))
    return folder


@pytest.fixture(scope="session")
def two_sizes(small_sweep: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished sweep of 2 arms × 2 sizes × 2 seeds; do not write into it."""
    folder = tmp_path_factory.mktemp("sweep") / "two sizes"
    part(small_sweep, folder, arms=("natural", "no_code"), seeds=(0, 1))
    return folder


def part(sweep: Path, folder: Path, **fields: Any) -> SweepRecord:
    """Copies the cells of some `arms`, `sizes` and `seeds` of a sweep, all unless said otherwise;
    other fields of its record are replaced."""
    record = sweep_record.read(sweep)
    names = fields.pop("arms", [arm.name for arm in record.arms])
    arms = tuple(arm for arm in record.arms if arm.name in names)
    record = dataclasses.replace(record, arms=arms, **fields)
    cells = tuple(
        cell
        for cell in record.cells
        if cell.arm in names and cell.size in record.sizes and cell.seed in record.seeds
    )
    record = dataclasses.replace(record, cells=cells)
    for cell in cells:
        ignore = shutil.ignore_patterns("checkpoints", ".lock")
        shutil.copytree(sweep / cell.directory, folder / cell.directory, ignore=ignore)
    sweep_record.write(folder, record)
    return record


@pytest.fixture
def sweep(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished sweep of one size, to write into."""
    part(finished, tmp_path / "sweep")
    return tmp_path / "sweep"
