"""Artefacts on disk: the data folder, atomic writes, fingerprints, manifests, locks.

An artefact (corpus, vocabulary, token cache) is a folder with a `manifest.json` that is written
last, so that its presence means the artefact is whole:

    {"kind": "corpus", "name": ..., "fingerprint": ..., "files": {NAME: {"bytes", "sha256"}}, ...}

The fingerprint covers only what changes the contents; versions of tools are recorded beside it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from research.errors import GristmillError

MANIFEST = "manifest.json"


def data_root() -> Path:
    """The folder of corpora, vocabularies and caches: $GRISTMILL_ROOT (which `gristmill --root`
    sets), else `gristmill_data` in the working directory."""
    return Path(os.environ.get("GRISTMILL_ROOT") or "gristmill_data")


def fingerprint(value: Any) -> str:
    """SHA-256 (hex) of the canonical JSON of `value`."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def sha256_file(path: str | os.PathLike) -> str:
    """SHA-256 (hex) of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def atomic_file(path: Path, mode: str = "wb") -> Iterator[Any]:
    """Opens a temporary file beside `path` and moves it into place when the block succeeds."""
    temporary = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    try:
        with open(temporary, mode, encoding=None if "b" in mode else "utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Writes `value` as indented JSON, atomically."""
    with atomic_file(path, "w") as file:
        json.dump(value, file, indent=1, ensure_ascii=False)
        file.write("\n")


def remove_temporaries(folder: Path) -> None:
    """Deletes what a killed writer left behind; call it only while holding the folder's lock."""
    for left_over in folder.glob(".tmp-*"):
        shutil.rmtree(left_over) if left_over.is_dir() else left_over.unlink()


@contextlib.contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Holds the folder's lock, so that two processes never build one artefact at a time.

    The kernel drops the lock with the process, so a killed builder never blocks the next one.

    Raises:
      GristmillError: another process holds the lock.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise GristmillError(
                f"{folder}: process {lock.read().strip() or '?'} is building this; "
                "wait for it to end, or stop it, then run the same command again"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


@contextlib.contextmanager
def exclusive_all(folders: list[Path]) -> Iterator[None]:
    """Holds the locks of several folders."""
    with contextlib.ExitStack() as stack:
        for folder in sorted(folders):
            stack.enter_context(exclusive(folder))
        yield


def describe_files(folder: Path, names: list[str]) -> dict[str, dict[str, Any]]:
    """The `files` entry of a manifest: bytes and SHA-256 of each named file of `folder`."""
    return {
        name: {"bytes": (folder / name).stat().st_size, "sha256": sha256_file(folder / name)}
        for name in names
    }


def tool_versions(*distributions: str) -> dict[str, str]:
    """Versions of installed distributions, for a manifest's record (never hashed)."""
    return {name: metadata.version(name) for name in ("gristmill", *distributions)}


def read_manifest(folder: Path, kind: str, remedy: str) -> dict[str, Any]:
    """Reads the manifest of a finished artefact.

    Args:
      folder: the artefact's folder.
      kind: what it must be: 'corpus', 'vocabulary' or 'cache'.
      remedy: the command that makes the artefact, named in the error.

    Raises:
      GristmillError: it is missing, unfinished, unreadable or of another kind.
    """
    path = folder / MANIFEST
    if not path.exists():
        state = "was begun but not finished" if folder.exists() else "does not exist"
        raise GristmillError(f"{kind} {folder} {state}; run: {remedy}")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        found = manifest["kind"]
    except (ValueError, KeyError, TypeError):
        raise GristmillError(f"{path} is damaged; delete {folder} and run: {remedy}") from None
    if found != kind:
        raise GristmillError(f"{folder} holds a {found}, not a {kind}")
    return manifest


def verify(folder: Path, progress: Any = iter) -> tuple[int, int]:
    """Re-checks the hash of every file of an artefact.

    Args:
      folder: an artefact's folder (one with a manifest).
      progress: wraps the iterable of file names, for a progress bar.

    Returns:
      The number of files and of bytes checked.

    Raises:
      GristmillError: a file is missing or differs from the manifest (all such are named).
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        files = manifest["files"]
        remedy = manifest["made_by"]["command"]
    except FileNotFoundError:
        raise GristmillError(f"{folder} has no {MANIFEST}: unfinished, or no artefact") from None
    except (ValueError, KeyError, TypeError):
        raise GristmillError(f"{folder / MANIFEST} is damaged") from None
    faults, checked = [], 0
    for name in progress(list(files)):
        path, expected = folder / name, files[name]
        if not path.exists():
            faults.append(f"{name} is missing")
        elif path.stat().st_size != expected["bytes"]:
            faults.append(f"{name} has {path.stat().st_size} bytes, not {expected['bytes']}")
        elif sha256_file(path) != expected["sha256"]:
            faults.append(f"{name} has other contents than when it was written")
        checked += expected["bytes"]
    if faults:
        raise GristmillError(f"{folder}: {'; '.join(faults)}; delete that folder and run: {remedy}")
    return len(files), checked
