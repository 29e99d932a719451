"""`gristmill bench loader` and `loader_short`: batches a CPU-second, against other loaders.

The same four sources for all, each 30 million tokens of documents with geometric lengths: of means
400, 900, 1500 and 3000 tokens, or 140 for `loader_short`.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from research.bench.figures import Figure
from research.input_pipeline.batches import BatchSource, DataSpec
from research.input_pipeline.loader import load
from research.input_pipeline.mixture_plan import Schedule
from research.input_pipeline.token_cache import TokenCache
from research.terminal import progress

LENGTH, BATCH, TOKENS, VOCABULARY = 1024, 64, 30_000_000, 32_000
WEIGHTS = (0.4, 0.3, 0.2, 0.1)


def loader(rounds: int) -> list[Figure]:
    """Documents of ordinary lengths."""
    return _race("loader", (400, 900, 1500, 3000), rounds)


def loader_short(rounds: int) -> list[Figure]:
    """Documents of a mean of 140 tokens."""
    return _race("loader_short", (140,) * 4, rounds)


def _race(bench: str, means: tuple[int, ...], rounds: int) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        _write_sources(Path(folder), means)
        runners = {name: _start(name, folder) for name in CONTENDERS}
        speeds: dict[str, list[float]] = {name: [] for name in CONTENDERS}
        for _ in progress(range(rounds), desc=bench, unit="round"):
            for name, runner in runners.items():
                runner.stdin.write("go\n")
                runner.stdin.flush()
                result = json.loads(runner.stdout.readline())
                speeds[name].append(result["tokens"] / result["cpu_s"])
        for runner in runners.values():
            runner.stdin.close()
            runner.wait()
    ours = speeds.pop("gristmill")
    figures = []
    for anchor, theirs in speeds.items():
        ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
        values = statistics.median(ours), "tokens/cpu-s", anchor, statistics.median(theirs), ratio
        figures.append(Figure(bench, "tokens_per_cpu_s", *values))
    return figures


def _start(name: str, folder: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "research.bench.loader", name, folder]
    runner = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    if runner.stdout.readline() != "ready\n":
        raise RuntimeError(f"{name} did not start")
    return runner


def _write_sources(folder: Path, means: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    for source, mean in enumerate(means):
        sizes = rng.geometric(1 / mean, TOKENS // mean)
        np.save(folder / f"{source}.offsets.npy", np.concatenate([[0], np.cumsum(sizes)]))
        tokens = rng.integers(4, VOCABULARY, sizes.sum(), dtype=np.uint16)
        tokens.tofile(folder / f"{source}.bin")


def _sources(folder: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """(tokens, offsets) of each source, memory-mapped."""
    return [
        (
            np.asarray(np.memmap(folder / f"{source}.bin", np.uint16, "r")),
            np.asarray(np.load(folder / f"{source}.offsets.npy", mmap_mode="r")),
        )
        for source in range(len(WEIGHTS))
    ]


def _gristmill(folder: Path) -> Iterator[int]:
    caches = {}
    for number, (tokens, offsets) in enumerate(_sources(folder)):
        n = len(offsets) - 1
        name = f"s{number}"
        caches[name] = TokenCache(
            name, folder, {"domains": [name], "fingerprint": name}, tokens, offsets,
            np.zeros(n, np.uint16), np.zeros(n, np.uint32),
        )  # fmt: skip
    spec = DataSpec(
        Schedule.constant(dict(zip(caches, WEIGHTS, strict=True))),
        100_000, BATCH, LENGTH, 0, "concat", {}, "error",
    )  # fmt: skip
    for batch in load(BatchSource(spec, caches, 1, 0), 0, threads=1):
        yield batch["targets"].size


def _grain(folder: Path) -> Iterator[int]:
    """Shuffle, concatenate and split each source, mix, batch: grain's own parts."""
    import grain

    class Documents:
        def __init__(self, tokens: np.ndarray, offsets: np.ndarray) -> None:
            self.tokens, self.offsets = tokens, offsets

        def __len__(self) -> int:
            return len(self.offsets) - 1

        def __getitem__(self, i: int) -> dict[str, np.ndarray]:
            return {"tokens": self.tokens[self.offsets[i] : self.offsets[i + 1]].astype(np.int32)}

    options = grain.ReadOptions(num_threads=1, prefetch_buffer_size=8)
    packed = [
        grain.experimental.ConcatThenSplitIterDataset(
            grain.MapDataset.source(Documents(*source)).seed(i).shuffle().repeat()
            .to_iter_dataset(options),
            length_struct={"tokens": LENGTH + 1},
        )
        for i, source in enumerate(_sources(folder))
    ]  # fmt: skip
    mixed = grain.IterDataset.mix(packed, WEIGHTS).batch(BATCH)
    for batch in mixed:
        yield batch["tokens"].size * LENGTH // (LENGTH + 1)


def _memmap(folder: Path) -> Iterator[int]:
    """Random windows of one memory map: no documents, no mixture, no epochs."""
    tokens, _ = _sources(folder)[0]
    rng = np.random.default_rng(0)
    while True:
        starts = rng.integers(0, len(tokens) - LENGTH - 1, BATCH)
        window = np.stack([tokens[s : s + LENGTH + 1] for s in starts])
        inputs, targets = window[:, :-1].astype(np.int32), window[:, 1:].astype(np.int32)
        assert inputs.shape == targets.shape
        yield targets.size


def _seqio(folder: Path) -> Iterator[int]:
    """A Mixture of Tasks over tokens cached as tf.Examples, packed by SeqIO's LM converter."""
    from research.registry.seqio_batches import packed_batches

    for batch in packed_batches(folder, _sources(folder), WEIGHTS, LENGTH, BATCH):
        yield int((batch["decoder_target_tokens"] > 0).sum())


CONTENDERS: dict[str, Callable[[Path], Iterator[int]]] = {
    "gristmill": _gristmill,
    "grain": _grain,
    "seqio": _seqio,
    "memmap": _memmap,
}


def _serve(name: str, folder: Path, seconds: float = 2.0) -> None:
    """Runs a contender: for each line on standard input, some seconds of batches."""
    batches = CONTENDERS[name](folder)
    for _ in itertools.islice(batches, 16):  # warm
        pass
    write = functools.partial(print, flush=True)
    write("ready")
    for _ in sys.stdin:
        tokens, start = 0, time.process_time()
        while (spent := time.process_time() - start) < seconds:
            tokens += next(batches)
        write(json.dumps({"tokens": tokens, "cpu_s": spent}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=list(CONTENDERS))
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    _serve(args.name, args.folder)
