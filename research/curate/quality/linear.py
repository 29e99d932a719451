"""Linear models over hashed n-grams with ordinal heads, trained by AdaGrad, deterministically.

Every head has levels 0 … K (two for a yes or no, five for a rating) and one weight vector w; with
x the average n-gram of a text, the chance that the level is above k is

    P(y > k) = sigmoid(w·x - threshold[k])        (CORAL, Cao et al. 2020, arXiv:1901.07884)

so that a plain logistic regression is a head of two levels.  Training minimises the sum of the K
binary losses (AdaGrad, Duchi et al. 2011).  Afterwards `calibrate` fits each head's scale and
thresholds anew on documents held out from training (Platt 1999) and folds the scale into w.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numba
import numpy as np
import pyarrow as pa
from scipy.optimize import minimize
from scipy.special import expit

from research.curate.quality.features import Bags, text_products

UNKNOWN = -1  # a label nobody gave
MOST_SCALE, LEAST_SCALE = 1e3, 1e-3  # of a calibrated head against the trained one


@dataclasses.dataclass(frozen=True)
class Head:
    """One thing that is predicted.

    Attributes:
      name: what it is.
      levels: how many values it has, 2 or more.
    """

    name: str
    levels: int = 2


@dataclasses.dataclass(frozen=True)
class Training:
    """How a model is trained.

    Attributes:
      seed: of the order in which documents are seen.
      bits: 2**bits buckets of n-grams.
      epochs: how often every document is seen.
      rate: of AdaGrad.
      l2: pull of seen weights towards zero.
    """

    seed: int
    bits: int = 20
    epochs: int = 10
    rate: float = 1.0
    l2: float = 1e-6


@dataclasses.dataclass(frozen=True)
class LinearModel:
    """Weights of several heads.

    Attributes:
      heads: what each predicts.
      weights: float32 [2**bits, O], for O heads.
      thresholds: float64 [O, K], K the most levels less one; infinite where a head has fewer.
    """

    heads: tuple[Head, ...]
    weights: np.ndarray
    thresholds: np.ndarray

    def above(self, products: np.ndarray) -> np.ndarray:
        """P(y > k) of every head, float64 [N, O, K], from products [N, O]."""
        return expit(products[:, :, None] - self.thresholds)

    def values(self, products: np.ndarray) -> np.ndarray:
        """The expected level of every head, float64 [N, O]: for two levels a probability."""
        return self.above(products).sum(-1)

    def score(self, column: pa.Array) -> np.ndarray:
        """The expected levels of some texts, float64 [N, O]."""
        return self.values(text_products(column, self.weights))


def bag_products(bags: Bags, weights: np.ndarray) -> np.ndarray:
    """As `text_products`, of texts that are rows already."""
    return _bag_products(bags.ends, bags.buckets, bags.shares, weights)


@numba.njit(cache=True)
def _bag_products(ends, buckets, shares, weights):
    products = np.zeros((len(ends), weights.shape[1]))
    entry = 0
    for row in range(len(ends)):
        while entry < ends[row]:
            for o in range(weights.shape[1]):
                products[row, o] += shares[entry] * weights[buckets[entry], o]
            entry += 1
    return products


def fit(
    bags: Bags,
    labels: np.ndarray,
    importance: np.ndarray,
    heads: Sequence[Head],
    training: Training,
) -> LinearModel:
    """Trains a model.

    Args:
      bags: N texts.
      labels: levels, int8 [N, O]; `UNKNOWN` where nobody said.
      importance: of each text, float32 [N], 1 on average.
      heads: O of them.
      training: how.
    """
    weights = np.zeros((1 << training.bits, len(heads)), np.float32)
    thresholds = np.full((len(heads), max(head.levels for head in heads) - 1), np.inf)
    for o, head in enumerate(heads):
        known = labels[:, o] != UNKNOWN
        for k in range(head.levels - 1):  # where all texts would be without their words
            share = np.average(labels[known, o] > k, weights=importance[known])
            thresholds[o, k] = -np.log(max(share, 1e-4) / max(1 - share, 1e-4))
    weight_squares = np.full_like(weights, 1e-12)
    threshold_squares = np.ones_like(thresholds)
    random = np.random.Generator(np.random.Philox(training.seed))
    for _ in range(training.epochs):
        _epoch(
            random.permutation(len(bags)), bags.ends, bags.buckets, bags.shares, labels,
            importance, weights, weight_squares, thresholds, threshold_squares,
            training.rate, training.l2,
        )  # fmt: skip
    return LinearModel(tuple(heads), weights, thresholds)


@numba.njit(cache=True)
def _epoch(order, ends, buckets, shares, labels, importance, weights, weight_squares, thresholds,
           threshold_squares, rate, l2):  # fmt: skip
    outputs = weights.shape[1]
    products, slopes = np.empty(outputs), np.empty(outputs)
    for row in order:
        start, end = ends[row - 1] if row else 0, ends[row]
        products[:] = 0
        for entry in range(start, end):
            for o in range(outputs):
                products[o] += shares[entry] * weights[buckets[entry], o]
        for o in range(outputs):
            slopes[o] = 0
            if labels[row, o] == UNKNOWN:
                continue
            for k in range(thresholds.shape[1]):
                if thresholds[o, k] == np.inf:
                    break
                above = 1 / (1 + np.exp(thresholds[o, k] - products[o]))
                slope = importance[row] * (above - (1.0 if labels[row, o] > k else 0.0))
                slopes[o] += slope
                threshold_squares[o, k] += slope * slope
                thresholds[o, k] += 0.1 * rate * slope / np.sqrt(threshold_squares[o, k])
        for entry in range(start, end):
            bucket = buckets[entry]
            for o in range(outputs):
                if slopes[o] != 0:
                    slope = slopes[o] * shares[entry] + l2 * weights[bucket, o]
                    weight_squares[bucket, o] += slope * slope
                    weights[bucket, o] -= rate * slope / np.sqrt(weight_squares[bucket, o])


def calibrate(
    model: LinearModel, bags: Bags, labels: np.ndarray, importance: np.ndarray
) -> LinearModel:
    """The model with each head's scale and thresholds fitted to texts it was not trained on.

    Shares of labels are smoothed by one text of each kind (Platt 1999), so that a head that makes
    no mistake does not become certain of everything.
    """
    products = bag_products(bags, model.weights)
    weights, thresholds = model.weights.copy(), model.thresholds.copy()
    for o, head in enumerate(model.heads):
        known = labels[:, o] != UNKNOWN
        if not known.any():
            continue
        levels = np.arange(head.levels - 1)
        above = labels[known, o][:, None] > levels
        weight = importance[known][:, None] * np.ones(len(levels))
        many, few = (weight * above).sum(0), (weight * ~above).sum(0)
        target = np.where(above, (many + 1) / (many + 2), 1 / (few + 2))
        product = products[known, o]
        spread = max(float(product.std()), 1e-9)  # the scale is sought in units of it
        start = np.append(np.log(spread), thresholds[o, : len(levels)])

        def loss(
            values: np.ndarray, product=product / spread, target=target, weight=weight
        ) -> tuple[float, np.ndarray]:
            scale = np.exp(values[0])
            logits = scale * product[:, None] - values[1:]
            slope = weight * (expit(logits) - target)
            total = (weight * (np.logaddexp(0, logits) - target * logits)).sum()
            gradient = np.append(scale * (slope * product[:, None]).sum(), -slope.sum(0))
            return total / weight.sum(), gradient / weight.sum()

        bounds = [(start[0] + np.log(LEAST_SCALE), start[0] + np.log(MOST_SCALE))]
        found = minimize(loss, start, jac=True, method="L-BFGS-B",
                         bounds=bounds + [(-50, 50)] * len(levels))  # fmt: skip
        weights[:, o] *= np.exp(found.x[0]) / spread
        thresholds[o, : len(levels)] = found.x[1:]
    return LinearModel(model.heads, weights, thresholds)
