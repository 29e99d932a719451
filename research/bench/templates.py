"""`gristmill bench templates`: verified word problems, beside unverified ones of reasoning-gym.

Both make ITEMS items a turn, in this process; imports and the first items are not counted.
  items_per_cpu_s         items drawn, written and verified in a CPU-second
  corpus_items_per_cpu_s  the same, with the corpus they are put into
  different_items         of a corpus, those that other shardings make otherwise; must be 0
  repeated_share          of the items, those whose text another one has already
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from research.bench.figures import Figure
from research.corpora.document import Corpus, Document
from research.corpora.installed import SAMPLES, gsm_symbolic_generators
from research.rephrase.synthesis.corpus import synthesize
from research.rephrase.synthesis.math_problems import MathTemplates
from research.terminal import progress

ITEMS = 20_000
CORPUS_ITEMS = 25_000  # more than two blocks
SHARDS = (1, 97, 4_096)  # items at a time
SEED = 0


def templates(rounds: int) -> list[Figure]:
    """Speeds of both in turns, and what shardings change.

    Raises:
      GristmillError: reasoning-gym is missing, or an item is wrong.
    """
    folder = SAMPLES["math_sample"].folder("math_sample")
    generators = list(gsm_symbolic_generators(folder).values())
    maths = MathTemplates()

    def ours(turn: int) -> None:
        for _ in maths.items(SEED, turn * ITEMS, (turn + 1) * ITEMS, None):
            pass

    def theirs(turn: int) -> None:
        rng = Random(turn)
        for item in range(ITEMS):
            generators[item % len(generators)](rng)

    speeds: dict[str, list[float]] = {"ours": [], "theirs": []}
    for turn in progress(range(rounds + 1), desc="templates", unit="round"):
        for name, make in (("ours", ours), ("theirs", theirs)):
            speed = ITEMS / _cpu_seconds(lambda make=make, turn=turn: make(turn))
            if turn:  # the first of each has to parse its expressions
                speeds[name].append(speed)
    ratio = statistics.median(a / b for a, b in zip(*speeds.values(), strict=True))
    first, second = (statistics.median(values) for values in speeds.values())
    corpus_speed, different = _corpora(maths)
    texts = [item.text for item in maths.items(SEED, 0, CORPUS_ITEMS, None)]
    return [
        Figure("templates", "items_per_cpu_s", first, "items/cpu-s",
               "reasoning-gym gsm_symbolic, unverified", second, ratio),
        Figure("templates", "corpus_items_per_cpu_s", corpus_speed, "items/cpu-s"),
        Figure("templates", "different_items", float(different), "items"),
        Figure("templates", "repeated_share", 1 - len(set(texts)) / len(texts), "of items"),
    ]  # fmt: skip


def _corpora(maths: MathTemplates) -> tuple[float, int]:
    """Speed of making a corpus alone, and how many items others make otherwise."""
    with tempfile.TemporaryDirectory() as folder:

        def make(workers: int) -> Corpus:
            return synthesize(
                maths, Path(folder), f"w{workers}", "1", items=CORPUS_ITEMS, seed=SEED, source=None,
                workers=workers, command="gristmill bench templates", progress=_silent,
            )  # fmt: skip

        speed = CORPUS_ITEMS / _cpu_seconds(lambda: make(1))
        alone, in_two = (list(make(workers).documents()) for workers in (1, 2))
    different = _differing(alone, in_two)
    for size in SHARDS:
        shards = list(range(0, CORPUS_ITEMS, size))
        made: dict[int, Document] = {}
        for start in shards[::-1]:  # in another order, too
            stop = min(start + size, CORPUS_ITEMS)
            made |= dict(enumerate(maths.items(SEED, start, stop, None), start))
        different += _differing(alone, [made[index] for index in range(CORPUS_ITEMS)])
    return speed, different


def _differing(some: list[Document], others: list[Document]) -> int:
    return sum(a != b for a, b in zip(some, others, strict=True))


def _cpu_seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _silent(items: Iterator[Document], **_: object) -> Iterator[Document]:
    return items
