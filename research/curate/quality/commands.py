"""`gristmill quality`: train a quality model, score a corpus by it, show what it has learned."""

from __future__ import annotations

import argparse
import dataclasses
import functools
import importlib
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from research.artefacts import data_root
from research.corpora.document import NAME, NAMING, Corpus
from research.curate.quality.examples import gather
from research.curate.quality.linear import Training
from research.curate.quality.models import (
    QualityModel,
    check_unmade,
    model_folder,
    read_manifest,
    save_model,
)
from research.curate.quality.ratings import CRITERIA, LEVELS, Rater, rate
from research.curate.quality.sources import from_corpora, from_ratings, from_scores
from research.curate.quality.step import Quality
from research.curate.quality.training import telling_ngrams
from research.curate.runner import curate
from research.curate.score_tables import made_before, plan, save, score_corpus
from research.errors import GristmillError
from research.terminal import human, parse_count, parse_seed, progress, table

RATERS = {"rules": "research.curate.quality.rules:rate"}


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
    train.add_argument("--ratings", metavar="TABLE", help=(
        "instead of corpora: a table of gristmill quality rate, whose rater the model imitates"
    ))  # fmt: skip
    train.add_argument("--seed", type=parse_seed, default=0, help=(
        "of the splits and of the order of training (default: 0)"
    ))  # fmt: skip
    train.add_argument("--bits", type=int, help="2**bits buckets (default: 20; of ratings 18)")
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

    rating = actions.add_parser("rate", help="a table of ratings by fourteen criteria")
    rating.add_argument("corpus", metavar="CORPUS")
    rating.add_argument("--rater", required=True, help=(
        f"{', '.join(RATERS)}; or MODULE:FUNCTION from a list of documents to a list of Ratings"
    ))  # fmt: skip
    rating.add_argument("--out", required=True, metavar="NAME", help="of the table")
    rating.add_argument("--dry-run", action="store_true", help="say what would be rated, and stop")
    rating.set_defaults(run=run_rate)

    show = actions.add_parser("show", help="what a model was made of, and how good it is")
    show.add_argument("name", metavar="NAME")
    show.set_defaults(run=run_show)


def run_train(args: argparse.Namespace) -> int:
    """Trains, calibrates and measures a model."""
    root = data_root()
    model_folder(root, args.out)
    training = _training(args)
    sources = {"--ratings": args.ratings, "--scores": args.scores,
               "--positive and --negative": args.positive or args.negative}  # fmt: skip
    if sum(bool(source) for source in sources.values()) != 1:
        raise GristmillError(f"quality train: give one of {', '.join(sources)}, and no other")
    if args.ratings:
        source = from_ratings(root, args.ratings)
    elif args.scores:
        source = from_scores(root, args.scores, args.column, args.prefer, args.share)
    else:
        source = from_corpora(root, args.positive or [], args.negative or [])
    collection = source.collection
    definition = {
        **source.definition,
        "training": dataclasses.asdict(training),
        "max_bytes": args.max_bytes,
        "inputs": collection.inputs,
    }
    if not check_unmade(root, args.out, definition):
        print(f"{args.out} was trained before")
        return run_show(argparse.Namespace(name=args.out))
    examples = gather(
        collection,
        source.labels,
        bits=training.bits,
        seed=training.seed,
        max_bytes=args.max_bytes,
        progress=lambda parts: progress(parts, desc="reading", unit="part"),
    )
    linear, report = source.train(examples, training)
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
    return Training(seed=args.seed, **{"bits": 18 if args.ratings else 20, **given})


