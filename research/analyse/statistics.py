"""Arms against the baseline: paired differences, their intervals, and verdicts.

    compare(results)            every arm, on the metric of the sweep
    compare_domains(results)    every arm on every domain: the heat map of a report

The unit is the paired difference: two arms, the same seed, the same documents.  An interval speaks
of new seeds and, where the losses of documents are known, of new documents of the same sources and
domains too (`Difference.documents` says whether); how it is made is said in `intervals`.  Verdicts
are corrected for the number of comparisons made together, by Holm's method; intervals are of one
comparison each.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from research.analyse.intervals import document_freedom, holm, resampled_ratios, sampling
from research.analyse.results import Results
from research.errors import GristmillError

Verdict = Literal["better", "worse", "cannot tell"]
Better = Literal["lower", "higher"]
CONFIDENCE, RESAMPLES, POWER = 0.95, 2000, 0.8
PLAIN = {
    "failed": "failed",
    "diverged": "diverged",
    "running": "is running",
    "waiting": "is not yet run",
}


@dataclasses.dataclass(frozen=True)
class Difference:
    """An arm less the baseline, on one metric at one size.

    Attributes:
      arm, baseline, size, metric: what is compared.
      better: whether 'lower' or 'higher' values are better.
      seeds: of the pairs that count: both arms finished, with a finite value.
      documents: how many the values are means over; 0 where their losses are not known, and the
        interval speaks of new seeds alone.
      arm_value, baseline_value: means over those seeds.
      mean: of arm - baseline over those seeds, in units of the metric.
      by_seed: arm - baseline of each of those seeds.
      low, high: ends of the interval; NaN with fewer than two seeds.
      confidence: of the interval, such as 0.95.
      p_value: two-sided, of no difference.
      p_holm: the same, corrected for `comparisons`.
      comparisons: number of differences that were tested together.
      noise: standard deviation of the difference between seeds; NaN with fewer than two.
      minimum_detectable: the smallest true difference that a sweep such as this one calls better
        or worse in 80% of cases, the correction for comparisons included.
      verdict: what the corrected p-value says.
      seeds_needed: about how many more seeds would find a true difference as large as `mean` in
        80% of cases; 0 where it is found, None where no number up to 1000 would, or not known.
      missing: why pairs do not count, a line for each: 'seed 2: no_web failed: …'.
      note: what stands in the way of an interval, or of a verdict; '' if nothing does.
    """

    arm: str
    baseline: str
    size: str
    metric: str
    better: Better
    seeds: tuple[int, ...]
    documents: int
    arm_value: float
    baseline_value: float
    mean: float
    by_seed: tuple[float, ...]
    low: float
    high: float
    confidence: float
    p_value: float
    p_holm: float
    comparisons: int
    noise: float
    minimum_detectable: float
    verdict: Verdict
    seeds_needed: int | None
    missing: tuple[str, ...]
    note: str

    @property
    def domain(self) -> str | None:
        """The domain that the metric is of; None for all together, and for other metrics."""
        parts = metric_parts(self.metric)
        return None if parts is None or parts[1] == "all" else parts[1]


@dataclasses.dataclass(frozen=True)
class Measured:
    """A metric in the finished cells of one size.

    Attributes:
      metric, size: of what.
      values: by (arm, seed); NaN where a run diverged.
      replicates: [R] by (arm, seed): the value on resampled documents; None where the losses of
        documents are not known for all of them.
      documents: how many documents the values are of; 0 where that is not known.
      freedom: degrees of freedom of the documents' variance (`intervals.document_freedom`).
    """

    metric: str
    size: str
    values: dict[tuple[str, int], float]
    replicates: dict[tuple[str, int], np.ndarray] | None = None
    documents: int = 0
    freedom: float = 0.0


def compare(
    results: Results,
    metric: str | None = None,
    size: str | None = None,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Difference]:
    """Compares every arm with the baseline; the arms of one size are tested together.

    Args:
      results: of a sweep, finished or not.
      metric: None for the one that the sweep is about.
      size: one of the sweep's; None for all of them, smallest first.
      confidence: of the intervals; verdicts hold 1 - confidence of false ones, at most.
      resamples: of the documents.
      seed: of the resampling.

    Returns:
      A Difference for every size and arm but the baseline that the record has cells of, in its
      order.  A pair that lacks a finished cell does not count, and is named in `missing`.

    Raises:
      GristmillError: finished cells lack the metric, were measured on different documents, or
        there is no such size.
    """
    metric = metric or results.record.metric
    differences = []
    for one in _sizes(results, size):
        measured = measure(results, metric, one, resamples=resamples, seed=seed)
        differences += _family(results, [measured], confidence)
    return differences


def compare_domains(
    results: Results,
    size: str | None = None,
    *,
    mixture: str | None = None,
    kind: str = "bits_per_byte",
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Difference]:
    """Compares every arm with the baseline on every domain; all of one size are tested together.

    Args:
      results: of a sweep, finished or not.
      size: one of the sweep's; None for the largest.
      mixture: evaluated on; None for that of the sweep's metric.
      kind: 'bits_per_byte' or 'loss' (nats per token).
      confidence, resamples, seed: as for `compare`.

    Returns:
      A Difference for every arm but the baseline and every domain, arm by arm; `heat_map` turns
      them into a matrix.  None at all where the sweep's metric is of no mixture, or no cell is
      finished.

    Raises:
      GristmillError: as `compare` does.
    """
    parts = metric_parts(results.record.metric)
    mixture = mixture or (parts[0] if parts else None)
    if mixture is None or not len(results.finished):
        return []
    size = size or results.record.sizes[-1]
    _sizes(results, size)
    measured = [
        measure(results, f"{mixture}/{domain}/{kind}", size, resamples=resamples, seed=seed)
        for domain in results.domains(mixture)
    ]
    return _family(results, measured, confidence)


def heat_map(differences: Sequence[Difference], value: str = "mean") -> pd.DataFrame:
    """Arms × domains of the output of `compare_domains`.

    Args:
      differences: of several domains, of one size.
      value: the attribute of a Difference to show: 'mean', 'verdict', 'p_holm', …
    """
    rows = [(d.arm, d.domain or "all", getattr(d, value)) for d in differences]
    frame = pd.DataFrame(rows, columns=["arm", "domain", value])
    arms, domains = frame["arm"].unique(), frame["domain"].unique()
    matrix = frame.set_index(["arm", "domain"])[value].unstack()
    return matrix.reindex(index=arms, columns=domains)


def metric_parts(metric: str) -> tuple[str, str, str] | None:
    """(mixture, domain, kind) of '<mixture>/<domain>/bits_per_byte' or '…/loss', None for others.

    A domain may have '/' in its name.
    """
    mixture, _, rest = metric.partition("/")
    domain, _, kind = rest.rpartition("/")
    return (mixture, domain, kind) if domain and kind in ("bits_per_byte", "loss") else None


def better_values(results: Results, metric: str) -> Better:
    """Whether lower or higher values of a metric are better: as the record says for the metric of
    the sweep; lower for losses and bits per byte; higher for all others."""
    if metric == results.record.metric:
        return results.record.better
    names = {"loss", "bits_per_byte", "perplexity"}
    return "lower" if names & set(metric.split("/")) else "higher"


# ---- measuring ----------------------------------------------------------------------------------


def measure(results: Results, metric: str, size: str, *, resamples: int, seed: int) -> Measured:
    """A metric in the finished cells of one size, on resampled documents too where it can be.

    Args:
      results: of a sweep.
      metric: its last value counts.
      size: one of the sweep's.
      resamples: of the documents, within every source and domain, the same for all cells.
      seed: of the resampling.

    Raises:
      GristmillError: finished cells lack the metric, or were measured on different documents.
    """
    cells = results.finished
    keys = [(str(c.arm), int(c.seed)) for c in cells[cells["size"] == size].itertuples()]
    last = results.last_values(metric)
    values = {(arm, number): v for (arm, at, number), v in last.items() if at == size}
    lacking = [key for key in keys if key not in values]
    if lacking:
        names = [f"{arm}/seed{number}" for arm, number in lacking]
        known = _some(_evaluations(results), 8) or "none"
        raise GristmillError(
            f"metric {metric!r} is not in {_some(names)} of the sweep; evaluated metrics: {known}"
        )
    found = _documents(results, metric, size, keys)
    if found is None:
        return Measured(metric, size, {key: values[key] for key in keys})
    totals_CxN, sizes_N, strata_N = found
    whole_C = totals_CxN.sum(axis=1) / sizes_N.sum()
    rng = np.random.default_rng(seed)
    ratios_RxC = resampled_ratios(totals_CxN, sizes_N, strata_N, resamples, rng)
    return Measured(
        metric,
        size,
        dict(zip(keys, whole_C.tolist(), strict=True)),
        dict(zip(keys, ratios_RxC.T, strict=True)),
        len(sizes_N),
        document_freedom(sizes_N, strata_N),
    )


def _documents(
    results: Results, metric: str, size: str, keys: Sequence[tuple[str, int]]
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Totals [C, N] of every cell's documents (bits or nats), their sizes [N] (bytes or tokens),
    and the number of the source and domain of each [N]; None where some cell has no documents."""
    parts = metric_parts(metric)
    if parts is None or not keys or not len(results.documents):
        return None
    mixture, domain, kind = parts
    rows = results.documents
    rows = rows[(rows["mixture"] == mixture) & (rows["size"] == size)]
    if domain != "all":
        rows = rows[rows["domain"] == domain]
    by_cell = dict(iter(rows.groupby(["arm", "seed"], sort=False, observed=True)))
    if any(key not in by_cell for key in keys):
        return None
    first = by_cell[keys[0]]
    for key in keys[1:]:
        same = ["source", "domain", "id", "bytes", "tokens"]
        if not _equal(by_cell[key][same], first[same]):
            (a, i), (b, j) = keys[0], key
            raise GristmillError(
                f"cells {a}/seed{i} and {b}/seed{j} were evaluated on different documents of "
                f"{mixture}; run gristmill evaluate with the same options on both"
            )
    totals_CxN = np.stack([by_cell[key]["nll"].to_numpy(np.float64) for key in keys])
    if kind == "bits_per_byte":
        totals_CxN = totals_CxN / math.log(2)
    sizes_N = first["bytes" if kind == "bits_per_byte" else "tokens"].to_numpy(np.float64)
    strata_N = first.groupby(["source", "domain"], sort=False, observed=True).ngroup().to_numpy()
    return totals_CxN, sizes_N, strata_N


