"""Held-out loss and bits per byte of every domain of a mixture's validation split.

Every document is scored whole: each of its tokens is predicted once, the first one from bos_id and
its EOS included.  A document of at most L tokens is one segment.  A longer one is cut every L
tokens, and a token sees the tokens of its own window alone, plus the one token before the window
as the window's first input.  Windows are packed into rows, where they do not see each other.

    bits per byte = sum of nll / ln 2 / UTF-8 bytes of the documents

It counts all tokens against all bytes, so it compares models of different vocabularies.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from etils import epath
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from research.errors import GristmillError
from research.input_pipeline.batches import BatchSource, DataSpec
from research.input_pipeline.loader import rows_of_sharding
from research.input_pipeline.mixture_plan import Schedule
from research.input_pipeline.packing import BestFitPacker
from research.input_pipeline.token_cache import TokenCache
from research.model import transformer
from research.model.config import ModelConfig
from research.model.sharding import batch_sharding, param_shardings
from research.train.loss import cross_entropy
from research.train.processes import to_devices

KEYS = ("inputs", "targets", "segment_ids", "positions", "loss_weights")


@dataclasses.dataclass(frozen=True)
class DocumentLosses:
    """What a model makes of the documents of one source.

    Attributes:
      cache: the source's validation split, or as much of it as was asked for.
      nll: nats of every document, float64 [N].
      tokens: of every document, int64 [N].
    """

    cache: TokenCache
    nll: np.ndarray
    tokens: np.ndarray


@dataclasses.dataclass(frozen=True)
class Sums:
    """Over documents: nats, tokens, UTF-8 bytes, and how many there are."""

    nll: float = 0.0
    tokens: int = 0
    bytes: int = 0
    documents: int = 0

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.nll + other.nll,
            self.tokens + other.tokens,
            self.bytes + other.bytes,
            self.documents + other.documents,
        )

    @property
    def loss(self) -> float:
        """Nats per token."""
        return self.nll / self.tokens

    @property
    def bits_per_byte(self) -> float:
        """Bits per UTF-8 byte of the documents."""
        return self.nll / math.log(2) / self.bytes if self.bytes else math.nan


class DomainLoss:
    """Evaluates parameters on the validation splits of a mixture.

    Attributes:
      documents: DocumentLosses by source, of the last evaluation.
      sums: by domain, of the last evaluation, 'all' for all together.
    """

    def __init__(
        self,
        name: str,
        config: ModelConfig,
        caches: Mapping[str, TokenCache],
        *,
        bos_id: int,
        pad_id: int,
        length: int,
        batch: int,
        limit: int | None,
        mesh: Mesh,
        attention: str,
        chunk: int,
        folder: epath.Path | None = None,
    ) -> None:
        """Args:
        name: of the mixture, with which the names of values begin.
        config: of the model.
        caches: validation split of every source.
        bos_id, pad_id: ids that are no token of a document.
        length: L, the longest window.
        batch: rows at a time, rounded up to fill the mesh.
        limit: documents of each source, from the first; None for all.
        mesh: where the parameters lie.
        attention: kind of attention kernel.
        chunk: tokens of a device whose logits exist at a time.
        folder: where to write a table of every document's loss; None: nowhere.

        Raises:
          GristmillError: L is more than the model is meant for, or a source has no documents.
        """
        if length > config.max_length:
            raise GristmillError(
                f"evals.length is {length}, more than model.max_length ({config.max_length})"
            )
        for cache in caches.values():
            if not len(cache.tokens):
                raise GristmillError(
                    f"mixture {name}: the validation split of {cache.name} has no documents; "
                    "evaluate on a mixture without it"
                )
        shards = mesh.size // mesh.shape["tensor"]
        self.name, self.length = name, length
        self.caches = {
            source: cache if limit is None else first_documents(cache, limit)
            for source, cache in caches.items()
        }
        self.batch = -(-batch // shards) * shards
        self.bos_id, self.pad_id, self.mesh = bos_id, pad_id, mesh
        self.sharding = batch_sharding(mesh)
        self.folder = folder
        self.documents: dict[str, DocumentLosses] = {}
        self.sums: dict[str, Sums] = {}
        self._losses = token_losses(config, mesh, attention, chunk)

    def evaluate(self, params: Any, step: int) -> Iterator[tuple[str, float]]:
        """Yields `<mixture>/<domain>/loss` (nats per token) and `…/bits_per_byte` of every
        domain, source by source, then those of all documents together as `<mixture>/all/…`."""
        self.documents, self.sums = {}, {}
        for name, cache in self.caches.items():
            losses = self.documents[name] = self._score(params, cache)
            for number, domain in enumerate(cache.manifest["domains"]):
                here = cache.domains == number
                if here.any():
                    sums = Sums(
                        nll=float(losses.nll[here].sum()),
                        tokens=int(losses.tokens[here].sum()),
                        bytes=int(cache.document_bytes[here].sum(dtype=np.int64)),
                        documents=int(here.sum()),
                    )
                    self.sums[domain] = self.sums.get(domain, Sums()) + sums
                    yield from self._values(domain)
        self.sums["all"] = sum(self.sums.values(), Sums())
        yield from self._values("all")
        if self.folder is not None and jax.process_index() == 0:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_documents(self.folder / f"{self.name}-{step}.parquet", self.documents)

    def _values(self, domain: str) -> Iterator[tuple[str, float]]:
        yield f"{self.name}/{domain}/loss", self.sums[domain].loss
        yield f"{self.name}/{domain}/bits_per_byte", self.sums[domain].bits_per_byte

    def _score(self, params: Any, cache: TokenCache) -> DocumentLosses:
        """Sums of nll by document; one batch is computed while the one before is summed."""
        sums_N = np.zeros(len(cache.offsets) - 1)
        pending: list[tuple[jax.Array, np.ndarray]] = []
        for batch, document_BxL in self._batches(cache):
            pending.append((self._losses(params, batch), document_BxL))
            if len(pending) > 1:
                _add(sums_N, *pending.pop(0))
        for found in pending:
            _add(sums_N, *found)
        return DocumentLosses(cache, sums_N, np.diff(cache.offsets))

    def _batches(self, cache: TokenCache) -> Iterator[tuple[dict[str, jax.Array], np.ndarray]]:
        """One epoch of a source: global arrays [B, L], and the document of every target, -1 for
        padding.  The rows are the same whatever B is."""
        epoch = DataSpec(
            schedule=Schedule.constant({cache.name: 1.0}),
            steps=BestFitPacker(cache.offsets, self.length, 0, cache.name, 1).rows_in(1),
            batch=1,
            length=self.length,
            seed=0,
            packer="best_fit",
            max_epochs={cache.name: 1.0},
            on_cap="error",
        )
        rows = BatchSource(epoch, {cache.name: cache}, self.bos_id, self.pad_id)
        blank = {key: np.zeros_like(rows[0][key]) for key in KEYS}
        mine = rows_of_sharding(self.sharding, self.batch, self.length)
        for start in range(0, len(rows), self.batch):
            numbers = range(start, start + self.batch)
            parts = [rows[i] if i < len(rows) else blank for i in numbers]
            local = {key: np.concatenate([parts[i][key] for i in mine]) for key in KEYS}
            batch = to_devices(local, self.sharding, (self.batch, self.length))
            traces = [rows.trace(i).document for i in numbers if i < len(rows)]
            padding = np.full((self.batch - len(traces), self.length), -1)
            yield batch, np.concatenate([*traces, padding])


@functools.lru_cache(8)
def token_losses(config: ModelConfig, mesh: Mesh, attention: str, chunk: int) -> jax.stages.Wrapped:
    """Jitted (params, batch) -> nats of every target [B, L], shared by equal models."""
    sharding = batch_sharding(mesh)

    def losses(params: Any, batch: Mapping[str, jax.Array]) -> jax.Array:
        hidden_BxLxD = transformer.hidden_states(
            params,
            config,
            batch["inputs"],
            batch["segment_ids"],
            batch["positions"],
            mesh=mesh,
            attention=attention,
            remat="none",
        )
        head_DxV = transformer.output_projection(params, config)
        _, nll_BxL = cross_entropy(
            hidden_BxLxD,
            head_DxV,
            batch["targets"],
            batch["loss_weights"],
            mesh=mesh,
            chunk=chunk,
            z_loss=0.0,
            soft_cap=config.logit_soft_cap,
        )
        return nll_BxL

    return jax.jit(
        losses,
        in_shardings=(param_shardings(config, mesh), dict.fromkeys(KEYS, sharding)),
        out_shardings=NamedSharding(mesh, PartitionSpec()),  # every process sums all rows
    )


def _add(sums_N: np.ndarray, nll_BxL: jax.Array, document_BxL: np.ndarray) -> None:
    """Adds the losses of a batch to those of its documents, in float64."""
    real_BxL = document_BxL >= 0
    nll = np.asarray(jax.device_get(nll_BxL), np.float64)[real_BxL]
    sums_N += np.bincount(document_BxL[real_BxL], nll, minlength=len(sums_N))


def first_documents(cache: TokenCache, count: int) -> TokenCache:
    """The cache cut off after its first `count` documents."""
    count = min(count, len(cache.offsets) - 1)
    return dataclasses.replace(
        cache,
        tokens=cache.tokens[: cache.offsets[count]],
        offsets=cache.offsets[: count + 1],
        domains=cache.domains[:count],
        document_bytes=cache.document_bytes[:count],
    )


def write_documents(path: epath.Path, losses: Mapping[str, DocumentLosses]) -> None:
    """Writes a Parquet table with a row for every document: source, domain, id, bytes, tokens,
    nll (nats)."""
    tables = []
    for name, found in losses.items():
        cache, count = found.cache, len(found.nll)
        ids = pq.read_table(cache.folder / "ids.parquet", columns=["id"])["id"].slice(0, count)
        domains = np.array(cache.manifest["domains"])[cache.domains]
        tables.append(
            pa.table(
                {
                    "source": np.repeat(name, count),
                    "domain": domains,
                    "id": ids,
                    "bytes": cache.document_bytes,
                    "tokens": found.tokens,
                    "nll": found.nll,
                }
            )
        )
    buffer = pa.BufferOutputStream()
    pq.write_table(pa.concat_tables(tables), buffer, compression="zstd")
    temporary = path.with_name(".tmp-" + path.name)
    temporary.write_bytes(buffer.getvalue().to_pybytes())
    temporary.replace(path)
