"""Trains a model of each fold, calibrates it, and says how good they are on unseen documents."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from research.curate.collection import Collection
from research.curate.quality import metrics
from research.curate.quality.examples import FOLDS, Examples
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
from research.curate.quality.ratings import DOMAIN_HEAD
from research.errors import GristmillError

LEAST = 5  # documents of either side, in every fold and in the test
TELLING = 200  # buckets looked at on each side
SHOWN = 25  # n-grams kept of each side
_NUMBER, _WORD = re.compile(r"\d+(?:[.,]\d+)?"), re.compile(r"\w+")


def train_classifier(
    examples: Examples, training: Training, levels: Sequence[str]
) -> tuple[list[LinearModel], dict[str, Any]]:
    """Models that tell positive from negative texts, each side weighing the same.

    Args:
      examples: of one head of two levels.
      training: how.
      levels: what the negative and the positive side are called in an error.

    Returns:
      The calibrated model of every fold, whose value is the chance of a positive text among as
      many of each; and what they are worth on the test, each text being scored by its fold's.

    Raises:
      GristmillError: too few documents of a side.
    """
    for level, name in enumerate(levels):
        group = np.where(examples.test, FOLDS, examples.fold)[examples.labels[:, 0] == level]
        if np.bincount(group, minlength=FOLDS + 1).min() < LEAST:
            raise GristmillError(
                f"too few documents: {name} has {len(group)} different usable ones, and each of "
                f"{FOLDS} folds and the test needs at least {LEAST} of them"
            )
    models = fit_folds(examples, (Head("positive"),), training, range(FOLDS), balanced=True)
    values, positive = test_values(examples, models)[:, 0], examples.labels[examples.test, 0] == 1
    weights = _balance(examples.labels[examples.test]).astype(float)
    clipped = np.clip(values, 1e-9, 1 - 1e-9)
    report = {
        "documents": len(values),
        "positive": int(positive.sum()),
        "auc": metrics.area_under_curve(values, positive),
        "accuracy": float(np.average((values > 0.5) == positive, weights=weights)),
        "log_loss": float(
            -np.average(np.log(np.where(positive, clipped, 1 - clipped)), weights=weights)
        ),
        "ece": metrics.calibration_error(values, positive, weights),
        "reliability": metrics.reliability(values, positive, weights),
    }
    return models, report


def train_student(
    examples: Examples, training: Training, heads: Sequence[Head]
) -> tuple[list[LinearModel], dict[str, Any]]:
    """A model that rates as a rater did.

    Args:
      examples: labelled with a level of every head.
      training: how.
      heads: criteria, then one of two levels for every domain.

    Returns:
      The calibrated model (one for all folds), and how far it agrees with the rater on the test:
      for every criterion quadratically weighted kappa, the shares of equal levels and of levels
      at most one apart, and what always saying the commonest level of the training texts gets.

    Raises:
      GristmillError: too few documents.
    """
    held_out = int(examples.test.sum())
    if held_out < LEAST or len(examples.test) - held_out < 4 * LEAST:
        raise GristmillError(
            f"too few rated documents: {len(examples.test)} different ones, {held_out} of them "
            f"held out; at least {4 * LEAST} and {LEAST} are needed"
        )
    models = fit_folds(examples, heads, training, range(1), balanced=False)
    values, truth = test_values(examples, models), examples.labels[examples.test].astype(int)
    rated = examples.labels[~examples.test].astype(int)
    criteria = {}
    domains = [o for o, head in enumerate(heads) if head.name.startswith(DOMAIN_HEAD)]
    for o, head in enumerate(heads):
        if o in domains:
            continue
        said = np.clip(np.round(values[:, o]), 0, head.levels - 1).astype(int)
        commonest = np.bincount(rated[:, o]).argmax()
        criteria[head.name] = {
            "kappa": metrics.weighted_kappa(said, truth[:, o], head.levels),
            "equal": float((said == truth[:, o]).mean()),
            "within_one": float((abs(said - truth[:, o]) <= 1).mean()),
            "commonest": float((truth[:, o] == commonest).mean()),
        }
    right = truth[:, domains].argmax(1)
    report = {
        "documents": held_out,
        "criteria": criteria,
        "domain": float((values[:, domains].argmax(1) == right).mean()),
        "commonest_domain": float((right == rated[:, domains].sum(0).argmax()).mean()),
    }
    return models, report


def fit_folds(
    examples: Examples,
    heads: Sequence[Head],
    training: Training,
    folds: Sequence[int],
    balanced: bool,
) -> list[LinearModel]:
    """The calibrated models of some folds."""

    def of(chosen: np.ndarray) -> tuple[Bags, np.ndarray, np.ndarray]:
        bags, labels = examples.rows(chosen & ~examples.test)
        importance = _balance(labels) if balanced else np.ones(len(labels), np.float32)
        return bags, labels, importance

    return [
        calibrate(fit(*of(examples.fold != fold), heads, training), *of(examples.fold == fold))
        for fold in folds
    ]


def test_values(examples: Examples, models: Sequence[LinearModel]) -> np.ndarray:
    """What the models say of the texts of the test, float64 [n, O]."""
    bags, _ = examples.rows(examples.test)
    fold = examples.fold[examples.test] % len(models)
    each = [model.values(bag_products(bags, model.weights)) for model in models]
    return np.stack(each)[fold, np.arange(len(fold))]


def _balance(labels: np.ndarray) -> np.ndarray:
    """Weights by which both levels of a single head have the same sum, float32 [N]."""
    counts = np.bincount(labels[:, 0], minlength=2)
    return (len(labels) / 2 / counts[labels[:, 0]]).astype(np.float32)


def telling_ngrams(
    collection: Collection, examples: Examples, models: Sequence[LinearModel], head: int
) -> dict[str, list[list[Any]]]:
    """The n-grams that decide most, as far as a hash can be undone.

    A bucket's say is its mean weight times the difference of its mean share between texts above and
    below the middle level of the labels.  It is shown as the commonest n-gram of the training
    corpora that falls into it.

    Returns:
      {'for': …, 'against': …}, each [n-gram, weight, occurrences], the most telling first.
    """
    bags, labels = examples.rows(~examples.test & (examples.labels[:, head] != UNKNOWN))
    levels = labels[:, head]
    above = levels > (levels.min() + levels.max()) / 2
    weights = np.mean([model.weights[:, head] for model in models], axis=0)
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
