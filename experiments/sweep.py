"""`gristmill sweep`: every arm with every seed and size, each a run in a directory of its own."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from research import gin_bindings
from research.errors import GristmillError
from research.terminal import parse_count

if TYPE_CHECKING:
    from experiments.cells import Sweep
    from experiments.runners import Runner


def sweep(parser: argparse.ArgumentParser) -> None:
    """Fills the parser of `gristmill sweep`."""
    parser.usage = "%(prog)s MODULE --gin_file FILE [options]\n       %(prog)s status DIR"
    parser.add_argument(
        "experiment",
        metavar="MODULE",
        help="what differs: a module such as experiments.domain_mixture, or a .py file; "
        "or the word status",
    )
    parser.add_argument("folder", nargs="?", type=Path, metavar="DIR", help="whose status to show")
    gin_bindings.add_options(parser)
    parser.add_argument("--directory", help="of the sweep (default: <root>/sweeps/<gin file>)")
    parser.add_argument(
        "--dry-run", action="store_true", help="only print cells, tokens, epochs, FLOPs and hours"
    )
    parser.add_argument(
        "--hardware",
        default="cpu",
        metavar="KIND[:CHIPS]",
        help="for a dry run: cpu, v5e:16",
    )
    parser.add_argument(
        "--workers",
        type=parse_count,
        default=1,
        help="cells at a time, each on its share of the cores (default: 1)",
    )
    parser.add_argument(
        "--runner", choices=("local", "ray"), default="local",
        help="processes of this machine, or tasks of a Ray cluster (default: local)",
    )  # fmt: skip
    parser.add_argument(
        "--resources", action="append", default=[], metavar="NAME=N",
        help="that a Ray task asks for, as CPU=4 or TPU=8 (default: CPU=1); repeatable",
    )  # fmt: skip
    parser.set_defaults(run=run_sweep)


def run_sweep(args: argparse.Namespace) -> int:
    """Runs what is missing of a sweep; 0 when all cells are finished, 1 when not.

    Of `status`: 1 when a cell is damaged.
    """
    if args.experiment == "status":
        from experiments.status import status

        if args.folder is None:
            raise GristmillError("sweep status: name the sweep's folder")
        text, sound = status(args.folder)
        print(text)
        return 0 if sound else 1
    if args.folder is not None:
        raise GristmillError(f"sweep: {args.folder} is one argument too many")

    from experiments.declare import declare

    declared = declare(args.experiment, args.gin_file, args.gin, args.directory)
    if args.dry_run:
        from experiments.claim import check
        from experiments.dry_run import dry_run

        check(declared)
        print(dry_run(declared, args.hardware, args.workers))
        return 0
    return _run(declared, args)


def _run(declared: Sweep, args: argparse.Namespace) -> int:
    from experiments.claim import claim
    from experiments.dispatch import run_cells
    from experiments.display import Display

    claim(declared)
    display = Display(declared)
    try:
        outcomes = run_cells(declared, lambda: _runner(declared, args), display)
    finally:
        display.close()
    unfinished = {name: o for name, o in outcomes.items() if o.kind != "finished"}
    _report(declared)
    for name, outcome in unfinished.items():
        why = "another process is at it" if outcome.kind == "held" else outcome.cause
        print(f"gristmill: {name} is not finished: {why or outcome.kind}", file=sys.stderr)
    return 1 if unfinished else 0


def _runner(declared: Sweep, args: argparse.Namespace) -> Runner:
    if args.runner == "ray":
        from experiments.ray_runner import RayRunner

        return RayRunner(args.workers, args.resources)
    from experiments.runners import LocalRunner

    return LocalRunner(args.workers, declared.folder / "workers.log")


def _report(declared: Sweep) -> None:
    """Prints the verdicts, as far as there are any, and where the report is."""
    from research.analyse.report import write_report
    from research.analyse.verdicts import terminal_verdicts

    try:
        written = write_report(declared.folder)
    except GristmillError as error:
        print(f"gristmill: no report: {error}", file=sys.stderr)
        return
    print(f"\n{terminal_verdicts(written.differences)}\n\nreport: {written.path}", flush=True)
