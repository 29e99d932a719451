"""Corpora made of other corpora in two passes: decided first, written then."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from research import artefacts
from research.corpora.document import (
    NAME,
    NAMING,
    Corpus,
    Document,
    Unit,
    build_corpus,
    corpus_folder,
)
from research.curate.collection import Collection, Part
from research.errors import GristmillError


def made_before(
    collection: Collection, name: str, version: str, definition: Mapping[str, Any]
) -> Corpus | None:
    """The corpus to be made, if it is there, so that no work is begun in vain.

    Raises:
      GristmillError: the name is none, that of an input, or that of a corpus made otherwise.
    """
    for word in (name, version):
        if not NAME.fullmatch(word):
            raise GristmillError(f"{word[:200]!r} is no name of a corpus or version: use {NAMING}")
    if f"{name}@{version}" in collection.names:
        raise GristmillError(f"--out {name} is one of the corpora to read; choose another name")
    folder = corpus_folder(collection.root, name, version)
    if not (folder / artefacts.MANIFEST).exists():
        return None
    corpus = Corpus.open(collection.root, f"{name}@{version}")
    old, new = corpus.manifest["definition"], json.loads(json.dumps(definition))
    if old == new:
        return corpus
    keys = ", ".join(key for key in {**old, **new} if old.get(key) != new.get(key))
    raise GristmillError(
        f"{folder} already holds a corpus made otherwise (differing in {keys}); give this one "
        "another --out or --version, or delete that folder"
    )


def write_derived(
    collection: Collection,
    staying: Callable[[Part], Iterator[Document]],
    dropped: Mapping[str, int],
    *,
    name: str,
    version: str,
    definition: Mapping[str, Any],
    command: str,
    tables: Sequence[Path],
    progress: Callable[[Iterator], Any],
) -> Corpus:
    """Writes the documents that stay, in the order of reading.

    Args:
      collection: the input.
      staying: gives those of a part.
      dropped: how many others there are, by reason.
      name, version: of the corpus.
      definition: what decides its contents.
      command: that makes it.
      tables: files to lie beside it.
      progress: wraps the iterator of documents.

    Raises:
      GristmillError: nothing is left, or in is not kept + dropped + quarantined.
    """
    units = [
        Unit(
            f"{collection.names[part.corpus]}/{part.name}",
            [collection.corpora[part.corpus].manifest["fingerprint"], definition],
            lambda part=part: staying(part),
        )
        for part in collection.parts
    ]
    corpus = build_corpus(
        collection.root,
        name,
        version,
        units,
        licence=collection.licence,
        definition=definition,
        command=command,
        inputs=collection.inputs,
        tools=("numba", "numpy"),
        dropped=dropped,
        tables=tables,
        progress=progress,
    )
    manifest = corpus.manifest
    kept, bad = manifest["documents"], sum(manifest["quarantined"].values())
    gone = sum(manifest["dropped"].values())
    if kept + gone + bad != collection.documents:
        raise GristmillError(
            f"{corpus.folder}: {collection.documents} documents were read, but {kept} kept, {gone} "
            f"dropped and {bad} quarantined; an input has changed meanwhile: delete that folder "
            "and run again"
        )
    return corpus


def counts_line(collection: Collection, corpus: Corpus) -> str:
    """In = kept + dropped + quarantined, in words."""
    manifest = corpus.manifest
    return (
        f"{corpus.name}: {collection.documents} documents read = {manifest['documents']} kept + "
        f"{sum(manifest['dropped'].values())} dropped + {sum(manifest['quarantined'].values())} "
        f"quarantined; fingerprint {manifest['fingerprint'][:16]}"
    )
