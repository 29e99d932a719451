"""Input files by address: glob patterns, local or remote, compressed or not.

Every address that `fsspec` knows is understood (`hf://`, `gs://`, `s3://`, `https://`, …); a file's
compression follows from its suffix.  Names given to files never hold machine-absolute paths,
credentials or query strings, since they end up in ids and manifests.
"""

from __future__ import annotations

import dataclasses
import glob
import io
import itertools
import lzma
import os
import posixpath
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import fsspec
import pyarrow as pa
from fsspec.implementations.local import LocalFileSystem
from fsspec.utils import glob_translate

from research.artefacts import walk
from research.errors import GristmillError

COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".zstd": "zstd", ".bz2": "bz2", ".xz": "xz"}
BUFFER_BYTES = 64 << 10
WILDCARD = re.compile(r"[*?\[]")
_CHECKSUMS = ("etag", "ETag", "md5Hash", "crc32c", "blob_id", "xet_hash", "last_modified", "mtime")


@dataclasses.dataclass(frozen=True)
class InputFile:
    """A file to read.

    Attributes:
      fs: the file system it lies on.
      path: its path there.
      name: relative to the folder all files of the corpus lie in.
      identity: size and time of change, or what checksum a remote system offers.
      size: bytes on disk.
    """

    fs: fsspec.AbstractFileSystem
    path: str
    name: str
    identity: Any
    size: int | None

    @property
    def shown(self) -> str:
        """What messages call it: an address without credentials."""
        return redact(str(self.fs.unstrip_protocol(self.path)).removeprefix("file://"))

    @property
    def remote(self) -> bool:
        """Whether every read is a request to another machine."""
        return not isinstance(self.fs, LocalFileSystem)

    @property
    def suffixes(self) -> tuple[str, str | None]:
        """The suffix that tells the format, and the compression (None for none)."""
        path = PurePosixPath(self.name.lower())
        if (compression := COMPRESSIONS.get(path.suffix)) is None:
            return path.suffix, None
        return path.with_suffix("").suffix, compression

    def open_raw(self) -> BinaryIO:
        """Opens the file as it is stored.

        Raises:
          GristmillError: it cannot be opened; reading from it raises the same.
        """
        try:
            return _Guarded(self.fs.open(self.path, "rb"), self.shown)
        except Exception as error:  # a remote file system raises what it likes
            raise GristmillError(f"{self.shown} cannot be opened: {one_line(error)}") from None

    def open(self) -> BinaryIO:
        """Opens the file decompressed, reading no more than asked for.

        Raises:
          GristmillError: it cannot be opened or read.  Damaged compression raises OSError, EOFError
            or lzma.LZMAError, here or while reading.
        """
        raw, compression = io.BufferedReader(self.open_raw(), BUFFER_BYTES), self.suffixes[1]
        if compression is None:
            return raw
        if not raw.peek(1):  # decompressors take it for an empty file, which has a header
            raise EOFError("it holds no bytes at all")
        if compression == "xz":
            return lzma.open(raw)
        stream = pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), compression)
        return io.BufferedReader(_Decompressed(stream), BUFFER_BYTES)


class _Guarded(io.RawIOBase):
    """A stored file whose faults are the user's errors, so that they are never taken for damage."""

    def __init__(self, file: BinaryIO, shown: str) -> None:
        self._file, self._shown = file, shown

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._file.read(len(buffer))
        except Exception as error:
            raise GristmillError(
                f"reading {self._shown} broke off: {one_line(error)}; run the same command again"
            ) from None
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._file.seekable()

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


class _Decompressed(io.RawIOBase):
    """Hands out all that precedes the damage of a compressed stream before it raises."""

    PIECE = 4 << 10  # a read that fails loses what it had decompressed: read little at a time

    def __init__(self, stream: pa.NativeFile) -> None:
        self._stream, self._error = stream, None

    def readinto(self, buffer: Any) -> int:
        if self._error:
            raise self._error
        done, view = 0, memoryview(buffer)
        try:
            while piece := self._stream.read(min(self.PIECE, len(view) - done)):
                view[done : done + len(piece)] = piece
                done += len(piece)
        except OSError as error:
            if not done:
                raise
            self._error = error
        return done

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()


def redact(address: str) -> str:
    """The address or command without credentials: user information and query strings."""
    address = re.sub(r"(\w://)[^/@\s]+@", r"\1", address)
    # a question mark without "=" is a wildcard
    return re.sub(r"(\w://[^\s?'\"]*)\?[^\s'\"]*=[^\s'\"]*", r"\1", address)


def one_line(error: BaseException) -> str:
    """What an exception of a library says, in one line without credentials."""
    lines = str(error).strip().splitlines()
    return redact(lines[0][:300]) if lines else type(error).__name__


def file_system(address: str, **options: Any) -> tuple[fsspec.AbstractFileSystem, str]:
    """The file system of an address, and the path there.

    Raises:
      GristmillError: it is empty, or the protocol is unknown or its package is missing.
    """
    if not address:  # fsspec would take the working folder
        raise GristmillError("the path or address is empty; name a file, a folder or a pattern")
    try:
        return fsspec.core.url_to_fs(address, **options)
    except ImportError as error:
        raise GristmillError(f"{redact(address)}: {one_line(error)}") from None
    except ValueError as error:
        raise GristmillError(f"{redact(address)}: no such address ({one_line(error)})") from None


