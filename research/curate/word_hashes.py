"""Texts as sequences of 64-bit word hashes: what deduplication and decontamination compare.

Kernels compiled by Numba read UTF-8 straight from Arrow's buffers; no Python string is made.  Two
tables say what a word is:

`TEXT`
  folds as datatrove's MinHash does: lower case, no accents or combining marks, punctuation and
  symbols separate words (all of Unicode's, where datatrove lists its own).  Letters of scripts
  written without spaces (Han, kana, Thai, Lao, Khmer, Burmese) are words of their own.
`CODE`
  keeps case; identifiers and numbers are words, and so is every other character but white space.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Iterator

import numba
import numpy as np
import pyarrow as pa

SEPARATOR, DROPPED = 0, 1  # entries of the tables; others are a folded code point with flags
ALONE = 1 << 31  # the character is a word of its own
DIGIT = 1 << 30
_FLAGS = ALONE | DIGIT
_IDEOGRAPHS = ((0x3400, 0x4DC0), (0x4E00, 0xA000), (0x20000, 0x323B0))
_SPACELESS = ((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3040, 0x30FF))
_UNASSIGNED = (0x33480, 0xE0000)  # planes in which nothing needs folding
_DECIMAL_SEPARATORS = np.array([ord(c) for c in ".,،٫⎖⎗⎘"], np.uint32)  # as datatrove's

# multipliers of 64-bit mixing: the golden ratio, and those of MurmurHash3's finaliser
_GOLDEN, _MIX1, _MIX2 = 0x9E3779B97F4A7C15, 0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53


@functools.cache
def text_table() -> np.ndarray:
    """What every code point is in running text, uint32 [0x110000]."""
    return _table(_fold_text)


@functools.cache
def code_table() -> np.ndarray:
    """What every code point is in a program, uint32 [0x110000]."""
    return _table(_fold_code)


def _table(fold) -> np.ndarray:
    table = np.zeros(0x110000, np.uint32)
    for low, high in _IDEOGRAPHS:
        table[low:high] = np.arange(low, high, dtype=np.uint32) | np.uint32(ALONE)
    table[0xAC00:0xD7A4] = np.arange(0xAC00, 0xD7A4)  # Hangul syllables, words between spaces
    whole = [*_IDEOGRAPHS, (0xAC00, 0xD7A4), (0xD800, 0xF900), _UNASSIGNED, (0xE0200, 0x110000)]
    code = 0
    for low, high in sorted(whole):
        for point in range(code, low):
            table[point] = fold(point)
        code = high
    return table


def _fold_text(point: int) -> int:
    character = chr(point)
    category = unicodedata.category(character)
    if category in ("Mn", "Cf"):
        return DROPPED
    if category == "Nd":
        return DIGIT | (ord("0") + unicodedata.digit(character))
    if category[0] not in "LMN":
        return SEPARATOR
    lower = unicodedata.normalize("NFD", character.lower().replace("ς", "σ"))
    letters = [c for c in lower if unicodedata.category(c) != "Mn"]
    folded = ord(letters[0]) if len(letters) == 1 else point
    spaceless = any(low <= point <= high for low, high in _SPACELESS)
    return folded | (ALONE if spaceless else 0)


def _fold_code(point: int) -> int:
    character = chr(point)
    category = unicodedata.category(character)
    if character.isspace() or category in ("Cc", "Cn", "Cs"):
        return SEPARATOR
    return point | (0 if category[0] in "LMN" or character == "_" else ALONE)


@numba.njit(cache=True, inline="always")
def mix(h):
    """MurmurHash3's 64-bit finaliser: every bit of the input changes half of the output's."""
    h = np.uint64(h)
    h ^= h >> np.uint64(33)
    h *= np.uint64(_MIX1)
    h ^= h >> np.uint64(33)
    h *= np.uint64(_MIX2)
    return h ^ (h >> np.uint64(33))


@numba.njit(cache=True)
def _is_decimal_separator(point):
    for separator in _DECIMAL_SEPARATORS:  # noqa: SIM110 (compiled)
        if point == separator:
            return True
    return False


@numba.njit(cache=True, inline="always")
def _decode(data, i, end):
    """The code point at byte i and the byte after it; 0 for what is no UTF-8."""
    first = np.uint32(data[i])
    if first < 0x80:
        return first, i + 1
    size = 2 if first < 0xE0 else 3 if first < 0xF0 else 4
    if first < 0xC0 or i + size > end:
        return np.uint32(0), i + 1
    point = first & np.uint32(0xFF >> (size + 1))
    for k in range(1, size):
        point = (point << np.uint32(6)) | np.uint32(data[i + k] & 0x3F)
    return (point, i + size) if point < 0x110000 else (np.uint32(0), i + size)


@numba.njit(cache=True)
def scan(data, start, end, table, numbers_to_zero, hashes, starts, ends):
    """The words of data[start:end].

    Args:
      data: UTF-8, uint8 [bytes].
      start, end: the text's bytes.
      table: `text_table()` or `code_table()`.
      numbers_to_zero: every number, with its decimals, counts as the digit 0.
      hashes: uint64 out, as long as the text has bytes.
      starts, ends: int64 out, bytes of every word; or empty, where nobody asks for them.

    Returns:
      The number of words.
    """
    count = 0
    h = np.uint64(0)
    inside = False
    spans = len(starts) > 0
    i = start
    while i < end:
        at = i
        point, i = _decode(data, i, end)
        entry = table[point]
        if entry == DROPPED:
            continue
        alone = (entry & np.uint32(ALONE)) != 0
        if inside and (entry == SEPARATOR or alone):
            hashes[count] = mix(h)
            if spans:
                ends[count] = at
            count += 1
            inside = False
        if entry == SEPARATOR:
            continue
        if not inside:
            h = np.uint64(0)
            inside = True
            if spans:
                starts[count] = at
        value = np.uint64(entry & np.uint32(~_FLAGS & 0xFFFFFFFF))
        if numbers_to_zero and (entry & np.uint32(DIGIT)) != 0:
            value = np.uint64(48)
            decimals = False
            while i < end:
                point, after = _decode(data, i, end)
                if (table[point] & np.uint32(DIGIT)) != 0:
                    i = after
                    continue
                if decimals or after >= end or not _is_decimal_separator(point):
                    break
                following, beyond = _decode(data, after, end)
                if (table[following] & np.uint32(DIGIT)) == 0:
                    break
                decimals = True
                i = beyond
        h = (((h << np.uint64(5)) | (h >> np.uint64(59))) ^ value) * np.uint64(_GOLDEN)
        if alone:
            hashes[count] = mix(h)
            if spans:
                ends[count] = i
            count += 1
            inside = False
    if inside:
        hashes[count] = mix(h)
        if spans:
            ends[count] = end
        count += 1
    return count


@numba.njit(cache=True)
def shingle(words, count, n, out):
    """Hashes of all n-grams of words; a text of fewer words is one shingle.

    Args:
      words: uint64, of which the first `count` are used.
      count: the number of words.
      n: words in a shingle.
      out: uint64 out, at least `count` long.

    Returns:
      The number of shingles, 0 only where there is no word.
    """
    if count == 0:
        return 0
    width = min(n, count)
    base = np.uint64(_GOLDEN)
    leading = np.uint64(1)
    for _ in range(width):
        leading *= base
    rolling = np.uint64(0)
    for i in range(count):
        rolling = rolling * base + words[i]
        if i >= width:
            rolling -= leading * words[i - width]
        if i >= width - 1:
            out[i - width + 1] = mix(rolling)
    return count - width + 1


def ngram_hashes(
    data: np.ndarray, offsets: np.ndarray, n: int, keep_numbers: bool
) -> tuple[np.ndarray, np.ndarray]:
    """All word n-grams of several texts.

    Args:
      data: the texts' UTF-8 bytes.
      offsets: where each begins and ends, int64 [N+1].
      n: words in an n-gram.
      keep_numbers: else every number is 0.

    Returns:
      Hashes, those of one text after those of another, uint64; how many each has, int64 [N].
    """
    return _ngram_hashes(data, offsets, text_table(), not keep_numbers, n)


@numba.njit(cache=True)
def _ngram_hashes(data, offsets, table, numbers_to_zero, n):
    texts = len(offsets) - 1
    size = offsets[-1] - offsets[0]
    words, grams = np.empty(size, np.uint64), np.empty(size, np.uint64)
    no_spans = np.empty(0, np.int64)
    counts = np.zeros(texts, np.int64)
    used = 0
    for t in range(texts):
        count = scan(
            data, offsets[t], offsets[t + 1], table, numbers_to_zero, words, no_spans, no_spans
        )
        counts[t] = shingle(words, count, n, grams[used:])
        used += counts[t]
    return grams[:used].copy(), counts


def text_buffer(column: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """A column of strings as its UTF-8 bytes, uint8, and offsets into them, int64 [N+1]."""
    column = column.cast(pa.large_string())
    _, offsets, data = column.buffers()
    offsets = np.frombuffer(offsets, np.int64)[column.offset : column.offset + len(column) + 1]
    return np.frombuffer(data or b"", np.uint8), offsets


def word_hashes(text: str, table: np.ndarray) -> np.ndarray:
    """Hashes of the words of one text, uint64 [words]; numbers are kept."""
    data = np.frombuffer(text.encode(), np.uint8)
    hashes, no_spans = np.empty(len(data), np.uint64), np.empty(0, np.int64)
    return hashes[: scan(data, 0, len(data), table, False, hashes, no_spans, no_spans)].copy()


def word_strings(text: str, table: np.ndarray) -> Iterator[str]:
    """The words of one text as they stand in it."""
    encoded = text.encode()
    data = np.frombuffer(encoded, np.uint8)
    hashes = np.empty(len(data), np.uint64)
    starts, ends = np.empty((2, len(data) + 1), np.int64)
    for i in range(scan(data, 0, len(data), table, False, hashes, starts, ends)):
        yield encoded[starts[i] : ends[i]].decode()


def string_hashes(column: pa.Array) -> np.ndarray:
    """A 64-bit hash of every string, byte by byte, uint64 [N]."""
    return _string_hashes(*text_buffer(column))


@numba.njit(cache=True)
def _string_hashes(data, offsets):
    out = np.empty(len(offsets) - 1, np.uint64)
    for s in range(len(out)):
        h = np.uint64(offsets[s + 1] - offsets[s])
        for i in range(offsets[s], offsets[s + 1]):
            h = (((h << np.uint64(5)) | (h >> np.uint64(59))) ^ np.uint64(data[i])) * np.uint64(
                _GOLDEN
            )
        out[s] = mix(h)
    return out
