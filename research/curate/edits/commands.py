"""`gristmill refine`: edit programs out of pairs of corpora, from a small model, and applied."""

from __future__ import annotations

import argparse
import dataclasses
import shlex
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from research.artefacts import data_root
from research.corpora.document import NAME, NAMING, Corpus, Document
from research.curate.edits.chunks import CHUNK_CHARACTERS, removed_lines
from research.curate.edits.chunks import refine as refine_text
from research.curate.edits.compile import compile_program
from research.curate.edits.execute import Lines
from research.curate.edits.program import DropDoc, KeepDoc, ProgramError, parse, write
from research.curate.edits.step import EditProgram
from research.curate.edits.store import Programs, fingerprint_of, write_programs
from research.curate.runner import LARGEST_TEXT
from research.curate.runner import curate as run_recipe
from research.errors import GristmillError
from research.terminal import human, progress

BUCKET_BYTES = 256 << 20  # of rewrites in memory at a time
SHOWN = 3  # wrong programs that are printed


def refine(parser: argparse.ArgumentParser) -> None:
    """Fills the parser of `gristmill refine`."""
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")
    compile_ = actions.add_parser("compile", help="programs that make one corpus of another")
    compile_.add_argument("original", metavar="ORIGINAL", help="corpus")
    compile_.add_argument("rewritten", metavar="REWRITTEN",
                          help="corpus; its documents have the ids of the originals, or name them "
                               "as parents")  # fmt: skip
    compile_.add_argument("--out", required=True, metavar="FILE", help="of JSON lines")
    compile_.add_argument("--missing", choices=("skip", "drop"), default="skip",
                          help="originals without one get no program, or drop_doc()")  # fmt: skip
    compile_.set_defaults(run=run_compile)
    apply = actions.add_parser("apply", help="a corpus with programs applied")
    apply.add_argument("corpus", metavar="CORPUS")
    apply.add_argument("programs", metavar="PROGRAMS", help="file of compile or propose")
    apply.add_argument("--out", required=True, metavar="NAME", help="the corpus to make")
    apply.add_argument("--version", default="1", help="its version (default: 1)")
    apply.add_argument("--max-removed", type=float, default=0.5, metavar="SHARE",
                       help="programs that take more are refused (default: 0.5)")  # fmt: skip
    apply.add_argument("--workers", type=_whole(1, 512), default=1,
                       help="processes (default: 1)")  # fmt: skip
    apply.set_defaults(run=run_apply)
    train = actions.add_parser("train", help="a small model of which lines programs remove")
    train.add_argument("corpus", metavar="CORPUS", help="that the programs are for")
    train.add_argument("programs", metavar="PROGRAMS")
    train.add_argument("--out", required=True, metavar="FILE", help="of weights (.npz)")
    train.add_argument("--seed", type=_whole(0, 2**31 - 1), required=True)
    train.add_argument("--epochs", type=_whole(1, 10_000), default=4,
                       help="passes (default: 4)")  # fmt: skip
    train.set_defaults(run=run_train)
    propose = actions.add_parser("propose", help="programs for a corpus by such a model")
    propose.add_argument("corpus", metavar="CORPUS")
    propose.add_argument("model", metavar="MODEL", help="file of train")
    propose.add_argument("--out", required=True, metavar="FILE", help="of JSON lines")
    propose.add_argument("--chunk", type=int, default=CHUNK_CHARACTERS, metavar="CHARACTERS",
                         help=f"of a chunk (default: {CHUNK_CHARACTERS})")  # fmt: skip
    propose.set_defaults(run=run_propose)


def _whole(least: int, most: int) -> Callable[[str], int]:
    """The type of an option that is a whole number within bounds."""

    def parsed(text: str) -> int:
        if text.isdecimal() and len(text) < 20 and least <= int(text) <= most:
            return int(text)
        raise argparse.ArgumentTypeError(f"{text[:50]!r} is no number from {least} to {most}")

    return parsed


