"""Where the labels of a model come from: two kinds of corpora, a table of scores, or ratings."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from research.corpora.document import Corpus
from research.curate.collection import Collection
from research.curate.quality.examples import Examples, Labels
from research.curate.quality.linear import UNKNOWN, LinearModel, Training
from research.curate.quality.ratings import student_heads, student_labels
from research.curate.quality.training import train_classifier, train_student
from research.curate.score_tables import ScoreTable
from research.errors import GristmillError


@dataclasses.dataclass(frozen=True)
class Source:
    """What a model is to learn.

    Attributes:
      collection: the corpora.
      labels: what is known of their documents.
      definition: of the labels, for the model's manifest.
      train: makes the models and says what they are worth.
    """

    collection: Collection
    labels: Labels
    definition: dict[str, Any]
    train: Callable[[Examples, Training], tuple[list[LinearModel], dict[str, Any]]]


def from_corpora(root: Path, positive: Sequence[str], negative: Sequence[str]) -> Source:
    """Good text against ordinary text (DCLM, Li et al. 2024).

    Raises:
      GristmillError: no corpora, unknown ones, or one on both sides.
    """
    if not positive or not negative:
        raise GristmillError("quality train: name corpora with --positive and with --negative")
    names = {
        "positive": [Corpus.open(root, name).name for name in positive],
        "negative": [Corpus.open(root, name).name for name in negative],
    }
    if both := sorted(set(names["positive"]) & set(names["negative"])):
        raise GristmillError(
            f"corpus {both[0]} is positive and negative: nothing can be learned from that; name "
            "two corpora"
        )
    collection = Collection(root, [*positive, *negative])

    def labels(corpus: int, ids: pa.Array) -> np.ndarray:
        return np.full((len(ids), 1), corpus < len(positive), np.int8)

    levels = [f"--{side} {' '.join(names[side])}" for side in ("negative", "positive")]
    train = functools.partial(train_classifier, levels=levels)
    return Source(collection, labels, {"labels": "corpora", **names}, train)


def from_scores(root: Path, name: str, column: str | None, prefer: str, share: float) -> Source:
    """The best against the worst documents by another's scores (PreSelect, Shum et al. 2025).

    Args:
      root: the data root.
      name: of a table of scores.
      column: of the table.
      prefer: 'high' or 'low' values.
      share: of the documents that are good, and as many bad.

    Raises:
      GristmillError: no such table or column, a share out of range, or equal scores.
    """
    if not column:
        raise GristmillError("quality train: name the column of the table with --column")
    if not 0 < share <= 0.5:
        raise GristmillError(f"--share is {share:g}; it must be more than 0, at most 0.5")
    scores = ScoreTable.open(root, name)
    values = scores.numbers(column)
    sign = 1 if prefer == "high" else -1
    known = np.sort(sign * values.values[~np.isnan(values.values)])
    number = int(share * len(known))
    low, high = known[number], known[-1 - number]
    if not low < high:
        raise GristmillError(
            f"column {column} of {name}: the best and the worst {share:g} of its documents have "
            "the same value; give a smaller --share"
        )

    def labels(corpus: int, ids: pa.Array) -> np.ndarray:
        found = sign * values.find(ids)
        levels = np.where(found >= high, 1, np.where(found <= low, 0, UNKNOWN))
        return levels.astype(np.int8)[:, None]

    definition = {
        "labels": "scores",
        "table": name,
        "table_fingerprint": scores.manifest["fingerprint"],
        "column": column,
        "prefer": prefer,
        "share": share,
    }
    levels = [f"the {side} {share:g} of {name}" for side in ("worst", "best")]
    train = functools.partial(train_classifier, levels=levels)
    return Source(_collection_of(root, scores), labels, definition, train)


def from_ratings(root: Path, name: str) -> Source:
    """What a rater says (DataMan, Peng et al. 2025).

    Raises:
      GristmillError: no such table, or one without ratings.
    """
    scores = ScoreTable.open(root, name)
    labels = student_labels(scores.read())
    definition = {
        "labels": "ratings",
        "table": name,
        "table_fingerprint": scores.manifest["fingerprint"],
    }
    train = functools.partial(train_student, heads=student_heads())
    return Source(_collection_of(root, scores), labels, definition, train)


def _collection_of(root: Path, scores: ScoreTable) -> Collection:
    """The corpus that a table is about."""
    corpus = scores.manifest["corpus"]
    collection = Collection(root, [f"{corpus['name']}@{corpus['version']}"])
    if collection.inputs[0]["fingerprint"] != corpus["fingerprint"]:
        raise GristmillError(
            f"{collection.names[0]} was made anew since the table {scores.name}; make that again "
            "under another name"
        )
    return collection
