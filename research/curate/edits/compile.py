"""Edit programs out of pairs: a text and what an expert made of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from research.curate.edits.alignment import Run, deleted_runs
from research.curate.edits.execute import Lines, execute
from research.curate.edits.program import (
    DropDoc,
    KeepDoc,
    Operation,
    Program,
    RemoveLines,
    RemoveStr,
)

LONGEST_STRING = 200  # characters removed by remove_str; of more, whole lines are cut out


@dataclasses.dataclass(frozen=True)
class Compiled:
    """A program and what it does.

    Attributes:
      program: deletions only.
      text: what it makes of the text; None if the document goes.
      exact: whether that is the rewrite; else insertions were left out and what was replaced stays.
      removed: share of the characters that go.
    """

    program: Program
    text: str | None
    exact: bool
    removed: float


def compile_program(original: str, rewritten: str) -> Compiled:
    """The shortest deletion program that makes the rewrite of a text, or what is nearest to it.

    As in RefineX, nothing is inserted or changed: a program can only take text away, whoever wrote
    the rewrite.  Operations are few: lines that follow each other go by one `remove_lines`, a part
    of a line, or of a few, by one `remove_str`.

    Args:
      original: the text.
      rewritten: the expert's; empty if the document should go.
    """
    if not rewritten.strip() and original != rewritten:
        return Compiled((DropDoc(),), None, True, 1.0)
    runs, exact = deleted_runs(original, rewritten)
    if not runs:
        return Compiled((KeepDoc(),), original, exact, 0.0)
    removed = sum(end - start for start, end in runs)
    if removed == len(original):
        return Compiled((DropDoc(),), None, False, 1.0)
    program = operations(original, runs)
    text = execute(program, original)
    return Compiled(program, text, exact and text == rewritten, removed / len(original))


def operations(text: str, runs: Sequence[Run]) -> Program:
    """The operations that remove runs of characters of a text, which lie apart and in order."""
    lines = Lines(text)
    found: list[Operation] = []
    for start, end in runs:
        start, end = _slid(text, lines, start, end)
        first, last = lines.of(start), lines.of(end - 1)
        if lines.starts[first] == start and lines.ends[last] == end:
            found.append(RemoveLines(first, last))
        elif end - start <= LONGEST_STRING or last - first < 2:
            found.append(_string(text, lines, start, end))
        else:  # whole lines between two parts
            whole = first if lines.starts[first] == start else first + 1
            until = last if lines.ends[last] == end else last - 1
            if lines.starts[whole] > start:
                found.append(_string(text, lines, start, lines.starts[whole]))
            found.append(RemoveLines(whole, until))
            if lines.ends[until] < end:
                found.append(_string(text, lines, lines.ends[until], end))
    return tuple(found)


def _slid(text: str, lines: Lines, start: int, end: int) -> Run:
    """The same deletion, moved to whole lines if it can be: `b\\na|b\\na` is also `|b\\nab\\na`."""
    if "\n" not in text[start:end]:
        return start, end
    moved_start, moved_end = start, end
    line = lines.starts[lines.of(start)]
    while moved_start > line and text[moved_start - 1] == text[moved_end - 1]:
        moved_start -= 1
        moved_end -= 1
    if moved_start == line and lines.ends[lines.of(moved_end - 1)] == moved_end:
        return moved_start, moved_end
    return start, end


def _string(text: str, lines: Lines, start: int, end: int) -> RemoveStr:
    """`remove_str` with as little as tells this occurrence from others."""
    string = text[start:end]
    if text.find(string) == start and text.find(string, start + 1) < 0:
        return RemoveStr(string)
    line = lines.of(start)
    number = 0
    position = text.find(string, lines.starts[line])
    while position < start:
        number += 1
        position = text.find(string, position + 1)
    again = text.find(string, start + 1)
    if number or 0 <= again < lines.ends[line]:
        return RemoveStr(string, line, number)
    return RemoveStr(string, line)