def _equal(a: pd.DataFrame, b: pd.DataFrame) -> bool:
    return len(a) == len(b) and bool((a.to_numpy() == b.to_numpy()).all())


def _evaluations(results: Results) -> list[str]:
    """Names of the metrics that verdicts can be about."""
    skip = ("loss/", "tokens/")
    return [name for name in results.metrics() if "/" in name and not name.startswith(skip)]


def _sizes(results: Results, size: str | None) -> tuple[str, ...]:
    sizes = results.record.sizes
    if size is not None and size not in sizes:
        raise GristmillError(f"the sweep has no size {size!r}; it has {', '.join(sizes)}")
    return sizes if size is None else (size,)


def _some(names: Sequence[str], most: int = 4) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


# ---- comparing ----------------------------------------------------------------------------------


def _family(results: Results, measured: Sequence[Measured], confidence: float) -> list[Difference]:
    """The differences of all arms on some metrics of one size, tested together."""
    declared = {(cell.arm, cell.size) for cell in results.record.cells}
    arms = [arm.name for arm in results.record.arms if not arm.baseline]
    pairs = [(arm, one) for arm in arms for one in measured if (arm, one.size) in declared]
    tested = sum(len(_paired(results, arm, one)) > 1 for arm, one in pairs)
    found = [_difference(results, arm, one, confidence, max(1, tested)) for arm, one in pairs]
    corrected = holm([difference.p_value for difference in found])
    return [
        _judged(difference, p, 1 - confidence)
        for difference, p in zip(found, corrected, strict=True)
    ]