def _command(args: argparse.Namespace) -> str:
    words = ["gristmill", "quality", "train"]
    defaults = {"prefer": "high", "share": 0.3, "seed": 0, "max_bytes": 200_000_000}
    for name in ("positive", "negative", "ratings", "scores", "column", "prefer", "share",
                 "seed", "bits",
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
        print(f"{seen} of these texts were seen by the model that scored them "
              "(quality_seen in their meta): their scores flatter it")  # fmt: skip
    return 0


def run_rate(args: argparse.Namespace) -> int:
    """Makes a table of ratings."""
    root = data_root()
    rater = _find_rater(args.rater)
    corpus = Corpus.open(root, args.corpus)
    definition = {"scores": "ratings", "rater": args.rater, "criteria": list(CRITERIA),
                  "corpus": corpus.manifest["fingerprint"]}  # fmt: skip
    if args.dry_run:
        print(plan(root, corpus, definition))
        return 0
    scored = made_before(root, args.out, definition)
    if before := scored is not None:
        found = scored.read()
    else:
        found, bad = score_corpus(
            root, corpus, definition, functools.partial(rate, args.rater, rater), progress
        )
        command = ["gristmill", "quality", "rate", args.corpus, "--rater", args.rater, "--out",
                   args.out]  # fmt: skip
        scored = save(root, args.out, found, corpus, definition, quarantined=bad,
                      command=shlex.join(command), tools=("numpy", "pyarrow"))  # fmt: skip
    print(f"{args.out} {'made before' if before else 'made'}: {len(found)} documents of "
          f"{corpus.name} rated by {args.rater}, {scored.manifest['quarantined']} ratings "
          f"quarantined; fingerprint {scored.manifest['fingerprint'][:16]}")  # fmt: skip
    rows = [
        (name, *np.bincount(found[name].to_numpy(), minlength=LEVELS + 1)[1:]) for name in CRITERIA
    ]
    print(table(("criterion", *(f"rated {level}" for level in range(1, LEVELS + 1))), rows))
    domains = Counter(found["domain"].to_pylist()).most_common()
    print(f"domains: {', '.join(f'{name} {count}' for name, count in domains)}")
    return 0


def _find_rater(name: str) -> Rater:
    """A rater by its name, or by the module that has it.

    Raises:
      GristmillError: there is none.
    """
    module, _, function = RATERS.get(name, name).partition(":")
    try:
        rater = getattr(importlib.import_module(module), function)
        if not callable(rater):
            raise TypeError(f"a {type(rater).__name__} cannot be called")
    except Exception as error:  # a module of the user's may fail in any way
        what = " ".join(str(error).split())[:200]
        raise GristmillError(
            f"no rater {name!r} ({what}); there are: {', '.join(RATERS)}, and functions of your "
            "own as MODULE:FUNCTION"
        ) from None
    return rater


def run_show(args: argparse.Namespace) -> int:
    """Prints what a model was made of and how good it is."""
    manifest = read_manifest(data_root(), args.name)
    print(f"{args.name}: made by {manifest['made_by']['command']}\n"
          f"fingerprint {manifest['fingerprint'][:16]}; documents: "
          f"{', '.join(f'{count} {reason}' for reason, count in manifest['examples'].items())}\n"
          )  # fmt: skip
    report = manifest["report"]
    _show_agreement(report) if "criteria" in report else _show_classifier(report)
    print(f"\nmost telling n-grams of {manifest['heads'][0]['name']}, as far as their hash can be "
          "undone (weight × occurrences):")  # fmt: skip
    for side, found in manifest["telling"].items():
        shown = ", ".join(f"{words} ({weight:+g} × {count})" for words, weight, count in found[:15])
        print(f"  {side}: {shown}")
    return 0


def _show_classifier(report: Mapping[str, Any]) -> None:
    print(f"on {report['documents']} documents held out, {report['positive']} of them positive "
          "(each side weighs the same):")  # fmt: skip
    names = {"auc": "area under the ROC curve", "accuracy": "accuracy at 0.5",
             "log_loss": "log loss, nats", "ece": "expected calibration error"}  # fmt: skip
    print("\n".join(f"  {text}: {report[name]:.4f}" for name, text in names.items()))
    print("what a score comes to:")
    rows = [(f"{mean:.3f}", f"{share:.3f}", count) for mean, share, count in report["reliability"]]
    print(table(("mean score", "positive", "documents"), rows))


def _show_agreement(report: Mapping[str, Any]) -> None:
    print(f"agreement with the rater on {report['documents']} documents held out:")
    rows = [
        (name, *(f"{found[key]:.3f}" for key in ("kappa", "equal", "within_one", "commonest")))
        for name, found in report["criteria"].items()
    ]
    header = ("criterion", "weighted kappa", "equal", "within one", "equal if always the commonest")
    print(table(header, rows))
    print(f"domain: {report['domain']:.3f} right; always the commonest: "
          f"{report['commonest_domain']:.3f}")  # fmt: skip
