"""Which metrics and sizes can be trusted to decide, and which arms are worth choosing between.

* `noise_floors`: the signal and the noise of every metric.
* `decision_accuracy`: how often a smaller size ranks two arms as the largest does.
* `pareto`: target against general loss.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from research.analyse.results import Results
from research.analyse.statistics import better_values, metric_parts


@dataclasses.dataclass(frozen=True)
class NoiseFloor:
    """How much of a metric's spread is due to the arms (after Heineman et al., "Signal and Noise",
    2025, with paired seeds for their last checkpoints).

    Attributes:
      metric, size: of what.
      arms, seeds: that the numbers are from.
      signal: the largest difference between the means of two arms.
      noise: standard deviation of a paired difference between seeds, of all pairs of arms.
      unpaired_noise: the same for arms with different seeds.
      ratio: signal / noise.
    """

    metric: str
    size: str
    arms: int
    seeds: int
    signal: float
    noise: float
    unpaired_noise: float
    ratio: float


@dataclasses.dataclass(frozen=True)
class DecisionAccuracy:
    """How often a smaller size ranks two arms as the largest does (Magnusson et al., "DataDecide",
    2025); 0.5 is chance.

    Attributes:
      metric: by which they are ranked.
      small, large: sizes.
      pairs: of arms, ranked at both.
      accuracy: share of pairs ranked alike by means over seeds.
      one_seed_accuracy: the same where the smaller size has one seed: mean over its seeds.
    """

    metric: str
    small: str
    large: str
    pairs: int
    accuracy: float
    one_seed_accuracy: float


@dataclasses.dataclass(frozen=True)
class ParetoPoint:
    """An arm's two losses.

    Attributes:
      arm: its name.
      target, general: means over seeds of two metrics.
      seeds: how many.
      on_front: no other arm is as good in both and better in one.
    """

    arm: str
    target: float
    general: float
    seeds: int
    on_front: bool


def noise_floors(
    results: Results, size: str | None = None, metrics: Sequence[str] | None = None
) -> list[NoiseFloor]:
    """The signal and the noise of metrics, over the seeds that all finished arms share.

    Args:
      results: of a sweep.
      size: None for the largest.
      metrics: None for all bits per byte, and all that is no loss, of the evaluations.

    Returns:
      One for every metric that two arms share two finite seeds of, the highest ratio first.
    """
    size = size or results.record.sizes[-1]
    floors = []
    for metric in _deciding(results) if metrics is None else metrics:
        values_AxS = values_by_arm(results, metric, size).to_numpy()
        arms, seeds = values_AxS.shape
        if arms < 2 or seeds < 2:
            continue
        means = values_AxS.mean(axis=1)
        centred = values_AxS - means[:, None]
        own = (centred**2).sum(axis=1) / (seeds - 1)  # variance over seeds, of each arm
        # the mean over pairs (a, b) of the variance of a - b
        pairs = [
            (values_AxS[a] - values_AxS[b]).var(ddof=1)
            for a, b in itertools.combinations(range(arms), 2)
        ]
        noise = math.sqrt(np.mean(pairs))
        signal = float(means.max() - means.min())
        ratio = signal / noise if noise else math.inf if signal else 0.0
        unpaired = math.sqrt(2 * own.mean())
        floors.append(NoiseFloor(metric, size, arms, seeds, signal, noise, unpaired, ratio))
    return sorted(floors, key=lambda floor: -floor.ratio)


def decision_accuracy(results: Results, metric: str | None = None) -> list[DecisionAccuracy]:
    """How well every smaller size decides between arms, smallest first.

    Args:
      results: of a sweep of several sizes; nothing comes of one size.
      metric: None for the one that the sweep is about.
    """
    metric = metric or results.record.metric
    *smaller, large = results.record.sizes
    found = []
    for small in smaller:
        at_small, at_large = (values_by_arm(results, metric, size) for size in (small, large))
        arms = [arm for arm in at_small.index if arm in at_large.index]
        pairs = list(itertools.combinations(arms, 2))
        if not pairs or not at_small.shape[1] or not at_large.shape[1]:
            continue
        truth = at_large.mean(axis=1)
        accuracy = _ranked_alike(at_small.mean(axis=1), truth, pairs)
        by_seed = [_ranked_alike(at_small[seed], truth, pairs) for seed in at_small.columns]
        found.append(
            DecisionAccuracy(metric, small, large, len(pairs), accuracy, float(np.mean(by_seed)))
        )
    return found


def pareto(
    results: Results, target: str, general: str | None = None, size: str | None = None
) -> list[ParetoPoint]:
    """Every arm's target and general metric, such as one domain's loss against that of all.

    Args:
      results: of a sweep.
      target: a metric.
      general: another; None for the one that the sweep is about.
      size: None for the largest.
    """
    size = size or results.record.sizes[-1]
    general = general or results.record.metric
    targets, generals = (values_by_arm(results, metric, size) for metric in (target, general))
    arms = [arm for arm in targets.index if arm in generals.index]
    if not arms or not targets.shape[1] or not generals.shape[1]:
        return []
    points = {arm: (targets.loc[arm].mean(), generals.loc[arm].mean()) for arm in arms}
    signs = [1 if better_values(results, m) == "lower" else -1 for m in (target, general)]
    scores = {arm: np.multiply(signs, point) for arm, point in points.items()}

    def beaten(arm: str) -> bool:
        mine = scores[arm]
        return any((s <= mine).all() and (s < mine).any() for s in scores.values())

    seeds = min(targets.shape[1], generals.shape[1])
    return [
        ParetoPoint(arm, float(t), float(g), seeds, not beaten(arm))
        for arm, (t, g) in points.items()
    ]


def values_by_arm(results: Results, metric: str, size: str) -> pd.DataFrame:
    """Last finite values, arms × seeds, in the record's order: the arms that have any, and the
    seeds that all of those have."""
    found = {
        (arm, seed): value
        for (arm, at, seed), value in results.last_values(metric).items()
        if at == size and math.isfinite(value)
    }
    arms = [a.name for a in results.record.arms if any(a.name == arm for arm, _ in found)]
    seeds = (
        [s for s in results.record.seeds if all((arm, s) in found for arm in arms)] if arms else []
    )
    values = [[found[arm, seed] for seed in seeds] for arm in arms]
    return pd.DataFrame(values, index=arms, columns=seeds, dtype=float)


def _ranked_alike(a: pd.Series, b: pd.Series, pairs: Sequence[tuple[str, str]]) -> float:
    """Share of pairs that two series rank alike; a tie in either counts one half."""
    signs = [(np.sign(a[x] - a[y]), np.sign(b[x] - b[y])) for x, y in pairs]
    return float(np.mean([0.5 if 0 in (i, j) else i == j for i, j in signs]))


def _deciding(results: Results) -> list[str]:
    """Metrics of evaluations, without the losses per token beside bits per byte."""
    names = []
    for name in results.metrics():
        parts = metric_parts(name)
        if parts is not None and parts[2] == "loss":
            continue
        if "/" in name and not name.startswith(("loss/", "tokens/")):
            names.append(name)
    return names