def _output(text: str) -> Path:
    """The file of `--out`, found to be one that can be written before there is work to lose.

    Raises:
      GristmillError: it is no name of a file, or its folder cannot be written to.
    """
    path = Path(text)
    if not text or (path.exists() and not path.is_file()):
        raise GristmillError(f"--out {text!r}: no regular file; name the file to write")
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise GristmillError(
            f"--out {text!r}: {folder} cannot be written to ({error.strerror}); name another file"
        ) from None
    return path


def run_compile(args: argparse.Namespace) -> None:
    """Compiles a program for every document that has a rewrite."""
    out = _output(args.out)
    original = Corpus.open(data_root(), args.original)
    rewritten = Corpus.open(data_root(), args.rewritten)
    counts: Counter[str] = Counter()
    size = kept = 0

    def entries() -> Iterator[dict[str, Any]]:
        nonlocal size, kept
        for document, rewrite in _pairs(original, rewritten, args.missing == "drop"):
            compiled = compile_program(document.text, rewrite)
            counts["programs"] += 1
            counts["exact"] += compiled.exact
            counts["drop_doc"] += isinstance(compiled.program[0], DropDoc)
            counts["keep_doc"] += isinstance(compiled.program[0], KeepDoc)
            counts["operations"] += len(compiled.program)
            size += len(document.text)
            kept += len(compiled.text or "")
            yield {
                "id": document.id,
                "program": write(compiled.program),
                "exact": compiled.exact,
                "removed": round(compiled.removed, 6),
            }
        if not counts["programs"]:
            raise GristmillError(
                f"no document of {rewritten.name} has the id of one of {original.name}, or names "
                f"one as its parent; {out} was not written"
            )

    write_programs(out, entries())
    found = counts["programs"]
    print(
        f"{out}: {found} programs for {original.manifest['documents']} documents of "
        f"{original.name}\n"
        f"  {counts['exact']} make exactly the rewrite; in {found - counts['exact']} insertions "
        "were left out and what was replaced stays\n"
        f"  {counts['keep_doc']} keep all, {counts['drop_doc']} drop the document, "
        f"{counts['operations'] / found:.1f} operations each, "
        f"{1 - kept / max(1, size):.3f} of the characters go"
    )


