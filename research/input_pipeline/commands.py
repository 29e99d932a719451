"""`gristmill cache`, `gristmill mixture` and `gristmill batches`."""

from __future__ import annotations

import argparse
import itertools
import json
import math
import operator
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from research import artefacts
from research.errors import GristmillError
from research.input_pipeline.batches import PACKERS, BatchSource, DataSpec
from research.input_pipeline.loader import mixture_schedule, open_caches, rows_of_host
from research.input_pipeline.mixture_plan import Schedule
from research.input_pipeline.token_cache import (
    TokenCache,
    build_caches,
    parts_to_build,
    task_folder,
)
from research.registry.specs import MixtureSpec, load_mixture, registered_names
from research.registry.splits import SPLITS
from research.registry.tokenizers import load_tokenizer
from research.terminal import human, parse_count, progress, table


def cache(parser: argparse.ArgumentParser) -> None:
    """Fills the parser of `gristmill cache`."""
    _add_mixture(parser)
    parser.add_argument(
        "--workers",
        type=parse_count,
        default=os.cpu_count(),
        help="processes (default: one a core)",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be tokenised")
    parser.set_defaults(run=run_cache)


def run_cache(args: argparse.Namespace) -> None:
    """Tokenises what is not cached yet and prints what there is."""
    root = artefacts.data_root()
    spec = load_mixture(root, args.mixture, args.modules)
    if args.dry_run:
        rows = [(name, *parts_to_build(root, task)) for name, task in spec.tasks.items()]
        print(table(("task", "parts to tokenise", "parts", "text bytes"), rows))
        return
    command = f"gristmill cache {args.mixture}"
    reused = build_caches(root, spec, workers=args.workers, command=command, progress=progress)
    rows = []
    for name, task in spec.tasks.items():
        state = "built" if name in reused else "was there"
        if reused.get(name):
            state = f"resumed after {reused[name]} parts"
        for split in SPLITS:
            made = TokenCache.open(root, task, split, command).manifest
            sizes = [made["documents"], made["tokens"], made["bytes"]]
            ratio = f"{made['bytes'] / max(1, made['tokens']):.2f}"
            rows.append((name, split, *map(human, sizes), ratio, task.fingerprint[:16], state))
        for reason, count in made["dropped"].items():
            if count:
                print(f"{name}: {count} documents in neither split: {reason}")
    header = ("task", "split", "documents", "tokens", "bytes", "bytes/token", "fingerprint", "")
    print(table(header, rows))


def mixture(parser: argparse.ArgumentParser) -> None:
    """Fills the parser of `gristmill mixture`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="names of all Mixtures and Tasks")
    _add_modules(listing)
    listing.set_defaults(run=run_list)
    show = actions.add_parser("show", help="the tree of a mixture and what its plan would do")
    _add_mixture(show)
    _add_plan(show)
    show.set_defaults(run=run_show)


def run_list(args: argparse.Namespace) -> None:
    """Prints the registered Mixtures and Tasks."""
    tasks, mixtures = registered_names(args.modules)
    print("Mixtures:", *mixtures, sep="\n  ")
    print("Tasks:", *tasks, sep="\n  ")


def run_show(args: argparse.Namespace) -> None:
    """Prints the mixture as a tree with tokens, shares and epochs, then what the caps will do."""
    root = artefacts.data_root()
    spec = load_mixture(root, args.mixture, args.modules)
    caches, source = open_plan(root, spec, args)
    plan, length = source.plan, source.spec.length
    totals = plan.totals(plan.steps)
    asked = source.spec.steps
    print(
        f"{spec.name}: {human(plan.steps * plan.batch * length)} tokens = {plan.steps} steps × "
        f"{plan.batch} rows × {length} tokens, packed by {source.spec.packer}"
        + (f" (asked for {asked} steps: a cap stops the run)" if plan.steps < asked else "")
    )
    names = list(spec.tasks)
    for name in names:
        task, made = spec.tasks[name], caches[name].manifest
        corner, bar = ("└─", "  ") if name == names[-1] else ("├─", "│ ")
        rows, packer = 0, None
        if name in plan.sources:
            rows = int(totals[plan.sources.index(name)])
            packer = source.packers[plan.sources.index(name)]
        epochs = rows / (packer.rows_in(100) / 100) if packer else 0.0
        repeated = max(0.0, epochs - 1) * made["tokens"]
        print(
            f"{corner} {name}  share {rows / max(1, totals.sum()):.4%}  "
            f"{human(rows * length)} tokens  {epochs:.3g} epochs of {human(made['tokens'])}"
            + (f", {human(repeated)} of them repeated" if repeated >= 1 else "")
        )
        print(f"{bar}   {task.corpus}  {human(made['documents'])} documents, "
              f"{human(made['bytes'], 'B')}, corpus {task.corpus_fingerprint[:12]}")  # fmt: skip
        print(f"{bar}   vocabulary {task.vocabulary.name} {task.vocabulary.sha256[:12]}, "
              f"cache {task_folder(root, task).relative_to(root)}")  # fmt: skip
        if len(made["domains"]) > 1:
            more = len(made["domains"]) - 8
            print(f"{bar}   domains: {', '.join(made['domains'][:8])}"
                  + (f" and {more} more" if more > 0 else ""))  # fmt: skip
    for step, _ in source.spec.schedule.points:
        if step >= plan.steps:
            print(f"the schedule's point at step {step} is beyond the last step")
    for name, step in plan.exhausted.items():
        print(f"at step {step} {name} reaches its cap of {source.spec.max_epochs[name]:g} epochs; "
              "the others share its place in proportion")  # fmt: skip
    if not plan.exhausted:
        print("no source reaches a cap")
    print(f"every source stays within {plan.largest_error:.3f} rows of its share at every step")
    print(f"plan {source.state(plan.steps)['prefix'][:16]}")


def batches(parser: argparse.ArgumentParser) -> None:
    """Fills the parser of `gristmill batches`."""
    _add_mixture(parser)
    _add_plan(parser)
    parser.add_argument("--step", type=int, default=0, help="which batch")
    parser.add_argument("--rows", type=parse_count, default=4, help="how many of its rows to print")
    parser.add_argument("--hosts", type=parse_count, default=1, help="as host 0 of so many")
    parser.add_argument("--characters", type=parse_count, default=160, help="of each span to print")
    parser.set_defaults(run=run_batches)


def run_batches(args: argparse.Namespace) -> None:
    """Prints rows of a batch, decoded, each span with the document it comes from."""
    root = artefacts.data_root()
    spec = load_mixture(root, args.mixture, args.modules)
    caches, source = open_plan(root, spec, args)
    if not 0 <= args.step < len(source):
        raise GristmillError(f"--step {args.step}: this plan has steps 0 to {len(source) - 1}")
    tokenizer = load_tokenizer(root, next(iter(spec.tasks.values())).vocabulary.name)
    batch, trace = source[args.step], source.trace(args.step)
    for row in range(min(args.rows, len(batch["targets"]))):
        print(f"row {source.host_rows[row]} of step {args.step}")
        segment = trace.document[row] * (trace.source[row].max() + 2) + trace.source[row]
        starts = [0, *(np.flatnonzero(np.diff(segment)) + 1).tolist(), len(segment)]
        for a, b in itertools.pairwise(starts):
            if trace.source[row, a] < 0:
                print(f"  [{a}:{b}] padding")
                continue
            name = source.plan.sources[trace.source[row, a]]
            offset, domain = trace.offset[row, a], source.domains[batch["domain_ids"][row, a]]
            document = caches[name].document_id(int(trace.document[row, a]))
            print(f"  [{a}:{b}] {domain}: {document}, its tokens {offset} to {offset + b - a - 1}")
            text = tokenizer.decode(batch["targets"][row, a:b].tolist())
            shown = text if len(text) <= args.characters else text[: args.characters] + "…"
            print(f"      {json.dumps(shown, ensure_ascii=False)}")


def open_plan(
    root: Path, spec: MixtureSpec, args: argparse.Namespace
) -> tuple[dict[str, TokenCache], BatchSource]:
    """The caches of a mixture, and the batches by the options of `_add_plan`."""
    caches = open_caches(root, spec, args.split)
    schedule = mixture_schedule(spec, caches)
    if args.schedule:
        schedule = read_schedule(args.schedule)
    vocabulary = next(iter(spec.tasks.values())).vocabulary
    steps = math.ceil(args.tokens / (args.batch * args.length))
    data = DataSpec(
        schedule=schedule,
        steps=steps,
        batch=args.batch,
        length=args.length,
        seed=args.seed,
        packer=args.packer,
        max_epochs=_caps(args.max_epochs, schedule.sources),
        on_cap=args.on_cap,
        across_documents=args.across_documents,
    )
    rows = rows_of_host(args.batch, 0, getattr(args, "hosts", 1))
    return caches, BatchSource(data, caches, vocabulary.bos_id, vocabulary.pad_id, rows)


def read_schedule(path: Path) -> Schedule:
    """Reads {"kind": "step" or "linear", "points": [[step, {source: share}], ...]}.

    Raises:
      GristmillError: the file is missing or is no such JSON.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        points = tuple(
            (operator.index(step), {str(name): float(share) for name, share in shares.items()})
            for step, shares in value["points"]
        )
        return Schedule(points, value["kind"])
    except OSError as error:
        raise GristmillError(f"schedule {path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise GristmillError(
            f"{path} is no schedule ({type(error).__name__}: {error}); it must read like "
            '{"kind": "linear", "points": [[0, {"a": 1}], [500, {"a": 1, "b": 2}]]}'
        ) from None


def _caps(options: list[str], sources: list[str]) -> Mapping[str, float]:
    caps: dict[str, float] = {}
    for option in options:
        name, equals, number = option.rpartition("=")
        try:
            caps.update(dict.fromkeys([name] if equals else sources, float(number)))
        except ValueError:
            raise GristmillError(
                f"--max-epochs {option}: give a number for all sources, or SOURCE=NUMBER"
            ) from None
    return caps


def _add_modules(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--modules",
        action="append",
        default=[],
        metavar="MODULE",
        help="a Python module, or a .json of the data root's definitions/, with more Tasks or "
        "Mixtures (may be repeated)",
    )


def _add_mixture(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("mixture", help="a Mixture or a Task of the registry")
    _add_modules(parser)


def _add_plan(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--tokens", type=parse_count, default=50_000_000, help="of the whole run (default: 50M)")
    add("--length", type=parse_count, default=1024, help="L, tokens in a row (default: 1024)")
    add("--batch", type=parse_count, default=64, help="rows in a step (default: 64)")
    add("--seed", type=int, default=0, help="of the data order (default: 0)")
    add("--packer", choices=list(PACKERS), default="concat")
    add("--split", choices=SPLITS, default=SPLITS[0])
    add("--schedule", type=Path, help="a JSON file of shares over the steps")
    add(
        "--max-epochs",
        action="append",
        default=[],
        metavar="[SOURCE=]N",
        help="a cap on repetition, of one source or of all (may be repeated)",
    )
    add("--on-cap", choices=("redistribute", "stop", "error"), default="redistribute")
    add("--across-documents", action="store_true", help="attend and predict across documents")
