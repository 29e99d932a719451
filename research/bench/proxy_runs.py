"""Training runs of the shipped proxies, each in a process of its own, to time the loop by."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from research import artefacts
from research.errors import GristmillError
from research.input_pipeline.loader import open_caches
from research.registry.specs import load_mixture

RUNS = Path(__file__).parents[2] / "gin_configs" / "runs"


def need_demo(bench: str) -> None:
    """Checks that there is something to train on.

    Raises:
      GristmillError: the demo mixture is not cached below the data root.
    """
    root = artefacts.data_root()
    try:
        open_caches(root, load_mixture(root, "demo"), "train")
    except GristmillError as error:
        raise GristmillError(f"{bench} needs the demo mixture (make demo): {error}") from None


def start(name: str, directory: Path, bindings: Sequence[str]) -> subprocess.Popen:
    """Starts `gristmill train` on the CPU.

    Args:
      name: of a file in gin_configs/runs, without its ending.
      directory: of the run.
      bindings: that go over the file's.

    Returns:
      The process, its standard output a pipe of text and its standard error in `error.txt` of the
      run's parent folder.
    """
    bindings = [f"exec.directory = '{directory}'", "exec.tensorboard = False", *bindings]
    command = [sys.executable, "-m", "research.cli", "--root", str(artefacts.data_root())]
    command += ["train", "--gin-file", str(RUNS / f"{name}.gin")]
    command += [part for binding in bindings for part in ("--gin", binding)]
    with open(directory.parent / "error.txt", "w") as errors:
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True,
            env=os.environ | {"JAX_PLATFORMS": "cpu"},
        )  # fmt: skip


def failure(bench: str, directory: Path) -> GristmillError:
    """What a run that failed said last."""
    lines = (directory.parent / "error.txt").read_text().strip().splitlines() or ["no reason given"]
    return GristmillError(f"{bench}: training failed: {lines[-1]}")
