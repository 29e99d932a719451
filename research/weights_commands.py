"""`gristmill weights`: published weights in, trained weights out."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from research.artefacts import data_root
from research.terminal import human


def weights(parser: argparse.ArgumentParser) -> None:
    """Fills the parser of `gristmill weights`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    bring = actions.add_parser("import", help="a Hugging Face folder or a GGUF file")
    bring.add_argument("path", type=Path, metavar="DIR_OR_GGUF")
    bring.add_argument("--name", required=True, help="of the folder below weights/")
    bring.set_defaults(run=run_import)

    export = actions.add_parser("export", help="a run's weights, for `transformers` to load")
    export.add_argument("directory", type=Path, metavar="RUN_DIR")
    export.add_argument("--format", choices=["hf"], default="hf")
    export.add_argument("--out", type=Path, required=True, help="a new folder")
    export.add_argument("--step", type=int, help="of a checkpoint (default: the newest)")
    export.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    export.set_defaults(run=run_export)


def run_import(args: argparse.Namespace) -> None:
    """Makes `<root>/weights/<name>/` and says what it holds."""
    from research.model.config import parameters
    from research.model.weights import import_weights

    command = shlex.join(["gristmill", "weights", "import", str(args.path), "--name", args.name])
    made = import_weights(data_root(), args.path, args.name, command)
    c = made.config
    print(
        f"{made.folder}: {made.family}, {human(parameters(c))} parameters "
        f"({c.layers} layers, width {c.width}, {c.heads}/{c.kv_heads} heads of {c.head_dim}, "
        f"vocabulary {c.vocabulary_size})"
    )


def run_export(args: argparse.Namespace) -> None:
    """Writes the parameters of a checkpoint with the tokenizer of the run's mixture."""
    import jax

    from research.model.sharding import MeshSpec, make_mesh
    from research.model.weights import export_hf
    from research.registry.specs import load_mixture
    from research.registry.tokenizers import vocabularies_folder
    from research.train.checkpoint import load_params

    mesh = make_mesh(MeshSpec(), jax.devices()[:1])
    params, run, step = load_params(str(args.directory), mesh, args.step)
    mixture = load_mixture(data_root(), run.data.mixture, run.data.modules)
    vocabulary = next(iter(mixture.tasks.values())).vocabulary.name
    tokenizer = vocabularies_folder(data_root()) / vocabulary
    files = export_hf(run.model, jax.device_get(params), tokenizer, args.out, args.dtype)
    size = sum(path.stat().st_size for path in files)
    print(f"{args.out}: step {step} of {args.directory}, {len(files)} files, {human(size, 'B')}")
