"""Sweeps on a real Ray cluster of this machine, a worker of which is killed."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from research.cli import main

from .test_sweep import ARMS, on_demo_data, results, undisturbed, write

__all__ = ["on_demo_data", "undisturbed"]  # fixtures

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install -e '.[ray]'")


def kill_a_ray_worker(folder: Path) -> None:
    """Kills the process that has opened the first log of a cell."""
    deadline = time.time() + 300
    while time.time() < deadline:
        for path in Path("/proc").glob("[0-9]*"):
            try:
                opened = [os.readlink(link) for link in path.joinpath("fd").iterdir()]
            except OSError:
                continue
            ours = any(name.startswith(str(folder)) and "log.txt" in name for name in opened)
            if ours and int(path.name) != os.getpid():
                os.kill(int(path.name), signal.SIGKILL)
                return
        time.sleep(0.01)


@pytest.mark.slow
def test_a_ray_cluster_finishes_what_a_killed_worker_left(
    undisturbed: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    folder = tmp_path / "sweep"
    killer = threading.Thread(target=kill_a_ray_worker, args=(folder,))
    killer.start()
    assert main([*write(tmp_path, ARMS), "--runner", "ray", "--workers", "2"]) == 0
    killer.join()
    assert "its Ray worker ended" in capsys.readouterr().out
    assert results(folder) == results(undisturbed / "sweep")


@pytest.mark.parametrize("option", ["TPU", "TPU=x", "=3", "TPU=0"])
def test_resources_that_make_no_sense(
    tmp_path: Path, capsys: pytest.CaptureFixture, option: str
) -> None:
    arguments = [*write(tmp_path, ARMS), "--runner", "ray", "--resources", option]
    assert main(arguments) == 1
    assert "give NAME=NUMBER" in capsys.readouterr().err
