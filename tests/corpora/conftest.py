"""The command line on a data root of the test's own."""

from __future__ import annotations

import bz2
import dataclasses
import gzip
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from research import cli
from research.corpora.document import Corpus, Document


@dataclasses.dataclass(frozen=True)
class CommandLine:
    """Runs commands and opens what they made."""

    root: Path
    run: Callable[..., tuple[int, str, str]]

    def import_(self, name: str, format: str, *options: Any) -> tuple[int, str, str]:
        """`gristmill corpora import`; returns status, output and errors."""
        return self.run(
            "corpora", "import", name, "--format", format, "--licence", "CC0-1.0", *options
        )

    def corpus(self, name: str) -> Corpus:
        return Corpus.open(self.root, name)

    def documents(self, name: str) -> list[Document]:
        return list(self.corpus(name).documents())

    def quarantine(self, name: str) -> list[dict[str, str]]:
        """What was set aside, in order."""
        folder = self.root / "corpora" / name / "1"
        lines = [path.read_text() for path in sorted(folder.glob("quarantine-*.jsonl"))]
        return [json.loads(line) for line in "".join(lines).splitlines()]


@pytest.fixture
def gristmill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    """The command line with a fresh data root."""
    root = tmp_path / "root"
    monkeypatch.setenv("GRISTMILL_ROOT", str(root))

    def run(*argv: Any) -> tuple[int, str, str]:
        status = cli.main([str(argument) for argument in argv])
        return status, *capsys.readouterr()

    return CommandLine(root, run)


@pytest.fixture
def compress() -> Callable[[str, bytes], bytes]:
    """Compresses by suffix; '.zstd' in two frames, as parallel compressors write it."""

    def two_frames(data: bytes) -> bytes:
        half = len(data) // 2
        return zstandard.compress(data[:half]) + zstandard.compress(data[half:])

    by_suffix = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress,
                 ".zst": zstandard.compress, ".zstd": two_frames}  # fmt: skip
    return lambda suffix, data: by_suffix[suffix](data)
