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

Documents are scored as `domains` does: whole, in windows of at most L tokens that do not see each
other, every token predicted once, EOS included.
"""

from __future__ import annotations

import argparse
import itertools
import math
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from research import artefacts
from research.corpora.document import Corpus, Document
from research.errors import GristmillError
from research.evaluate.domains import token_losses
from research.model.sharding import MeshSpec, check_mesh, make_mesh
from research.registry.specs import load_mixture
from research.registry.tokenizers import load_tokenizer
from research.terminal import parse_count, progress, table
from research.train.checkpoint import load_params
from research.train.run_spec import ExecSpec

SCORES = ("loss", "min_k", "zlib_ratio")
CHUNK = 256  # documents tokenised at a time
Batch = dict[str, np.ndarray]


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
    mesh = make_mesh(MeshSpec(), jax.devices()[:1])
    params, run, step = load_params(os.fspath(args.directory), mesh, args.step)
    check_mesh(run.model, MeshSpec(*mesh.devices.shape))
    length = args.length or run.data.length
    if length > run.model.max_length:
        raise GristmillError(
            f"--length is {length}, more than model.max_length ({run.model.max_length})"
        )
    trained = load_mixture(artefacts.data_root(), run.data.mixture, run.data.modules)
    vocabulary = next(iter(trained.tasks.values())).vocabulary
    encode = load_tokenizer(artefacts.data_root(), vocabulary.name).encode_batch
    losses = token_losses(run.model, mesh, args.attention, ExecSpec.loss_chunk)
    tables = []
    for corpus in corpora:
        documents = itertools.islice(corpus.documents(), args.documents)
        total = min(args.documents or math.inf, corpus.manifest["documents"])
        rows = []
        with progress(total=total, desc=corpus.name, unit=" documents") as bar:
            while chunk := list(itertools.islice(documents, CHUNK)):
                ids = [np.append(found, vocabulary.eos_id)
                       for found in encode([document.text for document in chunk])]  # fmt: skip
                windows = windows_of(ids, length, vocabulary.bos_id)
                nll = score(params, losses, windows, length, args.batch, vocabulary.pad_id)
                rows += map(scores, chunk, nll, itertools.repeat(args.k))
                bar.update(len(chunk))
        tables.append(pa.Table.from_pylist(rows))
        path = args.directory / "membership" / f"{corpus.name}-{step}.parquet"
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


def windows_of(
    ids: Sequence[np.ndarray], length: int, bos_id: int
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Cuts documents into windows: (document, inputs, targets), each of at most `length` tokens.

    The first input of a window is the token before it, or bos_id.
    """
    for number, targets in enumerate(ids):
        inputs = np.append(bos_id, targets[:-1])
        for start in range(0, len(targets), length):
            window = slice(start, start + length)
            yield number, inputs[window], targets[window]


def score(
    params: Any,
    losses: Callable[[Any, Batch], jax.Array],
    windows: Iterator[tuple[int, np.ndarray, np.ndarray]],
    length: int,
    rows: int,
    pad_id: int,
) -> list[np.ndarray]:
    """Nats of the tokens of each document, in order.

    Windows are laid into rows of `length` tokens one after another, as segments of their own.
    """
    found: dict[int, list[np.ndarray]] = {}
    places: list[tuple[int, int, int, int]] = []  # document, row, begin, end
    batch, row, column, segment = _blank(rows, length, pad_id), 0, 0, 0

    def finish() -> None:
        nll_BxL = np.asarray(jax.device_get(losses(params, batch)), np.float64)
        for document, at, begin, end in places:
            found.setdefault(document, []).append(nll_BxL[at, begin:end])

    for document, inputs, targets in windows:
        if column + len(targets) > length:
            row, column, segment = row + 1, 0, 0
        if row == rows:
            finish()
            places.clear()
            batch, row = _blank(rows, length, pad_id), 0
        span = slice(column, column + len(targets))
        segment += 1
        batch["inputs"][row, span] = inputs
        batch["targets"][row, span] = targets
        batch["segment_ids"][row, span] = segment
        batch["positions"][row, span] = np.arange(len(targets))
        batch["loss_weights"][row, span] = 1
        places.append((document, row, span.start, span.stop))
        column = span.stop
    if places:
        finish()
    return [np.concatenate(found[document]) for document in sorted(found)]


def _blank(rows: int, length: int, pad_id: int) -> Batch:
    zeros = np.zeros((rows, length), np.int32)
    batch = {key: zeros.copy() for key in ("segment_ids", "positions")}
    batch |= {key: zeros + pad_id for key in ("inputs", "targets")}
    return batch | {"loss_weights": np.zeros((rows, length), np.float32)}
