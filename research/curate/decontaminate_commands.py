"""`gristmill decontaminate`: a corpus without the items of evaluation sets."""

from __future__ import annotations

import argparse
import dataclasses
import os
import shlex
import shutil
import unicodedata

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from research import artefacts
from research.curate.collection import Collection, work_folder
from research.curate.decontaminate import (
    ITEMS,
    VERDICTS,
    decide,
    examine,
    items_table,
    save_indexes,
    staying_documents,
)
from research.curate.derived import counts_line, made_before, write_derived
from research.curate.evaluation_sets import SETS, read_sets
from research.curate.ngram_index import Matching
from research.terminal import human, parse_count, progress, table


def decontaminate(parser: argparse.ArgumentParser) -> None:
    """Fills the parser of `gristmill decontaminate`."""
    parser.add_argument("corpus", metavar="CORPUS", help="name or name@version")
    parser.add_argument("--against", required=True, metavar="SET,…",
                        help=f"of {', '.join(SETS)}, or files of your own, NAME.jsonl")  # fmt: skip
    parser.add_argument("--out", required=True, metavar="NAME", help="the corpus to make")
    parser.add_argument("--version", default="1", help="its version (default: 1)")
    parser.add_argument("--action", choices=("drop", "redact"), default="drop",
                        help="with a document that holds an item (default: drop)")  # fmt: skip
    parser.add_argument("--marker", default="", metavar="TEXT",
                        help="what stands in the place of what is redacted")  # fmt: skip
    default = Matching()
    share = "share of an item that must be found (default: %(default)s)"
    parser.add_argument("--min-coverage", type=float, default=default.min_coverage, help=share)
    worth = "and what that must tell (default: %(default)s)"
    parser.add_argument("--min-bits", type=float, default=default.min_bits, help=worth)
    parser.add_argument("--workers", type=parse_count, default=os.cpu_count(),
                        help="processes (default: one a core)")  # fmt: skip
    parser.add_argument("--dry-run", action="store_true", help="say what would be read, and stop")
    parser.set_defaults(run=run_decontaminate)


def run_decontaminate(args: argparse.Namespace) -> None:
    """Makes the corpus and prints which items were in it."""
    root = artefacts.data_root()
    matching = Matching(min_coverage=args.min_coverage, min_bits=args.min_bits)
    collection = Collection(root, [args.corpus])
    names = args.against.split(",")
    items = read_sets(names)
    definition = {
        "decontaminate": names,
        "items": artefacts.fingerprint(
            [[i.set, i.id, i.question, i.answer, sorted(i.code)] for i in items]
        ),
        "matching": dataclasses.asdict(matching),
        "action": args.action,
        "marker": args.marker,
        "unicode": unicodedata.unidata_version,
        "corpora": collection.inputs,
    }
    if before := made_before(collection, args.out, args.version, definition):
        print(f"made before: {counts_line(collection, before)}")
        return
    if args.dry_run:
        size = human(collection.corpora[0].manifest["bytes"], "B")
        print(f"{collection.documents} documents, {size}, of {collection.names[0]} against "
              f"{len(items)} items of {', '.join(names)}; {args.action}")  # fmt: skip
        return
    job = {key: value for key, value in definition.items() if key not in ("action", "marker")}
    work = work_folder(root, job)
    with artefacts.exclusive(work):
        artefacts.remove_temporaries(work)
        indexes = save_indexes(items, matching, work)
        verdicts = examine(collection, matching, work, args.workers, progress)
        decisions = decide(verdicts, args.action == "redact")
        by_item = items_table(items, indexes, matching, verdicts)
        action = ["dropped" if document in decisions.dropped else "redacted"
                  for document in verdicts["document"].to_pylist()]  # fmt: skip
        shown = verdicts.drop_columns(["document", "bytes"]).append_column(
            "action", pa.array(action)
        )
        for name, rows in ((VERDICTS, shown), (ITEMS, by_item)):
            with artefacts.atomic_file(work / name) as file:
                pq.write_table(rows, file, compression="zstd")
        corpus = write_derived(
            collection,
            staying_documents(collection, decisions, args.marker),
            {"holds evaluation items": len(decisions.dropped)},
            name=args.out,
            version=args.version,
            definition=definition,
            command=_command(args),
            tables=[work / VERDICTS, work / ITEMS],
            progress=lambda records: progress(records, desc=args.out, unit=" documents"),
        )
        shutil.rmtree(work)
    print(counts_line(collection, corpus))
    print(f"  {len(decisions.cuts)} documents redacted; {VERDICTS} says which items are where, "
          f"{ITEMS} which were found")  # fmt: skip
    sets = by_item["set"].unique().to_pylist()
    header = ("set", "items", "too short to tell", "found", "documents")
    print(table(header, [_row(name, by_item, verdicts) for name in sets]))


def _row(name: str, by_item: pa.Table, verdicts: pa.Table) -> tuple[str | int, ...]:
    rows = by_item.filter(pc.equal(by_item["set"], name))
    inside = verdicts.filter(pc.equal(verdicts["set"], name))
    return (
        name,
        len(rows),
        len(rows) - pc.sum(rows["decidable"]).as_py(),
        pc.sum(pc.greater(rows["documents"], 0)).as_py(),
        len(inside["document"].unique()),
    )


def _command(args: argparse.Namespace) -> str:
    words = ["gristmill", "decontaminate", args.corpus, "--against", args.against]
    words += ["--out", args.out, "--action", args.action]
    default = Matching()
    options = {"version": "1", "marker": "", "min_coverage": default.min_coverage,
               "min_bits": default.min_bits}  # fmt: skip
    for option, usual in options.items():
        if (value := getattr(args, option)) != usual:
            words += [f"--{option.replace('_', '-')}", str(value)]
    return shlex.join(words)