def _paired(results: Results, arm: str, measured: Measured) -> list[int]:
    """Seeds of which arm and baseline have a finite value."""
    baseline = results.record.baseline.name
    return [
        seed
        for seed in results.record.seeds
        if all(math.isfinite(measured.values.get((a, seed), math.nan)) for a in (arm, baseline))
    ]


def _difference(
    results: Results, arm: str, measured: Measured, confidence: float, comparisons: int
) -> Difference:
    """One difference, not yet judged."""
    baseline = results.record.baseline.name
    seeds = _paired(results, arm, measured)
    arm_S = np.array([measured.values[arm, seed] for seed in seeds])
    baseline_S = np.array([measured.values[baseline, seed] for seed in seeds])
    differences_S = arm_S - baseline_S
    low = high = p_value = noise = detectable = math.nan
    needed, note = None, ""
    if len(seeds) < 2:
        note = "one seed: no interval over seeds" if seeds else "no finished pair"
    else:
        replicates_RxS = None
        if measured.replicates is not None:
            pairs = [
                measured.replicates[arm, seed] - measured.replicates[baseline, seed]
                for seed in seeds
            ]
            replicates_RxS = np.stack(pairs, axis=1)
        found = sampling(differences_S, replicates_RxS, measured.freedom)
        alpha = 1 - confidence
        low, high = found.quantile(alpha / 2), found.quantile(1 - alpha / 2)
        p_value, noise = found.p_value, float(differences_S.std(ddof=1))
        detectable = found.minimum_detectable(alpha / comparisons, POWER)
        enough = found.seeds_needed(alpha / comparisons, POWER)
        needed = None if enough is None else enough - len(seeds)
        if needed is None and found.document_variance > found.scale**2:
            note = "more documents would tell, rather than more seeds"
    return Difference(
        arm=arm,
        baseline=baseline,
        size=measured.size,
        metric=measured.metric,
        better=better_values(results, measured.metric),
        seeds=tuple(seeds),
        documents=measured.documents,
        arm_value=float(arm_S.mean()) if seeds else math.nan,
        baseline_value=float(baseline_S.mean()) if seeds else math.nan,
        mean=float(differences_S.mean()) if seeds else math.nan,
        by_seed=tuple(differences_S.tolist()),
        low=low,
        high=high,
        confidence=confidence,
        p_value=p_value,
        p_holm=math.nan,
        comparisons=comparisons,
        noise=noise,
        minimum_detectable=detectable,
        verdict="cannot tell",
        seeds_needed=needed,
        missing=_missing(results, arm, measured, seeds),
        note=note,
    )


