"""A corpus of a generator's items, made by any number of processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from research import artefacts
from research.corpora.document import NAME, NAMING, Corpus, Unit, build_corpus, corpus_folder
from research.errors import GristmillError
from research.part_pool import attend_parent
from research.rephrase.synthesis.generator import Generator, Items, Source


def synthesize(
    generator: Generator,
    root: Path,
    name: str,
    version: str,
    *,
    items: int,
    seed: int,
    source: Corpus | None,
    workers: int,
    command: str,
    progress: Callable[..., Any],
    part_bytes: int = 64 << 20,
) -> Corpus:
    """Makes the corpus, goes on with it, or finds it made.

    Args:
      generator: of the items.
      root: the data root.
      name, version: of the corpus.
      items: how many to make.
      seed: of their draws.
      source: what the items are made of, for generators that read one.
      workers: processes; they change nothing but the time it takes.
      command: recorded, and named in remedies.
      progress: makes a progress bar (`research.terminal.progress`).
      part_bytes: UTF-8 bytes of text after which a part is closed.

    Raises:
      GristmillError: a source is missing, needless or too small, a name is none or taken, or no
        item can be made.
    """
    check(generator, name, version, items, source)
    definition: dict[str, Any] = {"synthesized": generator.describe(), "items": items, "seed": seed}
    inputs = []
    if source:
        keys = ("name", "version", "fingerprint")
        inputs = [{key: source.manifest[key] for key in keys}]
        definition["source"] = inputs[0]
    starts = range(0, items, generator.block)
    with _Blocks(generator, seed, items, source, workers) as blocks:
        units = [
            Unit(
                f"items {start}-{min(start + generator.block, items) - 1}",
                {key: value for key, value in definition.items() if key != "items"},
                lambda start=start: blocks.read(start),
            )
            for start in starts
        ]
        return build_corpus(
            root,
            name,
            version,
            units,
            licence=generator.licence or source.manifest["licence"],
            definition=definition,
            command=command,
            inputs=inputs,
            part_bytes=part_bytes,
            progress=lambda made: progress(made, total=items, desc=name, unit="item"),
        )


def check(generator: Generator, name: str, version: str, items: int, source: Corpus | None) -> None:
    """Refuses what cannot be made.

    Raises:
      GristmillError: as `synthesize` says.
    """
    for word in (name, version):
        if not NAME.fullmatch(word):
            raise GristmillError(f"{word[:200]!r} is no name of a corpus or version: use {NAMING}")
    if generator.reads and source is None:
        raise GristmillError(f"{generator.name} makes its items of a corpus: name it with --source")
    if source is None:
        return
    if not generator.reads:
        raise GristmillError(f"{generator.name} reads no corpus: leave --source out")
    if source.name == f"{name}@{version}":
        raise GristmillError(f"--out {name} is the corpus to read; choose another name")
    documents = source.manifest["documents"]
    most = generator.most_items(documents)
    if most is not None and items > most:
        raise GristmillError(
            f"{source.name} is too small: its {documents} documents are enough for {most} items of "
            f"{generator.name}, not {items}; ask for fewer --items, name a larger --source, or use "
            f"its documents more often: --gin {generator.name}.times=K"
        )


def made_before(root: Path, name: str, version: str) -> bool:
    """Whether there is a finished corpus of that name."""
    return (corpus_folder(root, name, version) / artefacts.MANIFEST).exists()


class _Blocks:
    """Blocks of items in their order, made ahead by worker processes; a context manager."""

    def __init__(
        self, generator: Generator, seed: int, items: int, source: Corpus | None, workers: int
    ) -> None:
        self._generator, self._seed, self._items, self._source = generator, seed, items, source
        self._workers = workers if items > generator.block else 1
        self._pool: ProcessPoolExecutor | None = None
        self._ahead: dict[int, Future[list[Any]]] = {}

    def __enter__(self) -> _Blocks:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def read(self, start: int) -> Items:
        """The items of the block that begins with item `start`."""
        if self._workers == 1:
            yield from self._make_here(start)
            return
        if not self._pool:
            # spawned, not forked: this process may hold threads of Arrow
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self._workers, context, attend_parent)
        block = self._generator.block
        for first in range(start, min(start + (self._workers + 1) * block, self._items), block):
            if first not in self._ahead:
                self._ahead[first] = self._pool.submit(make, *self._arguments(first))
        try:
            yield from self._ahead.pop(start).result()
        except BrokenProcessPool:
            raise GristmillError(
                "a working process died (killed, or out of memory); finished parts are kept; run "
                "the same command again, perhaps with fewer --workers"
            ) from None

    def _make_here(self, start: int) -> Items:
        generator, seed, first, stop, source = self._arguments(start)
        yield from generator.items(seed, first, stop, source and Source(source))

    def _arguments(self, start: int) -> tuple[Generator, int, int, int, Corpus | None]:
        stop = min(start + self._generator.block, self._items)
        return self._generator, self._seed, start, stop, self._source


def make(
    generator: Generator, seed: int, start: int, stop: int, source: Corpus | None
) -> list[Any]:
    """The items start … stop-1, as a worker hands them back."""
    return list(generator.items(seed, start, stop, source and Source(source)))
