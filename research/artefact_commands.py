"""`gristmill verify`: works on any artefact, so it belongs to no package of the flow."""

from __future__ import annotations

import argparse
from pathlib import Path

from research import artefacts
from research.errors import GristmillError
from research.registry.splits import SPLITS
from research.terminal import human, progress


def verify(parser: argparse.ArgumentParser) -> None:
    """Fills the parser of `gristmill verify`."""
    parser.add_argument(
        "path", type=Path, help="a corpus, vocabulary or cache, or a folder that holds some"
    )
    parser.set_defaults(run=run_verify)


def run_verify(args: argparse.Namespace) -> int:
    """Checks each artefact below the path; the exit status is 1 if any is damaged or unfinished."""
    if not args.path.is_dir():
        raise GristmillError(f"{args.path} is no folder; name one that holds artefacts")
    found, faults = 0, 0
    for folder, names in artefacts.walk(args.path):
        links = [name for name in names if not (folder / name).exists()]
        fault = ", ".join(f"DAMAGED {folder / name} is a link that leads nowhere" for name in links)
        if artefacts.MANIFEST in names:
            try:
                files, size = artefacts.verify(folder, lambda n: progress(n, unit="file"))
                print(f"ok {folder}: {files} files, {human(size, 'B')}")
            except GristmillError as error:
                fault = f"DAMAGED {error}"
        elif _unfinished(folder, names):
            fault = (
                f"UNFINISHED {folder}: run the command that began it again, or delete that folder"
            )
        elif not fault:
            continue
        found += 1
        if fault:
            faults += 1
            print(fault)
    if not found:
        raise GristmillError(f"{args.path}: no corpus, vocabulary, cache or weights in there")
    return 1 if faults else 0


def _unfinished(folder: Path, names: list[str]) -> bool:
    """Whether an artefact was begun in this folder, which has no manifest."""
    begun = ".lock" in names or (folder / "parts").is_dir()
    run = "spec.json" in names  # training takes locks too
    cached = all((folder / split / artefacts.MANIFEST).exists() for split in SPLITS)
    return begun and not run and not cached
