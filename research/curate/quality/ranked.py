"""Steps that keep documents by a score: above a value, or a share of all that reach the step.

A share needs the scores of all documents.  So the runner first lets a `survey` of the corpus fill
in the step's `cuts`, and these are recorded as settings are: judging a document is then a matter
of that document alone.  Ties of scores are broken by a hash of the id; thus the kept share is
exact, and the same for any number of processes and any order of documents.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import math
from collections.abc import Mapping
from typing import Any

from research.corpora.document import Document
from research.curate.steps import Drop, Step, Survey, option, threshold
from research.errors import GristmillError

Key = tuple[float, int]  # score and hash of the id: no two documents have the same
FILLED_IN = "filled in: "


@dataclasses.dataclass(frozen=True)
class Ranked(Step):
    """Keeps the best share of the documents; notes the place of each among equal buckets."""

    keep_share: float = threshold(1.0, 0, 1, "of the documents that reach the step, best first")
    buckets: int = threshold(0, 0, 1000, "equal ones, 0 the best, noted in meta; 3 as in CCNet")
    cuts: tuple[str, ...] = option(
        (), FILLED_IN + "what the last kept, and the last of buckets has"
    )

    def measure(self, document: Document) -> tuple[float, dict[str, Any]] | None:
        """What a document is ranked by, the greatest best, and what is to be noted in its meta;
        None: it has no score."""
        raise NotImplementedError

    def refuse(self, score: float) -> Drop | None:
        """A verdict by the score's value alone."""
        raise NotImplementedError

    def settle(self, survey: Survey, made: Mapping[str, Any] | None) -> Step:
        """Fills in the cuts, if a share or buckets are asked for.

        Raises:
          GristmillError: the share is less than one document, or no document has a score.
        """
        if self.cuts or (self.keep_share == 1 and not self.buckets):
            return self
        if made and {**made, "cuts": []} == self.settings():
            return dataclasses.replace(self, cuts=tuple(made["cuts"]))
        keys = sorted(map(tuple, survey(self._key)), reverse=True)
        if not keys:
            raise GristmillError(f"{self.name}: no document that reaches this step has a score")
        kept = math.floor(self.keep_share * len(keys) + 0.5)
        if not kept:
            raise GristmillError(
                f"{self.name}.keep_share is {self.keep_share:g}: not one of the {len(keys)} "
                "documents that reach this step"
            )
        last = [kept, *(len(keys) * i // self.buckets for i in range(1, self.buckets))]
        return dataclasses.replace(
            self, cuts=tuple(_write(keys[max(number, 1) - 1]) for number in last)
        )

    def _key(self, document: Document) -> Key | None:
        measured = self.measure(document)
        if measured is None or math.isnan(measured[0]):
            return None
        return measured[0], _id_hash(document.id)

    def __call__(self, document: Document) -> Document | Drop:
        if self.keep_share < 1 and not self.cuts:
            raise GristmillError(f"{self.name}.keep_share needs a survey of the corpus first")
        measured = self.measure(document)
        if measured is None or math.isnan(measured[0]):
            return Drop("no_score")
        score, notes = measured
        if refusal := self.refuse(score):
            return refusal
        key = (score, _id_hash(document.id))
        cuts = _read(self.cuts, self.name)
        if cuts and key < cuts[0]:
            detail = f"{score:.6g}; the last of the best {self.keep_share:g} has {cuts[0][0]:.6g}"
            return Drop("low_rank", detail)
        if self.buckets:
            better = sum(key < cut for cut in cuts[1:])
            notes = {**notes, f"{self.name}_bucket": bucket_name(better, self.buckets)}
        return dataclasses.replace(document, meta={**document.meta, **notes})


def bucket_name(place: int, buckets: int) -> str:
    """The bucket at a place from the best: head, middle and tail of three, as CCNet calls them."""
    return ("head", "middle", "tail")[place] if buckets == 3 else f"b{place}"


def _id_hash(id: str) -> int:
    return int.from_bytes(hashlib.blake2b(id.encode(), digest_size=8).digest(), "little")


def _write(key: Key) -> str:
    return f"{key[0]!r}@{key[1]:016x}"


@functools.lru_cache(maxsize=8)
def _read(cuts: tuple[str, ...], step: str) -> list[Key]:
    found = []
    for cut in cuts:
        score, _, hashed = cut.partition("@")
        try:
            found.append((float(score), int(hashed, 16)))
        except ValueError:
            raise GristmillError(
                f"{step}.cuts has {cut!r}; leave it out: it is filled in"
            ) from None
    return found
