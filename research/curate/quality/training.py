"""Trains a model on examples, calibrates it, and says how good it is on documents it never saw."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from research.curate.collection import Collection
from research.curate.quality import metrics
from research.curate.quality.examples import CALIBRATE, TEST, TRAIN, Examples
from research.curate.quality.features import Bags, occurrences
from research.curate.quality.linear import (
    UNKNOWN,
    Head,
    LinearModel,
    Training,
    bag_products,
    calibrate,
    fit,
)
from research.errors import GristmillError

LEAST = 5  # documents of every level of a classifier, in every split
TELLING = 200  # buckets looked at on each side
SHOWN = 25  # n-grams kept of each side
_NUMBER, _WORD = re.compile(r"\d+(?:[.,]\d+)?"), re.compile(r"\w+")


def train_classifier(
    examples: Examples, training: Training, levels: Sequence[str]
) -> tuple[LinearModel, dict[str, Any]]:
    """A model that tells positive from negative texts, each side weighing the same.

    Args:
      examples: of one head of two levels.
      training: how.
      levels: what the negative and the positive side are called in an error.

    Returns:
      The calibrated model, whose value is the chance of a positive text among as many of each;
      and what it is worth on the held-out split.

    Raises:
      GristmillError: too few documents of a side.
    """
    for level, name in enumerate(levels):
        for split in (TRAIN, CALIBRATE, TEST):
            if (examples.labels[examples.rows(split)] == level).sum() < LEAST:
                total = int((examples.labels == level).sum())
                raise GristmillError(
                    f"too few documents: {name} has {total} different usable ones, and each of "
                    f"the three splits (60, 20 and 20 %) needs at least {LEAST} of them"
                )
    model = _fit_and_calibrate(examples, (Head("positive"),), training, balanced=True)
    rows = examples.rows(TEST)
    values = model.values(bag_products(examples.bags.select(rows), model.weights))[:, 0]
    positive = examples.labels[rows, 0] == 1
    weights = _balance(examples.labels[rows]).astype(float)
    clipped = np.clip(values, 1e-9, 1 - 1e-9)
    report = {
        "documents": len(rows),
        "positive": int(positive.sum()),
        "auc": metrics.area_under_curve(values, positive),
        "accuracy": float(np.average((values > 0.5) == positive, weights=weights)),
        "log_loss": float(
            -np.average(np.log(np.where(positive, clipped, 1 - clipped)), weights=weights)
        ),
        "ece": metrics.calibration_error(values, positive, weights),
        "reliability": metrics.reliability(values, positive, weights),
    }
    return model, report


def _fit_and_calibrate(
    examples: Examples, heads: Sequence[Head], training: Training, balanced: bool
) -> LinearModel:
    def of(split: int) -> tuple[Bags, np.ndarray, np.ndarray]:
        rows = examples.rows(split)
        labels = examples.labels[rows]
        importance = _balance(labels) if balanced else np.ones(len(rows), np.float32)
        return examples.bags.select(rows), labels, importance

    return calibrate(fit(*of(TRAIN), heads, training), *of(CALIBRATE))


def _balance(labels: np.ndarray) -> np.ndarray:
    """Weights by which both levels of a single head have the same sum, float32 [N]."""
    counts = np.bincount(labels[:, 0], minlength=2)
    return (len(labels) / 2 / counts[labels[:, 0]]).astype(np.float32)


def fitted_to(examples: Examples) -> np.ndarray:
    """Hashes of the texts the weights or their calibration come from."""
    return examples.hashes[examples.split != TEST]


def telling_ngrams(
    collection: Collection, examples: Examples, model: LinearModel, head: int
) -> dict[str, list[list[Any]]]:
    """The n-grams that decide most, as far as a hash can be undone.

    A bucket's say is its weight times the difference of its mean share between texts above and
    below the middle level of the labels.  It is shown as the commonest n-gram of the training
    corpora that falls into it.

    Returns:
      {'for': …, 'against': …}, each [n-gram, weight, occurrences], the most telling first.
    """
    rows = examples.rows(TRAIN)
    rows = rows[examples.labels[rows, head] != UNKNOWN]
    bags = examples.bags.select(rows)
    levels = examples.labels[rows, head]
    above = levels > (levels.min() + levels.max()) / 2
    weights = model.weights[:, head]
    difference = _mean(bags, above, len(weights)) - _mean(bags, ~above, len(weights))
    say = weights * difference
    sides = {
        "for": np.argsort(-np.where(weights > 0, say, 0), kind="stable")[:TELLING],
        "against": np.argsort(-np.where(weights < 0, say, 0), kind="stable")[:TELLING],
    }
    wanted = np.zeros(len(weights), bool)
    for side in sides.values():
        wanted[side] = True
    found: dict[int, Counter[str]] = {}
    for part in collection.parts:
        for batch in collection.batches(part, ["text"]):
            for bucket, words in zip(*occurrences(batch["text"], wanted), strict=True):
                shown = " ".join(_WORD.findall(_NUMBER.sub("0", words.lower())))
                found.setdefault(int(bucket), Counter())[shown] += 1
    return {
        name: [
            [words, round(float(weights[bucket]), 2), count]
            for bucket in side
            if bucket in found
            for words, count in found[bucket].most_common(1)
        ][:SHOWN]
        for name, side in sides.items()
    }


def _mean(bags: Bags, chosen: np.ndarray, buckets: int) -> np.ndarray:
    sizes = np.diff(bags.ends, prepend=0)
    entries = np.repeat(chosen, sizes)
    return np.bincount(bags.buckets[entries], bags.shares[entries], buckets) / max(1, chosen.sum())
