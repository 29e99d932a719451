"""A small refine model: which lines of a text should go, learned from compiled programs.

Every line is a bag of hashed words with a few numbers (length, punctuation, place), embedded and
seen together with the two lines before and behind it.  It has half a million parameters and no idea
of meaning: it learns menus, consent notices and other lines that look like lines it has seen go,
and says nothing of parts of lines.  As a `Refiner` it answers a numbered chunk with a program; a
language model does the same with more sense and at more cost.
"""

from __future__ import annotations

import dataclasses
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import scipy.special
import scipy.stats
from flax import nnx

from research import artefacts
from research.curate.edits.compile import operations
from research.curate.edits.execute import Lines
from research.curate.edits.program import KeepChunk, write
from research.curate.edits.store import require_file
from research.errors import GristmillError

BUCKETS, WORDS, NUMBERS = 1 << 14, 32, 9  # hashed words, words of a line that count, numbers
WIDTH, AROUND = 32, 2
WINDOW = 64  # lines
BATCH = 16  # windows
_WORD = re.compile(r"\w+|[^\w\s]")
_PREFIX = re.compile(r"^\[\d+\]", re.MULTILINE)
_ENDS = '.!?…"”:;'


class LineModel(nnx.Module):
    """Logits that lines go: [B, WINDOW]."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.words = nnx.Embed(BUCKETS + 1, WIDTH, rngs=rngs)  # the last row stands for no word
        self.line = nnx.Linear(WIDTH + NUMBERS, 2 * WIDTH, rngs=rngs)
        self.around = nnx.Linear(2 * WIDTH * (2 * AROUND + 1), 2 * WIDTH, rngs=rngs)
        self.logit = nnx.Linear(2 * WIDTH, 1, rngs=rngs)

    def __call__(self, words_BxLxW: jax.Array, numbers_BxLxN: jax.Array) -> jax.Array:
        there = (words_BxLxW < BUCKETS)[..., None]
        bag = (self.words(words_BxLxW) * there).sum(2) / jnp.maximum(there.sum(2), 1)
        line_BxLxD = nnx.relu(self.line(jnp.concatenate([bag, numbers_BxLxN], -1)))
        padded = jnp.pad(line_BxLxD, ((0, 0), (AROUND, AROUND), (0, 0)))
        shifted = [padded[:, at : at + WINDOW] for at in range(2 * AROUND + 1)]
        return self.logit(nnx.relu(self.around(jnp.concatenate(shifted, -1))))[..., 0]


@dataclasses.dataclass(frozen=True)
class Windows:
    """Lines of many texts, `WINDOW` to a row: words [N, L, W], numbers [N, L, K], there [N, L]."""

    words: np.ndarray
    numbers: np.ndarray
    there: np.ndarray


def windows(texts: Iterable[str]) -> Windows:
    """The lines of texts; no row has lines of two texts."""
    words, numbers, there = [], [], []
    for text in texts:
        lines = Lines(text)
        for first in range(0, len(lines), WINDOW):
            row_words = np.full((WINDOW, WORDS), BUCKETS, np.int32)
            row_numbers = np.zeros((WINDOW, NUMBERS), np.float32)
            present = np.zeros(WINDOW, bool)
            for at, number in enumerate(range(first, min(first + WINDOW, len(lines)))):
                line = text[lines.starts[number] : lines.ends[number]]
                hashed = [zlib.crc32(word.lower().encode()) % BUCKETS
                          for word in _WORD.findall(line[:1000])[:WORDS]]  # fmt: skip
                row_words[at, : len(hashed)] = hashed
                row_numbers[at] = _numbers(line, number, len(lines))
                present[at] = True
            words.append(row_words)
            numbers.append(row_numbers)
            there.append(present)
    if not words:
        raise GristmillError("no lines to learn from or to score")
    return Windows(np.stack(words), np.stack(numbers), np.stack(there))


def _numbers(line: str, number: int, lines: int) -> tuple[float, ...]:
    bare = line.strip()
    size = max(1, len(bare))
    return (
        np.log1p(len(bare)) / 5,
        len(bare.split()) / 20,
        sum(map(str.isalpha, bare)) / size,
        sum(map(str.isdigit, bare)) / size,
        sum(map(str.isupper, bare)) / size,
        float(bare.endswith(tuple(_ENDS))),
        float(not bare),
        number / lines,
        (lines - number) / lines,
    )


@dataclasses.dataclass(frozen=True)
class LineScorer:
    """A trained model and the chance above which a line goes."""

    weights: Any
    threshold: float

    def chances(self, text: str) -> list[float]:
        """For every line of a text, the chance that it should go."""
        rows = windows([text])
        return _chances(self.weights, rows)[rows.there].tolist()

    def __call__(self, numbered: str) -> str:
        """The program for a numbered chunk (`chunks.Refiner`)."""
        text = _PREFIX.sub("", numbered)
        lines = Lines(text)
        gone = [chance > self.threshold for chance in self.chances(text)]
        runs: list[tuple[int, int]] = []
        for number, out in enumerate(gone):
            if out and runs and runs[-1][1] == lines.starts[number]:
                runs[-1] = (runs[-1][0], lines.ends[number])
            elif out:
                runs.append((lines.starts[number], lines.ends[number]))
        return write(operations(text, runs) or (KeepChunk(),))

    def save(self, path: Path, facts: dict[str, Any]) -> None:
        """Writes the weights with the threshold and facts about the training."""
        flat = {"/".join(map(str, key)): np.asarray(value)
                for key, value in nnx.to_flat_state(self.weights)}  # fmt: skip
        about = json.dumps({"threshold": self.threshold, **facts})
        path.parent.mkdir(parents=True, exist_ok=True)
        with artefacts.atomic_file(path) as file:
            np.savez(file, about=np.frombuffer(about.encode(), np.uint8), **flat)

    @classmethod
    def load(cls, path: Path) -> LineScorer:
        """Reads what `save` wrote.

        Raises:
          GristmillError: it is missing, damaged or no line scorer.
        """
        require_file(path)
        expected = nnx.state(nnx.eval_shape(lambda: LineModel(nnx.Rngs(0))), nnx.Param)
        try:
            with np.load(path, allow_pickle=False) as arrays:
                about = json.loads(arrays["about"].tobytes())
                if not isinstance(about, dict):
                    raise ValueError("about is no JSON object")
                threshold = float(about["threshold"])
                if not 0 <= threshold <= 1:
                    raise ValueError(f"a threshold of {threshold}")
                filled = [
                    (key, value.replace(_read(arrays, "/".join(map(str, key)), value.shape)))
                    for key, value in nnx.to_flat_state(expected)
                ]
        except Exception as error:  # NumPy and zipfile raise a dozen kinds for damaged files
            reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
            raise GristmillError(
                f"{path}: no line scorer ({reason}); make one with "
                f"gristmill refine train CORPUS PROGRAMS --out {path} --seed 1"
            ) from None
        return cls(nnx.from_flat_state(filled), threshold)


def _read(arrays: Mapping[str, np.ndarray], name: str, shape: tuple[int, ...]) -> jax.Array:
    """The weights of that name; a ValueError says what is wrong with them."""
    array = arrays[name]
    if array.shape != shape or array.dtype != np.float32:
        raise ValueError(f"{name} is {array.dtype}{list(array.shape)}, not float32{list(shape)}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has values that are not finite")
    return jnp.asarray(array)


_GRAPH = nnx.graphdef(nnx.eval_shape(lambda: LineModel(nnx.Rngs(0))))


@jax.jit
def _logits(weights: Any, words: jax.Array, numbers: jax.Array) -> jax.Array:
    return nnx.merge(_GRAPH, weights)(words, numbers)


def _chances(weights: Any, rows: Windows) -> np.ndarray:
    found = []
    for first in range(0, len(rows.words), BATCH):
        words, numbers = rows.words[first : first + BATCH], rows.numbers[first : first + BATCH]
        missing = BATCH - len(words)
        words = np.concatenate([words, np.full((missing, WINDOW, WORDS), BUCKETS, np.int32)])
        numbers = np.concatenate([numbers, np.zeros((missing, WINDOW, NUMBERS), np.float32)])
        logits = np.asarray(_logits(weights, words, numbers))[: BATCH - missing]
        found.append(scipy.special.expit(logits))
    return np.concatenate(found)


@dataclasses.dataclass(frozen=True)
class Quality:
    """What a scorer is worth on lines it has not seen.

    Attributes:
      lines, gone: how many there are, and how many of them an expert removed.
      precision, recall, f1: of the lines the scorer removes.
      baseline_f1: of removing every line.
      auc: the chance that a line that goes is rated above one that stays.
    """

    lines: int
    gone: int
    precision: float
    recall: float
    f1: float
    baseline_f1: float
    auc: float


def train(
    texts: Sequence[str], gone: Sequence[Sequence[bool]], seed: int, epochs: int, progress: Any
) -> tuple[LineScorer, Quality]:
    """Trains on eight tenths of the texts, chooses the threshold on one, measures on the last.

    Args:
      texts: of documents.
      gone: for every line of each, whether the expert removed it.
      seed: of the weights, the order and the split.
      epochs: passes over the training texts.
      progress: wraps the iterable of epochs.

    Raises:
      GristmillError: too few texts, or no line goes.
    """
    if len(texts) < 20 or not any(map(any, gone)):
        raise GristmillError(
            f"{len(texts)} texts with {sum(map(sum, gone))} removed lines; training needs 20 texts "
            "and a line that goes"
        )
    order = np.random.Generator(np.random.Philox(key=seed)).permutation(len(texts))
    tenth = max(1, len(texts) // 10)
    parts = [order[2 * tenth :], order[:tenth], order[tenth : 2 * tenth]]
    learned, chosen, measured = (_labelled(texts, gone, part) for part in parts)
    weights = nnx.state(LineModel(nnx.Rngs(seed)), nnx.Param)
    optimizer = optax.adamw(2e-3, weight_decay=0.01)
    state = optimizer.init(weights)

    def loss_of(weights: Any, words: jax.Array, numbers: jax.Array, there: jax.Array,
                labels: jax.Array) -> jax.Array:  # fmt: skip
        logits = nnx.merge(_GRAPH, weights)(words, numbers)
        losses = optax.sigmoid_binary_cross_entropy(logits, labels)
        return (losses * there).sum() / jnp.maximum(there.sum(), 1)

    @jax.jit
    def step(weights: Any, state: Any, *batch: jax.Array) -> tuple[Any, Any]:
        gradients = jax.grad(loss_of)(weights, *batch)
        updates, state = optimizer.update(gradients, state, weights)
        return optax.apply_updates(weights, updates), state

    rows, labels = learned
    rng = np.random.Generator(np.random.Philox(key=seed + 1))
    for _ in progress(range(epochs)):
        for picked in _batches(rng, len(rows.words)):
            there = rows.there[picked].astype(np.float32)
            weights, state = step(weights, state, rows.words[picked], rows.numbers[picked], there,
                                  labels[picked])  # fmt: skip
    threshold = _best_threshold(weights, *chosen)
    return LineScorer(weights, threshold), _quality(weights, threshold, *measured)


def _labelled(
    texts: Sequence[str], gone: Sequence[Sequence[bool]], part: np.ndarray
) -> tuple[Windows, np.ndarray]:
    rows = windows(texts[number] for number in part)
    labels = np.zeros(rows.there.shape, np.float32)
    labels[rows.there] = np.concatenate([np.asarray(gone[number], np.float32) for number in part])
    return rows, labels


def _batches(rng: np.random.Generator, rows: int) -> Iterator[np.ndarray]:
    order = rng.permutation(rows)
    order = np.concatenate([order, order[: -rows % BATCH]])  # the last batch is filled up
    for first in range(0, len(order) - BATCH + 1, BATCH):
        yield order[first : first + BATCH]


def _best_threshold(weights: Any, rows: Windows, labels: np.ndarray) -> float:
    chances = _chances(weights, rows)[rows.there]
    truth = labels[rows.there] > 0
    return max(np.linspace(0.1, 0.9, 17), key=lambda at: _scores(chances > at, truth)[2]).item()


def _scores(found: np.ndarray, truth: np.ndarray) -> tuple[float, float, float]:
    both = float((found & truth).sum())
    precision, recall = both / max(1, found.sum()), both / max(1, truth.sum())
    return precision, recall, 2 * precision * recall / max(1e-9, precision + recall)


def _quality(weights: Any, threshold: float, rows: Windows, labels: np.ndarray) -> Quality:
    chances, truth = _chances(weights, rows)[rows.there], labels[rows.there] > 0
    precision, recall, f1 = _scores(chances > threshold, truth)
    baseline = _scores(np.ones_like(truth), truth)[2]
    ranks = scipy.stats.rankdata(chances)
    gone, stay = int(truth.sum()), int((~truth).sum())
    above = float(ranks[truth].sum()) - gone * (gone + 1) / 2
    auc = above / max(1, gone * stay)
    return Quality(len(truth), gone, precision, recall, f1, baseline, auc)
