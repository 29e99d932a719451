"""`gristmill corpora`: list, build, import and show corpora."""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from research import artefacts
from research.artefacts import data_root
from research.corpora import catalog
from research.corpora.addresses import redact
from research.corpora.document import (
    NAME,
    NAMING,
    Corpus,
    Document,
    Unit,
    build_corpus,
    corpus_folder,
    read_batches,
)
from research.corpora.readers import SUFFIXES, open_units
from research.corpora.records import Ancestry, Fields
from research.errors import GristmillError
from research.terminal import human, parse_count, progress, table

EXAMPLE_CHARACTERS = 400


def corpora(parser: argparse.ArgumentParser) -> None:
    """Fills the parser of `gristmill corpora`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    listing = actions.add_parser("list", help="the catalogue, and what is built")
    listing.set_defaults(run=run_list)

    build = actions.add_parser("build", help="obtain corpora of the catalogue")
    build.add_argument("names", nargs="+", metavar="NAME", help="as `corpora list` prints it")
    build.add_argument("--limit", type=parse_count, help="stop after so many documents")
    build.add_argument("--keep-damaged", action="store_true", help=_KEEP_DAMAGED)
    build.add_argument("--dry-run", action="store_true", help="say what would be read, and stop")
    build.set_defaults(run=run_build)

    add = actions.add_parser("import", help="make a corpus from files of your own")
    add.add_argument("name", type=_name, help=NAMING)
    add.add_argument("--format", required=True, choices=SUFFIXES)
    where = "a file, folder, pattern or address (hf://, gs://, …); may be repeated"
    add.add_argument("--path", required=True, action="append", metavar="GLOB", help=where)
    add.add_argument("--licence", required=True, help="SPDX identifier or a few words")
    add.add_argument("--version", type=_name, default="1")
    add.add_argument("--text-field", default="text", help="may be nested: content.text")
    add.add_argument("--id-field", help="default: ids are made of file and record number")
    add.add_argument("--meta-fields", help="a,b,c (default: all plain values)")
    add.add_argument("--parents-field", help="ids of the documents each one was made from")
    add.add_argument("--parent-corpora", help="a,b: where the parents are, to find their roots")
    originals = "the parents are originals themselves, never rewrites of others"
    add.add_argument("--parents-are-roots", action="store_true", help=originals)
    add.add_argument("--split", default="train", help="of a TFDS dataset")
    add.add_argument("--limit", type=parse_count, help="stop after so many documents")
    add.add_argument("--keep-damaged", action="store_true", help=_KEEP_DAMAGED)
    add.set_defaults(run=run_import)

    show = actions.add_parser("show", help="what a corpus holds, with examples")
    show.add_argument("name", help="name or name@version")
    show.add_argument("--examples", type=int, default=0, metavar="N")
    show.set_defaults(run=run_show)


_KEEP_DAMAGED = "take what precedes the damage of a damaged file, and count the rest as quarantined"


def _name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text[:200]!r} is no name: use {NAMING}")
    return text


def run_list(args: argparse.Namespace) -> int:
    """Prints the catalogue and the corpora on disk."""
    rows = []
    built = {(c.manifest["name"], c.manifest["version"]): c.manifest for c in _on_disk()}
    for entry in catalog.CATALOG.values():
        manifest = built.pop((entry.name, entry.version), None)
        rows.append(_row(entry.name, entry.version, manifest or vars(entry), entry.how, manifest))
    for (name, version), manifest in built.items():
        rows.append(_row(name, version, manifest, manifest["made_by"]["command"], manifest))
    header = ("name", "version", "licence", "documents", "bytes", "built", "how to get it")
    print(table(header, rows))
    print(f"\nThe first five come from installed packages. Built corpora lie in {data_root()}.")
    return 0


def _row(name: str, version: str, facts: Any, how: str, manifest: Any) -> tuple[str, ...]:
    documents, size = (
        "-" if facts[key] is None else human(facts[key], unit)
        for key, unit in (("documents", ""), ("bytes", "B"))
    )
    return name, version, facts["licence"], documents, size, "yes" if manifest else "no", how


def _on_disk() -> list[Corpus]:
    found = []
    for path in sorted((data_root() / "corpora").glob(f"*/*/{artefacts.MANIFEST}")):
        name, version = path.parts[-3:-1]
        found.append(Corpus.open(data_root(), f"{name}@{version}"))
    return found


def run_build(args: argparse.Namespace) -> int:
    """Builds corpora of the catalogue, one after the other."""
    entries = [catalog.find(name) for name in args.names]
    for entry in entries:
        definition = entry.definition | {"keep_damaged": args.keep_damaged}
        folder = corpus_folder(data_root(), entry.name, entry.version)
        if (folder / artefacts.MANIFEST).exists() and not args.dry_run:
            corpus = Corpus.open(data_root(), f"{entry.name}@{entry.version}")
            if corpus.manifest["definition"] == definition | {"limit": args.limit}:
                _report(corpus, "built before")
                continue
        units = entry.open_units(args.keep_damaged)
        if args.dry_run:
            _dry_run(entry, units, folder)
            continue
        limit = f" --limit {args.limit}" if args.limit else ""
        damaged = " --keep-damaged" if args.keep_damaged else ""
        _build(
            entry.name,
            entry.version,
            units,
            "built",
            licence=entry.licence,
            definition=definition,
            command=f"gristmill corpora build {entry.name}{limit}{damaged}",
            inputs=[_input(entry.how, entry.version, units)],
            tools=entry.tools,
            part_bytes=entry.part_bytes,
            limit=args.limit,
        )
    return 0


def _dry_run(entry: catalog.Entry, units: list[Unit], folder: Path) -> None:
    documents = "-" if entry.documents is None else human(entry.documents)
    size = "-" if entry.bytes is None else human(entry.bytes, "B")
    print(
        f"{entry.name}@{entry.version} ({entry.licence}): {len(units)} input(s) from {entry.how}; "
        f"the whole has {documents} documents, {size}; to {folder}"
    )


def run_import(args: argparse.Namespace) -> int:
    """Makes a corpus from the user's files."""
    fields = Fields(
        text=args.text_field,
        id=args.id_field,
        meta=tuple(args.meta_fields.split(",")) if args.meta_fields else None,
        parents=args.parents_field,
    )
    if (args.parent_corpora or args.parents_are_roots) and not fields.parents:
        raise GristmillError(
            "--parent-corpora and --parents-are-roots need --parents-field, the field with their "
            "ids"
        )
    if fields.parents and bool(args.parent_corpora) == args.parents_are_roots:
        raise GristmillError(
            "--parents-field needs either --parent-corpora A,B, where the parents' own roots are "
            "found, or --parents-are-roots, where no parent is itself a rewrite: rewrites of a "
            "page must be held out together with it"
        )
    ancestry = None
    inputs: list[dict[str, Any]] = []
    if args.parent_corpora:
        ancestry = Ancestry(data_root(), args.parent_corpora.split(","))
        inputs = [
            {"name": corpus.manifest["name"], "version": corpus.manifest["version"],
             "fingerprint": corpus.manifest["fingerprint"]}
            for corpus in ancestry.corpora
        ]  # fmt: skip
    seen: set[str] = set()
    units = open_units(
        args.name,
        args.format,
        args.path,
        fields,
        split=args.split,
        ancestry=ancestry,
        keep_damaged=args.keep_damaged,
        seen=seen,
    )
    definition = {
        "reader": args.format,
        "fields": vars(fields),
        "parents": [corpus["fingerprint"] for corpus in inputs],
        "keep_damaged": args.keep_damaged,
    }
    corpus = _build(
        args.name,
        args.version,
        units,
        "imported",
        licence=args.licence,
        definition=definition,
        command=_command(args),
        inputs=[*inputs, _input(" ".join(map(redact, args.path)), args.version, units)],
        tools=catalog.TOOLS.get(args.format, ()),
        limit=args.limit,
    )
    if absent := _absent_from_meta(corpus, fields.meta or ()):
        there = f"; they have: {', '.join(sorted(seen))[:500]}" if seen else ""
        print(f"  warning: no record has the --meta-fields {', '.join(absent)}{there}")
    return 0


