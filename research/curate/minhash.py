"""MinHash signatures, the pairs that locality-sensitive hashing proposes, and their verification.

    words -> shingles (hashes of word n-grams) -> minima of `bands * rows` permutations
          -> one hash a band; documents that share a band's hash are compared by true Jaccard

(Broder 1997, "On the resemblance and containment of documents"; the banding of Leskovec, Rajaraman
and Ullman, "Mining of massive datasets", chapter 3.)  A pair of Jaccard similarity s is compared
with probability 1 - (1 - s^rows)^bands: .996 at s = .8 for 18 bands of 6 rows, where datatrove's
14 bands of 8 give .924.  The lower rows cost comparisons, not errors, as every pair is verified.

Clusters have leaders.  Documents come in the order of the keep rule; one that is at least
`threshold` similar to a document kept before belongs to the most similar of those, and any other
is kept.  So a dropped document is always a near-duplicate of the copy that stays, never of a third
one between them, and the result depends on the documents and the rule alone: not on shards, the
order of reading, or the number of workers.
"""

from __future__ import annotations

import dataclasses

import numba
import numpy as np

from research.curate.word_hashes import mix, scan, shingle, text_table
from research.errors import GristmillError

MAX_COMPARISONS = 5_000  # with kept documents, for each one: bounds what one template can cost


@dataclasses.dataclass(frozen=True)
class MinHash:
    """How documents are compared.

    Attributes:
      ngram: words in a shingle.
      bands: hashes of which one in common makes a pair a candidate.
      rows: minima in each of them.
      threshold: Jaccard similarity of shingle sets from which two documents are duplicates.
      keep_numbers: whether texts that differ in numbers differ; else every number is 0, as
        datatrove has it.
      seed: of the permutations.
    """

    ngram: int = 5
    bands: int = 18
    rows: int = 6
    threshold: float = 0.8
    keep_numbers: bool = False
    seed: int = 1

    def __post_init__(self) -> None:
        """Checks the settings.

        Raises:
          GristmillError: one is out of its range.
        """
        for name, low, high in (("ngram", 1, 64), ("bands", 1, 256), ("rows", 1, 64)):
            if not low <= getattr(self, name) <= high:
                raise GristmillError(f"--{name} is {getattr(self, name)}: use {low} to {high}")
        if not 0 < self.threshold <= 1:
            raise GristmillError(f"--threshold is {self.threshold}: use more than 0, up to 1")

    def permutations(self) -> tuple[np.ndarray, np.ndarray]:
        """Factors (odd) and summands of h -> a h + b mod 2^32, each uint32 [bands * rows]."""
        raw = np.random.Philox(key=self.seed).random_raw(self.bands * self.rows)
        return (raw >> 32).astype(np.uint32) | np.uint32(1), raw.astype(np.uint32)

    def sign(self, data: np.ndarray, offsets: np.ndarray) -> Signatures:
        """The signatures of the texts that Arrow holds as `data` and `offsets`."""
        bands, shingles, counts = _sign(
            data, offsets, text_table(), not self.keep_numbers, self.ngram,
            *self.permutations(), self.bands, self.rows,
        )  # fmt: skip
        return Signatures(bands, shingles, counts)


@dataclasses.dataclass(frozen=True)
class Signatures:
    """What is remembered of N documents.

    Attributes:
      bands: uint64 [N, bands]; of no meaning for a document without words.
      shingles: uint32, those of one document after those of another, as they occur.
      counts: shingles of each, int64 [N].
    """

    bands: np.ndarray
    shingles: np.ndarray
    counts: np.ndarray


