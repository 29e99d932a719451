"""`gristmill perplexity`: a table of what a run's model makes of every document of a corpus.

The step `score_between` keeps documents by such a table, and `gristmill quality train --scores`
learns it.  Columns:
  bits_per_byte   negative log-likelihood in bits, per UTF-8 byte
  loss            nats per token
  perplexity      its exponential, as CCNet (Wenzek et al. 2020, arXiv:1911.00359) ranks pages by
  tokens, bytes   of the document
"""

from __future__ import annotations

import argparse
import itertools
import math
import shlex
from pathlib import Path

import numpy as np

from research import artefacts
from research.corpora.document import Corpus, Document
from research.curate import score_tables
from research.evaluate.document_losses import DocumentLosses
from research.terminal import parse_count, progress, table


def perplexity(parser: argparse.ArgumentParser) -> None:
    """Fills the parser of `gristmill perplexity`."""
    parser.add_argument("directory", type=Path, metavar="RUN_DIR")
    parser.add_argument("corpus", metavar="CORPUS", help="whose documents to score")
    parser.add_argument("--out", required=True, metavar="NAME", help="of the table")
    parser.add_argument("--step", type=int, help="of a checkpoint (default: the newest)")
    parser.add_argument("--length", type=parse_count, help="of a window (default: the run's)")
    parser.add_argument("--batch", type=parse_count, default=16, help="rows at a time")
    parser.add_argument("--attention", default="auto")
    parser.add_argument("--dry-run", action="store_true", help="say what would be scored, and stop")
    parser.set_defaults(run=run_perplexity)


def run_perplexity(args: argparse.Namespace) -> None:
    """Scores a corpus, going on where it was interrupted, and prints how its values lie."""
    root = artefacts.data_root()
    score_tables.score_folder(root, args.out)
    corpus = Corpus.open(root, args.corpus)
    model = DocumentLosses.open(
        args.directory, args.step, length=args.length, rows=args.batch, attention=args.attention
    )
    definition = {
        "scores": "perplexity",
        "run": model.run.fingerprint,
        "step": model.step,
        "length": model.length,
        "corpus": corpus.manifest["fingerprint"],
    }
    if args.dry_run:
        print(score_tables.plan(root, corpus, definition))
        return
    scored = score_tables.made_before(root, args.out, definition)
    if before := scored is not None:
        found = scored.read()
    else:
        found, _ = score_tables.score_corpus(
            root, corpus, definition, lambda chunk: itertools.starmap(_row, model.of(chunk)),
            progress,
        )  # fmt: skip
        command = ["gristmill", "perplexity", str(args.directory), args.corpus, "--out", args.out]
        command += [] if args.step is None else ["--step", str(args.step)]
        command += [] if args.length is None else ["--length", str(args.length)]
        scored = score_tables.save(
            root, args.out, found, corpus, definition, command=shlex.join(command),
            tools=("jax", "numpy", "pyarrow"),
        )  # fmt: skip
    print(f"{args.out} {'made before' if before else 'made'}: {len(found)} documents of "
          f"{corpus.name}, scored by step {model.step}; fingerprint "
          f"{scored.manifest['fingerprint'][:16]}")  # fmt: skip
    points = (5, 33.3, 50, 66.7, 95)
    rows = [
        (name, *(f"{value:.4g}" for value in np.percentile(found[name].to_numpy(), points)))
        for name in ("bits_per_byte", "perplexity")
    ]
    print(table(("", *(f"{point:g} %" for point in points)), rows))


def _row(document: Document, nll: np.ndarray) -> dict[str, object]:
    size = len(document.text.encode())
    return {
        "id": document.id,
        "bits_per_byte": float(nll.sum()) / math.log(2) / size,
        "loss": float(nll.mean()),
        "perplexity": math.exp(min(float(nll.mean()), 700)),
        "tokens": len(nll),
        "bytes": size,
    }
