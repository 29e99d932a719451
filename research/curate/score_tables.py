"""Tables of what somebody says about the documents of a corpus: scores, losses, ratings.

A table is an artefact, `<root>/scores/<name>/scores.parquet`, with the column `id` and others.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import itertools
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from research import artefacts
from research.corpora.document import NAME, NAMING, Corpus, Document, Quarantined
from research.curate.collection import work_folder
from research.curate.word_hashes import string_hashes
from research.errors import GristmillError
from research.terminal import human

TABLE = "scores.parquet"
QUARANTINE = "quarantine.jsonl"
KIND = "scores"
CHUNK = 512  # documents that are scored between two saves


@dataclasses.dataclass(frozen=True)
class ScoreTable:
    """A finished table."""

    folder: Path
    manifest: Mapping[str, Any]

    @classmethod
    def open(cls, root: Path, name: str) -> ScoreTable:
        """Opens a table by its name.

        Raises:
          GristmillError: there is none, or it is damaged.
        """
        folder = score_folder(root, name)
        if not folder.exists():
            known = sorted(path.parent.name for path in folder.parent.glob("*/manifest.json"))
            raise GristmillError(
                f"no table of scores {name} in {folder.parent}; there are: "
                f"{', '.join(known) or 'none'} (gristmill perplexity and quality rate make them)"
            )
        manifest = artefacts.read_manifest(folder, KIND, "gristmill quality rate or perplexity")
        return cls(folder, manifest)

    @property
    def name(self) -> str:
        """The table's name."""
        return self.manifest["name"]

    def read(self) -> pa.Table:
        """All of it.

        Raises:
          GristmillError: the file is missing, is not what was written, or has no ids.
        """
        path = self.folder / TABLE
        try:
            if artefacts.sha256_file(path) != self.manifest["files"][TABLE]["sha256"]:
                raise OSError("other contents than when it was written")
            table = pq.read_table(path)
            text = (pa.string(), pa.large_string())
            if "id" not in table.column_names or table["id"].type not in text:
                raise OSError("no column id of strings")
        except (pa.ArrowException, OSError) as error:
            raise GristmillError(
                f"{path} is missing or damaged ({str(error).splitlines()[0]}); delete "
                f"{self.folder} and run: {self.manifest['made_by']['command']}"
            ) from None
        return table

    def numbers(self, column: str) -> ById:
        """A column of numbers, to be asked by id.

        Raises:
          GristmillError: there is no such column of numbers, or nothing in it.
        """
        table = self.read()
        kinds = pa.types
        numeric = [field.name for field in table.schema
                   if kinds.is_floating(field.type) or kinds.is_integer(field.type)]  # fmt: skip
        if column not in numeric:
            raise GristmillError(
                f"table {self.name} has no column of numbers {column!r}; it has: "
                f"{', '.join(numeric) or 'none'}"
            )
        values = table[column].combine_chunks().cast(pa.float64()).to_numpy(zero_copy_only=False)
        if np.isnan(values).all():
            raise GristmillError(
                f"column {column} of table {self.name} has no values in {len(table)} rows; take "
                "another column or table"
            )
        return ById.of(table["id"].combine_chunks(), values)


@dataclasses.dataclass(frozen=True)
class ById:
    """Values of documents, found by hashes of their ids: 16 bytes a document.

    Attributes:
      hashes: uint64 [N], ascending.
      values: float64 [N].
    """

    hashes: np.ndarray
    values: np.ndarray

    @classmethod
    def of(cls, ids: pa.Array, values: np.ndarray) -> ById:
        """The values of some ids."""
        hashes = string_hashes(ids)
        order = np.argsort(hashes, kind="stable")
        return cls(hashes[order], values[order])

    def find(self, ids: pa.Array) -> np.ndarray:
        """The values of some ids, float64; NaN for those that are not there."""
        wanted = string_hashes(ids)
        places = np.minimum(np.searchsorted(self.hashes, wanted), len(self.hashes) - 1)
        return np.where(self.hashes[places] == wanted, self.values[places], np.nan)


def score_folder(root: Path, name: str) -> Path:
    """Where a table lies below the data root.

    Raises:
      GristmillError: the name is none.
    """
    if not NAME.fullmatch(name):
        raise GristmillError(f"{name[:200]!r} is no name of a table of scores: use {NAMING}")
    return root / "scores" / name


def made_before(root: Path, name: str, definition: Mapping[str, Any]) -> ScoreTable | None:
    """The table to be made, if it is there, so that no work is begun in vain.

    Raises:
      GristmillError: there is another of that name.
    """
    folder = score_folder(root, name)
    if not (folder / artefacts.MANIFEST).exists():
        return None
    table = ScoreTable.open(root, name)
    old, new = table.manifest["definition"], json.loads(json.dumps(definition))
    if old == new:
        return table
    keys = ", ".join(key for key in {**old, **new} if old.get(key) != new.get(key))
    raise GristmillError(
        f"{folder} already holds a table made otherwise (differing in {keys}); give this one "
        "another --out, or delete that folder"
    )


