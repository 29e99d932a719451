"""Intervals and tests for a paired difference, with seeds and documents as its two random factors.

A sweep measures d[s, i]: what arm and baseline differ by with seed s on document i.  It speaks of
new seeds and new documents, so its mean varies with both:

    d[s, i] = difference + seed[s] + document[i] + both[s, i]
    variance of the mean = σ²seed/S + σ²document/N + σ²both/(S·N)

* Seeds are few (2 to 8).  Drawing them with replacement, as a plain hierarchical bootstrap does,
  gives too small a variance, by (S-1)/S, and the tails of a normal distribution: with 3 seeds its
  95% interval covers about 80%.  So the seeds' part is Student's t with S-1 degrees of freedom.
* Documents are many and far from normal: they are drawn with replacement within every source and
  domain, jointly for all cells, n-1 of n and rescaled (Rao & Wu, "Resampling inference with complex
  survey data", 1988), which makes the variance unbiased however few there are; and each draw is
  stretched as a t distribution's are, by the degrees of freedom of that variance.
* Either part alone contains σ²both; it is taken out of the documents' part once, as two-way
  clustered variances do (Cameron, Gelbach & Miller, "Robust inference with multiway clustering",
  2011).

The distribution of the estimate is the convolution of the two: a mixture of t distributions around
the bootstrap's centres.  All of it is measured by `gristmill bench calibration`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from scipy import optimize, special

BLOCK = 20_000_000  # weights that exist at a time


@dataclasses.dataclass(frozen=True)
class Sampling:
    """How an estimate would vary: a mixture of Student's t around centres.

    Attributes:
      estimate: the mean difference.
      centres: [R], of the mixture's parts; one where there are no documents.
      scale: standard error of the mean that seeds leave.
      freedom: degrees of freedom of `scale`.
    """

    estimate: float
    centres: np.ndarray
    scale: float
    freedom: int

    def below(self, x: float) -> float:
        """The share of the distribution below x."""
        if self.scale == 0:  # every seed found the same
            return float(np.mean(self.centres < x) + np.mean(self.centres == x) / 2)
        return float(special.stdtr(self.freedom, (x - self.centres) / self.scale).mean())

    def quantile(self, share: float) -> float:
        """Inverse of `below`."""
        if self.scale == 0:
            return float(np.quantile(self.centres, share))
        step = special.stdtrit(self.freedom, share) * self.scale
        low, high = self.centres.min() + step, self.centres.max() + step
        if low == high:
            return float(low)
        return float(optimize.brentq(lambda x: self.below(x) - share, low, high, xtol=1e-15))

    @property
    def p_value(self) -> float:
        """Two-sided, of no difference."""
        below = self.below(0.0)
        return min(1.0, 2 * min(below, 1 - below))

    @property
    def document_variance(self) -> float:
        """What documents add to the variance of the mean; more seeds do not lower it."""
        return float(self.centres.var())

    def minimum_detectable(self, alpha: float, power: float = 0.8) -> float:
        """The smallest true difference that a sweep like this one finds with this power.

        Args:
          alpha: of the two-sided test.
          power: share of such sweeps that find it.
        """
        half = (self.quantile(1 - alpha / 2) - self.quantile(alpha / 2)) / 2
        return half + self.quantile(power) - self.estimate

    def seeds_needed(self, alpha: float, power: float = 0.8, most: int = 1000) -> int | None:
        """About how many seeds would find a true difference of the estimate's size.

        Args:
          alpha: of the two-sided test.
          power: share of such sweeps that are to find it.
          most: seeds to look at.

        Returns:
          Seeds in all; None where more than `most`, or where documents alone hide it.
        """
        of_one = self.scale**2 * (self.freedom + 1)  # variance over seeds
        seeds = np.arange(self.freedom + 2, most + 1)
        from_seeds = of_one / seeds
        variance = from_seeds + self.document_variance
        freedom = (variance / np.maximum(from_seeds, 1e-300)) ** 2 * (seeds - 1)  # Satterthwaite
        reach = special.stdtrit(freedom, 1 - alpha / 2) + special.stdtrit(freedom, power)
        found = np.flatnonzero(reach * np.sqrt(variance) <= abs(self.estimate))
        return int(seeds[found[0]]) if len(found) else None


def sampling(
    differences_S: np.ndarray,
    replicates_RxS: np.ndarray | None,
    freedom: float,
) -> Sampling:
    """The distribution of a mean difference.

    Args:
      differences_S: arm - baseline by seed, on all documents; at least two seeds.
      replicates_RxS: the same on resampled documents; None where documents are not known, and the
        result speaks of new seeds alone.
      freedom: of the documents, as `document_freedom` has it; 0 where nothing was resampled.
    """
    seeds = len(differences_S)
    estimate = float(differences_S.mean())
    scale = float(differences_S.std(ddof=1)) / math.sqrt(seeds)
    centres = np.array([estimate])
    if replicates_RxS is not None and freedom > 0:
        moves_RxS = replicates_RxS - replicates_RxS.mean(axis=0)
        moves_R = moves_RxS.mean(axis=1)
        documents = moves_R.var()  # σ²document/N + σ²both/(S·N)
        both = moves_RxS.var(axis=1, ddof=1).mean() / seeds  # σ²both/(S·N)
        if documents > both:
            share = (np.arange(len(moves_R)) + 0.5) / len(moves_R)  # replicates have no order
            stretch_R = np.sqrt(freedom / special.chdtri(freedom, 1 - share))
            centres = estimate + math.sqrt(1 - both / documents) * moves_R * stretch_R
    return Sampling(estimate, centres, scale, seeds - 1)


def document_freedom(sizes_N: np.ndarray, strata_N: np.ndarray) -> float:
    """Degrees of freedom of the variance that documents add to Σ totals / Σ sizes.

    Those of Satterthwaite's approximation for documents whose totals vary in proportion to their
    sizes: n - 1 for one group of n equal documents, fewer where some documents outweigh the rest.

    Args:
      sizes_N: bytes (or tokens) of the documents.
      strata_N: numbers of the groups within which documents are drawn.

    Returns:
      The degrees of freedom; 0 where no group has two documents.
    """
    count_H = np.bincount(strata_N)
    square_H, fourth_H = (np.bincount(strata_N, sizes_N**power) for power in (2, 4))
    drawn_H = (count_H > 1) & (square_H > 0)
    square_H, fourth_H = square_H[drawn_H], fourth_H[drawn_H]
    if not len(square_H):
        return 0.0
    freedom_H = np.maximum(square_H**2 / fourth_H - 1, 1)
    return float(square_H.sum() ** 2 / (square_H**2 / freedom_H).sum())


def resampled_ratios(
    totals_CxN: np.ndarray,
    sizes_N: np.ndarray,
    strata_N: np.ndarray,
    resamples: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Σ totals / Σ sizes of every cell on resampled documents, the same for all cells.

    Args:
      totals_CxN: nll of every cell's documents.
      sizes_N: bytes (or tokens) of the documents.
      strata_N: numbers of the groups within which documents are drawn.
      resamples: R.
      rng: of the draws.

    Returns:
      float64 [R, C].
    """
    count = len(sizes_N)
    order = np.argsort(strata_N, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(strata_N[order])) + 1)
    ratios_RxC = np.empty((resamples, len(totals_CxN)))
    block = max(1, BLOCK // max(1, count))
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        weights_RxN = np.ones((rows, count))
        for group in groups:
            if (n := len(group)) > 1:
                drawn = rng.multinomial(n - 1, np.full(n, 1 / n), size=rows)
                weights_RxN[:, group] = drawn * (n / (n - 1))
        ratios_RxC[start : start + rows] = (weights_RxN @ totals_CxN.T) / (weights_RxN @ sizes_N)[
            :, None
        ]
    return ratios_RxC


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values of a family of tests (Holm, "A simple sequentially rejective multiple test
    procedure", 1979); NaN is no test, and stays NaN."""
    adjusted = [math.nan] * len(p_values)
    tested = sorted((p, i) for i, p in enumerate(p_values) if not math.isnan(p))
    running = 0.0
    for rank, (p, i) in enumerate(tested):
        running = max(running, min(1.0, (len(tested) - rank) * p))
        adjusted[i] = running
    return adjusted
