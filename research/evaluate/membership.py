"""Was a document in the training data?  Probes that look at a model's losses alone.

For every document, from the negative log-likelihoods (nats) of its tokens:
  loss        their mean, whose exponential is the perplexity
  min_k       the mean of the k % that are greatest (Min-K% Prob, Shi et al. 2024,
              arXiv:2310.16789): a member has few surprising tokens
  zlib_ratio  their sum in bits, per bit of the text compressed by zlib (Carlini et al. 2021,
              arXiv:2012.07805): text that is easy for anybody does not count
A small value speaks for membership.  What it is worth shows a corpus that was surely not trained
on: the probability that a member has a smaller value than a non-member (the area under the ROC
curve; 0.5 is chance).
"""

from __future__ import annotations

import argparse
import itertools
import math
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from research import artefacts
from research.corpora.document import Corpus, Document
from research.errors import GristmillError
from research.evaluate.document_losses import DocumentLosses
from research.terminal import parse_count, progress, table

SCORES = ("loss", "min_k", "zlib_ratio")


def membership(parser: argparse.ArgumentParser) -> None:
    """Fills the parser of `gristmill membership`."""
    parser.add_argument("directory", type=Path, metavar="RUN_DIR")
    parser.add_argument("--corpus", required=True, metavar="NAME", help="whose documents to score")
    others = "documents that were surely not trained on, to compare with"
    parser.add_argument("--nonmembers", metavar="NAME", help=others)
    parser.add_argument("--step", type=int, help="of a checkpoint (default: the newest)")
    parser.add_argument("--documents", type=parse_count, help="of each corpus (default: all)")
    parser.add_argument("--k", type=float, default=20.0, help="per cent of Min-K%% (default: 20)")
    parser.add_argument("--length", type=parse_count, help="of a window (default: the run's)")
    parser.add_argument("--batch", type=parse_count, default=16, help="rows at a time")
    parser.add_argument("--attention", default="auto")
    parser.set_defaults(run=run_membership)


def run_membership(args: argparse.Namespace) -> None:
    """Writes a table of scores for each corpus and prints their distribution."""
    if not 0 < args.k <= 100:
        raise GristmillError(f"--k is {args.k}: use more than 0, up to 100 per cent")
    names = [name for name in (args.corpus, args.nonmembers) if name]
    corpora = [Corpus.open(artefacts.data_root(), name) for name in names]
    model = DocumentLosses.open(
        args.directory, args.step, length=args.length, rows=args.batch, attention=args.attention
    )
    tables = []
    for corpus in corpora:
        documents = itertools.islice(corpus.documents(), args.documents)
        total = min(args.documents or math.inf, corpus.manifest["documents"])
        rows = []
        with progress(total=total, desc=corpus.name, unit=" documents") as bar:
            for document, nll in model.of(documents):
                rows.append(scores(document, nll, args.k))
                bar.update()
        tables.append(pa.Table.from_pylist(rows))
        path = args.directory / "membership" / f"{corpus.name}-{model.step}.parquet"
        path.parent.mkdir(exist_ok=True)
        with artefacts.atomic_file(path) as file:
            pq.write_table(tables[-1], file, compression="zstd")
        print(f"{corpus.name}, {len(rows)} documents: {path}")
    _report(tables, [corpus.name for corpus in corpora])


def _report(tables: Sequence[pa.Table], names: Sequence[str]) -> None:
    rows = []
    for score_ in SCORES:
        columns = [found[score_].to_numpy() for found in tables]
        for name, values in zip(names, columns, strict=True):
            low, middle, high = np.percentile(values, [5, 50, 95])
            rows.append((score_, name, f"{low:.3f}", f"{middle:.3f}", f"{high:.3f}"))
        if len(columns) == 2:
            rows.append((score_, "area under the curve", "", f"{area(*columns):.3f}", ""))
    print(table(("score", "corpus", "5 %", "median", "95 %"), rows))


def area(members: np.ndarray, others: np.ndarray) -> float:
    """Probability that a member's value is smaller than another's, ties counted half."""
    ordered = np.sort(members)
    below = np.searchsorted(ordered, others, "left") + np.searchsorted(ordered, others, "right")
    return float(below.mean() / (2 * len(members)))


def scores(document: Document, nll: np.ndarray, k: float) -> dict[str, Any]:
    """A row of the table for a document.

    Args:
      document: the document.
      nll: nats of each of its tokens, float64 [T].
      k: per cent of the tokens that Min-K% looks at, at least one.
    """
    most = max(1, round(len(nll) * k / 100))
    encoded = document.text.encode()
    return {
        "id": document.id,
        "source": document.source,
        "bytes": len(encoded),
        "tokens": len(nll),
        "loss": float(nll.mean()),
        "min_k": float(np.partition(nll, -most)[-most:].mean()),
        "zlib_ratio": float(nll.sum() / math.log(2) / (8 * len(zlib.compress(encoded, 9)))),
    }
