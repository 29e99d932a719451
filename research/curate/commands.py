"""`gristmill curate`: apply a recipe to a corpus; show what it did; explain one document."""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import json
import logging
import shlex
import time
from collections.abc import Mapping, Sequence
from typing import Any

from research import gin_bindings
from research.artefacts import data_root
from research.corpora.document import NAME, NAMING, Corpus, Document, read_batches
from research.curate.recipes import RECIPES, SPLITS, STEPS, find_recipe, restore
from research.curate.report import apply, excerpt
from research.curate.runner import EXAMPLES_FILE, LARGEST_TEXT, pieces_of
from research.curate.runner import curate as run_recipe
from research.curate.split import split
from research.curate.steps import Change, Drop, Step
from research.curate.workers import Run, run_pieces
from research.errors import GristmillError
from research.terminal import human, progress, table

USAGE = """gristmill curate CORPUS --recipe RECIPE --out NAME [--workers N]
                        [--gin_file FILE …] [--gin STEP.FIELD=VALUE …]
       gristmill curate show NAME [--examples N]
       gristmill curate explain NAME --id DOCUMENT
       gristmill curate recipes [RECIPE]"""
LONGEST_LISTED = 20  # changes that `explain` prints of one step


def curate(parser: argparse.ArgumentParser) -> None:
    """Fills the parser of `gristmill curate`."""
    parser.usage = USAGE
    first = "the corpus to read; or show, explain, recipes"
    parser.add_argument("corpus", metavar="CORPUS", help=first)
    parser.add_argument("name", metavar="NAME", nargs="?", help="of show, explain and recipes")
    parser.add_argument("--recipe", help=f"one of: {', '.join(RECIPES)}")
    parser.add_argument("--out", help=f"name of the corpus to make: {NAMING}")
    parser.add_argument("--version", default="1", help="its version (default: 1)")
    gin_bindings.add_options(parser)
    parser.add_argument("--workers", type=_workers, default=1, help="processes (default: 1)")
    parser.add_argument(
        "--runner", choices=("local", "beam"), default="local",
        help="processes of this machine, or a pipeline of Apache Beam (default: local)",
    )  # fmt: skip
    parser.add_argument(
        "--beam-option", action="append", default=[], metavar="NAME=VALUE",
        help="of the pipeline, as runner=FlinkRunner; repeatable",
    )  # fmt: skip
    parser.add_argument("--dry-run", action="store_true", help="print the steps, and stop")
    parser.add_argument("--id", help="explain: which document of the corpus that was read")
    parser.add_argument("--examples", type=int, default=2, metavar="N", help="show: of each reason")
    parser.set_defaults(run=run)


def _workers(text: str) -> int:
    if text.isdecimal() and 1 <= int(text) <= 512:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to 512")


def run(args: argparse.Namespace) -> int:
    """Finds out which of the four forms it is."""
    forms = {"show": run_show, "explain": run_explain, "recipes": run_recipes}
    if form := forms.get(args.corpus):
        if not args.name and form is not run_recipes:
            raise GristmillError(f"curate {args.corpus}: name the corpus that curate has made")
        return form(args)
    if args.name:
        raise GristmillError(
            f"curate {args.corpus} {args.name}: one corpus at a time; the actions are "
            f"{', '.join(forms)}"
        )
    return run_curate(args)


def run_curate(args: argparse.Namespace) -> int:
    """Makes a corpus, or goes on with making it."""
    if not args.recipe:
        raise GristmillError(f"name a recipe with --recipe; there are: {', '.join(RECIPES)}")
    steps = find_recipe(args.recipe, args.gin_file, args.gin)
    source = Corpus.open(data_root(), args.corpus)
    if args.dry_run:
        pieces = pieces_of(source)
        print(
            f"{source.name}: {source.manifest['documents']} documents, "
            f"{human(source.manifest['bytes'], 'B')}, in {len(pieces)} piece(s) through:"
        )
        _print_steps(steps)
        return 0
    if not args.out:
        raise GristmillError("name the corpus to make with --out")
    run = _runner(args)
    for word in (args.out, args.version):
        if not NAME.fullmatch(word):
            raise GristmillError(f"{word[:200]!r} is no name of a corpus or version: use {NAMING}")
    command = ["gristmill", "curate", args.corpus, "--recipe", args.recipe, "--out", args.out]
    command += ["--version", args.version] if args.version != "1" else []
    command += [word for file in args.gin_file for word in ("--gin_file", file)]
    command += [word for option in args.gin for word in ("--gin", option)]
    corpus, before = run_recipe(
        data_root(),
        source,
        args.recipe,
        steps,
        args.out,
        args.version,
        workers=args.workers,
        command=shlex.join(command),
        progress=progress,
        run=run,
    )
    kept, read = corpus.manifest["documents"], source.manifest["documents"]
    print(
        f"{corpus.name} {'made before' if before else 'made'}: {kept} of {read} documents, "
        f"{human(corpus.manifest['bytes'], 'B')}, "
        f"{sum(corpus.manifest['quarantined'].values())} quarantined, "
        f"fingerprint {corpus.manifest['fingerprint'][:16]}"
    )
    print(_funnel(corpus.manifest["funnel"]))
    if args.recipe in SPLITS:
        key, values = SPLITS[args.recipe]
        parts = split(data_root(), corpus, key, values, command=shlex.join(command),
                      progress=progress)  # fmt: skip
        shares = ", ".join(f"{part.name} {part.manifest['documents']}" for part in parts)
        print(f"\n{corpus.name} by {key}: {shares} documents")
    print(f"\nwith reasons and examples: gristmill curate show {args.out}")
    return 0


