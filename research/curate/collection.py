"""Several corpora seen as one sequence of documents, and which copy of several is kept."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from research import artefacts
from research.corpora.document import Corpus, read_batches
from research.errors import GristmillError

KEEP = ("corpus", "longest", "shortest")  # criteria of the keep rule; the smallest id decides last


@dataclasses.dataclass(frozen=True)
class Part:
    """A part of a corpus.

    Attributes:
      corpus: its corpus's place in the collection.
      name: the Parquet file.
      first: number of its first document in the collection.
      documents: how many it has.
    """

    corpus: int
    name: str
    first: int
    documents: int

    @property
    def stem(self) -> str:
        """Names the files of work done on it."""
        return f"{self.corpus:03d}-{Path(self.name).stem}"


class Collection:
    """Documents of several corpora, numbered in the order of reading."""

    def __init__(self, root: Path, names: Sequence[str]) -> None:
        """Opens the corpora.

        Raises:
          GristmillError: one is not there, is unfinished, damaged or named twice.
        """
        self.root = root
        self.corpora = [Corpus.open(root, name) for name in names]
        self.names = [corpus.name for corpus in self.corpora]
        for name in self.names:
            if self.names.count(name) > 1:
                raise GristmillError(f"corpus {name} is named twice; name it once")
        self.parts: list[Part] = []
        self.documents = 0
        for number, corpus in enumerate(self.corpora):
            for part in corpus.parts:
                count = corpus.part_documents(part)
                self.parts.append(Part(number, part, self.documents, count))
                self.documents += count

    @property
    def inputs(self) -> list[dict[str, Any]]:
        """Name, version and fingerprint of every corpus, for a manifest."""
        keys = ("name", "version", "fingerprint")
        return [{key: corpus.manifest[key] for key in keys} for corpus in self.corpora]

    @property
    def licence(self) -> str:
        """All licences, each once."""
        return " AND ".join(dict.fromkeys(corpus.manifest["licence"] for corpus in self.corpora))

    def batches(self, part: Part, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Streams columns of a part."""
        yield from read_batches(self.corpora[part.corpus].folder / part.name, columns)

    @functools.cached_property
    def corpus_of(self) -> np.ndarray:
        """The corpus of every document, uint16 [N]."""
        return np.repeat(
            np.array([part.corpus for part in self.parts], np.uint16),
            [part.documents for part in self.parts],
        )

    def ids(self, documents: np.ndarray) -> pa.Array:
        """The ids of some documents, given by their numbers in ascending order."""
        found = [pa.array([], pa.string())]
        for part in self.parts:
            low, high = np.searchsorted(documents, [part.first, part.first + part.documents])
            if low == high:
                continue
            rows, first = documents[low:high] - part.first, 0
            for batch in self.batches(part, ["id"]):
                inside = rows[(rows >= first) & (rows < first + len(batch))] - first
                found.append(batch["id"].take(pa.array(inside)))
                first += len(batch)
        return pa.concat_arrays(found)

    def in_keep_order(
        self, documents: np.ndarray, sizes: np.ndarray, keep: Sequence[str]
    ) -> np.ndarray:
        """Some documents in the order in which they are to be kept.

        Args:
          documents: their numbers, ascending.
          sizes: UTF-8 bytes of every document of the collection.
          keep: criteria of `KEEP`; among what they leave equal, the smallest id comes first.
        """
        values = {
            "corpus": self.corpus_of[documents].astype(np.int64),
            "longest": -sizes[documents],
            "shortest": sizes[documents],
        }
        keys = [values[criterion] for criterion in keep]
        order = np.lexsort(keys[::-1])
        equal = np.ones(max(0, len(order) - 1), bool)
        for key in keys:
            equal &= key[order[1:]] == key[order[:-1]]
        tied = np.zeros(len(order), bool)
        tied[1:] |= equal
        tied[:-1] |= equal
        if tied.any():
            rank = np.cumsum(np.append(True, ~equal))[tied]  # of the run each lies in
            members = np.sort(order[tied])
            ids = self.ids(documents[members]).take(pa.array(np.searchsorted(members, order[tied])))
            corpora = self.corpus_of[documents[order[tied]]]
            places = pc.sort_indices(
                pa.table({"rank": rank, "id": ids, "corpus": corpora}),
                [("rank", "ascending"), ("id", "ascending"), ("corpus", "ascending")],
            )
            order[tied] = order[tied][places.to_numpy()]
        return documents[order]


def work_folder(root: Path, job: Any) -> Path:
    """Where unfinished work of a job lies: another job, or changed input, has another folder."""
    return root / "work" / artefacts.fingerprint(job)[:16]
