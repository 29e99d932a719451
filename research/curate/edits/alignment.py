"""How one text comes out of another by deletions: as few runs as possible."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Any

import numba
import numpy as np

MOST_PAIRS = 1 << 28  # of lines or words that are compared with each other
MOST_CELLS = 1 << 24  # of the table of one alignment: 32 MiB
_FAR = np.uint16(65535)
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_WORD = re.compile(r"\w+|[^\S\n]+|\n|[^\w\s]")

Run = tuple[int, int]  # a piece of the old sequence that goes: start, end


def is_subsequence(new: Sequence[Any], old: Sequence[Any]) -> bool:
    """Whether `new` comes out of `old` by deletions."""
    rest = iter(old)
    return all(any(item == other for other in rest) for item in new)


def fewest_runs(old: Sequence[int], new: Sequence[int]) -> list[Run] | None:
    """The deletions that make `new` of `old`, in the fewest runs.

    Every path deletes the same number of items, so the table has a row for each number deleted so
    far and a column for each item matched: its cells hold the fewest runs behind a match.

    Args:
      old, new: items as whole numbers.

    Returns:
      The runs in order; None if `new` is no subsequence of `old`, or the table would be too large.
    """
    spare = len(old) - len(new)
    if spare < 0 or (spare + 1) * (len(new) + 1) > MOST_CELLS:
        return None
    runs = _align(np.asarray(old, np.int64), np.asarray(new, np.int64))
    return None if runs[0, 0] < 0 else [(int(start), int(end)) for start, end in runs[1:]]


@numba.njit(cache=True)
def _align(old: np.ndarray, new: np.ndarray) -> np.ndarray:  # [n], [m] -> [1 + runs, 2]
    spare, length = len(old) - len(new), len(new)
    best = np.full((spare + 1, length + 1), _FAR, np.uint16)  # behind a match
    best[0, 0] = 0
    least = np.full(length + 1, _FAR, np.uint16)  # over the rows above, by column
    for row in range(spare + 1):
        for column in range(length + 1):
            here = best[row, column]
            if column and row + column and old[row + column - 1] == new[column - 1]:
                before = min(best[row, column - 1], _one_more(least[column - 1]))
                here = min(here, before)
            best[row, column] = here
        for column in range(length + 1):
            least[column] = min(least[column], best[row, column])
    found = np.zeros((spare + 2, 2), np.int64)
    row, column, count = spare, length, 1
    # the end is reached by a match in the last row, or by deleting up to the end
    cost = best[spare, length]
    for other in range(spare):
        if _one_more(best[other, length]) < cost:
            cost = _one_more(best[other, length])
            row = other
    if cost == _FAR:
        found[0, 0] = -1
        return found[:1]
    if row < spare:
        found[count] = row + length, len(old)
        count += 1
    while column:
        # the match that ends in this cell began in this row, or behind a deletion
        wanted = best[row, column]
        if best[row, column - 1] == wanted:
            column -= 1
            continue
        column -= 1
        for other in range(row - 1, -1, -1):
            if _one_more(best[other, column]) == wanted:
                found[count] = other + column, row + column
                count += 1
                row = other
                break
    ordered = np.zeros((count, 2), np.int64)
    for index in range(1, count):
        ordered[index] = found[count - index]
    return ordered


@numba.njit(cache=True)
def _one_more(value: int) -> int:
    return value if value >= 65534 else value + 1


def deleted_runs(old: str, new: str) -> tuple[list[Run], bool]:
    """Runs of characters of `old` that go, so that `new` comes out, or what is nearest to it.

    Args:
      old: the text.
      new: what was made of it.

    Returns:
      The runs in order, and whether exactly `new` comes out.  Where it does not, what was inserted
      is left out and what was replaced stays as it was, so that nothing is in the result that was
      not in the text (RefineX).
    """
    if (runs := _characters(old, new)) is not None:
        return runs, True
    if is_subsequence(new, old):
        runs = _by_lines(old, new)
        if _applied(old, runs) == new:
            return runs, True
        return _greedy(old, new), True
    return _by_lines(old, new), False


def _characters(old: str, new: str) -> list[Run] | None:
    """The fewest runs, if that is quick to find out."""
    head = _common(old, new)
    tail = min(_common(old[::-1], new[::-1]), len(new) - head, len(old) - head)
    inner_old, inner_new = old[head : len(old) - tail], new[head : len(new) - tail]
    if not inner_new:
        return [(head, head + len(inner_old))] if inner_old else []
    if len(inner_new) > len(inner_old) or not is_subsequence(inner_new, inner_old):
        return None
    runs = fewest_runs([*map(ord, inner_old)], [*map(ord, inner_new)])
    return None if runs is None else [(head + start, head + end) for start, end in runs]


def _common(first: str, second: str) -> int:
    """How many characters two texts have in common at their beginning."""
    low, high = 0, min(len(first), len(second))
    while low < high:
        middle = (low + high + 1) // 2
        if first[low:middle] == second[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _by_lines(old: str, new: str) -> list[Run]:
    """Whole lines first, then words of what differs between them."""
    return _matched(_lines(old), _lines(new), finer=True)


def _lines(text: str) -> list[str]:
    return _LINE.findall(text)


def _matched(old: list[str], new: list[str], finer: bool) -> list[Run]:
    numbers: dict[str, int] = {}
    old_ids = [numbers.setdefault(piece, len(numbers)) for piece in old]
    new_ids = [numbers.setdefault(piece, len(numbers)) for piece in new]
    edges = [0]
    for piece in old:
        edges.append(edges[-1] + len(piece))
    found = fewest_runs(old_ids, new_ids) if is_subsequence(new_ids, old_ids) else None
    if found is not None:
        return [(edges[start], edges[end]) for start, end in found]
    runs: list[Run] = []
    if len(old) * len(new) > MOST_PAIRS:
        return runs  # to compare them would take too long: everything stays
    matcher = difflib.SequenceMatcher(None, old_ids, new_ids, autojunk=True)
    for kind, start, end, new_start, new_end in matcher.get_opcodes():
        if kind == "delete":
            runs.append((edges[start], edges[end]))
        elif kind == "replace":
            before, after = "".join(old[start:end]), "".join(new[new_start:new_end])
            offset = edges[start]
            inner = _characters(before, after)
            if inner is None and finer:
                inner = _matched(_WORD.findall(before), _WORD.findall(after), finer=False)
            runs += [(offset + first, offset + last) for first, last in inner or ()]
    return runs


def _greedy(old: str, new: str) -> list[Run]:
    """Runs that certainly lead to a subsequence, not the fewest."""
    runs: list[Run] = []
    position = 0
    for character in new:
        found = old.index(character, position)
        if found > position:
            runs.append((position, found))
        position = found + 1
    if position < len(old):
        runs.append((position, len(old)))
    return runs


def _applied(old: str, runs: Sequence[Run]) -> str:
    parts, done = [], 0
    for start, end in runs:
        parts.append(old[done:start])
        done = end
    return "".join([*parts, old[done:]])
