"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# before anything imports jax: eight simulated devices
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"

SAMPLES = ("web_sample", "wiki_sample", "code_sample", "math_sample", "docs_sample")


@pytest.fixture(scope="session")
def sample_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with the five sample corpora, built once by the command line; do not write."""
    root = tmp_path_factory.mktemp("samples")
    command = [sys.executable, "-m", "research.cli", "--root", str(root), "corpora", "build"]
    subprocess.run([*command, *SAMPLES], check=True)
    return root


@pytest.fixture(scope="session")
def demo_root(sample_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with the samples, a vocabulary and the caches of `demo`; do not write.

    The vocabulary has the name that the shipped Tasks ask for, but is smaller, to train faster.
    """
    root = tmp_path_factory.mktemp("demo")
    shutil.copytree(sample_root, root, dirs_exist_ok=True)
    gristmill = [sys.executable, "-m", "research.cli", "--root", str(root)]
    train = ["vocab", "train", "--corpora", "wiki_sample", "--size", "2000", "--name", "demo_8k"]
    subprocess.run([*gristmill, *train], check=True)
    subprocess.run([*gristmill, "cache", "demo"], check=True)
    return root
