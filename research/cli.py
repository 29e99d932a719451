"""The `gristmill` command: finds the sub-command, runs it, turns mistakes into one line each.

Every sub-command lives with the code it drives, as a function that fills an argparse parser; its
module is imported only when that sub-command is asked for, so that `gristmill --help` is instant.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import functools
import importlib
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator

from research.errors import GristmillError

# command: (module, help).  The module has a function of the command's name that takes the parser
# and sets `run`, a function of the parsed arguments.
COMMANDS = {
    "corpora": ("research.corpora.commands", "list, build, import and show corpora"),
    "curate": ("research.curate.commands", "filter a corpus by a recipe; show and explain it"),
    "dedup": ("research.curate.dedup_commands", "make one corpus of several, without duplicates"),
    "decontaminate": (
        "research.curate.decontaminate_commands",
        "take the items of evaluation sets out of a corpus",
    ),
    "quality": (
        "research.curate.quality.commands",
        "train quality models; score corpora by them",
    ),
    "refine": ("research.curate.edits.commands", "edit programs: compiled, proposed, applied"),
    "rephrase": ("research.rephrase_commands", "rewrite a corpus by a language model"),
    "synthesize": ("research.synthesize_commands", "make a corpus without a language model"),
    "solve": ("research.solve_commands", "draw solutions of problems until enough are right"),
    "vocab": ("research.registry.commands", "train, import and list vocabularies"),
    "cache": ("research.input_pipeline.commands", "tokenise the Tasks of a mixture"),
    "mixture": ("research.input_pipeline.commands", "list mixtures; show what a plan would do"),
    "batches": ("research.input_pipeline.commands", "decode the batch of a step"),
    "config": ("research.run_commands", "print what Gin files resolve to, and its fingerprint"),
    "train": ("research.run_commands", "train a run, or go on with one"),
    "compile": ("research.train.compile_command", "compile a run for a TPU that is not here"),
    "evaluate": ("research.run_commands", "loss and bits per byte of a run, by domain"),
    "membership": ("research.evaluate.membership", "which documents a run seems to have seen"),
    "perplexity": ("research.evaluate.perplexity", "losses of a corpus by a run, as a table"),
    "weights": ("research.weights_commands", "published weights in, trained weights out"),
    "sweep": ("experiments.sweep", "run every arm with every seed; show how far that is"),
    "report": ("research.analyse.commands", "the answer of a sweep, as one page"),
    "verify": ("research.artefact_commands", "re-check every hash of an artefact"),
    "bench": ("research.bench.commands", "measure speed and memory against named anchors"),
}
STORAGE_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM}


class _Terminated(KeyboardInterrupt):
    """SIGTERM came: what is open gets closed, as on Ctrl-C."""


class _LazyParser(argparse.ArgumentParser):
    """A parser that is filled with arguments when it is the one to parse."""

    fill: Callable[[argparse.ArgumentParser], None] | None = None

    def parse_known_args(self, args=None, namespace=None):
        if self.fill:
            fill, self.fill = self.fill, None
            fill(self)
        return super().parse_known_args(args, namespace)


def build_parser() -> argparse.ArgumentParser:
    """The whole parser; the arguments of a command are filled in when it is met."""
    parser = _LazyParser(
        prog="gristmill", description="A laboratory for language-model pre-training data."
    )
    parser.add_argument(
        "--root", help="the data folder (default: $GRISTMILL_ROOT, else ./gristmill_data)"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module, text) in COMMANDS.items():
        sub = commands.add_parser(name, help=text, description=text)
        sub.fill = functools.partial(_fill, module, name)
    return parser


def _fill(module: str, name: str, parser: argparse.ArgumentParser) -> None:
    getattr(importlib.import_module(module), name)(parser)


def main(argv: list[str] | None = None) -> int:
    """Runs one command and returns the exit status: 0 done, 1 refused, 2 wrong usage."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # text of any language, on any terminal
            stream.reconfigure(errors="backslashreplace")
    argv = [spell(argument) for argument in (sys.argv[1:] if argv is None else argv)]
    try:
        with _terminable():
            args = build_parser().parse_args(argv)
            if args.root:  # registered Tasks find their corpora and vocabularies by it too
                os.environ["GRISTMILL_ROOT"] = args.root
            return args.run(args) or 0
    except GristmillError as error:
        print(f"gristmill: {error}", file=sys.stderr)
    except OSError as error:
        if error.errno == errno.EPIPE:  # the reader of our output went away: `gristmill … | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 128 + signal.SIGPIPE
        if error.errno not in STORAGE_ERRORS and error.filename is None:
            raise
        where = "" if error.filename is None else f" ({os.fsdecode(error.filename)})"
        remedy = "name another path, or mend that one and run the same command again"
        if error.errno in STORAGE_ERRORS:
            remedy = "what was finished is kept: mend the storage and run the same command again"
        print(f"gristmill: {error.strerror}{where}; {remedy}", file=sys.stderr)
    except _Terminated:
        print("gristmill: terminated; run the same command again to go on", file=sys.stderr)
        return 128 + signal.SIGTERM
    except KeyboardInterrupt:
        print("gristmill: interrupted; run the same command again to go on", file=sys.stderr)
        return 128 + signal.SIGINT
    return 1


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Lets SIGTERM end a command as Ctrl-C does; a second one kills at once."""

    def terminate(number: int, frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise _Terminated

    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL
    ):
        yield
        return
    signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def spell(argument: str) -> str:
    """Options may be written with underscores or hyphens: --gin_file is --gin-file."""
    if not argument.startswith("--"):
        return argument
    name, equals, value = argument.partition("=")
    return name.replace("_", "-") + equals + value


if __name__ == "__main__":
    sys.exit(main())
