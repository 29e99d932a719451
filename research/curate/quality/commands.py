"""`gristmill quality`: train a quality model, score a corpus by it, show what it has learned."""

from __future__ import annotations

import argparse
import dataclasses
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from research.artefacts import data_root
from research.corpora.document import NAME, NAMING, Corpus
from research.curate.collection import Collection
from research.curate.quality.examples import gather
from research.curate.quality.linear import UNKNOWN, Training
from research.curate.quality.models import (
    QualityModel,
    check_unmade,
    model_folder,
    read_manifest,
    save_model,
)
from research.curate.quality.step import Quality
from research.curate.quality.training import telling_ngrams, train_classifier
from research.curate.runner import curate
from research.curate.score_tables import ScoreTable
from research.errors import GristmillError
from research.terminal import human, parse_count, progress, table


def quality(parser: argparse.ArgumentParser) -> None:
    """Fills the parser of `gristmill quality`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    train = actions.add_parser("train", help="train a model of good against ordinary text")
    train.add_argument("--out", required=True, metavar="NAME", help="of the model")
    train.add_argument("--positive", nargs="+", metavar="CORPUS", help="good text")
    train.add_argument("--negative", nargs="+", metavar="CORPUS", help="ordinary text")
    learned = "instead of corpora: a table of scores, whose best and worst documents are told apart"
    train.add_argument("--scores", metavar="TABLE", help=learned)
    train.add_argument("--column", help="of the table")
    train.add_argument("--prefer", choices=("high", "low"), default="high", help=(
        "which of its values are good (default: high; losses are better low)"
    ))  # fmt: skip
    train.add_argument("--share", type=float, default=0.3, help=(
        "of its documents that count as good, and as many as bad (default: 0.3)"
    ))  # fmt: skip
    train.add_argument("--seed", type=int, default=0, help=(
        "of the splits and of the order of training (default: 0)"
    ))  # fmt: skip
    train.add_argument("--bits", type=int, help="2**bits buckets (default: 20)")
    train.add_argument("--epochs", type=int, help="over the documents (default: 10)")
    train.add_argument("--rate", type=float, help="of AdaGrad (default: 1.0)")
    train.add_argument("--l2", type=float, help="pull of weights to zero (default: 1e-6)")
    train.add_argument("--max-bytes", type=parse_count, default=200_000_000, help=(
        "of text of each corpus, chosen by hash (default: 200M)"
    ))  # fmt: skip
    train.set_defaults(run=run_train)

    score = actions.add_parser("score", help="a corpus with the score and the bucket in its meta")
    score.add_argument("corpus", metavar="CORPUS")
    score.add_argument("--model", required=True, metavar="NAME")
    score.add_argument("--head", default="", help="of a model with several (default: the first)")
    score.add_argument("--out", required=True, metavar="NAME", help="the corpus to make")
    score.add_argument("--version", default="1", help="its version (default: 1)")
    score.add_argument("--buckets", type=int, default=10, help=(
        "of equally many documents, for the domains of a Task; b0 is the best (default: 10)"
    ))  # fmt: skip
    score.add_argument("--workers", type=parse_count, default=1, help="processes (default: 1)")
    score.set_defaults(run=run_score)

    show = actions.add_parser("show", help="what a model was made of, and how good it is")
    show.add_argument("name", metavar="NAME")
    show.set_defaults(run=run_show)


def run_train(args: argparse.Namespace) -> int:
    """Trains, calibrates and measures a model."""
    root = data_root()
    model_folder(root, args.out)
    training = _training(args)
    if args.scores:
        collection, labels, about, levels = _from_scores(root, args)
    else:
        collection, labels, about, levels = _from_corpora(root, args)
    definition = {
        **about,
        "training": dataclasses.asdict(training),
        "max_bytes": args.max_bytes,
        "inputs": collection.inputs,
    }
    if not check_unmade(root, args.out, definition):
        print(f"{args.out} was trained before")
        return run_show(argparse.Namespace(name=args.out))
    examples = gather(
        collection,
        labels,
        bits=training.bits,
        seed=training.seed,
        max_bytes=args.max_bytes,
        progress=lambda parts: progress(parts, desc="reading", unit="part"),
    )
    linear, report = train_classifier(examples, training, levels)
    save_model(
        root,
        args.out,
        linear,
        examples,
        definition,
        {
            "examples": {"used": len(examples.bags), **examples.left_out},
            "report": report,
            "telling": telling_ngrams(collection, examples, linear, 0),
        },
        inputs=collection.inputs,
        command=_command(args),
    )
    return run_show(argparse.Namespace(name=args.out))


def _training(args: argparse.Namespace) -> Training:
    ranges = {"bits": (10, 26), "epochs": (1, 1000), "rate": (1e-3, 100), "l2": (0, 1)}
    given = {name: value for name in ranges if (value := getattr(args, name)) is not None}
    for name, value in given.items():
        low, high = ranges[name]
        if not low <= value <= high:
            raise GristmillError(f"--{name} is {value}; it must be from {low:g} to {high:g}")
    return Training(seed=args.seed, **given)


def _from_corpora(root: Path, args: argparse.Namespace) -> tuple[Collection, Any, dict, list[str]]:
    """Labels by the corpus a document lies in (DCLM)."""
    if not args.positive or not args.negative:
        raise GristmillError(
            "quality train: name corpora with --positive and with --negative, or a table with "
            "--scores"
        )
    names = {side: [Corpus.open(root, name).name for name in getattr(args, side)]
             for side in ("positive", "negative")}  # fmt: skip
    if both := sorted(set(names["positive"]) & set(names["negative"])):
        raise GristmillError(
            f"corpus {both[0]} is positive and negative: nothing can be learned from that; name "
            "two corpora"
        )
    collection = Collection(root, [*names["positive"], *names["negative"]])
    positive = len(names["positive"])

    def labels(corpus: int, ids: pa.Array) -> np.ndarray:
        return np.full((len(ids), 1), corpus < positive, np.int8)

    levels = [f"--{side} {' '.join(names[side])}" for side in ("negative", "positive")]
    return collection, labels, {"labels": "corpora", **names}, levels


def _from_scores(root: Path, args: argparse.Namespace) -> tuple[Collection, Any, dict, list[str]]:
    """Labels by another's scores: the best and the worst share (PreSelect)."""
    if args.positive or args.negative:
        raise GristmillError("quality train: give --scores or --positive and --negative, not both")
    if not args.column:
        raise GristmillError("quality train: name the column of the table with --column")
    if not 0 < args.share <= 0.5:
        raise GristmillError(f"--share is {args.share:g}; it must be more than 0, at most 0.5")
    scores = ScoreTable.open(root, args.scores)
    values = scores.numbers(args.column)
    signed = values.values if args.prefer == "high" else -values.values
    known = np.sort(signed[~np.isnan(signed)])
    low, high = known[int(args.share * len(known))], known[-1 - int(args.share * len(known))]
    if not low < high:
        raise GristmillError(
            f"column {args.column} of {args.scores}: the best and the worst {args.share:g} of its "
            "documents have the same value; give a smaller --share"
        )
    corpus = scores.manifest["corpus"]
    collection = Collection(root, [f"{corpus['name']}@{corpus['version']}"])
    if collection.inputs[0]["fingerprint"] != corpus["fingerprint"]:
        raise GristmillError(
            f"{collection.names[0]} was made anew since the table {args.scores}; make that again "
            "under another name"
        )

    def labels(number: int, ids: pa.Array) -> np.ndarray:
        found = values.find(ids) * (1 if args.prefer == "high" else -1)
        levels = np.where(found >= high, 1, np.where(found <= low, 0, UNKNOWN))
        return levels.astype(np.int8)[:, None]

    about = {"labels": "scores", "table": args.scores, "column": args.column,
             "table_fingerprint": scores.manifest["fingerprint"], "prefer": args.prefer,
             "share": args.share}  # fmt: skip
    return collection, labels, about, [f"the {side} {args.share:g} of {args.scores}"
                                       for side in ("worst", "best")]  # fmt: skip


