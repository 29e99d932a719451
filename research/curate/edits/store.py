"""Programs on disk: JSON lines of a document's id and its program, looked up by id."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from research import artefacts
from research.errors import GristmillError


def write_programs(path: Path, entries: Iterable[dict[str, Any]]) -> int:
    """Writes entries with at least `id` and `program`; returns how many."""
    count = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    with artefacts.atomic_file(path, "w") as file:
        for entry in entries:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")
            count += 1
    return count


class Programs:
    """The programs of a file.  Memory holds 16 bytes for each, not the programs."""

    def __init__(self, path: Path) -> None:
        """Reads the ids.

        Raises:
          GristmillError: no such file, a line that is no entry, or an id named twice.
        """
        require_file(path)
        self.path = path
        hashes, offsets = [], []
        offset = 0
        try:
            with open(path, "rb") as file:
                for number, line in enumerate(file, 1):
                    if line.strip():
                        hashes.append(_hash(_entry(path, number, line)["id"]))
                        offsets.append(offset)
                    offset += len(line)
        except OSError as error:
            raise GristmillError(f"{path}: cannot be read ({error.strerror})") from None
        keys = np.array(hashes, np.uint64)
        order = np.argsort(keys, kind="stable")
        self._keys, self._offsets = keys[order], np.array(offsets, np.int64)[order]
        if (self._keys[1:] == self._keys[:-1]).any():
            raise GristmillError(f"{path}: two programs for one id; keep one")

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, id: str) -> bool:
        """Whether there is a program of a document, but for a collision of 64-bit hashes."""
        key = np.uint64(_hash(id))
        at = int(np.searchsorted(self._keys, key))
        return at < len(self._keys) and bool(self._keys[at] == key)

    def get(self, id: str) -> str | None:
        """The text of a document's program."""
        if id not in self:
            return None
        at = int(np.searchsorted(self._keys, np.uint64(_hash(id))))
        with open(self.path, "rb") as file:
            file.seek(int(self._offsets[at]))
            entry = json.loads(file.readline())
        return entry["program"] if entry["id"] == id else None

    def entries(self) -> Iterator[dict[str, Any]]:
        """All entries, in the order of the file."""
        with open(self.path, "rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield _entry(self.path, number, line)


def _entry(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        entry = json.loads(line)
        if isinstance(entry["id"], str) and isinstance(entry["program"], str):
            (entry["id"] + entry["program"]).encode()
            return entry
    except UnicodeEncodeError:
        raise GristmillError(
            f"{path}, line {number}: a lone surrogate (\\ud800 to \\udfff) is no text; take it out"
        ) from None
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise GristmillError(
        f'{path}, line {number}: no program; a line is {{"id": "…", "program": "…"}}'
    )


def _hash(id: str) -> int:
    return int.from_bytes(hashlib.blake2b(id.encode(), digest_size=8).digest(), "little")


def require_file(path: str | os.PathLike) -> None:
    """Checks that a file can be read more than once, as a pipe cannot, which would also block.

    Raises:
      GristmillError: it is missing or no regular file.
    """
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        raise GristmillError(f"{path}: cannot be read ({error.strerror})") from None
    if not stat.S_ISREG(mode):
        raise GristmillError(f"{path}: no regular file, which it must be to be read repeatedly")


def open_programs(path: str, fingerprint: str) -> Programs:
    """The programs of a file whose hash is known.

    Raises:
      GristmillError: the file is not what it was.
    """
    try:
        facts = os.stat(path)
    except OSError as error:
        raise GristmillError(f"programs {path}: cannot be read ({error.strerror})") from None
    return _opened(path, fingerprint, facts.st_mtime_ns, facts.st_size)


@functools.lru_cache(maxsize=2)
def _opened(path: str, fingerprint: str, modified: int, size: int) -> Programs:
    if fingerprint_of(path) != fingerprint:
        raise GristmillError(
            f"{path} has changed since this recipe was made; give it another name, or the corpus"
        )
    return Programs(Path(path))


def fingerprint_of(path: str) -> str:
    """SHA-256 (hex) of a file of programs.

    Raises:
      GristmillError: it cannot be read.
    """
    require_file(path)
    try:
        return artefacts.sha256_file(path)
    except OSError as error:
        raise GristmillError(f"programs {path}: cannot be read ({error.strerror})") from None