def _runner(args: argparse.Namespace) -> Run:
    """What does the pieces of work.

    Raises:
      GristmillError: Beam is not installed, or options are at fault.
    """
    if args.runner == "local":
        if args.beam_option:
            raise GristmillError("--beam_option is of use with --runner beam only")
        return run_pieces
    if args.workers > 1:
        raise GristmillError("--workers is for --runner local; give Beam's own as --beam_option")
    if importlib.util.find_spec("apache_beam") is None:
        raise GristmillError("Apache Beam is not installed here; run: pip install gristmill[beam]")
    logging.basicConfig(level=logging.ERROR)  # Beam warns of extras that nobody asked for
    from research.curate.beam_runner import BeamRun

    return BeamRun.of(args.beam_option)


def _open(name: str) -> Corpus:
    corpus = Corpus.open(data_root(), name)
    if "funnel" not in corpus.manifest:
        raise GristmillError(
            f"{corpus.name} was not made by gristmill curate but by: "
            f"{corpus.manifest['made_by']['command']}"
        )
    return corpus


def run_show(args: argparse.Namespace) -> int:
    """Prints what each step dropped and changed."""
    if args.examples < 0:
        raise GristmillError(f"--examples is {args.examples}: use 0 or more")
    corpus = _open(args.name)
    manifest = corpus.manifest
    source = manifest["definition"]["curated_from"]["name"]
    print(
        f"{corpus.name}: recipe {manifest['definition']['recipe']} "
        f"({manifest['recipe_fingerprint'][:16]}) of {source}\n"
        f"made by {manifest['made_by']['command']}\n"
    )
    print(_funnel(manifest["funnel"]))
    path = corpus.folder / EXAMPLES_FILE
    try:
        steps = json.loads(path.read_text("utf-8"))["steps"]
    except (OSError, ValueError, KeyError):
        raise GristmillError(
            f"{path} is missing or damaged; run: gristmill verify {corpus.folder}"
        ) from None
    for step, described in zip(steps, manifest["definition"]["steps"], strict=True):
        settings = ", ".join(f"{k}={_brief(v)}" for k, v in described["settings"].items())
        print(f"\n{step['step']} ({settings})")
        for reason, count in step["quarantined"].items():
            print(f"  quarantined: {count} × {reason}")
        for reason, tally in step["dropped"].items():
            print(f"  dropped: {tally['documents']} × {reason}, {human(tally['bytes'], 'B')}")
            for example in tally["examples"][: args.examples]:
                detail = f" ({example['detail']})" if example["detail"] else ""
                print(f"    {example['id']}{detail}: {example['excerpt'][:120]}")
        for reason, tally in step["edited"].items():
            print(
                f"  edited: {tally['changes']} × {reason} in {tally['documents']} documents, "
                f"{human(tally['bytes'], 'B')} less"
            )
            for example in tally["examples"][: args.examples]:
                print(f"    {example['id']}: {_change(example['removed'], example['inserted'])}")
    print(f"\none document, step by step: gristmill curate explain {args.name} --id ID")
    return 0


