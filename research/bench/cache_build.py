"""`gristmill bench cache_build`: tokenising the five samples, against SeqIO's own pipeline."""

from __future__ import annotations

import dataclasses
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from research import artefacts
from research.bench.figures import Figure
from research.corpora.document import Corpus, Unit, build_corpus
from research.errors import GristmillError
from research.input_pipeline.loader import open_caches
from research.input_pipeline.token_cache import build_caches, tokenise_part
from research.registry.specs import MixtureSpec, load_mixture
from research.registry.splits import SPLITS
from research.terminal import progress

COPIES = 4  # of the samples, so that starting a process weighs little


def cache_build(rounds: int) -> list[Figure]:
    """Speed of one process, the gain of a second, and equality with SeqIO's ids.

    Raises:
      GristmillError: the demo mixture is not cached below the data root.
    """
    root = artefacts.data_root()
    mixture = load_mixture(root, "demo")
    caches = {split: open_caches(root, mixture, split) for split in SPLITS}
    figures = _against_seqio(root, mixture, caches)
    with tempfile.TemporaryDirectory() as folder:
        bigger = _copies(root, Path(folder), mixture)
        gains = []
        for _ in progress(range(rounds), desc="cache_build", unit="round"):
            walls = []
            for workers in (1, 2):
                shutil.rmtree(Path(folder) / "caches", ignore_errors=True)
                start = time.perf_counter()
                build_caches(
                    Path(folder), bigger, workers=workers, command="", progress=_silent_progress
                )
                walls.append(time.perf_counter() - start)
            gains.append(walls[0] / walls[1])
    return [*figures, Figure("cache_build", "speedup_2", statistics.median(gains), "x one process")]


def _against_seqio(root: Path, mixture: MixtureSpec, caches: dict) -> list[Figure]:
    """CPU time of both, Task by Task in turn, comparing the ids of every document."""
    from research.registry.export import seqio_token_stream

    ours = theirs = 0.0
    tokens = documents = 0
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        for name in ("corpora", "vocabularies"):
            (scratch / name).symlink_to((root / name).absolute())
        for name, task in progress(mixture.tasks.items(), desc="comparing", unit="task"):
            (scratch / "caches" / name / task.fingerprint[:16] / "parts").mkdir(parents=True)
            start = time.process_time()
            for part in range(len(Corpus.open(root, task.corpus).parts)):
                tokenise_part(scratch, task, part, ())
            ours += time.process_time() - start
            for split in SPLITS:
                cache = caches[split][name]
                start = time.process_time()
                found = list(seqio_token_stream(root, name, split))
                theirs += time.process_time() - start
                for number, document in enumerate(found):
                    ids = cache.tokens[cache.offsets[number] : cache.offsets[number + 1]]
                    if not np.array_equal(ids, document.tokens):
                        raise GristmillError(f"{name}: ids of {document.id} differ from SeqIO's")
                if len(found) != len(cache.offsets) - 1:
                    raise GristmillError(f"{name}: SeqIO has {len(found)} documents in {split}")
                tokens += len(cache.tokens)
                documents += len(found)
    values = tokens / ours, "tokens/cpu-s", "seqio", tokens / theirs, theirs / ours
    return [
        Figure("cache_build", "tokens_per_cpu_s", *values),
        Figure("cache_build", "documents_equal_to_seqio", float(documents), "documents"),
    ]


def _copies(root: Path, folder: Path, mixture: MixtureSpec) -> MixtureSpec:
    """A mixture of one Task over several copies of the samples, in a root of its own."""
    (folder / "vocabularies").symlink_to((root / "vocabularies").absolute())

    def documents():
        for copy in range(COPIES):
            for task in mixture.tasks.values():
                for document in Corpus.open(root, task.corpus).documents():
                    yield dataclasses.replace(document, id=f"{copy}/{document.id}")

    corpus = build_corpus(
        folder, "copies", "1", [Unit("samples", COPIES, documents)], licence="as the samples'",
        definition={}, command="gristmill bench cache_build", part_bytes=4 << 20,
    )  # fmt: skip
    task = next(iter(mixture.tasks.values()))
    task = dataclasses.replace(
        task, name="copies", corpus=corpus.name, corpus_fingerprint=corpus.manifest["fingerprint"]
    )
    return dataclasses.replace(mixture, tasks={"copies": task}, shares={"copies": None})


def _silent_progress(iterable=None, **options):
    return progress(iterable, **{**options, "disable": True})
