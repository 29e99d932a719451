"""Python programs that nobody has read, run where they can do no harm.

    outcome = run("print(6 * 7)")
    outcome.ok, outcome.stdout          # True, "42\\n"

A program runs in a process of its own, in an empty folder that is deleted afterwards, with a clean
environment and limits on processor time, wall-clock time, memory, files, processes and output.

- *Network*: none.  Linux namespaces take the interfaces away; seccomp refuses sockets.
- *Files*: only the empty folder can be written, by read-only mounts or Landlock; Landlock also
  hides all files but Python's and the system's.
- *Processes*: when the program ends, so does every process it has started.
- A root user's programs run as `nobody`.

What the kernel allows differs (containers often forbid namespaces): `containment` says what holds
here, and a program is not run at all where the network, other people's files or processes would be
open to it.  A kernel with a hole is beyond this; for hostile programs at scale use a machine that
holds nothing else.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from research import sandbox_child
from research.errors import GristmillError
from research.sandbox_child import NOBODY

MAIN = "main.py"
_READABLE = ("/usr", "/bin", "/lib", "/lib64", "/lib32", "/etc/ld.so.cache", "/etc/ld.so.conf",
             "/etc/ld.so.conf.d", "/etc/localtime", "/etc/alternatives", "/proc")  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a program may use.

    Attributes:
      cpu_seconds: of the processor, of each of its processes.
      wall_seconds: from its start to its end.
      memory_bytes: of address space, of each of its processes.
      processes: it may have at a time, threads included.
      file_bytes: of its files.
      output_bytes: on standard output and on standard error, each.
    """

    cpu_seconds: int = 5
    wall_seconds: float = 10.0
    memory_bytes: int = 1 << 30
    processes: int = 8
    file_bytes: int = 16 << 20
    output_bytes: int = 1 << 20


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a program.

    Attributes:
      ended: 'exit', 'signal', or by the limit of 'cpu time', 'wall time' or 'output'.
      code: exit status, or number of the signal.
      stdout, stderr: what it wrote, up to the limit; what is no UTF-8 is replaced.
      seconds: wall-clock.
    """

    ended: str
    code: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether it ended by itself, without an error."""
        return self.ended == "exit" and self.code == 0

    @property
    def error(self) -> str:
        """Why it is not `ok`, in a line; empty if it is."""
        if self.ok:
            return ""
        if self.ended in ("cpu time", "wall time", "output"):
            return f"over its limit of {self.ended}"
        if self.ended == "signal":
            return f"ended by signal {self.code}"
        return (self.stderr.strip().splitlines() or [f"exit status {self.code}"])[-1][:300]


@dataclasses.dataclass(frozen=True)
class Containment:
    """By what a program is held.

    Attributes:
      namespaces: of its own: users, processes, network, mounts.
      seccomp: system calls are filtered.
      landlock: files are hidden.
      drop: root is given up.
    """

    namespaces: bool
    seccomp: bool
    landlock: bool
    drop: bool

    @property
    def network(self) -> str:
        """What cuts the network off."""
        return " and ".join(["namespaces"] * self.namespaces + ["seccomp"] * self.seccomp)

    @property
    def files(self) -> str:
        """What keeps it from writing outside of its folder."""
        by = ["read-only mounts"] * self.namespaces + ["Landlock"] * self.landlock
        return " and ".join(by)


def run(
    program: str,
    *,
    files: Mapping[str, str] | None = None,
    stdin: str = "",
    limits: Limits | None = None,
) -> Outcome:
    """Runs a Python program; whatever it does, the outcome is a value.

    Args:
      program: its source.  It can import what this Python can, and the modules in `files`.
      files: in its folder, by relative path.
      stdin: what it reads on standard input.
      limits: what it may use.

    Raises:
      GristmillError: this machine cannot hold programs (see `containment`), or there is no room
        for another process.
    """
    return _run(containment(), program, dict(files or {}), stdin, limits or Limits())


@functools.cache
def containment() -> Containment:
    """The strongest containment that works here, found by trying.

    Raises:
      GristmillError: none that is strong enough works.
    """
    if sys.platform != "linux":
        raise GristmillError("programs can be run in a sandbox on Linux only; use a Linux machine")
    drop, seccomp = os.getuid() == 0, sandbox_child.has_seccomp()
    landlock = sandbox_child.landlock_version() > 0
    tried = [Containment(True, seccomp, landlock, drop)]
    if landlock:
        tried.append(Containment(True, seccomp, False, drop))
    if seccomp and landlock:
        tried.append(Containment(False, True, True, drop))
    for level in tried:
        outcome = _run(level, "print(6 * 7)", {}, "", Limits(wall_seconds=60, cpu_seconds=30))
        if outcome.ok and outcome.stdout == "42\n":
            return level
    raise GristmillError(
        f"no sandbox for programs can be made here ({outcome.error or outcome.ended}): allow user "
        "namespaces or Landlock, and let Python be readable for the user nobody if you are root"
    )