def _judged(difference: Difference, p_holm: float, alpha: float) -> Difference:
    """The difference with its corrected p-value and the verdict."""
    if not p_holm <= alpha:
        return dataclasses.replace(difference, p_holm=p_holm)
    improved = (difference.mean < 0) == (difference.better == "lower")
    verdict: Verdict = "better" if improved else "worse"
    return dataclasses.replace(difference, p_holm=p_holm, verdict=verdict, seeds_needed=0, note="")


def _missing(
    results: Results, arm: str, measured: Measured, seeds: Sequence[int]
) -> tuple[str, ...]:
    """Why the pairs of other seeds do not count, a line for each."""
    here = results.cells[results.cells["size"] == measured.size]
    cells = {(cell.arm, cell.seed): cell for cell in here.itertuples()}
    lines = []
    for seed in results.record.seeds:
        if seed in seeds or (arm, seed) not in cells:
            continue
        causes = []
        for name in (arm, results.record.baseline.name):
            cell = cells.get((name, seed))
            if cell is None:
                causes.append(f"{name} has no such cell")
            elif cell.state != "finished":
                cause = f": {cell.failure}" if isinstance(cell.failure, str) else ""
                causes.append(f"{name} {PLAIN[cell.state]}{cause}")
            elif not math.isfinite(measured.values[name, seed]):
                causes.append(f"{name} diverged: {measured.metric} is not finite")
        lines.append(f"seed {seed}: {'; '.join(causes)}")
    return tuple(lines)