def _absent_from_meta(corpus: Corpus, fields: Sequence[str]) -> list[str]:
    """Those of the fields that no document's meta has: mostly found after a few documents."""
    absent = dict.fromkeys(fields)
    for part in corpus.parts:
        for batch in read_batches(corpus.folder / part, ["meta"]):
            for meta in batch["meta"].to_pylist():
                if not absent:
                    return []
                for field in absent.keys() & json.loads(meta).keys():
                    del absent[field]
    return list(absent)


def _command(args: argparse.Namespace) -> str:
    """The command that repeats the import, without credentials."""
    words = ["gristmill", "corpora", "import", args.name, "--format", args.format]
    for path in args.path:
        words += ["--path", redact(path)]
    defaults = {"licence": None, "version": "1", "text_field": "text", "id_field": None,
                "meta_fields": None, "parents_field": None, "parent_corpora": None,
                "split": "train", "limit": None}  # fmt: skip
    for option, default in defaults.items():
        if (value := getattr(args, option)) != default:
            words += [f"--{option.replace('_', '-')}", str(value)]
    words += ["--parents-are-roots"] * args.parents_are_roots
    return shlex.join(words + ["--keep-damaged"] * args.keep_damaged)


def _input(name: str, version: str, units: list[Unit]) -> dict[str, Any]:
    identities = [[unit.name, unit.identity] for unit in units]
    return {"name": name, "version": version, "fingerprint": artefacts.fingerprint(identities)}