def _run(
    level: Containment, program: str, files: dict[str, str], stdin: str, limits: Limits
) -> Outcome:
    for name in files:
        if os.path.isabs(name) or ".." in Path(name).parts or name == MAIN:
            raise ValueError(f"{name!r} is no path for a file in the sandbox")
    folder = tempfile.mkdtemp(prefix="gristmill-sandbox-")
    try:
        if level.drop:
            os.chown(folder, NOBODY, NOBODY)
        job = {
            **dataclasses.asdict(level),
            **dataclasses.asdict(limits),
            "folder": folder,
            "files": {**files, MAIN: program},
            "main": os.path.join(folder, MAIN),
            "stdin": stdin,
            "python": sys.executable,
            "readable": _readable(),
            "environment": _environment(folder),
        }
        with tempfile.TemporaryFile() as given:
            given.write(json.dumps(job).encode())
            given.seek(0)
            started = time.monotonic()
            launcher = subprocess.Popen(
                [sys.executable, "-I", "-S", "-B", sandbox_child.__file__],
                stdin=given,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd="/",
                env={},
                start_new_session=True,
            )
        return _watch(launcher, limits, started)
    except OSError as error:
        raise GristmillError(f"a program's process could not be started: {error}") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _watch(launcher: subprocess.Popen, limits: Limits, started: float) -> Outcome:
    """Collects the output of a launched program up to the limits, then ends all of it."""
    deadline, over = started + limits.wall_seconds, ""
    written: dict[int, bytearray] = {}
    with selectors.DefaultSelector() as selector:
        for pipe in (launcher.stdout, launcher.stderr):
            os.set_blocking(pipe.fileno(), False)
            selector.register(pipe, selectors.EVENT_READ)
            written[pipe.fileno()] = bytearray()
        while selector.get_map() and not over:
            left = deadline - time.monotonic()
            if left <= 0:
                over = "wall time"
                break
            # what outlives the program may hold its pipes open: look for the launcher's end too
            for key, _ in selector.select(min(left, 0.5)):
                if not _read(key.fd, written[key.fd], limits.output_bytes):
                    selector.unregister(key.fileobj)
                elif len(written[key.fd]) > limits.output_bytes:
                    over = "output"
            if launcher.poll() is not None:
                for fd, so_far in written.items():
                    _read(fd, so_far, limits.output_bytes)
                break
    if not over:
        try:
            launcher.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            over = "wall time"
    with contextlib.suppress(ProcessLookupError, PermissionError):  # all gone
        os.killpg(launcher.pid, signal.SIGKILL)
    launcher.wait()
    stdout, stderr = (
        bytes(written[pipe.fileno()][: limits.output_bytes]).decode(errors="replace")
        for pipe in (launcher.stdout, launcher.stderr)
    )
    launcher.stdout.close()
    launcher.stderr.close()
    code = launcher.returncode
    ended, code = ("signal", code - 128) if code > 128 else ("exit", code)
    if over:
        ended = over
    elif ended == "signal" and code == signal.SIGXCPU:
        ended = "cpu time"
    return Outcome(ended, code, stdout, stderr, time.monotonic() - started)


def _read(fd: int, so_far: bytearray, most: int) -> bool:
    """Reads what there is, up to a byte more than the limit; False at the end."""
    while len(so_far) <= most:
        try:
            data = os.read(fd, min(1 << 16, most + 1 - len(so_far)))
        except BlockingIOError:
            return True
        if not data:
            return False
        so_far += data
    return True


def _readable() -> list[str]:
    """Python, its packages and the system's libraries."""
    own = [sys.prefix, sys.base_prefix, os.path.realpath(sys.executable), *sys.path[1:]]
    packages = [path for path in own if os.path.isabs(path) and os.path.exists(path)]
    return list(dict.fromkeys([*_READABLE, *packages]))


def _environment(folder: str) -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": folder,
        "TMPDIR": folder,
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": "0",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "MPLBACKEND": "Agg",
    }