def _pairs(original: Corpus, rewritten: Corpus, missing: bool) -> Iterator[tuple[Document, str]]:
    """Every original with its rewrite, in as many passes as memory asks for."""
    buckets = max(1, -(-rewritten.manifest["bytes"] // BUCKET_BYTES))
    with progress(total=buckets * original.manifest["documents"], desc="refine", unit="doc") as bar:
        for bucket in range(buckets):
            texts: dict[str, str] = {}
            for document in rewritten.documents():
                for id in document.parents or (document.id,):
                    if _hash(id) % buckets == bucket:
                        texts.setdefault(id, document.text)
            for document in original.documents():
                bar.update()
                if _hash(document.id) % buckets != bucket:
                    continue
                text = texts.get(document.id, "" if missing else None)
                if text is not None:
                    yield document, text


def _hash(id: str) -> int:
    """A number of an id, the same in every process."""
    return zlib.crc32(id.encode())


def run_apply(args: argparse.Namespace) -> None:
    """Makes a corpus with the programs applied; every edit is in its report."""
    for word in (args.out, args.version):
        if not NAME.fullmatch(word):
            raise GristmillError(f"{word[:200]!r} is no name of a corpus or version: use {NAMING}")
    source = Corpus.open(data_root(), args.corpus)
    step = EditProgram(programs=args.programs, max_removed=args.max_removed,
                       fingerprint=fingerprint_of(args.programs))  # fmt: skip
    programs = Programs(Path(args.programs))
    used = sum(document.id in programs for document in source.documents())
    _require_used(used, programs, source)
    command = ["gristmill", "refine", "apply", args.corpus, args.programs, "--out", args.out]
    command += ["--version", args.version] if args.version != "1" else []
    command += ["--max-removed", str(args.max_removed)] if args.max_removed != 0.5 else []
    corpus, before = run_recipe(
        data_root(), source, "edit_program", [step], args.out, args.version,
        workers=args.workers, command=shlex.join(command), progress=progress,
    )  # fmt: skip
    edited = corpus.manifest["funnel"][0]["edited"]
    refused = Counter(
        document.meta["edit_refused"].partition(" ")[0]
        for document in corpus.documents()
        if "edit_refused" in document.meta
    )
    passages = sum(tally["changes"] for tally in edited.values())
    print(
        f"{corpus.name} {'made before' if before else 'made'}: "
        f"{corpus.manifest['documents']} of {source.manifest['documents']} documents, "
        f"{human(corpus.manifest['bytes'], 'B')} of {human(source.manifest['bytes'], 'B')}\n"
        f"  {len(programs)} programs, {used} of them for these documents; {passages} passages "
        f"removed or replaced; {refused.total()} programs refused (meta.edit_refused says why)\n"
        f"with examples: gristmill curate show {args.out}"
    )


def _require_used(used: int, programs: Programs, corpus: Corpus) -> None:
    if not used:
        raise GristmillError(
            f"{programs.path}: none of its {len(programs)} programs has the id of a document of "
            f"{corpus.name}; name the corpus they were made for"
        )


def run_train(args: argparse.Namespace) -> None:
    """Trains the line scorer and prints what it is worth."""
    from research.curate.edits.line_scorer import train

    out = _output(args.out)
    corpus, programs = Corpus.open(data_root(), args.corpus), Programs(Path(args.programs))
    texts, gone = [], []
    used = 0
    for document in corpus.documents():
        stored = programs.get(document.id)
        used += stored is not None
        if stored is None or len(document.text) > LARGEST_TEXT:
            continue
        try:
            program = parse(stored)
        except ProgramError as error:
            raise GristmillError(
                f"{programs.path}: the program of {document.id[:100]!r}: {error}"
            ) from None
        if isinstance(program[0], DropDoc):
            continue  # of a whole document, not of its lines
        texts.append(document.text)
        gone.append(removed_lines(program, len(Lines(document.text))))
    _require_used(used, programs, corpus)

    def bar(epochs: range) -> Any:
        return progress(epochs, desc="refine", unit="epoch")

    scorer, quality = train(texts, gone, args.seed, args.epochs, bar)
    facts = {"corpus": corpus.manifest["fingerprint"], "programs": fingerprint_of(args.programs),
             "seed": args.seed, "held_out": dataclasses.asdict(quality)}  # fmt: skip
    scorer.save(out, facts)
    print(
        f"{out}: trained on {len(texts)} texts; on held-out texts with {quality.lines} lines, "
        f"of which {quality.gone} go: precision {quality.precision:.3f}, recall "
        f"{quality.recall:.3f}, F1 {quality.f1:.3f} (removing every line: "
        f"{quality.baseline_f1:.3f}), area under the curve {quality.auc:.3f}"
    )


def run_propose(args: argparse.Namespace) -> None:
    """Writes the programs a line scorer proposes for every document."""
    from research.curate.edits.line_scorer import LineScorer

    if args.chunk < 100:
        raise GristmillError(f"--chunk {args.chunk}: at least 100 characters")
    out = _output(args.out)
    corpus, scorer = Corpus.open(data_root(), args.corpus), LineScorer.load(Path(args.model))
    wrong: list[str] = []

    def entries() -> Iterator[dict[str, Any]]:
        documents = corpus.documents()
        for document in progress(documents, total=corpus.manifest["documents"], unit="doc"):
            if len(document.text) > LARGEST_TEXT:
                continue
            program, problems = refine_text(document.text, scorer, args.chunk)
            wrong.extend(f"{document.id}: {problem}" for problem in problems)
            yield {"id": document.id, "program": write(program)}

    count = write_programs(out, entries())
    print(f"{out}: {count} programs, {len(wrong)} chunks kept for a wrong program")
    for problem in wrong[:SHOWN]:
        print(f"  {problem}")
