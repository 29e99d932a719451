"""`gristmill vocab`: train, import, list and show vocabularies."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from research import artefacts
from research.corpora.document import Corpus
from research.errors import GristmillError
from research.registry import make_vocabulary, tokenizers
from research.registry.splits import SAMPLE_VALIDATION_SHARE, TRAIN, VALIDATION
from research.terminal import human, parse_count, table

MEASURED_BYTES = 5_000_000  # of every corpus, to tell bytes per token


def vocab(parser: argparse.ArgumentParser) -> None:
    """Fills the parser of `gristmill vocab`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    train = actions.add_parser("train", help="train a SentencePiece vocabulary on corpora")
    train.add_argument("--corpora", required=True, type=_names, help="names, separated by commas")
    train.add_argument("--size", required=True, type=parse_count, help="number of pieces")
    train.add_argument("--name", required=True)
    train.add_argument(
        "--validation-share",
        type=float,
        default=SAMPLE_VALIDATION_SHARE,
        help="share of root documents the Tasks hold out, not trained on (default: %(default)s)",
    )
    train.add_argument(
        "--max-bytes",
        type=parse_count,
        default=200_000_000,
        help="of text to train on, chosen by hash from all of it (default: 200M)",
    )
    train.set_defaults(run=run_train)

    load = actions.add_parser("import", help="import a published tokenizer from a file")
    load.add_argument("path", type=Path, help="model file, or folder with a tokenizer.json")
    load.add_argument("--name", required=True)
    load.add_argument("--format", required=True, choices=sorted(tokenizers.MODEL_FILES))
    load.add_argument("--eos-token", help="the token that ends a document")
    load.add_argument("--bos-token", help="the token that begins one (default: the EOS token)")
    load.add_argument("--eos-id", type=int, help="its id, for tiktoken (default: after the ranks)")
    load.add_argument("--bos-id", type=int, help="its id, for tiktoken (default: after the ranks)")
    load.add_argument("--pattern", help="the regular expression that splits text, for tiktoken")
    load.set_defaults(run=run_import)

    listing = actions.add_parser("list", help="list vocabularies")
    listing.set_defaults(run=run_list)

    show = actions.add_parser("show", help="show how a text is tokenised")
    show.add_argument("name")
    show.add_argument("--text", help="the text to tokenise")
    show.set_defaults(run=run_show)


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def run_train(args: argparse.Namespace) -> None:
    """Trains, then measures on text that was held out."""
    root = artefacts.data_root()
    corpora = [Corpus.open(root, name) for name in args.corpora]
    if not corpora:
        raise GristmillError("--corpora names no corpus; give at least one")
    there = human(sum(corpus.manifest["bytes"] for corpus in corpora), "B")
    print(
        f"training {args.size} pieces on up to {human(args.max_bytes, 'B')} of {there} in "
        f"{', '.join(corpus.name for corpus in corpora)}",
        flush=True,
    )
    command = (
        f"gristmill vocab train --corpora {','.join(args.corpora)} --size {args.size} "
        f"--name {args.name} --validation-share {args.validation_share} "
        f"--max-bytes {args.max_bytes}"
    )
    made = make_vocabulary.train_sentencepiece(
        root,
        args.corpora,
        args.size,
        args.name,
        validation_share=args.validation_share,
        command=command,
        max_bytes=args.max_bytes,
    )
    _say(made)
    tokenizer = tokenizers.load_tokenizer(root, args.name)
    split = VALIDATION if args.validation_share else TRAIN
    rows = []
    for corpus in corpora:
        texts = list(
            make_vocabulary.sampled_texts([corpus], args.validation_share, MEASURED_BYTES, split)
        )
        size = sum(len(text.encode()) for text in texts)
        tokens = sum(map(len, tokenizer.encode_batch(texts)))
        rate = f"{size / tokens:.2f}" if tokens else "-"
        rows.append([corpus.name, len(texts), human(size, "B"), rate])
    print(f"\non {'held-out' if split == VALIDATION else 'training'} text:")
    print(table(["corpus", "documents", "text", "bytes per token"], rows))


def run_import(args: argparse.Namespace) -> None:
    """Imports a published model."""
    special = {}
    command = ["gristmill", "vocab", "import", str(args.path), "--format", args.format,
               "--name", args.name]  # fmt: skip
    for role in ("eos", "bos"):
        token, id = getattr(args, f"{role}_token"), getattr(args, f"{role}_id")
        if id is not None:
            if token is None:
                raise GristmillError(f"--{role}-id {id}: name the token too, with --{role}-token")
            special[token] = id
    for option in ("eos_token", "bos_token", "eos_id", "bos_id", "pattern"):
        if (value := getattr(args, option)) is not None:
            command += [f"--{option.replace('_', '-')}", str(value)]
    made = make_vocabulary.import_vocabulary(
        artefacts.data_root(),
        args.path,
        args.name,
        args.format,
        command=shlex.join(command),
        eos_token=args.eos_token,
        bos_token=args.bos_token,
        pattern=args.pattern,
        special_tokens=special,
    )
    _say(made)


def _say(made: make_vocabulary.Made) -> None:
    spec = made.spec
    state = "already there" if made.already_there else "made"
    print(
        f"{state}: {spec.name}, {spec.kind}, {spec.size} ids "
        f"(pad {spec.pad_id}, eos {spec.eos_id}, bos {spec.bos_id}), "
        f"fingerprint {spec.sha256[:16]}"
    )


def run_list(args: argparse.Namespace) -> None:
    """Lists the vocabularies below the data root, and the built-in one."""
    root = artefacts.data_root()
    rows = []
    for name in tokenizers.list_vocabularies(root):
        made_from = "built in"
        if name != tokenizers.BYTE:
            made_by = tokenizers.read_vocabulary(root, name)["made_by"]
            inputs = ", ".join(given["name"] for given in made_by["inputs"])
            made_from = inputs or made_by["command"]
        spec = tokenizers.vocabulary_spec(root, name)
        rows.append([name, spec.kind, spec.size, spec.eos_id, spec.sha256[:16], made_from])
    print(table(["name", "kind", "ids", "eos", "fingerprint", "made from"], rows))


def run_show(args: argparse.Namespace) -> None:
    """Shows a vocabulary, and the ids and pieces of a text."""
    root = artefacts.data_root()
    tokenizer = tokenizers.load_tokenizer(root, args.name)
    spec = tokenizer.spec
    print(
        f"{spec.name}: {spec.kind}, {spec.size} ids, pad {spec.pad_id}, eos {spec.eos_id}, "
        f"bos {spec.bos_id}, fingerprint {spec.sha256[:16]}"
    )
    if args.text is not None:
        if args.text != args.text.encode(errors="replace").decode():
            raise GristmillError(f"--text {args.text!r} is not valid UTF-8; give text that is")
        ids = tokenizer.encode(args.text).tolist()
        print(f"{len(ids)} tokens, {len(args.text.encode())} bytes")
        print(table(["id", "piece"], [[id, repr(tokenizer.piece(id))[1:-1]] for id in ids]))
