"""`gristmill dedup`: one corpus of several, without duplicates."""

from __future__ import annotations

import argparse
import dataclasses
import os
import shlex
import shutil
import unicodedata

import numpy as np

from research import artefacts
from research.corpora.document import Corpus, corpus_folder
from research.curate.bloom import BloomSettings
from research.curate.collection import KEEP, Collection, work_folder
from research.curate.dedup import Exact, Method, decide, examine, joined_sizes
from research.curate.dedup_output import CLUSTERS, staying_documents, write_clusters
from research.curate.derived import counts_line, made_before, write_derived
from research.curate.exact_dedup import NORMALISATIONS
from research.curate.minhash import MinHash
from research.errors import GristmillError
from research.terminal import human, parse_count, parse_seed, progress

METHODS = ("exact", "paragraph", "minhash", "bloom")


def dedup(parser: argparse.ArgumentParser) -> None:
    """Fills the parser of `gristmill dedup`."""
    parser.add_argument("corpora", nargs="+", metavar="CORPUS", help="name or name@version")
    parser.add_argument("--out", required=True, metavar="NAME", help="the corpus to make")
    parser.add_argument("--version", default="1", help="its version (default: 1)")
    parser.add_argument("--method", required=True, choices=METHODS)
    first = "which copy is kept: criteria in order of weight, of corpus (first named), longest, "
    parser.add_argument(
        "--keep",
        default="corpus,longest",
        help=first + "shortest; then the smallest id (default: corpus,longest)",
    )
    parser.add_argument("--workers", type=parse_count, default=os.cpu_count(),
                        help="processes (default: one a core)")  # fmt: skip
    parser.add_argument("--dry-run", action="store_true", help="say what would be read, and stop")
    exact = parser.add_argument_group("exact and paragraph")
    exact.add_argument("--normalise", choices=NORMALISATIONS, dest="normalisation",
                       help="what makes no difference (default: whitespace)")  # fmt: skip
    exact.add_argument("--min-characters", type=int,
                       help="shorter paragraphs stay (default: 40)")  # fmt: skip
    fuzzy = parser.add_argument_group("minhash and bloom")
    fuzzy.add_argument("--ngram", type=int, help="words (default: minhash 5, bloom 8)")
    fuzzy.add_argument("--threshold", type=float, help=(
        "least Jaccard similarity, or share of n-grams seen, of a duplicate (default: 0.8)"
    ))  # fmt: skip
    fuzzy.add_argument("--keep-numbers", action="store_true", help=(
        "tell texts that differ in numbers apart; else every number is 0"
    ))  # fmt: skip
    fuzzy.add_argument("--bands", type=int, help="minhash: hashes compared (default: 18)")
    fuzzy.add_argument("--rows", type=int, help="minhash: minima in each (default: 6)")
    fuzzy.add_argument("--seed", type=parse_seed,
                       help="minhash: of the permutations (default: 1)")  # fmt: skip
    fuzzy.add_argument("--megabytes", type=int, help="bloom: size of the filter (default: 256)")
    parser.set_defaults(run=run_dedup)