def _command(args: argparse.Namespace) -> str:
    words = ["gristmill", "quality", "train"]
    defaults = {"prefer": "high", "share": 0.3, "seed": 0, "max_bytes": 200_000_000}
    for name in ("positive", "negative", "scores", "column", "prefer", "share", "seed", "bits",
                 "epochs", "rate", "l2", "max_bytes", "out"):  # fmt: skip
        value = getattr(args, name)
        if value is not None and value != defaults.get(name):
            values: Sequence[Any] = value if isinstance(value, list) else [value]
            words += [f"--{name.replace('_', '-')}", *map(str, values)]
    return shlex.join(words)


def run_score(args: argparse.Namespace) -> int:
    """Makes a corpus that carries scores."""
    for word in (args.out, args.version):
        if not NAME.fullmatch(word):
            raise GristmillError(f"{word[:200]!r} is no name of a corpus or version: use {NAMING}")
    root = data_root()
    QualityModel.open(root, args.model)
    step = Quality(model=args.model, head=args.head, buckets=args.buckets)
    command = ["gristmill", "quality", "score", args.corpus, "--model", args.model, "--out",
               args.out]  # fmt: skip
    command += ["--head", args.head] if args.head else []
    command += ["--version", args.version] if args.version != "1" else []
    command += ["--buckets", str(args.buckets)] if args.buckets != 10 else []
    corpus, before = curate(
        root, Corpus.open(root, args.corpus), "quality score", [step], args.out, args.version,
        workers=args.workers, command=shlex.join(command), progress=progress,
    )  # fmt: skip
    scores, seen = [], 0
    for document in corpus.documents():
        scores.append(document.meta["quality"])
        seen += "quality_seen" in document.meta
    print(f"{corpus.name} {'made before' if before else 'made'}: {len(scores)} documents, "
          f"{human(corpus.manifest['bytes'], 'B')}, scores in their meta")  # fmt: skip
    points = (0, 5, 25, 50, 75, 95, 100)
    print(table([f"{point} %" for point in points],
                [[f"{value:.3f}" for value in np.percentile(scores, points)]]))  # fmt: skip
    if seen:
        print(f"{seen} of these texts, copies of others, were seen by the model that scored them "
              "(quality_seen in their meta): their scores flatter it")  # fmt: skip
    return 0


