"""Texts without the evaluation items they hold, in two passes over files.

    pass 1, by part, in several processes    text -> verdicts on disk: which items, where, how sure
    pass 2, by part                          the documents that are clean, or were made so

A document with an item is dropped, or the passage is taken out of it; a document that would lose
more than half of its text is dropped in any case.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from research import artefacts
from research.corpora.document import Document
from research.curate.collection import Collection, Part
from research.curate.evaluation_sets import Item
from research.curate.ngram_index import PARTS, Index, Matching
from research.curate.word_hashes import text_buffer
from research.part_pool import run_parts

VERDICTS, ITEMS = "verdicts.parquet", "items.parquet"
EXCERPT = 300  # bytes of a passage in the table
MOST_REMOVED = 0.5  # of a document's text, before it is dropped
NAMED_ITEMS = 20  # in a document's meta; the table has all
SCHEMA = pa.schema(
    [
        ("document", pa.int64()),  # number in the corpus
        ("id", pa.string()),
        ("set", pa.string()),
        ("item", pa.string()),
        ("part", pa.string()),  # question, answer or both
        ("bits", pa.float64()),
        ("coverage", pa.float64()),
        ("begin", pa.int64()),  # bytes of the text
        ("end", pa.int64()),
        ("bytes", pa.int64()),  # of the whole text
        ("excerpt", pa.string()),
    ]
)


def save_indexes(items: Sequence[Item], matching: Matching, work: Path) -> dict[bool, Index]:
    """Builds the index of running text and that of programs, and leaves them in `work`."""
    indexes = {code: Index.build(items, code, matching) for code in (False, True)}
    for code, index in indexes.items():
        index.save(_index_folder(work, code))
    names = pa.table({"set": [item.set for item in items], "item": [item.id for item in items]})
    pq.write_table(names, work / "names.parquet")
    return indexes


def examine(
    collection: Collection,
    matching: Matching,
    work: Path,
    workers: int,
    progress: Callable[..., Any],
) -> pa.Table:
    """Pass 1: verdicts on every document, of the columns of `SCHEMA`.

    Parts whose verdicts are in `work` are not read again.
    """
    todo = [part for part in collection.parts if not _verdicts(work, part).exists()]
    units = [(collection.root, collection.names, part, matching, work) for part in todo]
    with progress(total=collection.documents, unit=" documents", desc="comparing") as bar:
        bar.update(collection.documents - sum(part.documents for part in todo))
        for number in run_parts(_examine_part, units, workers):
            bar.update(number)
    return pa.concat_tables([pq.read_table(_verdicts(work, p)) for p in collection.parts])


def _index_folder(work: Path, code: bool) -> Path:
    return work / ("code" if code else "text")


def _verdicts(work: Path, part: Part) -> Path:
    return work / f"{part.stem}.verdicts.parquet"


def _examine_part(
    root: Path, names: Sequence[str], part: Part, matching: Matching, work: Path
) -> int:
    indexes = {code: Index.load(_index_folder(work, code)) for code in (False, True)}
    known = pq.read_table(work / "names.parquet").to_pylist()
    rows: list[dict[str, Any]] = []
    first = part.first
    for batch in Collection(root, names).batches(part, ["text", "id"]):
        data, offsets = text_buffer(batch["text"])
        for code, index in indexes.items():
            found, scores = index.find(data, offsets, code, matching)
            for (row, entry, which, begin, end), (bits, coverage) in zip(
                found.tolist(), scores.tolist(), strict=True
            ):
                passage = data[offsets[row] + begin : offsets[row] + end][:EXCERPT].tobytes()
                rows.append({
                    "document": first + row,
                    "id": batch["id"][row].as_py(),
                    **known[index.items[entry]],
                    "part": PARTS[which],
                    "bits": round(bits, 1),
                    "coverage": round(coverage, 3),
                    "begin": begin,
                    "end": end,
                    "bytes": int(offsets[row + 1] - offsets[row]),
                    "excerpt": passage.decode(errors="ignore"),
                })  # fmt: skip
        first += len(batch)
    rows.sort(key=lambda row: (row["document"], row["begin"], row["set"], row["item"]))
    with artefacts.atomic_file(_verdicts(work, part)) as file:
        pq.write_table(pa.Table.from_pylist(rows, SCHEMA), file)
    return part.documents


@dataclasses.dataclass(frozen=True)
class Decisions:
    """What is to become of the documents that hold items.

    Attributes:
      dropped: numbers of those that go.
      cuts: for those that stay, the bytes to take out, [begin, end) in order and apart.
      items: the items of each document, as `set/id`.
    """

    dropped: set[int]
    cuts: dict[int, list[tuple[int, int]]]
    items: dict[int, list[str]]


def decide(verdicts: pa.Table, redact: bool) -> Decisions:
    """Drops every document with a verdict, or only those that redaction would leave half of."""
    dropped: set[int] = set()
    cuts: dict[int, list[tuple[int, int]]] = {}
    items: dict[int, list[str]] = {}
    sizes: dict[int, int] = {}
    for row in verdicts.to_pylist():
        document = row["document"]
        sizes[document] = row["bytes"]
        cuts.setdefault(document, []).append((row["begin"], row["end"]))
        items.setdefault(document, []).append(f"{row['set']}/{row['item']}")
    for document, spans in cuts.items():
        cuts[document] = _united(spans)
        removed = sum(end - begin for begin, end in cuts[document])
        if not redact or removed > MOST_REMOVED * sizes[document]:
            dropped.add(document)
    return Decisions(dropped, {d: cuts[d] for d in cuts if d not in dropped}, items)


def _united(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The union of some spans, in order."""
    out: list[tuple[int, int]] = []
    for begin, end in sorted(spans):
        if out and begin <= out[-1][1]:
            out[-1] = (out[-1][0], max(end, out[-1][1]))
        else:
            out.append((begin, end))
    return out


