"""Duplicates across corpora, found in two passes over files.

    pass 1, by part, in several processes    text -> keys, signatures, shingles on disk
    between                                  keys and signatures of all -> who leads whom
    pass 2, by part                          the documents that stay, with what they stand for

Only keys, signatures and numbers of documents are held in memory; texts are streamed, and shingles
are read from disk where two documents are compared.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from research import artefacts
from research.curate.bloom import BloomSettings, settle
from research.curate.collection import Collection, Part
from research.curate.exact_dedup import (
    equal_groups,
    first_of_groups,
    paragraphs,
    text_key,
)
from research.curate.minhash import MAX_COMPARISONS, MinHash, lead, shared_groups
from research.curate.word_hashes import ngram_hashes, text_buffer
from research.errors import GristmillError
from research.part_pool import run_parts


@dataclasses.dataclass(frozen=True)
class Exact:
    """Documents, or paragraphs of documents, that are equal.

    Attributes:
      normalisation: one of `exact_dedup.NORMALISATIONS`.
      paragraphs: compare paragraphs, and take the later ones out of their texts.
      min_characters: shorter paragraphs are left where they are.
    """

    normalisation: str = "whitespace"
    paragraphs: bool = False
    min_characters: int = 40


Method = Exact | MinHash | BloomSettings


@dataclasses.dataclass(frozen=True)
class Decisions:
    """What is to become of N documents.

    Attributes:
      leader: the document each is represented by, itself if it is kept, int64 [N].
      similarity: to its leader, float64 [N].
      removed: (document, paragraph, document that has it) of paragraphs to take out, int64 [R, 3],
        ordered by document and paragraph.
      notes: what else is worth recording.
    """

    leader: np.ndarray
    similarity: np.ndarray
    removed: np.ndarray
    notes: dict[str, Any]


def examine(
    collection: Collection,
    method: Method,
    work: Path,
    workers: int,
    progress: Callable[..., Any],
) -> None:
    """Pass 1: leaves what `decide` needs of every part in `work`, skipping what is there."""
    todo = [part for part in collection.parts if not _path(work, part, "sizes.npy").exists()]
    units = [(collection.root, collection.names, part, method, work) for part in todo]
    documents = sum(part.documents for part in collection.parts)
    with progress(total=documents, unit=" documents", desc="reading") as bar:
        bar.update(documents - sum(part.documents for part in todo))
        for number in run_parts(_examine_part, units, workers):
            bar.update(number)


def decide(
    collection: Collection,
    method: Method,
    work: Path,
    keep: Sequence[str],
    progress: Callable[..., Any],
) -> Decisions:
    """Finds the duplicates among all documents from what pass 1 has left."""
    sizes = joined_sizes(collection, work)
    if isinstance(method, MinHash):
        return _decide_minhash(collection, method, work, sizes, keep, progress)
    if isinstance(method, BloomSettings):
        return _decide_bloom(collection, method, work, sizes, keep, progress)
    return _decide_exact(collection, method, work, sizes, keep)


def joined_sizes(collection: Collection, work: Path) -> np.ndarray:
    """UTF-8 bytes of every document, int64 [N], from what pass 1 has left."""
    return _joined(collection, work, "sizes.npy")


def _path(work: Path, part: Part, what: str) -> Path:
    return work / f"{part.stem}.{what}"


def _save(path: Path, array: np.ndarray) -> None:
    with artefacts.atomic_file(path) as file:
        np.save(file, array, allow_pickle=False)


def _load(work: Path, part: Part, what: str) -> np.ndarray:
    return np.asarray(np.load(_path(work, part, what), mmap_mode="r"))


def _joined(collection: Collection, work: Path, what: str) -> np.ndarray:
    return np.concatenate([_load(work, part, what) for part in collection.parts])


def _examine_part(root: Path, names: Sequence[str], part: Part, method: Method, work: Path) -> int:
    """Leaves a part's arrays on disk, `sizes.npy` last; returns its documents."""
    found: dict[str, list[np.ndarray]] = {}
    row = 0
    for batch in Collection(root, names).batches(part, ["text"]):
        column = batch["text"]
        data, offsets = text_buffer(column)
        arrays = {"sizes": np.diff(offsets)}
        if isinstance(method, MinHash):
            signed = method.sign(data, offsets)
            arrays |= {"bands": signed.bands, "grams": signed.shingles, "counts": signed.counts}
        elif isinstance(method, BloomSettings):
            grams, counts = ngram_hashes(data, offsets, method.ngram, method.keep_numbers)
            arrays |= {"grams": grams, "counts": counts}
        else:
            arrays |= _keys(column.to_pylist(), method, row)
        for name, array in arrays.items():
            found.setdefault(name, []).append(array)
        row += len(batch)
    for name in sorted(found, key="sizes".__eq__):
        joined = np.concatenate(found[name])
        _save(_path(work, part, f"{name}.npy"), np.ascontiguousarray(joined.T)
              if name == "bands" else joined)  # fmt: skip
    return part.documents


