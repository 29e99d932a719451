"""How good a classifier or a rater's student is on documents it has not seen."""

from __future__ import annotations

import numpy as np

BINS = 10


def area_under_curve(scores: np.ndarray, positive: np.ndarray) -> float:
    """Probability that a positive has a higher score than a negative, ties counted half.

    Args:
      scores: float [N].
      positive: bool [N], with some of each.
    """
    ordered = np.sort(scores[~positive])
    below = np.searchsorted(ordered, scores[positive], "left")
    below = below + np.searchsorted(ordered, scores[positive], "right")
    return float(below.mean() / (2 * len(ordered)))


def reliability(
    probabilities: np.ndarray, positive: np.ndarray, weights: np.ndarray
) -> list[tuple[float, float, int]]:
    """What a probability came to, in ten bins of equal width.

    Args:
      probabilities: float [N].
      positive: what was true, bool [N].
      weights: of the documents, float [N].

    Returns:
      For every bin with documents: mean probability, weighted share of positives, documents.
    """
    bins = np.minimum((probabilities * BINS).astype(int), BINS - 1)
    return [
        (
            float(np.average(probabilities[inside], weights=weights[inside])),
            float(np.average(positive[inside], weights=weights[inside])),
            int(inside.sum()),
        )
        for inside in (bins == number for number in np.unique(bins))
    ]


def calibration_error(
    probabilities: np.ndarray, positive: np.ndarray, weights: np.ndarray
) -> float:
    """Expected calibration error over the bins of `reliability` (Guo et al. 2017)."""
    bins = np.minimum((probabilities * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, weights * (probabilities - positive), BINS)
    return float(np.abs(gaps).sum() / weights.sum())


def weighted_kappa(ours: np.ndarray, theirs: np.ndarray, levels: int) -> float:
    """Agreement beyond chance with quadratic weights (Cohen 1968); 1 is full, 0 is chance.

    Args:
      ours, theirs: levels 0 … levels-1, int [N].
      levels: how many there are.
    """
    seen = np.zeros((levels, levels))
    np.add.at(seen, (ours, theirs), 1)
    chance = np.outer(seen.sum(1), seen.sum(0)) / len(ours)
    distance = np.subtract.outer(np.arange(levels), np.arange(levels)) ** 2
    expected = (distance * chance).sum()
    return float(1 - (distance * seen).sum() / expected) if expected else 1.0