def staying_documents(
    collection: Collection, decisions: Decisions, marker: str
) -> Callable[[Part], Iterator[Document]]:
    """Gives the documents of a part that stay, without the passages that are cut out.

    One that lost something says so in its meta, under `decontaminated`.

    Args:
      collection: of one corpus.
      decisions: what `decide` found.
      marker: stands in the place of every passage.
    """

    def staying(part: Part) -> Iterator[Document]:
        documents = collection.corpora[part.corpus].documents(part.name)
        for number, document in enumerate(documents, start=part.first):
            if number in decisions.dropped:
                continue
            if number in decisions.cuts:
                cuts = decisions.cuts[number]
                facts = {
                    "items": sorted(set(decisions.items[number]))[:NAMED_ITEMS],
                    "removed_bytes": sum(end - begin for begin, end in cuts),
                }
                document = dataclasses.replace(
                    document,
                    text=redacted(document.text, cuts, marker),
                    meta={**document.meta, "decontaminated": facts},
                )
            yield document

    return staying


def redacted(text: str, cuts: Sequence[tuple[int, int]], marker: str) -> str:
    """The text with a marker in place of the bytes of each cut."""
    encoded, pieces, done = text.encode(), [], 0
    for begin, end in cuts:
        pieces.append(encoded[done:begin].decode())
        done = end
    return marker.join([*pieces, encoded[done:].decode()])


def items_table(
    items: Sequence[Item], indexes: dict[bool, Index], matching: Matching, verdicts: pa.Table
) -> pa.Table:
    """A verdict on every item: whether it says enough to be found, and in how many documents it is.

    Columns: set, item, decidable, documents, coverage (the greatest; 0 if it was not found).
    """
    decidable = np.zeros(len(items), bool)
    for index in indexes.values():
        decidable[index.items] |= index.decidable(matching)
    documents: dict[tuple[str, str], set[int]] = {}
    coverage: dict[tuple[str, str], float] = {}
    for row in verdicts.select(["set", "item", "document", "coverage"]).to_pylist():
        key = row["set"], row["item"]
        documents.setdefault(key, set()).add(row["document"])
        coverage[key] = max(coverage.get(key, 0.0), row["coverage"])
    keys = [(item.set, item.id) for item in items]
    return pa.table(
        {
            "set": [item.set for item in items],
            "item": [item.id for item in items],
            "decidable": decidable,
            "documents": [len(documents.get(key, ())) for key in keys],
            "coverage": [coverage.get(key, 0.0) for key in keys],
        }
    )
