"""`gristmill synthesize`: text that no language model writes."""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import shlex

from research import gin_bindings
from research.artefacts import data_root
from research.corpora.document import NAMING, Corpus, Document
from research.errors import GristmillError
from research.rephrase.synthesis import corpus as corpora
from research.rephrase.synthesis.generator import Generator, Source
from research.rephrase.synthesis.generators import GENERATORS, find_generator
from research.terminal import human, parse_count, progress, table

USAGE = """gristmill synthesize GENERATOR --items N --out NAME [--source CORPUS] [--seed S]
                            [--gin_file FILE …] [--gin GENERATOR.FIELD=VALUE …] [--workers N]
       gristmill synthesize list
       gristmill synthesize show GENERATOR [--examples N] [--source CORPUS] [--seed S] [--gin …]"""
LONGEST_SHOWN = 3000  # characters of an example


def synthesize(parser: argparse.ArgumentParser) -> None:
    """Fills the parser of `gristmill synthesize`."""
    parser.usage = USAGE
    parser.add_argument("generator", metavar="GENERATOR", help="which one; or list, show")
    parser.add_argument("name", metavar="NAME", nargs="?", help="show: which one")
    parser.add_argument("--items", type=parse_count, metavar="N", help="how many, as 100k")
    parser.add_argument("--out", help=f"name of the corpus to make: {NAMING}")
    parser.add_argument("--version", default="1", help="its version (default: 1)")
    parser.add_argument("--source", metavar="CORPUS", help="what the items are made of")
    parser.add_argument("--seed", type=_seed, default=0, help="of all draws (default: 0)")
    gin_bindings.add_options(parser)
    parser.add_argument("--workers", type=parse_count, default=1, help="processes (default: 1)")
    parser.add_argument("--dry-run", action="store_true", help="say what would be made, and stop")
    parser.add_argument("--examples", type=parse_count, default=3, metavar="N",
                        help="show: how many items (default: 3)")  # fmt: skip
    parser.set_defaults(run=run)


def _seed(text: str) -> int:
    if text.isdecimal() and int(text) < 2**63:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 to 2^63 - 1")


def run(args: argparse.Namespace) -> int:
    """Finds out which of the three forms it is."""
    forms = {"list": run_list, "show": run_show}
    if form := forms.get(args.generator):
        return form(args)
    if args.name:
        raise GristmillError(f"synthesize {args.generator} {args.name}: one generator at a time")
    return run_synthesize(args)


def run_synthesize(args: argparse.Namespace) -> int:
    """Makes a corpus, or goes on with it."""
    generator, root = _generator(args.generator, args), data_root()
    for option in ("items", "out"):
        if not getattr(args, option):
            raise GristmillError(f"synthesize: say --{option}, as in --items 100k --out NAME")
    source = Corpus.open(root, args.source) if args.source else None
    corpora.check(generator, args.out, args.version, args.items, source)
    if args.dry_run:
        _dry_run(generator, args, source)
        return 0
    before = corpora.made_before(root, args.out, args.version)
    corpus = corpora.synthesize(
        generator,
        root,
        args.out,
        args.version,
        items=args.items,
        seed=args.seed,
        source=source,
        workers=args.workers,
        command=_command(args),
        progress=progress,
    )
    manifest = corpus.manifest
    print(
        f"{corpus.name} made{' before' * before}: {manifest['documents']} documents, "
        f"{human(manifest['bytes'], 'B')}, {sum(manifest['quarantined'].values())} quarantined, "
        f"fingerprint {manifest['fingerprint'][:16]}"
    )
    for reason, count in manifest["quarantined"].items():
        print(f"  quarantined: {count} × {reason}")
    return 0


def _generator(name: str, args: argparse.Namespace) -> Generator:
    return find_generator(name, args.gin_file, args.gin)


def _dry_run(generator: Generator, args: argparse.Namespace, source: Corpus | None) -> None:
    """Guesses the size by the first items."""
    count = min(args.items, 50)
    made = _first(generator, args.seed, count, source)
    size = sum(len(item.text.encode()) for item in made) / count * args.items
    print(
        f"{args.items} items of {generator.name}"
        + (f" from {source.name}" if source else "")
        + f", about {human(size, 'B')} going by the first {count}, to {args.out}@{args.version}"
    )


def _first(generator: Generator, seed: int, count: int, source: Corpus | None) -> list[Document]:
    """Those of the first items that can be made."""
    items = generator.items(seed, 0, count, source and Source(source))
    return [item for item in items if isinstance(item, Document)]


def _command(args: argparse.Namespace) -> str:
    """The command that repeats this."""
    words = ["gristmill", "synthesize", args.generator, "--items", str(args.items)]
    words += ["--out", args.out]
    for option, default in (("source", None), ("version", "1"), ("seed", 0)):
        if (value := getattr(args, option)) != default:
            words += [f"--{option}", str(value)]
    for file, option in ((args.gin_file, "--gin_file"), (args.gin, "--gin")):
        words += itertools.chain.from_iterable((option, value) for value in file)
    return shlex.join(words)


# ---- list, show ---------------------------------------------------------------------------------


def run_list(args: argparse.Namespace) -> int:
    """Prints the generators."""
    rows = [
        (name, kind.version, "a corpus" if kind.licence is None else "nothing", kind.about)
        for name, kind in GENERATORS.items()
    ]
    print(table(("generator", "version", "reads", "about"), rows))
    return 0


def run_show(args: argparse.Namespace) -> int:
    """Prints the settings of a generator, and its first items."""
    if not args.name:
        raise GristmillError("synthesize show: name a generator (gristmill synthesize list)")
    generator = _generator(args.name, args)
    print(f"{generator.name}, version {generator.version}: {generator.about}\n")
    print(f"{type(generator).__doc__.strip()}\n")
    for field in dataclasses.fields(generator):
        print(f"  {generator.name}.{field.name} = {getattr(generator, field.name)!r}")
    if generator.reads and not args.source:
        print("\nwith --source CORPUS it shows items made of that corpus")
        return 0
    source = Corpus.open(data_root(), args.source) if args.source else None
    corpora.check(generator, "examples", "1", args.examples, source)
    for item in _first(generator, args.seed, args.examples, source):
        left = len(item.text) - LONGEST_SHOWN
        print(f"\n--- {item.id} {json.dumps(item.meta, ensure_ascii=False)}")
        print(item.text[:LONGEST_SHOWN] + (f" … ({left} characters more)" if left > 0 else ""))
    return 0
