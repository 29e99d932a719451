"""Texts cut to what a model can rewrite at a time, at the borders a reader would choose.

The pieces joined together are the text again, byte for byte: whitespace at a border belongs to the
piece before it, so that rewrites can be put in the places of what they rewrite (`merge`).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence

from research.rephrase.python_source import parse

BYTES_PER_TOKEN = 4.0  # of UTF-8: about what vocabularies of 32k to 256k make of English

# a sentence ends at a full stop, its kin in other scripts, with closing quotes and brackets
_SENTENCE = re.compile(r"(?<=[.!?…।])[\"'”’)\]]*\s+|(?<=[。！？])[」』）]*")
_PARAGRAPH = re.compile(r"\n[^\S\n]*\n\s*")
_LINE = re.compile(r"\n(?:[^\S\n]*\n)*")
_WORD = re.compile(r"\s+")
_WHOLE_LINE = re.compile(r"[^\n]*\n|[^\n]+")


def estimate_tokens(text: str) -> int:
    """Tokens of a text, estimated from its bytes: the same for every model, so that a text is cut
    alike whichever rewrites it."""
    return max(1, round(len(text.encode()) / BYTES_PER_TOKEN))


def chunk_prose(text: str, tokens: int) -> list[str]:
    """Pieces of at most so many tokens (`estimate_tokens`), as few and as full as reading in order
    makes them.

    Paragraphs are kept whole where they fit, else lines, else sentences, else words; a word of
    more is cut anywhere.
    """
    return _chunk(text, tokens, (_PARAGRAPH, _LINE, _SENTENCE, _WORD))


def chunk_code(text: str, tokens: int) -> list[str]:
    """Pieces at the borders of Python's top-level statements, comments above one with it.

    A definition of more tokens is a piece by itself: half of one could not be rewritten.  What does
    not parse is cut at empty lines, and then at lines.
    """
    borders = _top_level(text)
    if borders is None:
        return _chunk(text, tokens, (_PARAGRAPH, _LINE))
    lines = _WHOLE_LINE.findall(text)
    edges = [0, *borders, len(lines)]
    parts = ["".join(lines[a:b]) for a, b in itertools.pairwise(edges)]
    return _gather([part for part in parts if part], tokens)


def whole(text: str, tokens: int) -> list[str]:
    """The text as one piece, whatever its size."""
    return [text]


CHUNKERS: dict[str, Callable[[str, int], list[str]]] = {
    "prose": chunk_prose,
    "code": chunk_code,
    "whole": whole,
}


def merge(pieces: Sequence[str], rewrites: Sequence[str | None]) -> str:
    """The rewrites in the order and with the spacing of the pieces; None leaves one out."""
    merged = space = ""
    for piece, rewrite in zip(pieces, rewrites, strict=True):
        ending = piece[len(piece.rstrip()) :]
        if rewrite is not None and not rewrite.isspace():
            merged += (space if merged else "") + rewrite.lstrip("\n").rstrip()
            space = ending
        else:
            space = space + ending if piece.isspace() else max(space, ending, key=len)
    return merged


def _chunk(text: str, tokens: int, borders: Sequence[re.Pattern[str]]) -> list[str]:
    if estimate_tokens(text) <= tokens:
        return [text] if text else []
    if not borders:
        return _cut(text, tokens)
    parts, start = [], 0
    for border in borders[0].finditer(text):
        if border.end() > start:
            parts.append(text[start : border.end()])
            start = border.end()
    parts.append(text[start:])
    small: list[str] = []
    for part in parts:
        if part:
            fits = estimate_tokens(part) <= tokens
            small += [part] if fits else _chunk(part, tokens, borders[1:])
    return _gather(small, tokens)


def _gather(parts: Sequence[str], tokens: int) -> list[str]:
    """Neighbours put together while they fit."""
    chunks: list[str] = []
    size = 0
    for part in parts:
        more = len(part.encode())
        if chunks and max(1, round((size + more) / BYTES_PER_TOKEN)) <= tokens:
            chunks[-1] += part
            size += more
        else:
            chunks.append(part)
            size = more
    return chunks


def _cut(text: str, tokens: int) -> list[str]:
    """Cuts what has no borders; at least one character a piece."""
    limit = tokens * BYTES_PER_TOKEN
    pieces, start, size = [], 0, 0
    for place, character in enumerate(text):
        more = len(character.encode())
        if place > start and size + more > limit:
            pieces.append(text[start:place])
            start, size = place, 0
        size += more
    return [*pieces, text[start:]]


def _top_level(text: str) -> list[int] | None:
    """The lines (from 0) that top-level statements begin at, with the comments and decorators
    above them; None for what does not parse."""
    tree = parse(text)
    if tree is None:
        return None
    if "\r" in text.replace("\r\n", ""):
        return None  # Python's parser counts more lines
    lines = _WHOLE_LINE.findall(text)
    starts = []
    for node in tree.body:
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))]) - 1
        while first and lines[first - 1].lstrip().startswith("#"):
            first -= 1
        if first and (not starts or first > starts[-1]):
            starts.append(first)
    return starts
