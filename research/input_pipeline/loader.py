"""From caches to a running stream of batches: host rows, prefetch threads, global arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from research.errors import GristmillError
from research.input_pipeline.batches import BatchSource
from research.input_pipeline.mixture_plan import Schedule
from research.input_pipeline.token_cache import TokenCache
from research.registry.specs import MixtureSpec

if TYPE_CHECKING:
    import jax


def open_caches(root: Path, mixture: MixtureSpec, split: str) -> dict[str, TokenCache]:
    """Maps the caches of all Tasks of a mixture.

    Raises:
      GristmillError: one is missing, unfinished or made with another definition.
    """
    command = f"gristmill cache {mixture.name}"
    return {
        name: TokenCache.open(root, task, split, command) for name, task in mixture.tasks.items()
    }


def mixture_schedule(mixture: MixtureSpec, caches: Mapping[str, TokenCache]) -> Schedule:
    """The mixture's own shares, constant; a natural share is the number of the Task's tokens.

    Raises:
      GristmillError: no Task of the mixture has a document in this split.
    """
    if not any(len(cache.tokens) for cache in caches.values()):
        splits = {cache.manifest["split"] for cache in caches.values()}
        raise GristmillError(
            f"mixture {mixture.name}: no Task has a document in the split {', '.join(splits)}; "
            "its validation_share decides that"
        )
    return Schedule.constant(
        {
            name: float(caches[name].manifest["tokens"]) if share is None else share
            for name, share in mixture.shares.items()
        }
    )


def rows_of_host(batch: int, host: int, hosts: int) -> np.ndarray:
    """The rows of the global batch that one of `hosts` equal hosts provides, int64 [B/hosts].

    Raises:
      GristmillError: the batch does not divide.
    """
    if batch % hosts:
        raise GristmillError(f"a batch of {batch} rows does not divide among {hosts} hosts")
    return np.arange(host * (batch // hosts), (host + 1) * (batch // hosts))


def rows_of_sharding(sharding: jax.sharding.Sharding, batch: int, length: int) -> np.ndarray:
    """The rows of the global batch [B, L] that lie on this process's devices, int64, in order.

    Raises:
      GristmillError: the batch does not divide among the devices.
    """
    try:
        index = sharding.addressable_devices_indices_map((batch, length))
    except ValueError as error:
        raise GristmillError(
            f"a batch of {batch} rows does not divide over {sharding}: {str(error).splitlines()[0]}"
        ) from None
    rows = np.zeros(batch, bool)
    for part in index.values():
        rows[part[0]] = True
    return np.flatnonzero(rows)


def load(
    source: BatchSource, start: int, *, threads: int, prefetch: int = 4
) -> Iterator[dict[str, np.ndarray]]:
    """Host-local batches from step `start` to the end of the plan.

    The stream is a stateless grain dataset sliced at its start, so that resuming needs no state
    but the step, whatever the number of hosts or threads.

    Args:
      source: the batches.
      start: the first step.
      threads: that build batches ahead; 0 builds each when it is asked for.
      prefetch: batches kept ready.
    """
    import grain  # 1.5 s of imports that other uses of this module do without

    dataset = grain.MapDataset.source(source)[start:]
    buffered = prefetch if threads else 0
    options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=buffered)
    return iter(dataset.to_iter_dataset(options))


def to_global(
    batch: Mapping[str, np.ndarray], sharding: jax.sharding.Sharding, rows: int
) -> dict[str, jax.Array]:
    """Global arrays [B, L] from every process's own rows.

    Args:
      batch: the rows of `rows_of_sharding`, by key.
      sharding: of [B, L].
      rows: B, of the global batch.
    """
    import jax

    return {
        key: jax.make_array_from_process_local_data(sharding, local, (rows, local.shape[1]))
        for key, local in batch.items()
    }
