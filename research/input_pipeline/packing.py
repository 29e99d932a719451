"""Packing: which documents lie in which row of L tokens, as random access.

A packer turns the documents of a source into an endless sequence of rows, epoch after epoch, and
answers `pieces(rows)`: the spans of documents that fill these rows, without touching a token.  Row
i is a pure function of (document lengths, L, seed, source, i), so any host can ask for any row.

`ConcatPacker`   rows are consecutive windows over the concatenated documents: no padding, and
                 documents are cut where a row ends.
`BestFitPacker`  documents of at most L tokens stay whole; rows are padded by a percent or so.

Either way every token is a target exactly once an epoch, and each epoch has its own order of
documents and of rows.
"""

from __future__ import annotations

import collections
import dataclasses
import math
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np

from research.input_pipeline.permutation import permutation

PADDING = -1  # document number of a piece that is no document


@dataclasses.dataclass(frozen=True)
class Pieces:
    """Spans of documents in the order in which they fill the requested rows (all int64 [P]).

    Attributes:
      row: which of the requested rows, from 0.
      document: number of the document in its source, or PADDING.
      offset: first token within the document.
      length: tokens; the pieces of a row add up to L.
    """

    row: np.ndarray
    document: np.ndarray
    offset: np.ndarray
    length: np.ndarray


class Packer(Protocol):
    """What the batch builder asks of a packer."""

    def rows_in(self, epochs: float) -> int:
        """How many rows hold `epochs` epochs of the source (the last one may be padded)."""
        ...

    def pieces(self, rows: np.ndarray) -> Pieces:
        """The contents of rows (int64 [R], in any order, repeats allowed)."""
        ...


class _EpochCache:
    """Index of the current epochs; the next one is built by a thread before it is needed."""

    def __init__(self, build: Callable[[int], Any]) -> None:
        self._build = build
        self._kept: collections.OrderedDict[int, Future] = collections.OrderedDict()
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="epoch-index")

    def start(self, epoch: int) -> Future:
        with self._lock:
            future = self._kept.get(epoch)
            if future is None:
                future = self._kept[epoch] = self._pool.submit(self._build, epoch)
            self._kept.move_to_end(epoch)
            while len(self._kept) > 3:
                self._kept.popitem(last=False)
            return future

    def __getitem__(self, epoch: int) -> Any:
        return self.start(epoch).result()


