"""A text as the average of its hashed word unigrams and bigrams, as in fastText.

Words are those of `word_hashes` (folded, every number counts as 0).  An n-gram's hash, cut to some
bits, is its bucket; n-grams that meet in a bucket share a weight (Joulin et al. 2017,
https://arxiv.org/abs/1607.01759; Weinberger et al. 2009, https://arxiv.org/abs/0902.2206).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numba
import numpy as np
import pyarrow as pa

from research.curate.word_hashes import mix, scan, text_buffer, text_table


@dataclasses.dataclass(frozen=True)
class Bags:
    """N texts as sparse rows: the buckets of a text and the share of its n-grams in each.

    Attributes:
      ends: where each row ends, int64 [N].
      buckets: int32 [entries], ascending in a row.
      shares: float32 [entries]; those of a row with any n-gram sum to 1.
    """

    ends: np.ndarray
    buckets: np.ndarray
    shares: np.ndarray

    def __len__(self) -> int:
        return len(self.ends)

    @classmethod
    def of(cls, column: pa.Array, bits: int) -> Bags:
        """The texts of a column, in 2**bits buckets."""
        return cls(*_bags(*text_buffer(column), text_table(), np.uint64((1 << bits) - 1)))

    @classmethod
    def join(cls, several: Sequence[Bags]) -> Bags:
        """The rows of several, one after another."""
        starts = np.cumsum([0, *(len(bags.buckets) for bags in several)])
        ends = [bags.ends + start for bags, start in zip(several, starts, strict=False)]
        return cls(
            np.concatenate(ends),
            np.concatenate([bags.buckets for bags in several]),
            np.concatenate([bags.shares for bags in several]),
        )

    def select(self, rows: np.ndarray) -> Bags:
        """Some rows, in the order given (int64)."""
        starts = np.concatenate([[0], self.ends[:-1]])[rows]
        sizes = self.ends[rows] - starts
        ends = np.cumsum(sizes)
        places = np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - sizes), sizes)
        return Bags(ends, self.buckets[places], self.shares[places])


@numba.njit(cache=True, inline="always")
def _bigram(first, second):
    return mix(first * np.uint64(0x9E3779B97F4A7C15) + second)


@numba.njit(cache=True)
def _bags(data, offsets, table, mask):
    texts = len(offsets) - 1
    longest = 0
    for t in range(texts):
        longest = max(longest, offsets[t + 1] - offsets[t])
    words, no_spans = np.empty(longest, np.uint64), np.empty(0, np.int64)
    size = offsets[-1] - offsets[0]
    buckets, shares = np.empty(size + texts, np.int32), np.empty(size + texts, np.float32)
    ends = np.empty(texts, np.int64)
    used = 0
    for t in range(texts):
        count = scan(data, offsets[t], offsets[t + 1], table, True, words, no_spans, no_spans)
        grams = np.empty(max(0, 2 * count - 1), np.int32)
        for i in range(count):
            grams[i] = words[i] & mask
        for i in range(count - 1):
            grams[count + i] = _bigram(words[i], words[i + 1]) & mask
        grams.sort()
        if used + len(grams) > len(buckets):
            room = 2 * len(buckets) + len(grams)
            buckets, shares = _grown(buckets, room), _grown(shares, room)
        i = 0
        while i < len(grams):
            end = i + 1
            while end < len(grams) and grams[end] == grams[i]:
                end += 1
            buckets[used], shares[used] = grams[i], (end - i) / len(grams)
            used += 1
            i = end
        ends[t] = used
    return ends, buckets[:used].copy(), shares[:used].copy()


@numba.njit(cache=True)
def _grown(array, room):
    larger = np.empty(room, array.dtype)
    larger[: len(array)] = array
    return larger


def text_products(column: pa.Array, weights: np.ndarray) -> np.ndarray:
    """Every text's average n-gram times weights, without building its row.

    Args:
      column: N texts.
      weights: float32 [2**bits, O].

    Returns:
      float64 [N, O]; zeros for a text without words.
    """
    return _products(*text_buffer(column), text_table(), weights)


@numba.njit(cache=True)
def _products(data, offsets, table, weights):
    texts, outputs = len(offsets) - 1, weights.shape[1]
    mask = np.uint64(len(weights) - 1)
    longest = 0
    for t in range(texts):
        longest = max(longest, offsets[t + 1] - offsets[t])
    words, no_spans = np.empty(longest, np.uint64), np.empty(0, np.int64)
    sums = np.zeros((texts, outputs))
    for t in range(texts):
        count = scan(data, offsets[t], offsets[t + 1], table, True, words, no_spans, no_spans)
        for i in range(count):
            bucket = words[i] & mask
            for o in range(outputs):
                sums[t, o] += weights[bucket, o]
            if i:
                bucket = _bigram(words[i - 1], words[i]) & mask
                for o in range(outputs):
                    sums[t, o] += weights[bucket, o]
        for o in range(outputs):
            sums[t, o] /= max(1, 2 * count - 1)
    return sums


def occurrences(column: pa.Array, wanted: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """N-grams that fall into some buckets: what stands behind a hashed weight.

    Args:
      column: texts.
      wanted: which buckets, bool [2**bits].

    Returns:
      For every occurrence its bucket, int64 [M], and the words as they stand in the text.
    """
    data, offsets = text_buffer(column)
    buckets, starts, ends = _occurrences(data, offsets, text_table(), wanted)
    return buckets, [bytes(data[a:b]).decode() for a, b in zip(starts, ends, strict=True)]


@numba.njit(cache=True)
def _occurrences(data, offsets, table, wanted):
    mask = np.uint64(len(wanted) - 1)
    size = offsets[-1] - offsets[0]
    words, starts = np.empty(size, np.uint64), np.empty(size, np.int64)
    ends = np.empty(size, np.int64)
    found = np.empty((2 * size, 3), np.int64)
    used = 0
    for t in range(len(offsets) - 1):
        count = scan(data, offsets[t], offsets[t + 1], table, True, words, starts, ends)
        for i in range(count):
            bucket = np.int64(words[i] & mask)
            if wanted[bucket]:
                found[used, 0], found[used, 1], found[used, 2] = bucket, starts[i], ends[i]
                used += 1
            if i:
                bucket = np.int64(_bigram(words[i - 1], words[i]) & mask)
                if wanted[bucket]:
                    found[used, 0], found[used, 1], found[used, 2] = bucket, starts[i - 1], ends[i]
                    used += 1
    return found[:used, 0].copy(), found[:used, 1].copy(), found[:used, 2].copy()
