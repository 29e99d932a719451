"""Single documents: which of them an arm predicts better, and which worse."""

from __future__ import annotations

import math

import pandas as pd

from research.analyse.results import Results
from research.errors import GristmillError


def document_differences(
    results: Results, arm: str, mixture: str | None = None, size: str | None = None
) -> pd.DataFrame:
    """Bits per byte of every document, an arm less the baseline, over the seeds both have.

    Args:
      results: of a sweep.
      arm: to compare with the baseline.
      mixture: evaluated on; None for the first.
      size: None for the largest.

    Returns:
      source, domain, id, bytes, difference (mean over seeds) and spread (standard deviation over
      seeds), the most improved document first.

    Raises:
      GristmillError: no losses of documents are known, or the two arms share no finished seed.
    """
    rows = results.documents
    if not len(rows):
        raise GristmillError("the sweep's metric has no losses of single documents")
    size = size or results.record.sizes[-1]
    mixture = mixture or str(rows["mixture"].iloc[0])
    finished = results.finished[["arm", "size", "seed"]]
    rows = rows[(rows["mixture"] == mixture) & (rows["size"] == size)].merge(finished)
    keys = ["source", "domain", "id", "bytes", "seed"]
    values = (rows["nll"] / math.log(2) / rows["bytes"].clip(lower=1)).rename("value")
    table = pd.concat([rows[["arm", *keys]], values], axis=1)
    mine = table[table["arm"] == arm]
    others = table[table["arm"] == results.record.baseline.name]
    pairs = mine.merge(others, on=keys, suffixes=("", "_baseline"))
    if not len(pairs):
        raise GristmillError(
            f"arm {arm!r} and {results.record.baseline.name} share no finished seed on {mixture!r} "
            f"at {size}"
        )
    pairs["difference"] = pairs["value"] - pairs["value_baseline"]
    grouped = pairs.groupby(keys[:-1], sort=False)["difference"]
    found = grouped.agg(difference="mean", spread="std").reset_index()
    return found.sort_values("difference", ignore_index=True)