def expand(patterns: Sequence[str], suffixes: Sequence[str] = ()) -> list[InputFile]:
    """The files of glob patterns, folders and single addresses; each pattern's files sorted.

    Args:
      patterns: addresses; `*`, `**`, `?` and `[…]` are wildcards.  A folder stands for the files
        below it, hidden ones left out.  Links are followed; pipes and devices are no files.
      suffixes: what files of a folder must end with, compression aside; empty for anything.

    Raises:
      GristmillError: a pattern matches nothing or cannot be listed.
    """
    found: dict[tuple[str, str], tuple[Any, dict]] = {}
    bases: dict[str, list[str]] = {}
    for pattern in patterns:
        fs, path = file_system(pattern)
        protocol = str(fs.protocol)
        listing = _list_local if isinstance(fs, LocalFileSystem) else _list_remote
        try:
            base, listed = listing(fs, path.rstrip("/") or path, suffixes)
        except GristmillError:
            raise
        except Exception as error:  # a remote file system raises what it likes
            raise GristmillError(
                f"{redact(pattern)} cannot be listed ({one_line(error)}); check the address, the "
                "network and, where access is granted by request, your login"
            ) from None
        if not listed:
            wanted = f" ({', '.join(suffixes)})" if suffixes and fs.isdir(path) else ""
            raise GristmillError(f"no file{wanted} matches {redact(pattern)}")
        bases.setdefault(protocol, []).append(base)
        for path in sorted(listed):
            found.setdefault((protocol, path), (fs, listed[path]))
    common = {protocol: redact(_common(paths)) for protocol, paths in bases.items()}
    files, times = [], {}
    for (protocol, path), (fs, info) in found.items():
        name = redact(path).removeprefix(common[protocol]).lstrip("/")
        times[name] = times.get(name, 0) + 1
        if times[name] > 1:
            name = f"{name}~{times[name]}"
        files.append(InputFile(fs, path, name, identity(fs, path, info), info.get("size")))
    return files


def identity(fs: fsspec.AbstractFileSystem, path: str, info: dict[str, Any]) -> Any:
    """What tells that a file is still the one read before."""
    if isinstance(fs, LocalFileSystem):
        status = os.stat(path)
        return [status.st_size, status.st_mtime_ns]
    return [info.get("size"), *(f"{key}={info[key]}" for key in _CHECKSUMS if info.get(key))]


def stored_identity(address: str) -> Any:
    """`identity` of a single address."""
    fs, path = file_system(address)
    return identity(fs, path, fs.info(path))


Listing = tuple[str, dict[str, dict[str, Any]]]


def _list_remote(fs: fsspec.AbstractFileSystem, path: str, suffixes: Sequence[str]) -> Listing:
    """The fixed folder of a pattern, and the files it matches."""
    wild = WILDCARD.search(path)
    try:
        info = {} if wild else fs.info(path)
    except FileNotFoundError:
        info = {}
    if info.get("type") == "file":
        return posixpath.dirname(path), {path: info}
    if info.get("type") == "directory":
        below = fs.find(path, detail=True)
        return path, {
            name: below[name]
            for name in below
            if _visible(name.removeprefix(path)) and _fits(name, suffixes)
        }
    matched = fs.glob(path, detail=True) if wild else {}
    files = {name: info for name, info in matched.items() if info["type"] == "file"}
    return _fixed_folder(path), files


def _list_local(fs: LocalFileSystem, path: str, suffixes: Sequence[str]) -> Listing:
    """The same on this machine, where links are followed (fsspec leaves them out)."""
    base = _fixed_folder(path)
    if os.path.isdir(path):
        base, found = path, [name for name in _below(path) if _fits(name, suffixes)]
    elif os.path.lexists(path):  # perhaps one whose name holds a bracket
        base, found = posixpath.dirname(path), [path]
        if os.path.exists(path) and not os.path.isfile(path):
            raise GristmillError(f"{path} is a pipe or device; name a file or a folder")
    elif "**" in path:
        matches = re.compile(glob_translate(path)).match
        found = [name for name in _below(base) if matches(name)] if os.path.isdir(base) else []
    else:
        found = glob.glob(path)
    for name in found:
        if not os.path.exists(name):
            raise GristmillError(
                f"{name} is a link that leads nowhere; restore what it points to, or remove it"
            )
    files = filter(os.path.isfile, found)
    return base, {name: {"size": os.path.getsize(name)} for name in files}


def _below(folder: str) -> list[str]:
    return [
        str(parent / name)
        for parent, names in walk(Path(folder), hidden=False)
        for name in names
        if not name.startswith(".")
    ]


def _fixed_folder(path: str) -> str:
    """The deepest folder that all matches of a pattern lie in."""
    wild = WILDCARD.search(path)
    return posixpath.dirname(path[: wild.start() if wild else None])


def _common(folders: Sequence[str]) -> str:
    """The deepest folder all others lie in (`posixpath.commonpath` breaks URLs)."""
    columns = zip(*(folder.split("/") for folder in folders), strict=False)
    same = itertools.takewhile(lambda column: len(set(column)) == 1, columns)
    return "/".join(column[0] for column in same)


def _visible(path: str) -> bool:
    return not any(part.startswith(".") for part in path.split("/"))


def _fits(path: str, suffixes: Sequence[str]) -> bool:
    for compression in COMPRESSIONS:
        path = path.removesuffix(compression)
    return not suffixes or path.endswith(tuple(suffixes))
