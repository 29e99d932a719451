"""What a generator is: items that are a function of its settings, a seed and their number."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, ClassVar

from research.corpora.document import Corpus, Document, Quarantined
from research.errors import GristmillError

Items = Iterator[Document | Quarantined]


class Source:
    """The documents of a corpus by their numbers; neighbours are read together."""

    def __init__(self, corpus: Corpus) -> None:
        self.corpus, self.documents = corpus, int(corpus.manifest["documents"])
        self._firsts: list[int] = []
        first = 0
        for part in corpus.parts:
            self._firsts.append(first)
            first += corpus.part_documents(part)

    def read(self, start: int, stop: int) -> Iterator[Document]:
        """The documents start … stop-1, counted over and over from the first after the last."""
        while start < stop:
            lap, inside = divmod(start, self.documents)
            end = min(stop - lap * self.documents, self.documents)
            for part, first in zip(self.corpus.parts, self._firsts, strict=True):
                size = self.corpus.part_documents(part)
                if first + size > inside and first < end:
                    yield from self.corpus.rows(
                        part, max(0, inside - first), min(size, end - first)
                    )
            start = lap * self.documents + end


@dataclasses.dataclass(frozen=True)
class Generator:
    """Base of all generators: a frozen dataclass whose fields are its settings.

    Item i depends on the settings, the seed, i and, where there is one, on the source: so neither
    the number of items nor who makes them in which order changes any of them.

    Attributes:
      name: unique among generators; the `source` of documents that descend from none.
      version: raised when equal settings would give other items; part of fingerprints.
      about: what it makes, in a few words.
      licence: of what it makes; None where it is that of the source.
      block: items that are made at a time.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    about: ClassVar[str]
    licence: ClassVar[str | None] = None
    block: ClassVar[int] = 10_000

    @property
    def reads(self) -> bool:
        """Whether it makes its items of the documents of a source."""
        return self.licence is None

    def items(self, seed: int, start: int, stop: int, source: Source | None) -> Items:
        """The items start … stop-1, each with its style in `meta["style"]`.

        An item that cannot be made of its documents is `Quarantined`, with the reason.
        """
        raise NotImplementedError

    def most_items(self, documents: int) -> int | None:
        """How many items a source of so many documents is enough for; None: for any number."""
        return None

    def describe(self) -> dict[str, Any]:
        """Name, version and settings, for fingerprints and manifests."""
        return {"generator": self.name, "version": self.version, **dataclasses.asdict(self)}

    def refuse(self, field: str, good: bool, what: str) -> None:
        """Raises GristmillError, naming a field, unless it is `good`."""
        if not good:
            raise GristmillError(f"{self.name}.{field} is {getattr(self, field)!r}; {what}")