def run_show(args: argparse.Namespace) -> int:
    """Prints what a model was made of and how good it is."""
    manifest = read_manifest(data_root(), args.name)
    print(f"{args.name}: made by {manifest['made_by']['command']}\n"
          f"fingerprint {manifest['fingerprint'][:16]}; documents: "
          f"{', '.join(f'{count} {reason}' for reason, count in manifest['examples'].items())}\n"
          )  # fmt: skip
    report = manifest["report"]
    print(f"on {report['documents']} documents held out, {report['positive']} of them positive "
          "(each side weighs the same):")  # fmt: skip
    names = {"auc": "area under the ROC curve", "accuracy": "accuracy at 0.5",
             "log_loss": "log loss, nats", "ece": "expected calibration error"}  # fmt: skip
    print(table(("", ""), [(text, f"{report[name]:.4f}") for name, text in names.items()]))
    print("\nwhat a score comes to:")
    print(table(("mean score", "positive", "documents"),
                [(f"{mean:.3f}", f"{share:.3f}", count)
                 for mean, share, count in report["reliability"]]))  # fmt: skip
    print("\nmost telling n-grams, as far as their hash can be undone (weight × occurrences):")
    for side, found in manifest["telling"].items():
        shown = ", ".join(f"{words} ({weight:+g} × {count})" for words, weight, count in found[:15])
        print(f"  {side}: {shown}")
    return 0
