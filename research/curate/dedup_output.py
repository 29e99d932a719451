"""A corpus without its duplicates, and the table that says where each of them went."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from research import artefacts
from research.corpora.document import Document
from research.curate.collection import Collection, Part
from research.curate.dedup import Decisions
from research.curate.exact_dedup import without
from research.curate.word_hashes import string_hashes

CLUSTERS = "clusters.parquet"
NAMED_COPIES = 20  # of a cluster, in the meta of the document that stays; the table has all


def write_clusters(
    path: Path, collection: Collection, decisions: Decisions, sizes: np.ndarray
) -> pa.Table:
    """Writes who stands for whom: a row for every dropped document or removed paragraph.

    Columns: kept_corpus, kept_id; corpus, id and bytes of what was dropped; similarity of the two;
    paragraph, its number in the text, or null for a whole document.  Rows are in the order of these
    names, so that equal inputs give equal tables.

    Returns:
      The table, with `kept` and `dropped`, the documents' numbers in the collection.
    """
    dropped = np.flatnonzero(decisions.leader != np.arange(len(decisions.leader)))
    documents = np.concatenate([dropped, decisions.removed[:, 0]])
    leaders = np.concatenate([decisions.leader[dropped], decisions.removed[:, 2]])
    numbers = np.concatenate([np.full(len(dropped), -1), decisions.removed[:, 1]])
    involved = np.unique(np.concatenate([documents, leaders]))
    ids, names = collection.ids(involved), pa.array(collection.names)

    def corpus_and_id(numbers: np.ndarray) -> tuple[pa.Array, pa.Array]:
        corpora = names.take(pa.array(collection.corpus_of[numbers]))
        return corpora, ids.take(pa.array(np.searchsorted(involved, numbers)))

    kept_corpus, kept_id = corpus_and_id(leaders)
    corpus, id_ = corpus_and_id(documents)
    table = pa.table(
        {
            "kept_corpus": kept_corpus,
            "kept_id": kept_id,
            "corpus": corpus,
            "id": id_,
            "bytes": sizes[documents],
            "similarity": decisions.similarity[documents].round(4),
            "paragraph": pa.array(numbers, mask=numbers < 0),
            "kept": leaders,
            "dropped": documents,
        }
    )
    by = ("kept_corpus", "kept_id", "corpus", "id", "paragraph")
    table = table.sort_by([(key, "ascending") for key in by])
    with artefacts.atomic_file(path) as file:
        pq.write_table(table.drop_columns(["kept", "dropped"]), file, compression="zstd")
    return table


def staying_documents(
    collection: Collection, decisions: Decisions, clusters: pa.Table
) -> Callable[[Part], Iterator[Document]]:
    """Gives the documents of a part that stay.

    One that stands for others says so in its meta, under `dedup`.  An id that a corpus named
    before has too gets its corpus's name behind it, and the document its old self as parent.
    """
    kept = decisions.leader == np.arange(len(decisions.leader))
    copies = _Copies(clusters)
    taken = _ids_of_several(collection)
    removed = decisions.removed

    def staying(part: Part) -> Iterator[Document]:
        documents = collection.corpora[part.corpus].documents(part.name)
        for number, document in enumerate(documents, start=part.first):
            if not kept[number]:
                continue
            facts = copies.of(number)
            low, high = np.searchsorted(removed[:, 0], [number, number + 1])
            if high > low:
                text = without(document.text, removed[low:high, 1])
                document = dataclasses.replace(document, text=text)
                facts["removed_paragraphs"] = int(high - low)
            if facts:
                document = dataclasses.replace(document, meta={**document.meta, "dedup": facts})
            if document.id in taken[part.corpus]:
                id_ = f"{document.id}@{collection.names[part.corpus]}"
                document = document.derive(document.text, id_, document.source)
            yield document

    return staying


class _Copies:
    """What each kept document stands for."""

    def __init__(self, clusters: pa.Table) -> None:
        whole = clusters.filter(pc.is_null(clusters["paragraph"]))
        self.kept = whole["kept"].to_numpy()
        self.order = np.argsort(self.kept, kind="stable")
        self.table = whole

    def of(self, document: int) -> dict[str, Any]:
        """For the meta of a document, nothing if it stands for itself alone."""
        low, high = np.searchsorted(self.kept, [document, document + 1], sorter=self.order)
        if low == high:
            return {}
        rows = self.table.take(pa.array(self.order[low:high][:NAMED_COPIES])).to_pylist()
        named = [f"{row['corpus']}/{row['id']}" for row in rows]
        return {"copies": int(high - low), "dropped": named}


def _ids_of_several(collection: Collection) -> list[set[str]]:
    """For each corpus, ids it shares with one named before it."""
    shared: list[set[str]] = [set() for _ in collection.corpora]
    if len(collection.corpora) == 1:
        return shared
    hashes = [
        np.unique(np.concatenate([np.empty(0, np.uint64)] + [
            string_hashes(batch["id"])
            for part in collection.parts if part.corpus == number
            for batch in collection.batches(part, ["id"])
        ]))
        for number in range(len(collection.corpora))
    ]  # fmt: skip
    for number in range(1, len(hashes)):
        common = np.intersect1d(hashes[number], np.concatenate(hashes[:number]))
        if not len(common):
            continue
        for part in collection.parts:
            if part.corpus == number:
                for batch in collection.batches(part, ["id"]):
                    found = np.isin(string_hashes(batch["id"]), common)
                    shared[number].update(batch["id"].filter(pa.array(found)).to_pylist())
    return shared
