"""Documents and the corpora that hold them: sharded Parquet with provenance and a manifest.

`build_corpus` turns a stream of records into `<root>/corpora/<name>/<version>/part-*.parquet`.
Each part is moved into place whole, beside a small record of how far the stream had been read, so
that an interrupted build goes on after the last finished part.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import itertools
import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from research import artefacts
from research.errors import GristmillError

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("text", pa.large_string()),
        ("source", pa.string()),
        ("meta", pa.string()),  # JSON
        ("parents", pa.list_(pa.string())),
        ("roots", pa.list_(pa.string())),
    ]
)
ROW_GROUP_BYTES = 4 << 20
MAX_DOCUMENT_BYTES = 64 << 20
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")  # of corpora and versions
NAMING = "letters, digits, '.', '_' and '-', at most 128"
INPUTS = "inputs.json"  # name and identity of every unit that was read
MAX_QUARANTINED = 50_000  # a part, so that a wholly unusable input does not fill the memory


@dataclasses.dataclass(frozen=True, slots=True)
class Document:
    """One text and where it comes from.

    Attributes:
      text: the text itself.
      id: unique within its corpus.
      source: the name of the collection it belongs to, the first part of its domain.
      meta: JSON-serialisable facts (URL, language, style, …).
      parents: ids of the documents it was made from; empty for an original.
      roots: ids of the originals at the top of its ancestry; empty for an original.
    """

    text: str
    id: str
    source: str
    meta: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    parents: tuple[str, ...] = ()
    roots: tuple[str, ...] = ()

    @property
    def root_ids(self) -> tuple[str, ...]:
        """The originals this text descends from; an original descends from itself."""
        return self.roots or (self.id,)

    def as_row(self) -> dict[str, Any]:
        """The columns of `SCHEMA`, as Parquet holds them."""
        return {
            "id": self.id,
            "text": self.text,
            "source": self.source,
            "meta": json.dumps(self.meta, sort_keys=True),
            "parents": list(self.parents),
            "roots": list(self.roots),
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Document:
        """Inverse of `as_row`."""
        return cls(
            text=row["text"],
            id=row["id"],
            source=row["source"],
            meta=json.loads(row["meta"]),
            parents=tuple(row["parents"]),
            roots=tuple(row["roots"]),
        )

    def derive(self, text: str, id: str, source: str, **meta: Any) -> Document:
        """A document made from this one: it remembers its parent and its root."""
        return Document(text, id, source, {**self.meta, **meta}, (self.id,), self.root_ids)


@dataclasses.dataclass(frozen=True, slots=True)
class Quarantined:
    """A record that could not become a document: kept aside with its reason, and counted."""

    reason: str
    where: str
    excerpt: str = ""


@dataclasses.dataclass(frozen=True)
class Unit:
    """A piece of input read from its start to its end, always in the same order: mostly a file.

    Attributes:
      name: what errors and progress bars call it.
      identity: what must be unchanged for an interrupted build to go on (size, hash, version).
      read: starts reading; yields a `Document` or a `Quarantined` for every record.
    """

    name: str
    identity: Any
    read: Callable[[], Iterator[Document | Quarantined]]


def corpus_folder(root: Path, name: str, version: str) -> Path:
    """Where a corpus lies below the data root."""
    return root / "corpora" / name / version


@dataclasses.dataclass(frozen=True)
class Corpus:
    """A finished corpus on disk."""

    folder: Path
    manifest: Mapping[str, Any]

    @classmethod
    def open(cls, root: Path, name: str) -> Corpus:
        """Opens `name` or `name@version`.

        Raises:
          GristmillError: no such corpus, an unfinished one, or several versions and none named.
        """
        name, at, version = name.partition("@")
        for word in [name, version] if at else [name]:
            if not NAME.fullmatch(word):
                raise GristmillError(f"{word[:200]!r} is no name of a corpus or version: {NAMING}")
        remedy = f"gristmill corpora build {name}"
        if not version:
            finished = (root / "corpora" / name).glob(f"*/{artefacts.MANIFEST}")
            versions = sorted(path.parent.name for path in finished)
            if len(versions) > 1:
                raise GristmillError(f"corpus {name} has versions {', '.join(versions)}: "
                                     f"name one, as in {name}@{versions[-1]}")  # fmt: skip
            if not versions:
                raise GristmillError(
                    f"no finished corpus {name} in {root / 'corpora'}; run: {remedy} "
                    "(or gristmill corpora import, for a corpus of your own)"
                )
            version = versions[0]
        folder = corpus_folder(root, name, version)
        remedy += " (or import it again)"
        return cls(folder, artefacts.read_manifest(folder, "corpus", remedy))

    @property
    def name(self) -> str:
        """The corpus with its version, `name@version`."""
        return f"{self.manifest['name']}@{self.manifest['version']}"

    @property
    def parts(self) -> list[str]:
        """File names of the Parquet parts, in order."""
        return self.manifest["parts"]

    def part_documents(self, part: str) -> int:
        """How many documents a part holds.

        Raises:
          GristmillError: the part is missing or damaged.
        """
        with _readable(self.folder / part):
            return pq.read_metadata(self.folder / part).num_rows

    def documents(self, part: str | None = None) -> Iterator[Document]:
        """The documents of one part, or of all, in order.

        Raises:
          GristmillError: a part is missing or damaged.
        """
        for name in [part] if part else self.parts:
            yield from self.rows(name, 0, None)

    def rows(self, part: str, start: int, stop: int | None) -> Iterator[Document]:
        """The documents `start` to `stop` of a part; what lies before them is hardly read.

        Raises:
          GristmillError: the part is missing or damaged.
        """
        for batch in read_batches(self.folder / part, SCHEMA.names, start, stop):
            yield from map(Document.from_row, batch.to_pylist())


def read_batches(
    path: Path, columns: Sequence[str], start: int = 0, stop: int | None = None
) -> Iterator[pa.RecordBatch]:
    """Streams the row groups of a corpus part, so that memory does not grow with its size.

    Args:
      path: of the part.
      columns: to read.
      start, stop: rows of the part; row groups beyond them are not read.

    Raises:
      GristmillError: the part is missing or damaged.
    """
    with _readable(path), pq.ParquetFile(path) as file:
        sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
        ends = list(itertools.accumulate(sizes))
        stop = ends[-1] if stop is None and ends else stop or 0
        groups = [i for i, end in enumerate(ends) if end > start and end - sizes[i] < stop]
        row = ends[groups[0]] - sizes[groups[0]] if groups else 0
        for batch in file.iter_batches(512, groups, list(columns)):
            if row + len(batch) > start and row < stop:
                first = max(0, start - row)
                yield batch.slice(first, min(stop - row, len(batch)) - first)
            row += len(batch)


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise GristmillError(
            f"{path} is missing or damaged ({str(error).splitlines()[0]}); "
            f"run: gristmill verify {path.parent}"
        ) from None


def build_corpus(
    root: Path,
    name: str,
    version: str,
    units: Sequence[Unit],
    *,
    licence: str,
    definition: Mapping[str, Any],
    command: str,
    inputs: Sequence[Mapping[str, Any]] = (),
    tools: Sequence[str] = (),
    part_bytes: int = 64 << 20,
    limit: int | None = None,
    dropped: Mapping[str, int] | None = None,
    tables: Sequence[Path] = (),
    progress: Callable[[Iterator], Any] = iter,
) -> Corpus:
    """Writes a corpus from its units, or goes on with one that was interrupted.

    A record that is no usable text (empty, too large, not Unicode, with an id seen before) is
    quarantined: counted in the manifest and written to `quarantine-*.jsonl` with its reason.

    Args:
      root: the data root.
      name: the corpus's name.
      version: its version.
      units: the input, in order.
      licence: SPDX identifier or a few words; recorded.
      definition: what decides the contents beside the units (reader, fields, thresholds).
      command: the command that makes this corpus, for the manifest and for remedies.
      inputs: the corpora or packages it is made from: name, version, fingerprint each.
      tools: distributions whose versions are worth recording.
      part_bytes: UTF-8 bytes of text after which a part is closed.
      limit: stop after so many documents.
      dropped: documents that were read but are not among the units' records, by reason; recorded.
      tables: files that lie beside the corpus, with what is known of its documents; copied.
      progress: wraps the iterator of records, for a progress bar.

    Raises:
      GristmillError: nothing usable in the input, the folder holds a corpus made otherwise, or
        another process builds it now.
    """
    folder = corpus_folder(root, name, version)
    settings = {"definition": definition, "part_bytes": part_bytes, "limit": limit}
    read = [[unit.name, unit.identity] for unit in units]
    jobs = _jobs(settings, read)
    with artefacts.exclusive(folder):
        if (folder / artefacts.MANIFEST).exists():
            corpus = Corpus(folder, artefacts.read_manifest(folder, "corpus", command))
            if change := _what_differs(corpus, settings, read, licence):
                raise GristmillError(
                    f"{folder} already holds a corpus made {change}; give this one another name or "
                    "--version, or delete that folder"
                )
            return corpus
        artefacts.remove_temporaries(folder)
        finished = _resume(folder, jobs)
        writer = _PartWriter(folder, units, jobs, part_bytes, limit, finished)
        writer.consume(progress(_remaining(units, finished)))
        states = writer.finished
        documents = sum(state["documents"] for state in states)
        quarantined = sum((Counter(state["quarantined"]) for state in states), Counter())
        if not documents:
            found = _describe_quarantine(folder, states, quarantined)
            for path in folder.glob("part-*.json"):  # nothing here is worth going on from
                path.unlink()
            raise GristmillError(
                f"corpus {name}: no usable document in {len(units)} input(s)"
                + (f": {found}; see {folder}/quarantine-*.jsonl" if found else "")
            )
        parts = [state["part"] for state in states if state["documents"]]
        artefacts.write_json(folder / INPUTS, {"units": read})
        files = {name: facts for state in states for name, facts in state["files"].items()}
        for table in tables:
            with artefacts.atomic_file(folder / table.name) as file, open(table, "rb") as source:
                shutil.copyfileobj(source, file)
        files |= artefacts.describe_files(folder, [INPUTS, *(table.name for table in tables)])
        manifest = {
            "kind": "corpus",
            "name": name,
            "version": version,
            "licence": licence,
            "schema": SCHEMA.names,
            "fingerprint": artefacts.fingerprint([state["content"] for state in states]),
            "job": jobs[-1],
            "documents": documents,
            "bytes": sum(state["bytes"] for state in states),
            "quarantined": dict(quarantined.most_common()),
            "parts": parts,
            "files": files,
            "definition": dict(definition),
            **({} if dropped is None else {"dropped": dict(dropped)}),
            "made_by": {
                "command": command,
                "inputs": list(inputs),
                "tools": artefacts.tool_versions("pyarrow", *tools),
            },
        }
        artefacts.write_manifest(folder, manifest)
        for state in states:
            (folder / state["part"]).with_suffix(".json").unlink()
        return Corpus(folder, manifest)


def _jobs(settings: Mapping[str, Any], read: Sequence[Sequence[Any]]) -> list[str]:
    """For each unit the fingerprint of the settings and of all units up to it.

    A part stays valid while that of the unit it ends in does: a later file may be fetched again.
    """
    jobs = [artefacts.fingerprint(settings)]
    for name, identity in read:
        jobs.append(artefacts.fingerprint([jobs[-1], name, identity]))
    return jobs[1:] or jobs


def _what_differs(
    corpus: Corpus, settings: Mapping[str, Any], now: Sequence[Sequence[Any]], licence: str
) -> str:
    """What a finished corpus was made with that is otherwise now; empty if nothing is."""
    manifest, path = corpus.manifest, corpus.folder / INPUTS
    if manifest["job"] == _jobs(settings, now)[-1]:
        same = manifest["licence"] == licence
        return "" if same else f"under the licence {manifest['licence']}, not {licence}"
    try:
        then = json.loads(path.read_text(encoding="utf-8"))["units"]
    except (OSError, ValueError, KeyError, TypeError):
        raise GristmillError(
            f"{path} is missing or damaged; run: gristmill verify {path.parent}"
        ) from None
    if manifest["job"] != _jobs(settings, then)[-1]:
        old, new = manifest["definition"], json.loads(json.dumps(settings["definition"]))
        keys = [key for key in {**old, **new} if old.get(key) != new.get(key)]
        differing = f" (differing in {', '.join(keys)})" if keys else ""
        return f"otherwise, by: {manifest['made_by']['command']}{differing}"
    before, after = dict(then), json.loads(json.dumps(dict(now)))
    changes = [f"{name} was added" for name in after if name not in before]
    changes += [f"{name} is gone" for name in before if name not in after]
    both = before.keys() & after.keys()
    changes += [f"{name} has changed" for name in sorted(both) if before[name] != after[name]]
    more = f" and {len(changes) - 3} more" if len(changes) > 3 else ""
    return f"from other input: {', '.join(changes[:3]) or 'its order changed'}{more} since"


def _resume(folder: Path, jobs: Sequence[str]) -> list[dict[str, Any]]:
    """The states of the parts an interrupted build of the same job has finished.

    Parts made from an input that has changed since, or with other options, or damaged, are
    deleted with all that follow: nothing was published of them.
    """
    states: list[dict[str, Any]] = []
    while (path := folder / f"part-{len(states):05d}.json").exists():
        state = json.loads(path.read_text(encoding="utf-8"))
        unit = state["next"][0]
        if unit >= len(jobs) or state["job"] != jobs[unit]:
            break
        names = list(state["files"])
        if not all((folder / name).exists() for name in names):
            break
        if artefacts.describe_files(folder, names) != state["files"]:
            break
        states.append(state)
    keep = {file for state in states for file in state["files"]}
    keep |= {Path(state["part"]).with_suffix(".json").name for state in states}
    for path in itertools.chain(folder.glob("part-*"), folder.glob("quarantine-*")):
        if path.name not in keep:
            path.unlink()
    return states


def _describe_quarantine(
    folder: Path, states: Sequence[Mapping[str, Any]], quarantined: Counter[str]
) -> str:
    """The commonest reasons and the first case, for the error that nothing was usable."""
    files = [file for state in states for file in state["files"] if file.endswith(".jsonl")]
    if not files:
        return ""
    with open(folder / files[0], encoding="utf-8") as lines:
        first = json.loads(next(lines))
    reasons = ", ".join(f"{n} × {reason}" for reason, n in quarantined.most_common(3))
    excerpt = " ".join(first["excerpt"].split())[:200]
    return f"{reasons}; the first at {first['where']} ({excerpt})"


def _remaining(
    units: Sequence[Unit], finished: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[int, int, Document | Quarantined]]:
    """Yields (unit, record, what was read) from where the finished parts end."""
    first_unit, first_record = finished[-1]["next"] if finished else (0, 0)
    for number in range(first_unit, len(units)):
        skip = first_record if number == first_unit else 0
        records = itertools.islice(units[number].read(), skip, None)
        for record, item in enumerate(records, start=skip):
            yield number, record, item


class _PartWriter:
    """Collects documents into Parquet parts, each with the state of the stream behind it."""

    def __init__(
        self,
        folder: Path,
        units: Sequence[Unit],
        jobs: Sequence[str],
        part_bytes: int,
        limit: int | None,
        finished: list[dict[str, Any]],
    ) -> None:
        self.folder, self.units, self.jobs = folder, units, jobs
        self.part_bytes, self.finished = part_bytes, finished
        self.wanted = float("inf") if limit is None else limit
        self.wanted -= sum(state["documents"] for state in finished)
        self.ids: set[int] = set()
        for state in finished:
            if state["documents"]:
                for batch in read_batches(folder / state["part"], ["id"]):
                    self.ids.update(map(_id_hash, batch["id"].to_pylist()))

    def consume(self, stream: Iterator[tuple[int, int, Document | Quarantined]]) -> None:
        """Writes the whole stream; an error in it leaves the parts finished so far."""
        stream = iter(stream)
        while self.wanted > 0 and (first := next(stream, None)) is not None:
            self._write_part(itertools.chain([first], stream))

    def _write_part(self, stream: Iterator[tuple[int, int, Document | Quarantined]]) -> None:
        number = len(self.finished)
        part, quarantine = f"part-{number:05d}.parquet", f"quarantine-{number:05d}.jsonl"
        documents, size, next_record = 0, 0, [0, 0]
        bad: list[Quarantined] = []
        content = hashlib.sha256()
        rows: list[tuple] = []
        rows_bytes = 0
        with (
            artefacts.atomic_file(self.folder / part) as file,
            pq.ParquetWriter(file, SCHEMA, compression="zstd") as parquet,
        ):
            for unit, record, item in stream:
                next_record = [unit, record + 1]
                if isinstance(item, Document):
                    item, text_bytes = self._check(item, self.units[unit].name)
                if isinstance(item, Quarantined):
                    bad.append(item)
                    if len(bad) >= MAX_QUARANTINED:
                        break
                    continue
                row = (item.id, item.text, item.source, json.dumps(item.meta, sort_keys=True),
                       list(item.parents), list(item.roots))  # fmt: skip
                content.update(json.dumps(row).encode() + b"\n")
                rows.append(row)
                rows_bytes += text_bytes
                documents += 1
                size += text_bytes
                if rows_bytes >= ROW_GROUP_BYTES:
                    parquet.write_table(_as_table(rows))
                    rows, rows_bytes = [], 0
                if size >= self.part_bytes or documents >= self.wanted:
                    break
            if rows:
                parquet.write_table(_as_table(rows))
        files = [part]
        if not documents:
            (self.folder / part).unlink()
            files = []
        if bad:
            with artefacts.atomic_file(self.folder / quarantine, "w") as file:
                for item in bad:
                    file.write(json.dumps(dataclasses.asdict(item)) + "\n")
            files.append(quarantine)
        state = {
            "job": self.jobs[next_record[0]],
            "part": part,
            "files": artefacts.describe_files(self.folder, files),
            "documents": documents,
            "bytes": size,
            "content": content.hexdigest(),
            "quarantined": Counter(item.reason for item in bad),
            "next": next_record,
        }
        artefacts.write_json(self.folder / f"part-{number:05d}.json", state)
        self.finished.append(state)
        self.wanted -= documents

    def _check(self, document: Document, unit: str) -> tuple[Document | Quarantined, int]:
        """The document and its UTF-8 length, or the reason why it cannot be kept."""
        if invalid := _lone_surrogate(document):
            reason = f"{invalid} (lone surrogate)"
        elif not document.text.strip():
            reason = "empty text"
        elif (text_bytes := len(document.text.encode())) > MAX_DOCUMENT_BYTES:
            reason = f"text larger than {MAX_DOCUMENT_BYTES >> 20} MiB"
        elif (key := _id_hash(document.id)) in self.ids:
            reason = "id seen before"
        else:
            self.ids.add(key)
            return document, text_bytes
        where, excerpt = (
            text.encode(errors="replace").decode()
            for text in (f"{unit}: {document.id}", document.text[:200])
        )
        return Quarantined(reason, where, excerpt), 0


def _lone_surrogate(document: Document) -> str:
    """Says what of the document is not valid Unicode; empty if all is."""
    for said, words in (
        ("not valid Unicode", (document.text,)),
        ("id (or the file name it is made of) not valid Unicode", (document.id,)),
        ("parents not valid Unicode", (*document.parents, *document.roots)),
        ("meta not valid Unicode", (json.dumps(document.meta, ensure_ascii=False),)),
    ):
        try:
            "".join(words).encode()
        except UnicodeEncodeError:
            return said
    return ""


def _as_table(rows: list[tuple]) -> pa.Table:
    columns = [pa.array(column, type=field.type)
               for column, field in zip(zip(*rows, strict=True), SCHEMA, strict=True)]  # fmt: skip
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def _id_hash(id: str) -> int:
    # 8 bytes stand for an id: 60 MB of memory per million documents, and among 10 million ids a
    # false alarm (a good document quarantined) has probability 3e-6
    return int.from_bytes(hashlib.blake2b(id.encode(), digest_size=8).digest(), "little")
