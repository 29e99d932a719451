"""Fixtures shared by all tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SAMPLES = ("web_sample", "wiki_sample", "code_sample", "math_sample", "docs_sample")


@pytest.fixture(scope="session")
def sample_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with the five sample corpora, built once by the command line; do not write."""
    root = tmp_path_factory.mktemp("samples")
    command = [sys.executable, "-m", "research.cli", "--root", str(root), "corpora", "build"]
    subprocess.run([*command, *SAMPLES], check=True)
    return root
