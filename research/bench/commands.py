"""`gristmill bench`."""

from __future__ import annotations

import argparse
import importlib

from research.bench.figures import report

# benchmark: module; its function of the benchmark's name returns a list of Figures
BENCHES = {
    "loader": "research.bench.loader",
    "loader_short": "research.bench.loader",
    "first_batch": "research.bench.first_batch",
    "plan": "research.bench.plan",
    "epoch_index": "research.bench.plan",
    "cache_build": "research.bench.cache_build",
    "train_step": "research.bench.train_step",
    "compile": "research.bench.compile_step",
    "compile_sizes": "research.bench.compile_sizes",
    "input_wait": "research.bench.input_wait",
    "restart": "research.bench.restart",
    "mfu": "research.bench.mfu",
    "crash_sweep": "research.bench.crash_sweep",
    "sweep_overhead": "research.bench.sweep_overhead",
    "calibration": "research.bench.calibration",
    "coupling": "research.bench.coupling",
    "minhash": "research.bench.minhash",
    "decontamination": "research.bench.decontamination",
    "filters": "research.bench.filters",
    "extraction": "research.bench.extraction",
    "lint": "research.bench.lint",
    "edit_programs": "research.bench.edit_programs",
    "client_faults": "research.bench.client_faults",
    "recipe_scaling": "research.bench.recipe_scaling",
    "templates": "research.bench.templates",
    "validators": "research.bench.validators",
    "decode": "research.bench.decode",
    "decode_exact": "research.bench.decode_exact",
    "decode_compile": "research.bench.decode_compile",
}


def bench(parser: argparse.ArgumentParser) -> None:
    """Fills the parser of `gristmill bench`."""
    parser.add_argument("name", choices=list(BENCHES), help="which benchmark")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contender")
    parser.set_defaults(run=run_bench)


def run_bench(args: argparse.Namespace) -> None:
    """Runs one benchmark and prints its figures."""
    measure = getattr(importlib.import_module(BENCHES[args.name]), args.name)
    print(report(measure(args.rounds)))