@numba.njit(cache=True)
def _sign(data, offsets, table, numbers_to_zero, ngram, factors, summands, bands, rows):
    documents = len(offsets) - 1
    longest = 0
    for d in range(documents):
        longest = max(longest, offsets[d + 1] - offsets[d])
    words = np.empty(longest, np.uint64)
    grams = np.empty(longest, np.uint64)
    no_spans = np.empty(0, np.int64)
    out = np.empty((documents, bands), np.uint64)
    counts = np.zeros(documents, np.int64)
    shingles = np.empty(max(1024, (offsets[-1] - offsets[0]) // 4), np.uint32)
    used = 0
    width = bands * rows
    minima = np.empty(width, np.uint32)
    for d in range(documents):
        count = scan(
            data, offsets[d], offsets[d + 1], table, numbers_to_zero, words, no_spans, no_spans
        )
        count = shingle(words, count, ngram, grams)
        counts[d] = count
        if used + count > len(shingles):
            larger = np.empty(2 * (used + count), np.uint32)
            larger[:used] = shingles[:used]
            shingles = larger
        minima[:] = np.uint32(0xFFFFFFFF)
        for i in range(count):
            h = np.uint32(grams[i] >> np.uint64(32))
            shingles[used + i] = h
            for k in range(width):
                minima[k] = min(minima[k], np.uint32(np.uint32(factors[k] * h) + summands[k]))
        used += count
        for b in range(bands):
            band = np.uint64(b)
            for r in range(rows):
                band = mix(band ^ np.uint64(minima[b * rows + r])) + np.uint64(r)
            out[d, b] = band
    return out, shingles[:used].copy(), counts


def shared_groups(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which documents share a key.

    Args:
      keys: uint64 [N].

    Returns:
      Indices of the documents whose key occurs twice or more, and the number of the group of each,
      both int64; groups are numbered from 0.
    """
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    first = np.ones(len(keys), bool)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    last = np.append(first[1:], True)
    shared = ~(first & last)
    return order[shared], np.cumsum(first[shared]) - 1


def jaccard(a: np.ndarray, b: np.ndarray) -> float:
    """Jaccard similarity of two sorted arrays without repetitions."""
    common = int(_common(a, b))
    return common / (len(a) + len(b) - common) if len(a) + len(b) else 0.0


@numba.njit(cache=True)
def _common(a, b):
    i = j = common = 0
    while i < len(a) and j < len(b):
        x, y = a[i], b[j]
        common += x == y
        i += x <= y
        j += y <= x
    return common


@numba.njit(cache=True)
def lead(groups, sizes, shingles, starts, lengths, threshold, most):
    """Finds the leader of every document.

    Args:
      groups: int64 [N, bands], the group of each document in each band, -1 for none; documents in
        the order of the keep rule, groups numbered through all bands.
      sizes: documents of each group, int64 [groups].
      shingles: uint32, sorted without repetitions for each document.
      starts, lengths: where each document's begin and how many they are, int64 [N].
      threshold: least Jaccard similarity of duplicates.
      most: comparisons a document may cost.

    Returns:
      The leader of each document (itself, if it is kept), int64 [N]; its similarity to it,
      float64 [N]; and of how many documents not all kept candidates were compared.
    """
    documents, bands = groups.shape
    leader = np.arange(documents)
    similarity = np.ones(documents)
    begin = np.zeros(len(sizes) + 1, np.int64)
    begin[1:] = np.cumsum(sizes)
    kept = np.empty(begin[-1], np.int64)  # by group
    kept_in = np.zeros(len(sizes), np.int64)
    seen = np.full(documents, -1, np.int64)  # the last document each was compared with
    cut_short = 0
    for d in range(documents):
        mine = shingles[starts[d] : starts[d] + lengths[d]]
        best, best_of, compared = 0.0, -1, 0
        for b in range(bands):
            group = groups[d, b]
            if group < 0:
                continue
            for m in range(kept_in[group]):
                other = kept[begin[group] + m]
                if seen[other] == d:
                    continue
                seen[other] = d
                size = lengths[other]
                if min(size, len(mine)) < threshold * max(size, len(mine)):
                    continue
                if compared == most:
                    break
                compared += 1
                common = _common(mine, shingles[starts[other] : starts[other] + size])
                j = common / (size + len(mine) - common)
                if j >= threshold and (j > best or (j == best and other < best_of)):
                    best, best_of = j, other
            if compared == most:
                break
        cut_short += compared == most
        if best_of >= 0:
            leader[d], similarity[d] = best_of, best
            continue
        for b in range(bands):
            group = groups[d, b]
            if group >= 0:
                kept[begin[group] + kept_in[group]] = d
                kept_in[group] += 1
    return leader, similarity, cut_short