def _keys(texts: Sequence[str], method: Exact, first: int) -> dict[str, np.ndarray]:
    """Keys uint64 [K, 2] of texts or paragraphs, and (row, paragraph) of each, int64 [K, 2]."""
    keys, places = [], []
    for row, text in enumerate(texts, start=first):
        spans = enumerate(paragraphs(text)) if method.paragraphs else [(0, (0, len(text)))]
        for number, (begin, end) in spans:
            piece = text[begin:end]
            if method.paragraphs and len(piece.strip()) < method.min_characters:
                continue
            if key := text_key(piece, method.normalisation):
                keys.append(key)
                places.append((row, number))
    return {
        "keys": np.frombuffer(b"".join(keys), np.uint64).reshape(-1, 2),
        "places": np.array(places, np.int64).reshape(-1, 2),
    }


def _decide_exact(
    collection: Collection, method: Exact, work: Path, sizes: np.ndarray, keep: Sequence[str]
) -> Decisions:
    owner, number = np.concatenate(
        [_load(work, part, "places.npy") + np.array([part.first, 0]) for part in collection.parts]
    ).T
    members, groups = equal_groups(_joined(collection, work, "keys.npy"))
    involved = np.unique(owner[members])
    rank = np.empty(len(sizes), np.int64)
    rank[collection.in_keep_order(involved, sizes, keep)] = np.arange(len(involved))
    # a paragraph ranks by its document, then by its place
    order = np.lexsort((number[members], rank[owner[members]]))
    place = np.empty(len(members), np.int64)
    place[order] = np.arange(len(members))
    first = first_of_groups(members, groups, place)
    later = first != members
    leader = np.arange(len(sizes))
    none = np.empty((0, 3), np.int64)
    if not method.paragraphs:
        leader[owner[members[later]]] = owner[first[later]]
        return Decisions(leader, np.ones(len(sizes)), none, {})
    removed = np.stack([owner[members[later]], number[members[later]], owner[first[later]]], 1)
    removed = removed[np.lexsort((removed[:, 1], removed[:, 0]))]
    # a text all of whose paragraphs are elsewhere goes, to where the first of them is
    compared = np.bincount(owner, minlength=len(sizes))
    taken = np.bincount(removed[:, 0], minlength=len(sizes))
    emptied = (taken > 0) & (taken == compared)
    cut, first_row = np.unique(removed[:, 0], return_index=True)
    leader[cut[emptied[cut]]] = removed[first_row[emptied[cut]], 2]
    return Decisions(leader, np.ones(len(sizes)), removed[~emptied[removed[:, 0]]], {})


