"""The commit of this checkout that is copied to the workers."""

from __future__ import annotations

import dataclasses
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tpu.gcloud import LaunchError, show

ROOT = Path(__file__).resolve().parent.parent


@dataclasses.dataclass(frozen=True)
class Source:
    """A state of the code.

    Attributes:
      id: names it: the commit, and what was changed since if that is to go along.
      commit: what `git archive` is given.
    """

    id: str
    commit: str

    @property
    def archive_name(self) -> str:
        """File name of its archive, here and on the workers."""
        return f"gristmill-{self.id}.tar.gz"


def git(*arguments: str) -> str:
    """Output of a git command in this checkout.

    Raises:
      LaunchError: git failed.
    """
    try:
        answer = subprocess.run(
            ["git", "-C", str(ROOT), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=120,
        )
    except FileNotFoundError:
        raise LaunchError("git is not on PATH; the workers get a commit of it") from None
    except subprocess.TimeoutExpired:
        raise LaunchError(f"git {arguments[0]} did not end in 120 s") from None
    if answer.returncode:
        reason = answer.stderr.strip().splitlines()[-1:] or [f"status {answer.returncode}"]
        raise LaunchError(f"git {arguments[0]} in {ROOT}: {reason[0]}")
    return answer.stdout.strip()


def current(allow_dirty: bool) -> Source:
    """The commit that is checked out.

    Args:
      allow_dirty: if True, uncommitted changes of tracked files go along; if False, they are an
        error, since nobody could tell later what was run.

    Raises:
      LaunchError: there are uncommitted changes, or this is no git checkout.
    """
    commit = git("rev-parse", "HEAD")
    changed = git("status", "--porcelain").splitlines()
    if not changed:
        return Source(commit[:12], commit)
    if not allow_dirty:
        names = ", ".join(line[2:].strip() for line in changed[:3])
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        raise LaunchError(
            f"uncommitted changes ({names}{more}); commit them, or send the changes of tracked "
            "files along by --allow_dirty"
        )
    snapshot = git("stash", "create")  # a commit object only: neither tree nor stash is touched
    if not snapshot:  # nothing but untracked files
        return Source(commit[:12], commit)
    tree = git("rev-parse", f"{snapshot}^{{tree}}")
    return Source(f"{commit[:12]}-dirty-{tree[:8]}", snapshot)


def write_archive(source: Source, folder: Path, dry_run: bool) -> Path:
    """Writes the archive of a source, if it is not there.

    Args:
      source: what to pack.
      folder: where.
      dry_run: if True, only prints the command.

    Returns:
      The archive's path.
    """
    if dry_run:
        path = Path(tempfile.gettempdir()) / source.archive_name
        show("git", "archive", "--format=tar.gz", f"--output={path}", source.commit)
        return path
    path = folder / source.archive_name
    if not path.exists():
        git("archive", "--format=tar.gz", f"--output={path}", source.commit)
    return path


def gin_paths(names: Sequence[str]) -> tuple[str, ...]:
    """Paths of gin files as the workers see them, relative to the checkout.

    Raises:
      LaunchError: a file does not exist, or is not in the archive.
    """
    paths = []
    for name in names:
        path = Path(name).resolve()
        if not path.is_file():
            raise LaunchError(f"{name}: no such gin file")
        try:
            relative = path.relative_to(ROOT).as_posix()
        except ValueError:
            raise LaunchError(
                f"{name} is outside {ROOT}, so the workers would not get it"
            ) from None
        if not git("ls-files", "--", relative):
            raise LaunchError(f"{name} is not under version control; run: git add {relative}")
        paths.append(relative)
    return tuple(paths)