def save(
    root: Path,
    name: str,
    table: pa.Table,
    corpus: Corpus,
    definition: Mapping[str, Any],
    *,
    quarantined: Sequence[Quarantined] = (),
    command: str,
    tools: Sequence[str] = (),
) -> ScoreTable:
    """Writes a table.

    Args:
      root: the data root.
      name: of the table.
      table: a column `id` and others.
      corpus: whose documents these are.
      definition: what decides the contents.
      quarantined: what could not be used.
      command: that makes it.
      tools: distributions whose versions are worth recording.
    """
    folder = score_folder(root, name)
    with artefacts.exclusive(folder):
        artefacts.remove_temporaries(folder)
        with artefacts.atomic_file(folder / TABLE) as file:
            pq.write_table(table, file, compression="zstd")
        with artefacts.atomic_file(folder / QUARANTINE, "w") as file:
            for item in quarantined:
                file.write(json.dumps(dataclasses.asdict(item)) + "\n")
        files = artefacts.describe_files(folder, [TABLE, QUARANTINE])
        columns = {key: table[key].to_pylist() for key in table.column_names}
        manifest = {
            "kind": KIND,
            "name": name,
            "fingerprint": hashlib.sha256(json.dumps(columns).encode()).hexdigest(),
            "corpus": {key: corpus.manifest[key] for key in ("name", "version", "fingerprint")},
            "definition": dict(definition),
            "documents": len(table),
            "columns": table.column_names,
            "quarantined": len(quarantined),
            "files": files,
            "made_by": {"command": command, "tools": artefacts.tool_versions(*tools)},
        }
        artefacts.write_manifest(folder, manifest)
    return ScoreTable.open(root, name)


def plan(root: Path, corpus: Corpus, definition: Mapping[str, Any]) -> str:
    """What `score_corpus` would do, in words."""
    manifest = corpus.manifest
    chunks = -(-manifest["documents"] // CHUNK)
    there = len(list(work_folder(root, definition).glob("*.parquet")))
    return (
        f"{corpus.name}: {manifest['documents']} documents, {human(manifest['bytes'], 'B')}, in "
        f"{chunks} chunk(s) of {CHUNK}, {there} of them scored already"
    )


def score_corpus(
    root: Path,
    corpus: Corpus,
    definition: Mapping[str, Any],
    score: Callable[[Sequence[Document]], Iterable[dict[str, Any] | Quarantined]],
    progress: Callable[..., Any],
) -> tuple[pa.Table, list[Quarantined]]:
    """Scores all documents, chunk by chunk, going on where it was interrupted.

    Args:
      root: the data root.
      corpus: whose documents.
      definition: what decides the scores.
      score: says of some documents what the table's rows are, all with the same keys.
      progress: makes a progress bar of `total` documents.

    Raises:
      GristmillError: nothing could be scored.
    """
    work = work_folder(root, definition)
    rows: list[pa.Table] = []
    quarantined: list[Quarantined] = []
    with artefacts.exclusive(work):
        artefacts.remove_temporaries(work)
        documents = corpus.documents()
        with progress(total=corpus.manifest["documents"], desc=corpus.name, unit="doc") as bar:
            for number in itertools.count():
                path = work / f"{number:06d}.parquet"
                chunk = list(itertools.islice(documents, CHUNK))
                if not chunk:
                    break
                if not path.exists():
                    _score_chunk(path, chunk, score)
                table = pq.read_table(path)
                rows += [table.replace_schema_metadata()] if len(table) else []
                bad = json.loads(table.schema.metadata[b"quarantined"])
                quarantined += [Quarantined(**item) for item in bad]
                bar.update(len(chunk))
        if not rows:
            shutil.rmtree(work)
            reasons = Counter(item.reason for item in quarantined).most_common(3)
            found = ", ".join(f"{count} × {reason}" for reason, count in reasons)
            raise GristmillError(f"not one document of {corpus.name} could be scored: {found}")
        shutil.rmtree(work)
    return pa.concat_tables(rows), quarantined


def _score_chunk(
    path: Path,
    chunk: Sequence[Document],
    score: Callable[[Sequence[Document]], Iterable[dict[str, Any] | Quarantined]],
) -> None:
    found = list(score(chunk))
    bad = [dataclasses.asdict(item) for item in found if isinstance(item, Quarantined)]
    table = pa.Table.from_pylist([row for row in found if isinstance(row, dict)])
    with artefacts.atomic_file(path) as file:
        pq.write_table(table.replace_schema_metadata({"quarantined": json.dumps(bad)}), file)


@functools.lru_cache(maxsize=4)
def numbers(root: Path, name: str, column: str, fingerprint: str) -> ById:
    """A column of a table, kept in memory for the steps that ask for it document by document.

    Raises:
      GristmillError: the table is not there, or another than it was.
    """
    table = ScoreTable.open(root, name)
    if table.manifest["fingerprint"] != fingerprint:
        raise GristmillError(
            f"table {name} is another than the one this recipe was settled with; give it another "
            "name, or make the corpus again under another name"
        )
    return table.numbers(column)
