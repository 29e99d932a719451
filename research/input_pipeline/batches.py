"""Batches as a pure function of the step.

`BatchSource[step]` gives this host's rows of the global batch as numpy arrays [B, L]:

    inputs         int32    the token before each target; bos_id before a document's first token
    targets        int32    tokens of the source, pad_id where a row is padded
    segment_ids    int32    1, 2, … for the documents of a row, 0 for padding
    positions      int32    place within the segment
    loss_weights   float32  1, and 0 for padding
    domain_ids     int32    numbers into `BatchSource.domains`

Every token of a document is a target, its first one too (given bos_id), so that the losses of a
document add up to its whole length in bits.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from research.errors import GristmillError
from research.input_pipeline.mixture_plan import MixturePlan, Schedule
from research.input_pipeline.packing import PADDING, BestFitPacker, ConcatPacker, Packer, Pieces
from research.input_pipeline.token_cache import TokenCache

MAX_STEPS = 50_000_000
PACKERS = {"concat": ConcatPacker, "best_fit": BestFitPacker}


@dataclasses.dataclass(frozen=True)
class DataSpec:
    """All that decides the batches of a run, beside the caches.

    Attributes:
      schedule: token shares over the steps.
      steps: number of steps.
      batch: rows in the global batch.
      length: L, targets in a row.
      seed: of the order of documents, rows and slots.
      packer: 'concat' or 'best_fit'.
      max_epochs: caps by source; a source that is not named has none.
      on_cap: what a source at its cap does: 'redistribute', 'stop' or 'error'.
      across_documents: if True, the documents of a row form one segment that attends and
        predicts across their borders.
    """

    schedule: Schedule
    steps: int
    batch: int
    length: int
    seed: int
    packer: Literal["concat", "best_fit"]
    max_epochs: Mapping[str, float]
    on_cap: Literal["redistribute", "stop", "error"]
    across_documents: bool = False

    def __post_init__(self) -> None:
        """Raises GristmillError for sizes and caps that make no batches."""
        for name in ("steps", "batch", "length"):
            if not 1 <= getattr(self, name) <= MAX_STEPS:
                raise GristmillError(
                    f"{name} is {getattr(self, name)}; it must be from 1 to {MAX_STEPS}"
                )
        if self.packer not in PACKERS:
            raise GristmillError(f"packer is one of {', '.join(PACKERS)}, not {self.packer!r}")
        if self.on_cap not in ("redistribute", "stop", "error"):
            raise GristmillError(f"on_cap is redistribute, stop or error, not {self.on_cap!r}")
        for source, epochs in self.max_epochs.items():
            if source not in self.schedule.sources:
                raise GristmillError(
                    f"max_epochs names {source}, which has no share; "
                    f"sources: {', '.join(self.schedule.sources)}"
                )
            if not 0 < epochs < math.inf:
                raise GristmillError(f"max_epochs of {source} is {epochs}; it must be above 0")


@dataclasses.dataclass(frozen=True)
class Trace:
    """Where the targets of a batch come from, each int64 [B, L]; -1 for padding.

    Attributes:
      source: number into `BatchSource.plan.sources`.
      document: number of the document in the source's cache.
      offset: token within the document.
    """

    source: np.ndarray
    document: np.ndarray
    offset: np.ndarray


class BatchSource:
    """Random access to the batches of a run; safe to share between threads.

    Attributes:
      plan: the rows of every step.
      domains: names of the domains; those of a source that joins later come later.
      bos_id, pad_id: the ids that are no token of a document.
    """

    def __init__(
        self,
        spec: DataSpec,
        caches: Mapping[str, TokenCache],
        bos_id: int,
        pad_id: int,
        rows: Sequence[int] | None = None,
    ) -> None:
        """Makes the plan and the packers.

        Args:
          spec: what decides the batches.
          caches: for every source with a share.
          bos_id: input before the first token of a document.
          pad_id: target and input where a row is padded.
          rows: which rows of the global batch to give (this host's); None for all.

        Raises:
          GristmillError: a source has no cache or no tokens, or the caps make the run too short.
        """
        # glibc gives each large array fresh pages, at half the cost of a batch, until one such
        # array has been freed: from then on it keeps freed memory of up to that size at hand
        np.empty(31 << 20, np.uint8)
        self.spec, self.bos_id, self.pad_id = spec, bos_id, pad_id
        self.host_rows = np.arange(spec.batch) if rows is None else np.asarray(rows, np.int64)
        for name in spec.schedule.sources:
            if name not in caches:
                raise GristmillError(
                    f"the schedule gives a share to {name}, which is no source of this mixture; "
                    f"sources: {', '.join(caches)}"
                )
            if not len(caches[name].tokens):
                raise GristmillError(
                    f"source {name} has no document in its split {caches[name].manifest['split']}; "
                    "give it no share, or another validation_share"
                )
        self.caches = [caches[name] for name in spec.schedule.sources]
        self.packers: list[Packer] = [
            PACKERS[spec.packer](
                cache.offsets, spec.length, spec.seed, cache.name, spec.max_epochs.get(cache.name)
            )
            for cache in self.caches
        ]
        max_rows = {
            cache.name: packer.rows_in(spec.max_epochs[cache.name])
            for cache, packer in zip(self.caches, self.packers, strict=True)
            if cache.name in spec.max_epochs
        }
        self.plan = MixturePlan(spec.schedule, spec.steps, spec.batch, max_rows, spec.on_cap)
        names = [name for cache in self.caches for name in cache.manifest["domains"]]
        self.domains = list(dict.fromkeys(names))
        self._domain_tables = [
            np.array([self.domains.index(d) for d in cache.manifest["domains"]], np.int32)
            for cache in self.caches
        ]

    def __len__(self) -> int:
        return self.plan.steps

    def __getitem__(self, step: int) -> dict[str, np.ndarray]:
        """This host's rows of the batch of a step, by the keys of the module's docstring.

        The pieces tile the rows, so every output is one `np.repeat` of a number a piece, and the
        tokens of a source are one gather from its memory map.
        """
        shape = (len(self.host_rows), self.spec.length)
        used, rows, found = zip(*self._pieces(step), strict=True)
        caches = [self.caches[source] for source in used]
        tables = [self._domain_tables[source] for source in used]
        documents = [pieces.document for pieces in found]
        document = np.concatenate(documents)
        offset = np.concatenate([pieces.offset for pieces in found])
        length = np.concatenate([pieces.length for pieces in found])
        row = np.concatenate([r[pieces.row] for r, pieces in zip(rows, found, strict=True)])
        starts = [cache.offsets[d] for cache, d in zip(caches, documents, strict=True)]
        numbers = [cache.domains[d] for cache, d in zip(caches, documents, strict=True)]
        domain = np.concatenate([table[n] for table, n in zip(tables, numbers, strict=True)])
        first = np.concatenate(starts) + offset  # token of the source with which a piece begins
        padding = document == PADDING
        first[padding] = 0

        # one flat index of tokens, source by source, and the token before each piece
        index = np.repeat(first - (np.cumsum(length) - length), length)
        index += _arange(len(index))
        if padding.any():
            index[np.repeat(padding, length)] = 0
        targets_BxL = np.empty(shape, np.int32)
        before = np.empty(len(document), np.int32)
        at_token = at_piece = 0
        for cache, rows_here, pieces in zip(caches, rows, found, strict=True):
            here = slice(at_token, at_token := at_token + len(rows_here) * self.spec.length)
            # touch every cache line first: these reads overlap, those of the gather hardly do
            cache.tokens.take(index[here][::32])
            targets_BxL[rows_here] = cache.tokens.take(index[here]).reshape(len(rows_here), -1)
            here = slice(at_piece, at_piece := at_piece + len(pieces.document))
            before[here] = cache.tokens[np.maximum(first[here] - 1, 0)]
        before[offset == 0] = self.bos_id

        order = np.argsort(row, kind="stable")
        row, length, before = row[order], length[order], before[order]
        domain, padding = domain[order], padding[order]
        inputs_BxL = np.empty_like(targets_BxL)
        inputs_BxL[:, 1:] = targets_BxL[:, :-1]
        begin = np.cumsum(length) - length  # of each piece in the flat batch
        opens_row = begin % self.spec.length == 0
        if self.spec.across_documents:
            inputs_BxL.reshape(-1)[begin[opens_row]] = before[opens_row]
            segment = np.ones(len(row), np.int32)
            within = np.tile(_arange(self.spec.length), len(self.host_rows))
        else:
            inputs_BxL.reshape(-1)[begin] = before
            number = np.arange(1, len(row) + 1, dtype=np.int32)
            segment = number - np.maximum.accumulate(np.where(opens_row, number - 1, 0))
            within = _arange(targets_BxL.size) - np.repeat(begin.astype(np.int32), length)
        weights = np.ones(shape, np.float32)
        if padding.any():
            blank_BxL = np.repeat(padding, length).reshape(shape)
            targets_BxL[blank_BxL] = inputs_BxL[blank_BxL] = self.pad_id
            weights[blank_BxL] = 0
            segment[padding] = domain[padding] = 0
        return {
            "inputs": inputs_BxL,
            "targets": targets_BxL,
            "segment_ids": np.repeat(segment, length).reshape(shape),
            "positions": within.reshape(shape),
            "loss_weights": weights,
            "domain_ids": np.repeat(domain, length).reshape(shape),
        }

    def trace(self, step: int) -> Trace:
        """The source, document and offset of every target of `self[step]`."""
        shape = (len(self.host_rows), self.spec.length)
        trace = Trace(*(np.full(shape, -1) for _ in range(3)))
        for source, rows, pieces in self._pieces(step):
            real = np.repeat(pieces.document != PADDING, pieces.length).reshape(len(rows), -1)
            begin = np.cumsum(pieces.length) - pieces.length
            document = np.repeat(pieces.document, pieces.length)
            offset = np.repeat(pieces.offset - begin, pieces.length) + _arange(len(document))
            trace.source[rows] = np.where(real, source, -1)
            trace.document[rows] = document.reshape(real.shape)
            trace.offset[rows] = np.where(real, offset.reshape(real.shape), -1)
        return trace

    def state(self, step: int) -> dict[str, int | str]:
        """What a checkpoint keeps of the data: the next step and the hash of all before it."""
        settings = {
            "length": self.spec.length,
            "seed": self.spec.seed,
            "packer": self.spec.packer,
            "across_documents": self.spec.across_documents,
            "bos_id": self.bos_id,
            "pad_id": self.pad_id,
        }
        identity = {}
        used = self.plan.totals(step)
        for cache, packer, rows in zip(self.caches, self.packers, used.tolist(), strict=True):
            cap = self.spec.max_epochs.get(cache.name)
            if cap is not None and rows < packer.rows_in(cap):
                cap = None  # only a source's last row depends on where it ends
            identity[cache.name] = [cache.manifest["fingerprint"], cache.manifest["split"], cap]
        return {"step": step, "prefix": self.plan.prefix_hash(step, identity, settings)}

    def resume(self, state: Mapping[str, int | str]) -> int:
        """The step to go on from, after checking that the data before it is the same.

        Raises:
          GristmillError: the run of the checkpoint saw other batches than this plan gives.
        """
        step = int(state["step"])
        if not 0 <= step <= len(self):
            raise GristmillError(
                f"the checkpoint is of step {step}; this plan has {len(self)} steps"
            )
        if self.state(step) != dict(state):
            raise GristmillError(
                f"the checkpoint of step {step} saw other batches than this plan gives before "
                "that step: a cache, share, seed, row length, batch size or packer has changed"
            )
        return step

    def _pieces(self, step: int) -> list[tuple[int, np.ndarray, Pieces]]:
        """(source, rows of this host's batch, their pieces) for every source in the step."""
        source, row = self.plan.rows(step, self.spec.seed)
        source, row = source[self.host_rows], row[self.host_rows]
        present = np.flatnonzero(np.bincount(source)).tolist()
        rows = [np.flatnonzero(source == d) for d in present]
        return [(d, r, self.packers[d].pieces(row[r])) for d, r in zip(present, rows, strict=True)]


def _arange(n: int) -> np.ndarray:
    """int32 [n]: 0, 1, …; a view of one array made once."""
    global _COUNTING
    if len(_COUNTING) < n:
        _COUNTING = np.arange(2 * n, dtype=np.int32)
    return _COUNTING[:n]


_COUNTING = np.arange(1 << 16, dtype=np.int32)