def _build(name: str, version: str, units: list[Unit], done: str, **options: Any) -> Corpus:
    """Builds a corpus and says that it is `done`, or that it was there."""
    limit = options["limit"]
    before = (corpus_folder(data_root(), name, version) / artefacts.MANIFEST).exists()
    definition = json.loads(json.dumps(options.pop("definition") | {"limit": limit}))
    corpus = build_corpus(
        data_root(),
        name,
        version,
        units,
        definition=definition,
        progress=lambda records: progress(records, desc=name, unit=" records"),
        **options,
    )
    _report(corpus, "built before" if before else done)
    return corpus


def _report(corpus: Corpus, done: str) -> None:
    manifest = corpus.manifest
    quarantined = manifest["quarantined"]
    size = human(manifest["bytes"], "B")
    print(
        f"{corpus.name} {done}: {manifest['documents']} documents, {size}, "
        f"{sum(quarantined.values())} quarantined, fingerprint {manifest['fingerprint'][:16]}"
    )
    for reason, count in quarantined.items():
        print(f"  quarantined: {count} × {reason}")


def run_show(args: argparse.Namespace) -> int:
    """Prints what a corpus holds, and some of its documents."""
    corpus = Corpus.open(data_root(), args.name)
    manifest = corpus.manifest
    made = manifest["made_by"]
    print(f"{corpus.name} in {corpus.folder}")
    facts = {
        "licence": manifest["licence"],
        "documents": manifest["documents"],
        "bytes": f"{human(manifest['bytes'], 'B')} of text in {len(manifest['parts'])} part(s)",
        "fingerprint": manifest["fingerprint"],
        "made by": made["command"],
        "made from": ", ".join(f"{i['name']} ({i['version']})" for i in made["inputs"]),
        "with": ", ".join(f"{tool} {version}" for tool, version in made["tools"].items()),
    }
    for name, value in facts.items():
        print(f"  {name}: {value}")
    for reason, count in manifest["quarantined"].items():
        print(f"  quarantined: {count} × {reason}")
    for document in _examples(corpus, args.examples):
        text = document.text[:EXAMPLE_CHARACTERS]
        left = len(document.text) - len(text)
        print(f"\n--- {document.id} {json.dumps(document.meta, ensure_ascii=False)}")
        if document.parents:
            print(f"    made from {', '.join(document.parents)}")
        print(text + (f" … ({left} characters more)" if left else ""))
    return 0


def _examples(corpus: Corpus, count: int) -> list[Document]:
    """Documents evenly spread over the corpus, reading only the parts they lie in."""
    total = corpus.manifest["documents"]
    wanted = sorted({i * total // count for i in range(count)})
    examples: list[Document] = []
    first = 0
    for part in corpus.parts:
        inside = [index - first for index in wanted if index >= first]
        rows = corpus.part_documents(part)
        inside = [index for index in inside if index < rows]
        if inside:
            for row, document in enumerate(corpus.documents(part)):
                if row in inside:
                    examples.append(document)
                if row >= inside[-1]:
                    break
        first += rows
    return examples
