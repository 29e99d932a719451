"""`gristmill config`, `gristmill train` and `gristmill evaluate`."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path

from research import gin_bindings
from research.train.run_spec import resolve


def config(parser: argparse.ArgumentParser) -> None:
    """Fills the parser of `gristmill config`."""
    gin_bindings.add_options(parser)
    parser.set_defaults(run=run_config)


def run_config(args: argparse.Namespace) -> None:
    """Prints the resolved RunSpec and ExecSpec as JSON, and the fingerprint."""
    run, execution = resolve(args.gin_file, args.gin)
    spec = {"run": run.to_json(), "exec": dataclasses.asdict(execution)}
    print(json.dumps(spec, indent=1))
    print(f"fingerprint {run.fingerprint}")


def train(parser: argparse.ArgumentParser) -> None:
    """Fills the parser of `gristmill train`."""
    gin_bindings.add_options(parser)
    parser.add_argument(
        "--dry-run", action="store_true", help="only print tokens, epochs, FLOPs and parameters"
    )
    parser.set_defaults(run=run_train)


def run_train(args: argparse.Namespace) -> int:
    """Trains a run; its status is 0 when it is finished, 128 + signal when it was stopped."""
    from research.evaluate.assemble import make_evaluators
    from research.train import loop, overview
    from research.train.processes import Preempted

    run, execution = resolve(args.gin_file, args.gin)
    if args.dry_run:
        print(overview.plan(run, loop.open_data(run, None)))
        print(f"run {run.fingerprint[:16]} in {execution.directory}")
        return 0
    try:
        result = loop.train(run, execution, make_evaluators)
    except Preempted as stopped:
        print(f"gristmill: {stopped}", file=sys.stderr)
        return 128 + stopped.signal
    loss = result.get("loss")
    if loss is not None:
        print(f"step {result['step']}: loss {loss:.4f}; {execution.directory}/result.json")
    return 0


def evaluate(parser: argparse.ArgumentParser) -> None:
    """Fills the parser of `gristmill evaluate`."""
    parser.add_argument("directory", type=Path, help="of a run")
    parser.add_argument("--mixture", required=True, help="whose validation splits to score")
    parser.add_argument("--modules", nargs="*", default=[], help="Python modules that define it")
    parser.add_argument("--step", type=int, help="of a checkpoint (default: the newest)")
    parser.add_argument("--documents", type=int, help="of each source (default: all)")
    parser.add_argument("--length", type=int, help="tokens of a window (default: the run's)")
    parser.add_argument("--batch", type=int, default=16, help="rows at a time (default: 16)")
    parser.add_argument("--mesh", default="data=-1", help="(default: data over all devices)")
    parser.add_argument("--attention", default="auto")
    parser.set_defaults(run=run_evaluate)


def run_evaluate(args: argparse.Namespace) -> None:
    """Prints loss and bits per byte of every domain; writes them, and every document's."""
    from research.evaluate import assemble
    from research.terminal import table

    sums, written = assemble.evaluate_run(
        args.directory,
        args.mixture,
        modules=args.modules,
        step=args.step,
        documents=args.documents,
        length=args.length,
        batch=args.batch,
        mesh=args.mesh,
        attention=args.attention,
    )
    rows = [
        (domain, f"{found.loss:.4f}", f"{found.bits_per_byte:.4f}",
         found.documents, found.tokens, found.bytes)
        for domain, found in sums.items()
    ]  # fmt: skip
    header = ("domain", "loss (nats/token)", "bits per byte", "documents", "tokens", "bytes")
    print(table(header, rows))
    print(f"losses of every document: {written}")