def _brief(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(value[:4]) + (f",… ({len(value)})" if len(value) > 4 else "")
    return json.dumps(value, ensure_ascii=False) if isinstance(value, bool) else str(value)


def _funnel(steps: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for step in steps:
        dropped = {reason: tally["documents"] for reason, tally in step["dropped"].items()}
        reasons = [f"{reason} {count}" for reason, count in dropped.items()]
        rows.append(
            (
                step["step"],
                step["documents_in"],
                step["documents_out"],
                sum(dropped.values()),
                sum(step["quarantined"].values()),
                sum(tally["changes"] for tally in step["edited"].values()),
                human(step["bytes_in"], "B"),
                human(step["bytes_out"], "B"),
                ", ".join(reasons[:3]) + (" …" if len(reasons) > 3 else ""),
            )
        )
    header = ("step", "in", "out", "dropped", "quarantined", "edits", "bytes in", "bytes out",
              "dropped for")  # fmt: skip
    return table(header, rows)


def _change(removed: str, inserted: str, limit: int = 120) -> str:
    shown = f"- {removed[:limit]!r}"
    return f"{shown} + {inserted[:limit]!r}" if inserted else shown


def run_explain(args: argparse.Namespace) -> int:
    """Runs the steps again on one document of the source corpus and prints every verdict."""
    if not args.id:
        raise GristmillError("curate explain: name the document with --id")
    corpus = _open(args.name)
    definition = corpus.manifest["definition"]
    source = Corpus.open(data_root(), definition["curated_from"]["name"])
    if source.manifest["fingerprint"] != definition["curated_from"]["fingerprint"]:
        raise GristmillError(
            f"{source.name} is not what {corpus.name} was made of: it was built anew since; make "
            f"{corpus.name} again under another name"
        )
    try:
        steps = restore(definition["steps"])
    except GristmillError as error:
        raise GristmillError(f"{corpus.name}: {error}") from None
    document = _find(source, args.id)
    size = human(len(document.text.encode()), "B")
    print(f"{document.id} of {source.name}, {size}: {excerpt(document.text)[:160]}")
    for step in steps:
        start = time.perf_counter()
        if len(document.text.encode()) > LARGEST_TEXT:
            print(f"  {step.name}: quarantined: text larger than {LARGEST_TEXT >> 20} MiB")
            return 0
        try:
            outcome, changes = apply(step, document)
        except Exception as error:
            print(f"  {step.name}: quarantined: {type(error).__name__}: {excerpt(str(error))}")
            return 0
        took = f"{1000 * (time.perf_counter() - start):.1f} ms"
        _print_changes(step, changes, took)
        if isinstance(outcome, Drop):
            detail = f" ({outcome.detail})" if outcome.detail else ""
            print(f"  {step.name}: DROPPED: {outcome.reason}{detail} [{took}]")
            _print_help(step, outcome)
            print(f"so it is not in {corpus.name}")
            return 0
        if not changes:
            print(f"  {step.name}: kept{_noted(document, outcome)} [{took}]")
        document = outcome
    left = human(len(document.text.encode()), "B")
    print(f"so it is in {corpus.name}, with {left}: {excerpt(document.text)[:160]}")
    return 0


def _print_changes(step: Step, changes: Sequence[Change], took: str) -> None:
    if not changes:
        return
    print(f"  {step.name}: {len(changes)} passage(s) changed [{took}]")
    for change in changes[:LONGEST_LISTED]:
        print(f"    {change.reason}: {_change(change.removed.strip(), change.inserted)}")
    if len(changes) > LONGEST_LISTED:
        print(f"    … and {len(changes) - LONGEST_LISTED} more")


def _print_help(step: Step, drop: Drop) -> None:
    """Names the thresholds of a step, for who wants another verdict."""
    fields = [f"{field.name}={getattr(step, field.name)}" for field in dataclasses.fields(step)
              if "range" in field.metadata]  # fmt: skip
    print(f"    its thresholds: {', '.join(fields)}; change one with --gin {step.name}.FIELD=VALUE")


def _noted(before: Document, after: Document) -> str:
    new = {key: value for key, value in after.meta.items() if before.meta.get(key) != value}
    return f", noting {', '.join(f'{key}={value}' for key, value in new.items())}" if new else ""


def _find(corpus: Corpus, id: str) -> Document:
    for part in corpus.parts:
        first = 0
        for batch in read_batches(corpus.folder / part, ["id"]):
            ids = batch["id"].to_pylist()
            if id in ids:
                wanted = first + ids.index(id)
                for row, document in enumerate(corpus.documents(part)):
                    if row == wanted:
                        return document
            first += len(ids)
    example = next(corpus.documents()).id
    raise GristmillError(f"no document {id[:200]!r} in {corpus.name}; ids there are as {example!r}")


def run_recipes(args: argparse.Namespace) -> int:
    """Prints the recipes, or one with all its thresholds."""
    if args.name:
        _print_steps(find_recipe(args.name, args.gin_file, args.gin))
        return 0
    rows = [(name, " → ".join(step.name for step in steps)) for name, steps in RECIPES.items()]
    print(table(("recipe", "steps"), rows))
    print(f"\nsteps known: {', '.join(STEPS)}\nwith thresholds: gristmill curate recipes RECIPE")
    return 0


def _print_steps(steps: Sequence[Step]) -> None:
    for step in steps:
        print(
            f"\n{step.name}: {' '.join((type(step).__doc__ or '').split(chr(10) * 2)[0].split())}"
        )
        for field in dataclasses.fields(step):
            value = step.settings()[field.name]
            limits = (
                "[{:g}, {:g}]".format(*field.metadata["range"]) if "range" in field.metadata else ""
            )
            print(f"  {field.name} = {_brief(value)}  {limits}  {field.metadata['help']}")
