"""`gristmill verify`: works on any artefact, so it belongs to no package of the flow."""

from __future__ import annotations

import argparse
from pathlib import Path

from research import artefacts
from research.errors import GristmillError
from research.terminal import human, progress


def verify(parser: argparse.ArgumentParser) -> None:
    """Fills the parser of `gristmill verify`."""
    parser.add_argument(
        "path", type=Path, help="a corpus, vocabulary or cache, or a folder that holds some"
    )
    parser.set_defaults(run=run_verify)


def run_verify(args: argparse.Namespace) -> int:
    """Checks each artefact below the path; the exit status is 1 if any is damaged."""
    manifests = sorted(args.path.rglob(artefacts.MANIFEST))
    if not manifests:
        raise GristmillError(f"{args.path}: no finished corpus, vocabulary or cache in there")
    damaged = 0
    for manifest in manifests:
        try:
            files, size = artefacts.verify(manifest.parent, lambda n: progress(n, unit="file"))
        except GristmillError as error:
            damaged += 1
            print(f"DAMAGED {error}")
        else:
            print(f"ok {manifest.parent}: {files} files, {human(size, 'B')}")
    return 1 if damaged else 0
