"""Runs gcloud: with a time limit, never through a shell, or only in print for a dry run."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import shlex
import shutil
import signal
import subprocess
import time

INSTALL = "https://cloud.google.com/sdk/docs/install"


class LaunchError(Exception):
    """What the user can mend or must know, in one line; the command ends with status 1."""


class TimedOut(LaunchError):
    """gcloud did not answer in time and was killed."""


class Raw(str):
    """An argument that a dry run prints as it stands, for the shell to evaluate."""

    __slots__ = ()


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a gcloud command said.

    Attributes:
      status: its exit status.
      out: standard output.
      err: standard error.
    """

    status: int
    out: str = ""
    err: str = ""

    @property
    def reason(self) -> str:
        """Why it failed, in one line: gcloud's ERROR with what follows it, or its last line."""
        lines = [line.strip() for line in self.err.splitlines() if line.strip()]
        errors = [n for n, line in enumerate(lines) if line.startswith("ERROR:")]
        text = " ".join(lines[errors[-1] :] if errors else lines[-1:])
        text = re.sub(r"^ERROR:\s*(\(gcloud[\w.-]*\)\s*)?", "", text)
        return text[:600] or f"exit status {self.status}"

    @property
    def not_found(self) -> bool:
        """Whether what was asked for does not exist."""
        return self.status != 0 and bool(re.search(r"NOT_FOUND|was not found|not found", self.err))


class Gcloud:
    """The gcloud command.

    Attributes:
      timeout: seconds after which a command is killed.
      dry_run: if True, commands are printed and not run.
    """

    def __init__(self, timeout: float, dry_run: bool = False) -> None:
        self.timeout = timeout
        self.dry_run = dry_run
        self._processes: set[subprocess.Popen] = set()
        self._program = None if dry_run else shutil.which("gcloud")
        if not dry_run and self._program is None:
            raise LaunchError(f"gcloud is not on PATH; install it ({INSTALL}), then: gcloud init")

    def __call__(self, *arguments: str, timeout: float | None = None) -> Answer:
        """Runs `gcloud arguments…`.

        Raises:
          TimedOut: it did not end within `timeout` seconds (default: self.timeout).
        """
        if self.dry_run:
            show("gcloud", *arguments)
            return Answer(0)
        limit = self.timeout if timeout is None else timeout
        with subprocess.Popen(
            [self._program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,  # so that the ssh processes it starts can be killed with it
        ) as process:
            self._processes.add(process)
            try:
                out, err = process.communicate(timeout=limit)
            except subprocess.TimeoutExpired:
                kill_group(process)
                words = " ".join(word for word in arguments if not word.startswith("-"))
                raise TimedOut(
                    f"gcloud {words} did not answer in {limit:g} s and was killed; check the "
                    "network and try again, or give it longer by --timeout"
                ) from None
            except BaseException:
                kill_group(process)
                raise
            finally:
                self._processes.discard(process)
        return Answer(process.returncode, out, err)

    def stop(self) -> None:
        """Ends the commands that other threads are running."""
        for process in list(self._processes):
            kill_group(process)


def kill_group(process: subprocess.Popen) -> None:
    """Ends a process that leads its own session, and all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=2)
        os.killpg(process.pid, signal.SIGKILL)


def show(*command: str) -> None:
    """Prints a command so that it can be pasted into a shell."""
    print(" ".join(word if isinstance(word, Raw) else shlex.quote(word) for word in command))


def say(text: str) -> None:
    """Reports an event with the time of day."""
    print(time.strftime("%Y-%m-%d %H:%M:%S"), text, flush=True)
