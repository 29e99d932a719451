"""Exact duplicates: whole documents, and paragraphs, that are equal after a declared normalisation.

A text stands for its 128-bit BLAKE2b hash; among 10^10 texts two different ones share one with
probability 10^-19.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterator

import numpy as np

_WORD = re.compile(r"\w+")


def _words(text: str) -> str:
    return " ".join(_WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


NORMALISATIONS: dict[str, Callable[[str], str]] = {
    "none": str,
    "whitespace": lambda text: " ".join(text.split()),  # runs of white space are one space
    "words": _words,  # letters and digits alone, case folded, compatibility forms unified
}


def text_key(text: str, normalisation: str) -> bytes:
    """16 bytes that stand for the normalised text; empty where nothing is left of it."""
    normal = NORMALISATIONS[normalisation](text)
    return hashlib.blake2b(normal.encode(), digest_size=16).digest() if normal else b""


def paragraphs(text: str) -> Iterator[tuple[int, int]]:
    """Where the paragraphs of a text begin and end: its lines, with their line ends."""
    begin = 0
    while begin < len(text):
        end = text.find("\n", begin) + 1 or len(text)
        yield begin, end
        begin = end


def without(text: str, removed: np.ndarray) -> str:
    """The text without the paragraphs of these numbers."""
    gone = set(removed.tolist())
    spans = enumerate(paragraphs(text))
    return "".join(text[begin:end] for i, (begin, end) in spans if i not in gone)


def equal_groups(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which of some 128-bit keys are equal.

    Args:
      keys: uint64 [N, 2].

    Returns:
      Indices of those that occur twice or more, and the number of the group of each, both int64.
    """
    order = np.lexsort((keys[:, 1], keys[:, 0]))
    ordered = keys[order]
    first = np.ones(len(keys), bool)
    first[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    last = np.append(first[1:], True)[: len(keys)]
    shared = ~(first & last)
    return order[shared], np.cumsum(first[shared]) - 1


def first_of_groups(members: np.ndarray, groups: np.ndarray, rank: np.ndarray) -> np.ndarray:
    """For each member of a group, the member of the lowest rank in it.

    Args:
      members: int64 [M], anything.
      groups: their groups, int64 [M], numbered from 0.
      rank: int64 [M], no two of a group equal.
    """
    order = np.lexsort((rank, groups))
    starts = np.flatnonzero(np.append(True, np.diff(groups[order]) > 0)) if len(order) else order
    return members[order][starts][groups]
