"""Labelled texts to train a model with: read from corpora, without repetitions, split by root.

A fifth of the roots is for the test; every root, these and any that will ever be scored included,
is in one of four folds by a hash.  A model of a fold is trained on the other three and calibrated
on it.  So documents of one root are on one side of every split, and a document is never scored by
a model that was shown it.  A text that occurs several times counts once.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from research.curate.collection import Collection
from research.curate.quality.features import Bags
from research.curate.quality.linear import UNKNOWN
from research.curate.word_hashes import string_hashes

FOLDS = 4
TEST_SHARE = 0.2  # of the roots

# labels(corpus, ids): levels of some documents of a corpus of the collection, int8 [n, O]
Labels = Callable[[int, pa.Array], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Examples:
    """N labelled texts.

    Attributes:
      bags: their n-grams.
      labels: levels of every head, int8 [N, O]; `UNKNOWN` where there is none.
      fold: 0 to `FOLDS` - 1, int64 [N].
      test: whether a text is for the test alone, bool [N].
      hashes: of the texts, uint64 [N].
      left_out: documents that are not among them, by reason.
    """

    bags: Bags
    labels: np.ndarray
    fold: np.ndarray
    test: np.ndarray
    hashes: np.ndarray
    left_out: dict[str, int]

    def rows(self, chosen: np.ndarray) -> tuple[Bags, np.ndarray]:
        """The n-grams and labels of some texts, bool [N]."""
        rows = np.flatnonzero(chosen)
        return self.bags.select(rows), self.labels[rows]


def gather(
    collection: Collection,
    labels: Labels,
    *,
    bits: int,
    seed: int,
    max_bytes: int,
    progress: Callable[..., object] = iter,
) -> Examples:
    """Reads the labelled documents of some corpora.

    Args:
      collection: the corpora.
      labels: says what is known of their documents.
      bits: 2**bits buckets of n-grams.
      seed: of the split, and of the choice where there is too much text.
      max_bytes: of text, of each corpus, about; a hash of the roots decides which.
      progress: wraps the iterable of parts.
    """
    bags: list[Bags] = []
    found: list[tuple[np.ndarray, ...]] = []
    unlabelled = unchosen = 0
    for part in progress(collection.parts):
        size = collection.corpora[part.corpus].manifest["bytes"]
        for batch in collection.batches(part, ["id", "text", "roots"]):
            levels = labels(part.corpus, batch["id"])
            place = places(batch["id"].to_pylist(), batch["roots"].to_pylist(), seed)
            known = (levels != UNKNOWN).any(1)
            chosen = known & (place[:, 0] * size < max_bytes)
            unlabelled += int((~known).sum())
            unchosen += int((known & ~chosen).sum())
            texts = batch["text"].filter(pa.array(chosen))
            if len(texts):
                bags.append(Bags.of(texts, bits))
                fold, test = folds(place[chosen]), place[chosen, 1] < TEST_SHARE
                found.append((levels[chosen], fold, test, string_hashes(texts)))
    counts = {"unlabelled": unlabelled, "over_max_bytes": unchosen}
    if not bags:
        empty = np.empty(0, np.int64)
        bare = Bags(empty, empty, empty)
        return Examples(bare, np.empty((0, 1), np.int8), empty, empty > 0, empty, counts)
    levels, fold, test, hashes = map(np.concatenate, zip(*found, strict=True))
    keep, repeated, contradictory = _without_repetitions(hashes, levels)
    return Examples(
        Bags.join(bags).select(keep),
        levels[keep],
        fold[keep],
        test[keep],
        hashes[keep],
        counts | {"repeated": repeated, "contradictory": contradictory},
    )


def places(ids: Sequence[str], roots: Sequence[Sequence[str]], seed: int) -> np.ndarray:
    """Three numbers in [0, 1) for every document, the same for all of one root, float64 [n, 3]."""
    digests = b"".join(
        hashlib.blake2b(f"{seed}:{min(of) if of else id}".encode(), digest_size=24).digest()
        for id, of in zip(ids, roots, strict=True)
    )
    return (np.frombuffer(digests, "<u8").reshape(-1, 3) >> np.uint64(11)) / 2**53


def folds(places: np.ndarray) -> np.ndarray:
    """The folds of documents, int64 [n], from their `places`."""
    return (places[:, 2] * FOLDS).astype(np.int64)


def _without_repetitions(hashes: np.ndarray, levels: np.ndarray) -> tuple[np.ndarray, int, int]:
    """Which texts to keep: the first of each, none where labels contradict one another."""
    _, first, which = np.unique(hashes, return_index=True, return_inverse=True)
    other = (levels != levels[first[which]]).any(1)
    contradicted = np.unique(which[other])
    keep = np.sort(np.delete(first, contradicted))
    lost = int(np.isin(which, contradicted).sum())
    return keep, len(hashes) - lost - len(keep), lost
