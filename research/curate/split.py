"""A corpus cut into several by a fact about its documents, as RedStone's four kinds of pages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from research.corpora.document import Corpus, Document, Unit, build_corpus
from research.errors import GristmillError


def split(
    root: Path,
    corpus: Corpus,
    key: str,
    values: Sequence[str],
    *,
    command: str,
    progress: Callable[..., Any],
) -> list[Corpus]:
    """Makes a corpus of the documents with each value: `NAME_VALUE`, of the same version.

    A document keeps its id, parents and roots.  Corpora that are there already are kept, so an
    interrupted run goes on.

    Args:
      root: the data root.
      corpus: the one to cut.
      key: of `meta`.
      values: those a document can have; exactly one.
      command: that makes them, recorded.
      progress: makes a progress bar of `total` documents.

    Returns:
      The corpora, of those values that some document has.

    Raises:
      GristmillError: a document has none of the values, or the parts are not the whole.
    """
    counts: Counter[Any] = Counter(document.meta.get(key) for document in corpus.documents())
    if strange := [value for value in counts if value not in values]:
        raise GristmillError(
            f"{corpus.name}: {counts[strange[0]]} document(s) with meta.{key} {strange[0]!r}, not "
            f"one of {', '.join(values)}"
        )
    name, _, version = corpus.name.partition("@")
    inputs = [{field: corpus.manifest[field] for field in ("name", "version", "fingerprint")}]
    made = []
    for value in values:
        if not counts[value]:
            continue
        definition = {"split": {"of": corpus.name, "key": key, "value": value}}
        with progress(total=counts[value], desc=f"{name}_{value}", unit="doc") as bar:

            def chosen(part: str, value: str = value, bar: Any = bar) -> Iterator[Document]:
                for document in corpus.documents(part):
                    if document.meta.get(key) == value:
                        bar.update(1)
                        yield document

            units = [
                Unit(part, corpus.manifest["fingerprint"], lambda part=part: chosen(part))
                for part in corpus.parts
            ]
            made.append(
                build_corpus(
                    root,
                    f"{name}_{value}",
                    version,
                    units,
                    licence=corpus.manifest["licence"],
                    definition=definition,
                    command=command,
                    inputs=inputs,
                )
            )
    documents = sum(part.manifest["documents"] for part in made)
    if documents != corpus.manifest["documents"]:
        raise GristmillError(
            f"{corpus.name} has {corpus.manifest['documents']} documents, and its parts by {key} "
            f"{documents}: delete the parts and run the same command again"
        )
    return made
