"""Every answer that was ever paid for, on disk, by what it depends on.

One SQLite file below the data root serves all jobs: a row an answer, never changed and never
deleted.  A killed process loses only what was under way (a power cut, perhaps the last answers),
and a second process may write at the same time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from research.errors import GristmillError
from research.rephrase.engine import Failure, Response

FILE = "responses.sqlite3"
FORMAT = 1  # of the tables
_TABLES = f"""
CREATE TABLE IF NOT EXISTS responses (
    key TEXT PRIMARY KEY, job TEXT NOT NULL, revision TEXT NOT NULL, text TEXT NOT NULL,
    finish TEXT NOT NULL, prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL,
    seconds REAL NOT NULL, at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS failures (
    key TEXT PRIMARY KEY, job TEXT NOT NULL, cause TEXT NOT NULL, permanent INTEGER NOT NULL,
    times INTEGER NOT NULL, at REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_job ON responses (job);
CREATE INDEX IF NOT EXISTS by_revision ON responses (revision);
PRAGMA user_version = {FORMAT};
"""


@dataclasses.dataclass(frozen=True)
class Spent:
    """What answers have cost.

    Attributes:
      requests: answers.
      prompt_tokens, completion_tokens: in and out.
      seconds: that single requests took, added up.
    """

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0


class Store:
    """The answers below a data root; a context manager."""

    def __init__(self, root: Path) -> None:
        """Opens the store, or makes it.

        Raises:
          GristmillError: the file is damaged, or of another version.
        """
        self.path = root / FILE
        root.mkdir(parents=True, exist_ok=True)
        try:
            self._rows = sqlite3.connect(self.path, timeout=60, isolation_level=None)
            self._rows.execute("PRAGMA journal_mode = WAL")
            self._rows.execute("PRAGMA synchronous = NORMAL")
            version = self._rows.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, FORMAT):
                raise GristmillError(
                    f"{self.path} is of another version of gristmill ({version}, here {FORMAT}); "
                    "move it away to begin a new one"
                )
            self._rows.executescript(_TABLES)
        except sqlite3.Error as error:
            raise self._unusable(error) from None

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self._rows.close()

    def get(self, key: str) -> Response | None:
        """The answer to a request, if it was ever given."""
        with self._usable():
            row = self._rows.execute(
                "SELECT text, finish, prompt_tokens, completion_tokens, seconds FROM responses "
                "WHERE key = ?", (key,)
            ).fetchone()  # fmt: skip
        return None if row is None else Response(*row)

    def __contains__(self, key: str) -> bool:
        with self._usable():
            found = self._rows.execute("SELECT 1 FROM responses WHERE key = ?", (key,)).fetchone()
        return found is not None

    def put(self, key: str, job: str, revision: str, response: Response) -> None:
        """Keeps an answer, unless there is one already; it is on disk on return."""
        with self._usable():
            self._rows.execute("BEGIN IMMEDIATE")
            self._rows.execute(
                "INSERT OR IGNORE INTO responses VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (key, job, revision, *dataclasses.astuple(response), time.time()),
            )
            self._rows.execute("DELETE FROM failures WHERE key = ?", (key,))
            self._rows.execute("COMMIT")

    def failure(self, key: str) -> Failure | None:
        """Why a request was not answered the last time."""
        with self._usable():
            row = self._rows.execute(
                "SELECT cause, permanent FROM failures WHERE key = ?", (key,)
            ).fetchone()
        return None if row is None else Failure(row[0], bool(row[1]))

    def fail(self, key: str, job: str, failure: Failure) -> None:
        """Keeps a failure as a dead letter: to be told of, and tried again."""
        with self._usable():
            self._rows.execute(
                "INSERT INTO failures VALUES (?, ?, ?, ?, 1, ?) ON CONFLICT (key) DO UPDATE SET "
                "cause = excluded.cause, permanent = excluded.permanent, times = times + 1, "
                "at = excluded.at",
                (key, job, failure.cause, failure.permanent, time.time()),
            )

    def spent(self, *, job: str | None = None, revision: str | None = None) -> Spent:
        """What the answers of a job, or of a model, have cost."""
        column, value = ("job", job) if job is not None else ("revision", revision)
        with self._usable():
            row = self._rows.execute(
                "SELECT count(*), total(prompt_tokens), total(completion_tokens), total(seconds) "
                f"FROM responses WHERE {column} = ?", (value,)
            ).fetchone()  # fmt: skip
        return Spent(row[0], int(row[1]), int(row[2]), row[3])

    @contextlib.contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if self._rows.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    self._rows.execute("ROLLBACK")
            raise self._unusable(error) from None

    def _unusable(self, error: sqlite3.Error) -> GristmillError:
        return GristmillError(
            f"{self.path} cannot be used ({error}): mend the storage, or move the file away (its "
            "answers would be paid for again), and run the same command again"
        )
