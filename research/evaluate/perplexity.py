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
import math
import shlex
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from research import artefacts
from research.corpora.document import Corpus
from research.curate import score_tables
from research.curate.collection import work_folder
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
    parser.set_defaults(run=run_perplexity)


def run_perplexity(args: argparse.Namespace) -> None:
    """Scores a corpus part by part, going on where it was interrupted."""
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
    scored = score_tables.made_before(root, args.out, definition)
    if before := scored is not None:
        found = scored.read()
    else:
        found = _score(root, corpus, model, definition)
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


def _score(
    root: Path, corpus: Corpus, model: DocumentLosses, definition: dict[str, object]
) -> pa.Table:
    work = work_folder(root, definition)
    with artefacts.exclusive(work):
        artefacts.remove_temporaries(work)
        with progress(total=corpus.manifest["documents"], desc=corpus.name, unit="doc") as bar:
            for part in corpus.parts:
                path = work / part
                if path.exists():
                    bar.update(pq.read_metadata(path).num_rows)
                    continue
                rows = []
                for document, nll in model.of(corpus.documents(part)):
                    size = len(document.text.encode())
                    rows.append(
                        {
                            "id": document.id,
                            "bits_per_byte": float(nll.sum()) / math.log(2) / size,
                            "loss": float(nll.mean()),
                            "perplexity": math.exp(min(float(nll.mean()), 700)),
                            "tokens": len(nll),
                            "bytes": size,
                        }
                    )
                    bar.update()
                with artefacts.atomic_file(path) as file:
                    pq.write_table(pa.Table.from_pylist(rows), file)
        found = pa.concat_tables(pq.read_table(work / part) for part in corpus.parts)
        shutil.rmtree(work)
    return found
