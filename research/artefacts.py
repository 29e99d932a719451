"""Artefacts on disk: the data folder, atomic writes, fingerprints, manifests, locks.

An artefact (corpus, vocabulary, token cache) is a folder with a `manifest.json` that is written
last, so that its presence means the artefact is whole:

    {"kind": "corpus", "name": ..., "fingerprint": ..., "files": {NAME: {"bytes", "sha256"}}, ...,
     "manifest_sha256": ...}

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
MANIFEST_HASH = "manifest_sha256"  # its key for the hash of all its other keys
_ALL = {"kind", "name", "fingerprint", "files", "made_by"}
KEYS = {  # what a manifest must have, by kind
    "corpus": _ALL | {"version", "licence", "job", "documents", "bytes", "quarantined", "parts",
                      "definition"},
    "vocabulary": _ALL | {"vocabulary", "settings", "definition"},
    "cache": _ALL | {"split", "task", "corpus", "vocabulary", "dtype", "documents", "tokens",
                     "bytes", "domains", "domain_documents", "dropped"},
    "weights": _ALL | {"family"},
    "quality_model": _ALL | {"format", "heads", "definition", "report", "telling"},
    "scores": _ALL | {"corpus", "definition", "columns", "documents"},
}  # fmt: skip


def data_root() -> Path:
    """The folder of corpora, vocabularies and caches: $GRISTMILL_ROOT (which `gristmill --root`
    sets), else `gristmill_data` in the working directory.

    Raises:
      GristmillError: there is a file in its place.
    """
    root = Path(os.environ.get("GRISTMILL_ROOT") or "gristmill_data")
    if root.exists() and not root.is_dir():
        raise GristmillError(f"the data folder {root} is a file; name a folder with --root")
    return root


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
    text = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
    with atomic_file(path) as file:  # a lone surrogate (of a file's name) becomes its JSON escape
        file.write(text.encode(errors="backslashreplace"))


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


def walk(folder: Path, hidden: bool = True) -> Iterator[tuple[Path, list[str]]]:
    """Every folder below (itself included) with the names of what is no folder in it, sorted.

    Symbolic links are followed, into each folder once.

    Args:
      folder: where to begin.
      hidden: whether to enter folders whose names begin with a dot.

    Raises:
      OSError: a folder cannot be listed.
    """

    def refuse(error: OSError) -> None:
        raise error

    seen = {os.path.realpath(folder)}
    for parent, folders, files in os.walk(folder, onerror=refuse, followlinks=True):
        kept = []
        for name in sorted(folders, key=lambda n: (os.path.islink(f"{parent}/{n}"), n)):
            real = os.path.realpath(os.path.join(parent, name))
            if real not in seen and (hidden or not name.startswith(".")):
                seen.add(real)
                kept.append(name)
        folders[:] = kept
        yield Path(parent), sorted(files)


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Writes an artefact's manifest, with a hash of its own contents: the artefact is finished."""
    plain = json.loads(json.dumps(manifest))  # as it will be read
    write_json(folder / MANIFEST, plain | {MANIFEST_HASH: fingerprint(plain)})


def read_manifest(folder: Path, kind: str, remedy: str) -> dict[str, Any]:
    """Reads the manifest of a finished artefact.

    Args:
      folder: the artefact's folder.
      kind: what it must be, a key of `KEYS`.
      remedy: the command that makes the artefact, named in the error.

    Raises:
      GristmillError: it is missing, unfinished, damaged, edited or of another kind.
    """
    if not (folder / MANIFEST).exists():
        state = "was begun but not finished" if folder.exists() else "does not exist"
        raise GristmillError(f"{kind} {folder} {state}; run: {remedy}")
    try:
        manifest = _load_manifest(folder)
    except ValueError as error:
        raise GristmillError(f"{error}; delete {folder} and run: {remedy}") from None
    if manifest["kind"] != kind:
        raise GristmillError(f"{folder} holds a {manifest['kind']}, not a {kind}")
    return manifest


def _load_manifest(folder: Path) -> dict[str, Any]:
    """Reads a manifest of any kind; a ValueError says what is wrong with it."""
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_bytes())
        if not isinstance(manifest, dict):
            raise ValueError("not a JSON object")
        stated = manifest.pop(MANIFEST_HASH, None)
        actual = fingerprint(manifest)
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged ({str(error).splitlines()[0]})") from None
    if stated is None:
        raise ValueError(f"{path} is damaged, or no manifest of this version (no {MANIFEST_HASH})")
    if stated != actual:
        raise ValueError(f"{path} is damaged or was edited (its {MANIFEST_HASH} differs)")
    missing = {"kind"} - manifest.keys() or KEYS.get(manifest["kind"], set()) - manifest.keys()
    if missing:
        raise ValueError(f"{path} lacks {', '.join(sorted(missing))}: another version wrote it")
    return manifest


def verify(folder: Path, progress: Any = iter) -> tuple[int, int]:
    """Re-checks the manifest of an artefact and the hash of every file.

    Args:
      folder: an artefact's folder (one with a manifest).
      progress: wraps the iterable of file names, for a progress bar.

    Returns:
      The number of files and of bytes checked.

    Raises:
      GristmillError: the manifest is damaged, or files are missing or differ from it (all such are
        named).
    """
    try:
        manifest = _load_manifest(folder)
    except ValueError as error:
        raise GristmillError(f"{error}; delete that folder and make it again") from None
    files, faults, checked = manifest["files"], [], 0
    for name in progress(list(files)):
        path, expected = folder / name, files[name]
        try:
            if (size := path.stat().st_size) != expected["bytes"]:
                faults.append(f"{name} has {size} bytes, not {expected['bytes']}")
            elif sha256_file(path) != expected["sha256"]:
                faults.append(f"{name} has other contents than when it was written")
        except FileNotFoundError:
            faults.append(f"{name} is missing")
        except OSError as error:
            faults.append(f"{name} cannot be read ({error.strerror})")
        checked += expected["bytes"]
    if faults:
        remedy = manifest["made_by"]["command"]
        raise GristmillError(f"{folder}: {'; '.join(faults)}; delete that folder and run: {remedy}")
    return len(files), checked
