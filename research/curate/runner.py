"""Applies a recipe to a corpus: in pieces, in several processes, and again from where it ended.

The output is an ordinary corpus.  A document keeps its id, parents and roots: it is the same
document, chosen and cleaned.  Beside the parts lie `examples.json`, what each step dropped and
changed with examples, and `quarantine-*.jsonl`, what no step could judge.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import itertools
import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from research import artefacts
from research.corpora.document import (
    INPUTS,
    ROW_GROUP_BYTES,
    SCHEMA,
    Corpus,
    Document,
    Quarantined,
    corpus_folder,
)
from research.curate.collection import work_folder
from research.curate.report import Report, apply, excerpt
from research.curate.steps import Drop, Step
from research.curate.survey import settle
from research.curate.workers import Run, run_pieces
from research.errors import GristmillError

EXAMPLES_FILE = "examples.json"
PIECES = 32  # of a small corpus, so that several processes find work, and end together
LEAST_PIECE, LARGEST_PIECE = 256 << 10, 64 << 20  # bytes of text, about
LARGEST_TEXT = 8 << 20  # UTF-8 bytes; a larger one is quarantined, so that memory is bounded


@dataclasses.dataclass(frozen=True)
class Piece:
    """Documents `start` to `stop` of one part of the source corpus."""

    number: int
    part: str
    start: int
    stop: int

    @property
    def output(self) -> str:
        """The file with what is kept of it."""
        return f"part-{self.number:05d}.parquet"

    @property
    def state(self) -> str:
        """The file that says it is finished, and what was done."""
        return f"part-{self.number:05d}.json"

    @property
    def quarantine(self) -> str:
        """The file with what could not be processed."""
        return f"quarantine-{self.number:05d}.jsonl"


@dataclasses.dataclass(frozen=True)
class PieceWork:
    """What a working process does with a piece.

    Attributes:
      source: the corpus that is read.
      steps: the recipe.
      folder: where the results go.
      job: fingerprint of all that decides the results.
    """

    source: Corpus
    steps: tuple[Step, ...]
    folder: Path
    job: str

    def __call__(self, piece: Piece, deadly: frozenset[int], at: Callable[[int], None]) -> None:
        """Judges the documents of a piece and leaves the kept ones on disk."""
        report = Report(self.steps)
        quarantined: list[Quarantined] = []

        def kept() -> Iterator[Document]:
            for outcome in self.outcomes(piece, report, deadly, at):
                if isinstance(outcome, Document):
                    yield outcome
                elif isinstance(outcome, Quarantined):
                    quarantined.append(outcome)

        state = _write_part(self.folder / piece.output, kept())
        files = [piece.output] if state["documents"] else []
        if quarantined:
            with artefacts.atomic_file(self.folder / piece.quarantine, "w") as file:
                for item in quarantined:
                    file.write(json.dumps(dataclasses.asdict(item)) + "\n")
            files.append(piece.quarantine)
        state |= {
            "job": self.job,
            "files": artefacts.describe_files(self.folder, files),
            "quarantined": Counter(item.reason for item in quarantined),
            "report": report.as_json(examples=True),
        }
        artefacts.write_json(self.folder / piece.state, state)

    def outcomes(
        self, piece: Piece, report: Report, deadly: frozenset[int], at: Callable[[int], None]
    ) -> Iterator[Document | Drop | Quarantined]:
        """The verdict on every document of a piece, in order."""
        rows = self.source.rows(piece.part, piece.start, piece.stop)
        for row, document in enumerate(rows, piece.start):
            at(row)
            yield judge(self.steps, document, report, deadly=row in deadly)


def judge(
    steps: Sequence[Step], document: Document, report: Report, deadly: bool = False
) -> Document | Drop | Quarantined:
    """Takes a document through steps, and counts what they do.

    Args:
      steps: of a recipe.
      document: to judge.
      report: of those steps.
      deadly: whether it ends the processes that work on it, and so is not looked at.
    """
    size = len(document.text.encode())
    for step, tally in zip(steps, report.steps, strict=True):
        tally.documents_in += 1
        tally.bytes_in += size
        reason = ""
        try:
            if deadly:
                reason = "ends the process that works on it"
            elif size > LARGEST_TEXT:
                reason = f"text larger than {LARGEST_TEXT >> 20} MiB"
            else:
                outcome, changes = apply(step, document)
                after = size
                if isinstance(outcome, Document) and outcome is not document:
                    json.dumps(outcome.meta)
                    after = len(outcome.text.encode())
        except (GristmillError, OSError):
            raise  # of the environment, not of this document
        except Exception as error:
            what = f"{type(error).__name__}: {excerpt(str(error))[:80]}"
            reason = f"step {step.name} failed ({what})"
        if reason:
            tally.quarantined[reason] = tally.quarantined.get(reason, 0) + 1
            return Quarantined(reason, document.id, excerpt(document.text)[:200])
        tally.edit(document, changes)
        if isinstance(outcome, Drop):
            tally.drop(document, size, outcome)
            return outcome
        document, size = outcome, after
        tally.documents_out += 1
        tally.bytes_out += size
    return document


def _write_part(path: Path, documents: Iterable[Document]) -> dict[str, Any]:
    """Writes documents to a Parquet file, or none if there are none.

    Returns:
      How many they are, their UTF-8 bytes and a hash of their contents.
    """
    content = hashlib.sha256()
    number = size = 0
    with contextlib.ExitStack() as stack:
        writer = None
        for group in _row_groups(documents):
            if writer is None:
                file = stack.enter_context(artefacts.atomic_file(path))
                writer = stack.enter_context(pq.ParquetWriter(file, SCHEMA, compression="zstd"))
            for row in group:
                content.update(json.dumps(list(row.values())).encode() + b"\n")
                size += len(row["text"].encode())
            number += len(group)
            writer.write_table(pa.Table.from_pylist(group, SCHEMA))
    return {"documents": number, "bytes": size, "content": content.hexdigest()}


def _row_groups(documents: Iterable[Document]) -> Iterator[list[dict[str, Any]]]:
    rows: list[dict[str, Any]] = []
    size = 0
    for document in documents:
        rows.append(document.as_row())
        size += len(document.text)
        if size >= ROW_GROUP_BYTES:
            yield rows
            rows, size = [], 0
    if rows:
        yield rows


def pieces_of(corpus: Corpus) -> list[Piece]:
    """Cuts a corpus into pieces, the same however many processes there will be."""
    manifest = corpus.manifest
    wanted = min(max(manifest["bytes"] / PIECES, LEAST_PIECE), LARGEST_PIECE)
    pieces: list[Piece] = []
    for part in corpus.parts:
        documents = corpus.part_documents(part)
        share = manifest["bytes"] * documents / manifest["documents"]
        count = max(1, min(documents, math.ceil(share / wanted)))
        edges = [documents * i // count for i in range(count + 1)]
        for start, stop in itertools.pairwise(edges):
            pieces.append(Piece(len(pieces), part, start, stop))
    return pieces


def definition_of(source: Corpus, recipe: str, steps: Sequence[Step]) -> dict[str, Any]:
    """What decides the contents of a curated corpus."""
    return {
        "curated_from": {"name": source.name, "fingerprint": source.manifest["fingerprint"]},
        "recipe": recipe,
        "steps": [step.describe() for step in steps],
    }


def curate(
    root: Path,
    source: Corpus,
    recipe: str,
    steps: Sequence[Step],
    name: str,
    version: str,
    *,
    workers: int,
    command: str,
    progress: Callable[..., Any],
    run: Run = run_pieces,
) -> tuple[Corpus, bool]:
    """Makes a corpus of the documents of another that pass all steps, or goes on with making it.

    Args:
      root: the data root.
      source: the corpus that is read.
      recipe: its name, recorded.
      steps: what it consists of.
      name: the new corpus's name.
      version: its version.
      workers: processes.
      command: recorded, and named in remedies.
      progress: makes a progress bar of `total` documents (`research.terminal.progress`).
      run: does the pieces; processes of this machine, or `beam_runner.BeamRun`.

    Returns:
      The corpus, and whether it was there before.

    Raises:
      GristmillError: nothing is kept, the folder holds a corpus made otherwise, another process
        makes it now, or working processes die again and again.
    """
    folder = corpus_folder(root, name, version)
    if folder == source.folder:
        raise GristmillError(f"--out {name}: that is the corpus that is read; choose another name")
    asked = definition_of(source, recipe, steps)

    def work_of(first: tuple[Step, ...]) -> PieceWork:
        job = artefacts.fingerprint([asked, [step.describe() for step in first]])
        return PieceWork(source, first, work_folder(root, job), job)

    with artefacts.exclusive(folder):
        pieces = pieces_of(source)
        steps = settle(
            steps,
            work_of,
            pieces,
            _made(folder, source),
            functools.partial(run, workers=workers),
            progress=progress,
        )
        definition = definition_of(source, recipe, steps)
        job = artefacts.fingerprint(definition)
        if (folder / artefacts.MANIFEST).exists():
            corpus = Corpus(folder, artefacts.read_manifest(folder, "corpus", command))
            if corpus.manifest["job"] == job:
                return corpus, True
            raise GristmillError(
                f"{folder} already holds a corpus made otherwise, by: "
                f"{corpus.manifest['made_by']['command']}{_difference(corpus, definition)}; choose "
                "another --out or --version, or delete that folder"
            )
        artefacts.remove_temporaries(folder)
        finished = _finished(folder, pieces, job)
        work = PieceWork(source, tuple(steps), folder, job)
        rest = [piece for piece in pieces if piece not in finished]
        with progress(
            total=source.manifest["documents"],
            initial=sum(piece.stop - piece.start for piece in finished),
            desc=f"{recipe}: {name}", unit="doc",
        ) as bar:  # fmt: skip
            for piece in run(work, rest, workers):
                bar.update(piece.stop - piece.start)
        states = [_state(folder, piece) for piece in pieces]
        return _publish(root, folder, source, definition, job, pieces, states, command), False


def _made(folder: Path, source: Corpus) -> list[Mapping[str, Any]]:
    """The steps by which the corpus of a folder was made of the same source, if it is there."""
    if not (folder / artefacts.MANIFEST).exists():
        return []
    definition = artefacts.read_manifest(folder, "corpus", "gristmill curate")["definition"]
    now = definition_of(source, "", ())["curated_from"]
    return definition["steps"] if definition.get("curated_from") == now else []


def _state(folder: Path, piece: Piece) -> dict[str, Any]:
    """What was done with a piece.

    Raises:
      GristmillError: it was done where this process does not see it.
    """
    try:
        return json.loads((folder / piece.state).read_text("utf-8"))
    except FileNotFoundError:
        raise GristmillError(
            f"{folder / piece.state} is missing: whatever did that piece does not see this folder; "
            "all workers need the data root at this path"
        ) from None


def _finished(folder: Path, pieces: Sequence[Piece], job: str) -> list[Piece]:
    """The pieces an interrupted run of the same job has finished; deletes everything else."""
    finished = []
    keep: set[str] = set()
    for piece in pieces:
        try:
            state = json.loads((folder / piece.state).read_text("utf-8"))
            names = list(state["files"])
            if state["job"] == job and artefacts.describe_files(folder, names) == state["files"]:
                finished.append(piece)
                keep |= {piece.state, *names}
        except (OSError, ValueError, KeyError, TypeError):
            continue
    for path in itertools.chain(folder.glob("part-*"), folder.glob("quarantine-*")):
        if path.name not in keep:
            path.unlink()
    return finished


def _publish(
    root: Path,
    folder: Path,
    source: Corpus,
    definition: Mapping[str, Any],
    job: str,
    pieces: Sequence[Piece],
    states: Sequence[Mapping[str, Any]],
    command: str,
) -> Corpus:
    """Checks that the counts add up and writes the manifest."""
    report = Report([_Named(step["step"]) for step in definition["steps"]])
    for state in states:
        report.merge(state["report"])
    documents = sum(state["documents"] for state in states)
    report.check(source.manifest["documents"], documents)
    quarantined = sum((Counter(state["quarantined"]) for state in states), Counter())
    if not documents:
        for piece in pieces:
            (folder / piece.state).unlink()
        raise GristmillError(
            f"recipe {definition['recipe']} keeps no document of {source.name}: {_reasons(report)}"
        )
    artefacts.write_json(folder / EXAMPLES_FILE, {"steps": report.as_json(examples=True)})
    artefacts.write_json(
        folder / INPUTS, {"units": [[source.name, source.manifest["fingerprint"]]]}
    )
    files = {name: facts for state in states for name, facts in state["files"].items()}
    files |= artefacts.describe_files(folder, [EXAMPLES_FILE, INPUTS])
    keys = ("name", "version", "fingerprint")
    manifest = {
        "kind": "corpus",
        "name": folder.parent.name,
        "version": folder.name,
        "licence": source.manifest["licence"],
        "schema": SCHEMA.names,
        "fingerprint": artefacts.fingerprint([state["content"] for state in states]),
        "job": job,
        "documents": documents,
        "bytes": sum(state["bytes"] for state in states),
        "quarantined": dict(quarantined.most_common()),
        "parts": [
            piece.output for piece, state in zip(pieces, states, strict=True) if state["documents"]
        ],
        "files": files,
        "definition": dict(definition),
        "recipe_fingerprint": artefacts.fingerprint(definition["steps"]),
        "funnel": report.as_json(examples=False),
        "made_by": {
            "command": command,
            "inputs": [{key: source.manifest[key] for key in keys}],
            "tools": artefacts.tool_versions("numpy", "pyarrow", "regex"),
        },
    }
    artefacts.write_manifest(folder, manifest)
    for piece in pieces:
        (folder / piece.state).unlink()
    return Corpus.open(root, f"{manifest['name']}@{manifest['version']}")


@dataclasses.dataclass(frozen=True)
class _Named:
    """Stands for a step in a report."""

    name: str


def _reasons(report: Report) -> str:
    found = Counter(
        {
            f"{step.step}: {reason}": tally.documents
            for step in report.steps
            for reason, tally in step.dropped.items()
        }
    )
    for step in report.steps:
        found.update(step.quarantined)
    return ", ".join(f"{count} × {reason}" for reason, count in found.most_common(4))


def _difference(corpus: Corpus, definition: Mapping[str, Any]) -> str:
    """Says what a finished corpus was made with that is otherwise now."""
    old, new = corpus.manifest["definition"], json.loads(json.dumps(definition))
    if "steps" not in old:
        return ""
    names = [key for key in new if key != "steps" and old.get(key) != new[key]]
    then = {step["step"]: step for step in old["steps"]}
    names += [f"step {step['step']}" for step in new["steps"] if then.get(step["step"]) != step]
    return f" (differing in {', '.join(names) or 'the order of steps'})"