def run_dedup(args: argparse.Namespace) -> None:
    """Makes the corpus and prints what was dropped."""
    method, keep = _method(args), _keep(args.keep)
    root = artefacts.data_root()
    collection = Collection(root, args.corpora)
    definition = {
        "dedup": args.method,
        "settings": dataclasses.asdict(method),
        "keep": keep,
        "unicode": unicodedata.unidata_version,
        "corpora": collection.inputs,
    }
    if before := made_before(collection, args.out, args.version, definition):
        print(f"made before: {counts_line(collection, before)}")
        return
    if args.dry_run:
        size = sum(corpus.manifest["bytes"] for corpus in collection.corpora)
        folder = corpus_folder(root, args.out, args.version)
        print(f"{args.method} over {collection.documents} documents, {human(size, 'B')}, in "
              f"{len(collection.parts)} parts of {', '.join(collection.names)}; to {folder}; "
              f"settings: {dataclasses.asdict(method)}")  # fmt: skip
        return
    work = work_folder(root, {name: definition[name] for name in definition if name != "keep"})
    with artefacts.exclusive(work):
        artefacts.remove_temporaries(work)
        examine(collection, method, work, args.workers, progress)
        decisions = decide(collection, method, work, keep, progress)
        sizes = joined_sizes(collection, work)
        clusters = write_clusters(work / CLUSTERS, collection, decisions, sizes)
        corpus = write_derived(
            collection,
            staying_documents(collection, decisions, clusters),
            {"duplicate": int((decisions.leader != np.arange(len(sizes))).sum())},
            name=args.out,
            version=args.version,
            definition=definition,
            command=_command(args),
            tables=[work / CLUSTERS],
            progress=lambda records: progress(records, desc=args.out, unit=" documents"),
        )
        shutil.rmtree(work)
    _report(collection, corpus, decisions.leader, sizes, len(decisions.removed))
    for note, value in decisions.notes.items():
        print(f"  {note.replace('_', ' ')}: {value:.3g}" if isinstance(value, float)
              else f"  {note.replace('_', ' ')}: {value}")  # fmt: skip


def _method(args: argparse.Namespace) -> Method:
    """The settings of the method, made of the options that it has.

    Raises:
      GristmillError: an option is of another method, or out of its range.
    """
    kind = {"minhash": MinHash, "bloom": BloomSettings}.get(args.method, Exact)
    options = ("normalisation", "min_characters", "ngram", "threshold", "bands", "rows", "seed",
               "megabytes")  # fmt: skip
    given = {name: value for name in options if (value := getattr(args, name)) is not None}
    if given.get("min_characters", 0) < 0:
        raise GristmillError(f"--min-characters is {args.min_characters}: use 0 or more")
    if args.keep_numbers:
        given["keep_numbers"] = True
    if args.method == "paragraph":
        return Exact(paragraphs=True, **_only(given, ("normalisation", "min_characters"), args))
    if kind is Exact:
        return Exact(**_only(given, ("normalisation",), args))
    return kind(**_only(given, [field.name for field in dataclasses.fields(kind)], args))


def _only(given: dict, known, args: argparse.Namespace) -> dict:
    for name in given:
        if name not in known:
            option = "normalise" if name == "normalisation" else name.replace("_", "-")
            raise GristmillError(f"--method {args.method} has no --{option}; leave it out")
    return given


def _keep(words: str) -> list[str]:
    keep = words.split(",")
    for word in keep:
        if word not in KEEP or keep.count(word) > 1 or {"longest", "shortest"} <= set(keep):
            raise GristmillError(
                f"--keep {words[:100]}: name some of {', '.join(KEEP)}, each once, and not both "
                "longest and shortest"
            )
    return keep


def _command(args: argparse.Namespace) -> str:
    words = ["gristmill", "dedup", *args.corpora, "--method", args.method, "--out", args.out]
    options = {"version": "1", "keep": "corpus,longest", "min_characters": None, "ngram": None,
               "threshold": None, "bands": None, "rows": None, "seed": None,
               "megabytes": None}  # fmt: skip
    for option, default in options.items():
        if (value := getattr(args, option)) != default:
            words += [f"--{option.replace('_', '-')}", str(value)]
    words += ["--keep-numbers"] * args.keep_numbers
    if args.normalisation:
        words += ["--normalise", args.normalisation]
    return shlex.join(words)


def _report(
    collection: Collection, corpus: Corpus, leader: np.ndarray, sizes: np.ndarray, removed: int
) -> None:
    dropped = leader != np.arange(len(leader))
    clusters = len(np.unique(leader[dropped]))
    print(counts_line(collection, corpus))
    print(
        f"  {clusters} clusters of duplicates; {human(sizes[dropped].sum(), 'B')} of "
        f"{human(sizes.sum(), 'B')} dropped with them; {CLUSTERS} says where each went"
    )
    if removed:
        print(f"  {removed} paragraphs taken out of documents that stay")
    for number, name in enumerate(collection.names):
        inside = collection.corpus_of == number
        print(f"  {name}: {inside.sum()} read, {(inside & dropped).sum()} dropped")
