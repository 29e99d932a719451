"""Are verdicts as rarely wrong, and as often right, as they promise?

Each turn judges 50 sweeps of two arms for every number of seeds, through `statistics.compare` as
a report does.  The sweeps are simulated: tables of documents' losses, each the sum of normal parts
(`Parts`).  Their sizes (`REAL`) are rough estimates from four runs on the demo's samples, two arms
with two seeds, of 1.2M parameters after 0.3M tokens.

* `aa_rate`: both arms are the same mixture under different data seeds, on other documents in every
  sweep; the share of sweeps called better or worse, which is to be 1 - confidence.
* `power_at_mdd`: the arm is made worse by exactly the smallest detectable difference that the
  sweep promised; the share called worse, which is to be 0.8.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from research.analyse.results import KEYS, Results
from research.analyse.statistics import CONFIDENCE, POWER, compare
from research.analyse.sweep_record import ArmRecord, CellRecord, SweepRecord
from research.bench.figures import Figure
from research.terminal import progress

SEEDS = (2, 3, 5, 8)
SWEEPS = 50  # of a turn
RESAMPLES = 500
MIXTURE = "demo"
METRIC = f"{MIXTURE}/all/bits_per_byte"


@dataclasses.dataclass(frozen=True)
class Parts:
    """What the losses of documents are made of, in bits per byte; standard deviations.

    Attributes:
      documents: of each source, (how many, median of bytes, sd of the log of bytes, mean level).
      level: of a document's loss about its source's.
      shared: of a seed's effect that both arms have.
      seed: of the effect of an arm's own seed on all documents.
      source: of the same on one source.
      both: of arm, seed and document together, for a document of 1000 bytes; its variance falls
        as bytes rise.
      document: of an arm's effect on a document, the same with every seed; 0 in an A/A sweep.
    """

    documents: Mapping[str, tuple[int, float, float, float]]
    level: float
    shared: float
    seed: float
    source: float
    both: float
    document: float = 0.0


REAL = Parts(
    documents={
        "web_sample": (40, 3900.0, 1.14, 4.2),
        "wiki_sample": (7, 31000.0, 1.15, 2.9),
        "code_sample": (33, 9100.0, 1.57, 2.2),
        "math_sample": (40, 420.0, 0.39, 2.9),
        "docs_sample": (40, 640.0, 0.80, 2.1),
    },
    level=0.3,
    shared=0.05,
    seed=0.06,
    source=0.03,
    both=0.06,
)


def calibration(rounds: int) -> list[Figure]:
    """The figures `aa_rate` and `power_at_mdd`, for all numbers of seeds together and for each."""
    wrong: dict[int, list[bool]] = {seeds: [] for seeds in SEEDS}
    found: dict[int, list[bool]] = {seeds: [] for seeds in SEEDS}
    rng = np.random.default_rng(0)
    turns = [seeds for _ in range(rounds * SWEEPS) for seeds in SEEDS]
    for seeds in progress(turns, unit="sweep"):
        null = simulated_sweep(REAL, ("baseline", "arm"), range(seeds), rng)
        options = {"resamples": RESAMPLES, "seed": int(rng.integers(2**31))}
        (same,) = compare(null, **options)
        wrong[seeds].append(same.verdict != "cannot tell")
        (worse,) = compare(planted(null, "arm", same.minimum_detectable), **options)
        found[seeds].append(worse.verdict == "worse")
    return [
        *_figures("aa_rate", wrong, "1 - confidence", 1 - CONFIDENCE),
        *_figures("power_at_mdd", found, "promised power", POWER),
    ]


def _figures(
    name: str, outcomes: Mapping[int, Sequence[bool]], anchor: str, expected: float
) -> list[Figure]:
    """The share of true outcomes, over all numbers of seeds and for each."""
    together = [outcome for some in outcomes.values() for outcome in some]
    groups = {name: together} | {f"{name}_{n}_seeds": some for n, some in outcomes.items()}
    shares = {label: float(np.mean(some)) for label, some in groups.items()}
    return [
        Figure("calibration", label, share, "share of sweeps", anchor, expected, share / expected)
        for label, share in shares.items()
    ]


def simulated_sweep(
    parts: Parts, arms: Sequence[str], seeds: Sequence[int], rng: np.random.Generator
) -> Results:
    """A finished sweep of arms that do not differ, as `read_results` would give it.

    Args:
      parts: of the losses.
      arms: names; the first is the baseline.
      seeds: of every arm.
      rng: of documents, seeds and all else.
    """
    frames, levels = [], []
    for source, (count, median, spread, level) in parts.documents.items():
        size = np.ceil(median * np.exp(spread * rng.standard_normal(count)))
        ids = [f"{source}-{number}" for number in range(count)]
        frames.append(pd.DataFrame({"source": source, "domain": source, "id": ids, "bytes": size}))
        levels.append(level + parts.level * rng.standard_normal(count))
    documents = pd.concat(frames, ignore_index=True)
    documents["tokens"] = documents["bytes"] // 4 + 1
    size_N, level_N = documents["bytes"].to_numpy(), np.concatenate(levels)
    source_N = documents.groupby("source", sort=False).ngroup().to_numpy()
    shared = {seed: parts.shared * rng.standard_normal() for seed in seeds}
    tables = []
    for arm in arms:
        own_N = parts.document * rng.standard_normal(len(size_N)) if arm != arms[0] else 0.0
        for seed in seeds:
            bits_N = level_N + own_N + shared[seed] + parts.seed * rng.standard_normal()
            bits_N += parts.source * rng.standard_normal(len(parts.documents))[source_N]
            scale_N = parts.both * np.sqrt(1000 / size_N)
            bits_N += scale_N * rng.standard_normal(len(size_N))
            table = documents.assign(nll=bits_N * size_N * math.log(2), mixture=MIXTURE, step=1)
            tables.append(table.assign(arm=arm, size="one", seed=seed))
    return assembled(arms, seeds, pd.concat(tables, ignore_index=True))


def assembled(arms: Sequence[str], seeds: Sequence[int], documents: pd.DataFrame) -> Results:
    """The Results of finished cells with these losses of documents."""
    cells = [
        CellRecord(
            arm=arm,
            size="one",
            seed=seed,
            directory=f"{arm}/seed{seed}",
            fingerprint=f"{arm}/{seed}",
            steps=1,
            tokens=1,
            flops=1.0,
            parameters=1,
        )
        for arm in arms
        for seed in seeds
    ]
    record = SweepRecord(
        name="simulated",
        experiment="research.bench.calibration",
        question="Do the arms differ?",
        command="gristmill bench calibration",
        metric=METRIC,
        better="lower",
        arms=tuple(ArmRecord(arm, "", {}, arm == arms[0], "") for arm in arms),
        sizes=("one",),
        seeds=tuple(seeds),
        cells=tuple(cells),
        made_by={},
    )
    rows = [dataclasses.asdict(cell) | {"state": "finished", "failure": None} for cell in cells]
    sums = documents.groupby(KEYS, sort=False)[["nll", "bytes"]].sum()
    values = (sums["nll"] / math.log(2) / sums["bytes"]).rename("value").reset_index()
    return Results(
        record=record,
        cells=pd.DataFrame(rows),
        table=values.assign(step=1, metric=METRIC),
        documents=documents,
    )


def planted(results: Results, arm: str, difference: float) -> Results:
    """The sweep with an arm whose bits per byte are higher by a difference."""
    documents = results.documents.copy()
    here = documents["arm"] == arm
    documents.loc[here, "nll"] += difference * math.log(2) * documents.loc[here, "bytes"]
    arms = [a.name for a in results.record.arms]
    return assembled(arms, results.record.seeds, documents)