class ConcatPacker:
    """Rows are consecutive windows over an endless stream of epochs, shuffled within each epoch.

    The stream is epoch 0, epoch 1, … of the source, each with its documents in a fresh order.  Row
    number r of the stream holds the tokens [r·L, (r+1)·L) as targets; the rows that start within
    one epoch are permuted among themselves.
    """

    def __init__(
        self, offsets: np.ndarray, length: int, seed: int, source: str, epochs: float | None
    ) -> None:
        """Args:
        offsets: int64 [N+1], where each document's tokens begin in the source.
        length: L, targets in a row.
        seed: of the order of documents and rows.
        source: the source's name, part of the key of its order.
        epochs: the cap, beyond which nothing is asked for; its last row is padded.
        """
        self.offsets, self.length, self.seed, self.source = offsets, length, seed, source
        self.tokens = int(offsets[-1])
        self.stop = None if epochs is None else math.ceil(epochs) * self.tokens
        self._epochs = _EpochCache(self._index)

    def rows_in(self, epochs: float) -> int:
        return math.ceil(epochs * self.tokens / self.length)

    def _index(self, epoch: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """An epoch's order of documents uint32 [N] and where each begins int64 [N+1]; its order of
        rows uint32 [R] and the place, in that order of documents, where each begins int64 [R+1].
        """
        n = len(self.offsets) - 1
        order_N = permutation(n, "documents", self.seed, self.source, epoch)
        starts_N = np.zeros(n + 1, np.int64)
        _sizes(self.offsets, order_N, out=starts_N[1:])
        np.cumsum(starts_N, out=starts_N)
        first, last = self._block(epoch)
        begins_R = np.arange(first, last + 1) * self.length - epoch * self.tokens
        places_R = np.minimum(starts_N.searchsorted(begins_R, "right") - 1, n - 1)
        # a row that runs on into the next epoch stays last: if a cap ends the source here, no row
        # but that one differs
        fixed = int(last * self.length > (epoch + 1) * self.tokens and last > first)
        order_R = permutation(last - first - fixed, "rows", self.seed, self.source, epoch)
        if fixed:
            order_R = np.append(order_R, np.uint32(last - first - 1))
        return order_N, starts_N, order_R, places_R

    def _block(self, epoch: int) -> tuple[int, int]:
        """Rows of the stream that start within an epoch: [first, last)."""
        return -(-epoch * self.tokens // self.length), -(-(epoch + 1) * self.tokens // self.length)

    def pieces(self, rows: np.ndarray) -> Pieces:
        rows = np.asarray(rows, np.int64)
        high = int(rows.max())
        epoch = high * self.length // self.tokens
        first, last = self._block(epoch)
        if 2 * (high - first) >= last - first and (
            self.stop is None or (epoch + 1) * self.tokens < self.stop
        ):
            self._epochs.start(epoch + 1)
        if rows.min() >= first:
            order_N, starts_N, order_R, places_R = self._epochs[epoch]
            row_R = order_R[rows - first].astype(np.int64)
            if row_R.max() + 1 < last - first or last * self.length <= (epoch + 1) * self.tokens:
                begin = (row_R + first) * self.length - epoch * self.tokens
                span = (begin, self.length, places_R[row_R], places_R[row_R + 1] + 1)
                return Pieces(*_cut(order_N, starts_N, *span))
        return self._pieces_across_epochs(rows)

    def _pieces_across_epochs(self, rows: np.ndarray) -> Pieces:
        """As `pieces`, row by row: epochs meet within a row or among the rows."""
        parts: list[tuple[np.ndarray, ...]] = []
        for number, row in enumerate(rows.tolist()):
            epoch = row * self.length // self.tokens
            first, _ = self._block(epoch)
            position = (first + int(self._epochs[epoch][2][row - first])) * self.length
            left = self.length
            while left and (self.stop is None or position < self.stop):
                epoch, begin = divmod(position, self.tokens)
                size = min(left, self.tokens - begin)
                order_N, starts_N, _, _ = self._epochs[epoch]
                place = starts_N.searchsorted([begin], "right") - 1
                end = starts_N.searchsorted([begin + size], "left")
                span = _cut(order_N, starts_N, np.array([begin]), size, place, end)
                parts.append((span[0] + number, *span[1:]))
                position, left = position + size, left - size
            if left:
                parts.append(tuple(np.array([x]) for x in (number, PADDING, 0, left)))
        return Pieces(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _cut(
    order_N: np.ndarray,
    starts_N: np.ndarray,
    begin: np.ndarray,
    size: int,
    first: np.ndarray,
    stop: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Pieces of the spans [begin, begin + size) of one epoch, which the documents at places
    [first, stop) of its order fill: span, document, offset, length."""
    count = stop - first
    opens = count.cumsum()
    closes = opens - 1
    opens -= count  # the pieces with which a span begins and ends
    span = np.arange(len(begin)).repeat(count)
    place = (first - opens)[span]
    place += np.arange(len(place))
    length = starts_N[place + 1] - starts_N[place]
    offset = np.zeros_like(length)
    offset[opens] = begin - starts_N[first]
    length[opens] -= offset[opens]
    length[closes] -= starts_N[stop] - (begin + size)
    document = order_N[place].astype(np.int64)
    if length.all():
        return span, document, offset, length
    kept = length > 0  # a document without tokens, or one that begins where the span ends
    return span[kept], document[kept], offset[kept], length[kept]


class BestFitPacker:
    """Documents of at most L tokens stay whole; each goes where it leaves the least room.

    Best-fit decreasing over a whole epoch, computed on the histogram of lengths (as in Krell et
    al., "Efficient sequence packing without cross-contamination", 2021): rows of equal composition
    are one group, so the work grows with L and not with the number of documents.  Longer documents
    are cut every L tokens and their last piece is packed with the others.
    """

    def __init__(
        self, offsets: np.ndarray, length: int, seed: int, source: str, epochs: float | None
    ) -> None:
        """Args: as `ConcatPacker`; a cap in epochs needs no padding here."""
        self.offsets, self.length, self.seed, self.source = offsets, length, seed, source
        sizes_N = np.diff(offsets)
        tails_N = (sizes_N - 1) % length + 1
        histogram = np.bincount(tails_N[sizes_N > 0], minlength=length + 1)
        histogram[length] += int(((sizes_N - 1) // length)[sizes_N > 0].sum())
        self.groups = _best_fit_groups(histogram, length)
        self.rows_per_epoch = sum(rows for rows, _ in self.groups)
        self.last_epoch = None if epochs is None else math.ceil(epochs) - 1
        self._epochs = _EpochCache(self._index)

    def rows_in(self, epochs: float) -> int:
        return math.ceil(epochs * self.rows_per_epoch)

    def _index(self, epoch: int) -> tuple[np.ndarray, ...]:
        """Row boundaries int64 [R+1], documents and chunks of the P pieces, order of rows."""
        n = len(self.offsets) - 1
        order_N = permutation(n, "documents", self.seed, self.source, epoch)
        sizes_N = np.empty(n, np.int32)  # a document is far below 2**31 tokens
        _sizes(self.offsets, order_N, out=sizes_N)
        chunks_N = -(-sizes_N // self.length)
        document_P = np.repeat(order_N, chunks_N)
        chunk_P = np.arange(len(document_P), dtype=np.int32)
        chunk_P -= np.repeat((np.cumsum(chunks_N) - chunks_N).astype(np.int32), chunks_N)
        size_P = np.repeat(sizes_N, chunks_N)
        del order_N, sizes_N, chunks_N
        size_P -= chunk_P * np.int32(self.length)
        np.minimum(size_P, self.length, out=size_P)
        # pieces by size, in document order within a size (a radix sort where sizes fit 16 bits)
        small = size_P.astype(np.min_scalar_type(self.length))
        taken = np.concatenate([[0], np.cumsum(np.bincount(size_P, minlength=self.length + 1))])
        del size_P
        by_size_P = np.argsort(small, kind="stable").astype(np.uint32)
        pieces_R = np.repeat([len(c) for _, c in self.groups], [rows for rows, _ in self.groups])
        bounds_R = np.concatenate([[0], np.cumsum(pieces_R)])
        filled_P = np.empty_like(by_size_P)
        place = 0
        for rows, composition in self.groups:
            group = filled_P[place : place + rows * len(composition)].reshape(rows, -1)
            for column, size in enumerate(composition):
                group[:, column] = by_size_P[taken[size] : taken[size] + rows]
                taken[size] += rows
            place += group.size
        del by_size_P
        rows_order = permutation(self.rows_per_epoch, "rows", self.seed, self.source, epoch)
        return bounds_R, document_P[filled_P], chunk_P[filled_P], rows_order

    def pieces(self, rows: np.ndarray) -> Pieces:
        rows = np.asarray(rows, np.int64)
        epoch_of_row = rows // self.rows_per_epoch
        parts = []
        for epoch in np.unique(epoch_of_row):
            here = np.flatnonzero(epoch_of_row == epoch)
            within = rows[here] - epoch * self.rows_per_epoch
            bounds_R, document_P, chunk_P, order_R = self._epochs[int(epoch)]
            if 2 * within.max() >= self.rows_per_epoch and epoch != self.last_epoch:
                self._epochs.start(int(epoch) + 1)
            row_R = order_R[within].astype(np.int64)
            count = bounds_R[row_R + 1] - bounds_R[row_R]
            place = np.arange(count.sum()) + np.repeat(
                bounds_R[row_R] - (np.cumsum(count) - count), count
            )
            document = document_P[place].astype(np.int64)
            offset = chunk_P[place].astype(np.int64) * self.length
            sizes = self.offsets[document + 1] - self.offsets[document]
            size = np.minimum(sizes - offset, self.length)
            row = np.repeat(here, count)
            room = self.length - np.bincount(row, weights=size, minlength=len(rows))[here]
            padded = here[room > 0]
            parts.append((row, document, offset, size))
            blank = np.full(len(padded), PADDING, np.int64)
            parts.append((padded, blank, blank * 0, room[room > 0].astype(np.int64)))
        row, document, offset, size = map(np.concatenate, zip(*parts, strict=True))
        order = np.argsort(row, kind="stable")
        return Pieces(row[order], document[order], offset[order], size[order])


def _sizes(offsets: np.ndarray, order_N: np.ndarray, out: np.ndarray) -> None:
    """Fills `out` with the tokens of each document of `order_N`, in chunks to spare memory."""
    for a in range(0, len(order_N), 1 << 18):
        documents = order_N[a : a + (1 << 18)].astype(np.int64)
        out[a : a + len(documents)] = offsets[documents + 1] - offsets[documents]


def _best_fit_groups(histogram: np.ndarray, length: int) -> list[tuple[int, tuple[int, ...]]]:
    """Best-fit decreasing on a histogram of sizes.

    Args:
      histogram: how many pieces there are of each size 0 … length.
      length: the room in a row.

    Returns:
      (rows, sizes in each of these rows) for every group of rows alike.
    """
    open_groups: list[list[tuple[int, tuple[int, ...]]]] = [[] for _ in range(length + 1)]
    rooms = 0  # bit r is set where open_groups[r] is not empty

    def add(room: int, rows: int, composition: tuple[int, ...]) -> int:
        open_groups[room].append((rows, composition))
        return rooms | 1 << room

    for size in range(length, 0, -1):
        left = int(histogram[size])
        while left:
            fitting = rooms >> size
            if fitting:
                room = size + (fitting & -fitting).bit_length() - 1
                rows, composition = open_groups[room].pop()
                if not open_groups[room]:
                    rooms &= ~(1 << room)
                used = min(rows, left)
                if used < rows:
                    rooms = add(room, rows - used, composition)
                rooms = add(room - size, used, (*composition, size))
                left -= used
            else:
                each = min(length // size, left)
                rows = left // each
                rooms = add(length - each * size, rows, (size,) * each)
                left -= rows * each
    return [group for groups in open_groups for group in groups]
