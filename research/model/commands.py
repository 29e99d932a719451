"""`gristmill weights`: published weights in.  Export reads runs, so it lives with training."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from research.artefacts import data_root
from research.model.config import parameters
from research.terminal import human


def add_import(actions: argparse._SubParsersAction) -> None:
    """Adds `gristmill weights import` to the actions of `gristmill weights`."""
    parser = actions.add_parser("import", help="a Hugging Face folder or a GGUF file")
    parser.add_argument("path", type=Path, metavar="DIR_OR_GGUF")
    parser.add_argument("--name", required=True, help="of the folder below weights/")
    parser.set_defaults(run=run_import)


def run_import(args: argparse.Namespace) -> int:
    """Makes the artefact and says what it holds."""
    from research.model.weights import import_weights

    command = shlex.join(["gristmill", "weights", "import", str(args.path), "--name", args.name])
    made = import_weights(data_root(), args.path, args.name, command)
    c = made.config
    print(
        f"{made.folder}: {made.family}, {human(parameters(c))} parameters "
        f"({c.layers} layers, width {c.width}, {c.heads}/{c.kv_heads} heads of {c.head_dim}, "
        f"vocabulary {c.vocabulary_size})"
    )
    return 0