def _decide_minhash(
    collection: Collection,
    method: MinHash,
    work: Path,
    sizes: np.ndarray,
    keep: Sequence[str],
    progress: Callable[..., Any],
) -> Decisions:
    counts = _joined(collection, work, "counts.npy")
    with_words = np.flatnonzero(counts)
    bands = [_load(work, part, "bands.npy") for part in collection.parts]
    shared = []
    for band in progress(range(method.bands), unit="band", desc="pairing"):
        keys = np.concatenate([array[band] for array in bands])[with_words]
        members, groups = shared_groups(keys)
        shared.append((with_words[members], groups))
    candidates = np.unique(np.concatenate([members for members, _ in shared]))
    order = collection.in_keep_order(candidates, sizes, keep)
    place = np.empty(len(candidates), np.int64)
    place[np.searchsorted(candidates, order)] = np.arange(len(order))
    groups = np.full((len(candidates), method.bands), -1, np.int64)
    group_sizes = []
    for band, (members, numbers) in enumerate(shared):
        first = sum(map(len, group_sizes))
        groups[place[np.searchsorted(candidates, members)], band] = numbers + first
        group_sizes.append(np.bincount(numbers))
    sets = _sorted_shingles(collection, work, candidates, order, progress)
    found, similarity, cut_short = lead(
        groups, np.concatenate(group_sizes), *sets, method.threshold, MAX_COMPARISONS
    )
    leader, similar = np.arange(len(sizes)), np.ones(len(sizes))
    leader[order], similar[order] = order[found], similarity
    notes = {"candidates": len(candidates), "not_compared_with_all": int(cut_short)}
    return Decisions(leader, similar, np.empty((0, 3), np.int64), notes)


def _sorted_shingles(
    collection: Collection,
    work: Path,
    candidates: np.ndarray,
    order: np.ndarray,
    progress: Callable[..., Any],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shingle sets of the candidates: all (on disk), starts and lengths of each in `order`."""
    lengths = np.empty(len(candidates), np.int64)
    starts = np.empty(len(candidates), np.int64)
    path, end = work / "candidates.u32", 0
    with open(path, "wb") as file, progress(total=len(candidates), desc="sorting") as bar:
        for part in collection.parts:
            low, high = np.searchsorted(candidates, [part.first, part.first + part.documents])
            grams = _load(work, part, "grams.npy")
            begin = np.concatenate([[0], np.cumsum(_load(work, part, "counts.npy"))])
            for i, row in zip(range(low, high), candidates[low:high] - part.first, strict=True):
                unique = np.unique(grams[begin[row] : begin[row + 1]])
                file.write(unique.data)
                starts[i], lengths[i] = end, len(unique)
                end += len(unique)
                bar.update()
    if not end:
        return np.frombuffer(b"", np.uint32), starts, lengths
    places = np.searchsorted(candidates, order)
    return np.asarray(np.memmap(path, np.uint32, "r")), starts[places], lengths[places]


def _decide_bloom(
    collection: Collection,
    method: BloomSettings,
    work: Path,
    sizes: np.ndarray,
    keep: Sequence[str],
    progress: Callable[..., Any],
) -> Decisions:
    if len(sizes) >= 0xFFFFFFFF:
        raise GristmillError(f"{len(sizes)} documents are more than --method bloom can number")
    rank = np.empty(len(sizes), np.int64)
    rank[collection.in_keep_order(np.arange(len(sizes)), sizes, keep)] = np.arange(len(sizes))
    firsts = np.array([part.first for part in collection.parts])
    grams = [_load(work, part, "grams.npy") for part in collection.parts]
    counts = [_load(work, part, "counts.npy") for part in collection.parts]
    begins = [np.concatenate([[0], np.cumsum(count)]) for count in counts]

    def ngrams(document: int) -> np.ndarray:
        part = int(np.searchsorted(firsts, document, side="right")) - 1
        begin = begins[part]
        row = document - firsts[part]
        return grams[part][begin[row] : begin[row + 1]]

    with progress(total=len(sizes), unit=" documents", desc="settling") as bar:
        found = settle(rank, ngrams, method, lambda settled: bar.update(settled - bar.n))
    leader, share, notes = found
    return Decisions(leader, share, np.empty((0, 3), np.int64), notes)
