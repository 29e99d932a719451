"""Documents most of whose word n-grams occur in documents kept before, by a filter of fixed size.

An ordinary Bloom filter of n-grams (as Dolma's, Soldaini et al. 2024, arXiv:2402.00159) gives each
order of reading another result.  Here every slot holds the smallest rank (place in the order of the
keep rule) of the documents that set it.  The minimum is the same in any order, so an n-gram is
known to be in an earlier document if all its slots hold smaller ranks than the document's own; and
the slots name the document that has it.

Whether a document goes depends on which earlier ones stay.  Rounds settle it: what is not covered
by anything earlier stays; what is covered by documents that stay goes; the rest waits for the next
round.  The first document that waits is always settled, so the rounds end, mostly after two.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numba
import numpy as np

from research.curate.word_hashes import mix
from research.errors import GristmillError

HASHES = 3  # slots of an n-gram
_EMPTY = 0xFFFFFFFF
WAITING, KEPT, DROPPED = 0, 1, 2


@dataclasses.dataclass(frozen=True)
class BloomSettings:
    """How documents are compared.

    Attributes:
      ngram: words in an n-gram.
      threshold: share of its n-grams in documents kept before from which a document is dropped.
      megabytes: size of the filter, 4 bytes a slot.
      keep_numbers: whether texts that differ in numbers differ; else every number is 0.
    """

    ngram: int = 8
    threshold: float = 0.8
    megabytes: int = 256
    keep_numbers: bool = False

    def __post_init__(self) -> None:
        """Checks the settings.

        Raises:
          GristmillError: one is out of its range.
        """
        if not 1 <= self.ngram <= 64:
            raise GristmillError(f"--ngram is {self.ngram}: use 1 to 64")
        if not 0 < self.threshold <= 1:
            raise GristmillError(f"--threshold is {self.threshold}: use more than 0, up to 1")
        if not 1 <= self.megabytes <= 1 << 20:
            raise GristmillError(f"--megabytes is {self.megabytes}: use 1 to {1 << 20}")


class OwnerFilter:
    """Which document, of all that were added, is the first to have an n-gram."""

    def __init__(self, megabytes: int) -> None:
        self.slots = np.full(megabytes << 18, _EMPTY, np.uint32)

    def clear(self) -> None:
        """Forgets all documents."""
        self.slots[:] = _EMPTY

    def add(self, ngrams: np.ndarray, rank: int) -> None:
        """Adds the n-grams (hashes, uint64) of the document of a rank."""
        _add(self.slots, ngrams, rank)

    def owner(self, ngrams: np.ndarray, rank: int) -> tuple[float, int]:
        """Share of the n-grams in documents of smaller rank, and the one with most of them (-1)."""
        if not len(ngrams):
            return 0.0, -1
        owners = _owners(self.slots, ngrams, rank)
        if not len(owners):
            return 0.0, -1
        ranks, counts = np.unique(owners, return_counts=True)
        return len(owners) / len(ngrams), int(ranks[counts.argmax()])

    def error_rate(self) -> float:
        """Probability that an n-gram never added seems to be there, as full as the filter is."""
        sample = self.slots[:: max(1, len(self.slots) >> 20)]
        return float((sample != _EMPTY).mean() ** HASHES)


@numba.njit(cache=True)
def _add(slots, ngrams, rank):
    size = np.uint64(len(slots))
    for gram in ngrams:
        h = gram
        for _ in range(HASHES):
            h = mix(h + np.uint64(0x9E3779B97F4A7C15))
            slot = h % size
            slots[slot] = min(slots[slot], np.uint32(rank))


@numba.njit(cache=True)
def _owners(slots, ngrams, rank):
    size = np.uint64(len(slots))
    out = np.empty(len(ngrams), np.uint32)
    found = 0
    for gram in ngrams:
        h = gram
        latest = np.uint32(0)
        for _ in range(HASHES):
            h = mix(h + np.uint64(0x9E3779B97F4A7C15))
            latest = max(latest, slots[h % size])
        if latest < rank:  # the slot other documents share least tells the owner
            out[found] = latest
            found += 1
    return out[:found]


def settle(
    rank: np.ndarray,
    ngrams: Callable[[int], np.ndarray],
    settings: BloomSettings,
    on_round: Callable[[int], None],
) -> tuple[np.ndarray, np.ndarray, dict[str, float]]:
    """Decides document by document, in rounds.

    Args:
      rank: of every document, 0 to N-1, int64 [N].
      ngrams: gives the hashes of a document's n-grams, uint64.
      settings: the threshold and the size of the filter.
      on_round: is told after each round how many documents are settled.

    Returns:
      For each document the kept one with most of its n-grams if it is dropped, else itself, int64
      [N]; the share of its n-grams in kept documents, 0 for those, float64 [N]; the number of
      rounds and the filter's largest error rate.
    """
    by_rank = np.argsort(rank)
    state = np.zeros(len(rank), np.int8)
    leader, share = np.arange(len(rank)), np.zeros(len(rank))
    filter_ = OwnerFilter(settings.megabytes)
    rounds, error_rate = 0, 0.0
    while (state == WAITING).any():
        filter_.clear()
        for d in np.flatnonzero(state != DROPPED):
            filter_.add(ngrams(d), rank[d])
        error_rate = max(error_rate, filter_.error_rate())
        for d in np.flatnonzero(state == WAITING):
            if filter_.owner(ngrams(d), rank[d])[0] < settings.threshold:
                state[d] = KEPT
        filter_.clear()
        for d in np.flatnonzero(state == KEPT):
            filter_.add(ngrams(d), rank[d])
        for d in np.flatnonzero(state == WAITING):
            covered, owner = filter_.owner(ngrams(d), rank[d])
            if covered >= settings.threshold:
                state[d], leader[d], share[d] = DROPPED, by_rank[owner], covered
        rounds += 1
        on_round(np.count_nonzero(state))
    return leader, share, {"rounds": rounds, "filter_error_rate": error_rate}
