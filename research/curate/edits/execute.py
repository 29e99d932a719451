"""Applies edit programs: exactly, or not at all."""

from __future__ import annotations

import dataclasses
import itertools
from bisect import bisect_right
from collections.abc import Sequence

from research.curate.edits.program import (
    DropDoc,
    KeepChunk,
    KeepDoc,
    Normalize,
    Operation,
    ProgramError,
    RemoveLines,
    RemoveStr,
)

LONGEST_SHOWN = 60  # characters of a string in an error


@dataclasses.dataclass(frozen=True, slots=True)
class Span:
    """Characters `start` to `end` (excluded) of a text become `inserted`."""

    start: int
    end: int
    inserted: str = ""


class Lines:
    """A text and where its lines begin.  A line ends with its "\\n"; "\\r" belongs to the line."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.starts = [0]
        position = text.find("\n")
        while position >= 0:
            self.starts.append(position + 1)
            position = text.find("\n", position + 1)
        if self.starts[-1] == len(text) and len(self.starts) > 1:
            self.starts.pop()  # no line behind the last "\n"
        self.ends = [*self.starts[1:], len(text)]

    def __len__(self) -> int:
        return len(self.starts)

    def of(self, position: int) -> int:
        """The line a character is in."""
        return bisect_right(self.starts, position) - 1


def execute(program: Sequence[Operation], text: str) -> str | None:
    """The edited text, or None if the program drops the document.

    All line numbers and strings are those of the text as it was; the order of operations makes no
    difference.

    Raises:
      ProgramError: the text has no such line or string, has it several times, or operations
        contradict each other.
    """
    if any(isinstance(operation, DropDoc) for operation in program):
        return None
    parts = []
    done = 0
    for span in spans(program, text):
        parts += [text[done : span.start], span.inserted]
        done = span.end
    return "".join([*parts, text[done:]])


def spans(program: Sequence[Operation], text: str) -> list[Span]:
    """What a program that keeps the document changes, in the order of the text.

    Raises:
      ProgramError: as `execute`.
    """
    lines = Lines(text)
    removed = _joined(
        [_removal(operation, lines) for operation in program
         if isinstance(operation, RemoveLines | RemoveStr)]
    )  # fmt: skip
    replaced = [span for operation in program if isinstance(operation, Normalize)
                for span in _replacements(operation, text)]  # fmt: skip
    if not replaced:
        return removed
    kept = [span for span in replaced if not _within(span, removed)]
    found = sorted([*removed, *kept], key=lambda span: (span.start, span.end))
    for first, second in itertools.pairwise(found):
        if second.start < first.end:
            raise ProgramError(
                f"two operations change {_shown(text[second.start : first.end])} differently"
            )
    return found


def _removal(operation: RemoveLines | RemoveStr, lines: Lines) -> Span:
    if isinstance(operation, RemoveLines):
        if operation.end >= len(lines):
            raise ProgramError(
                f"remove_lines({operation.start}, {operation.end}): the text has {len(lines)} "
                "lines, numbered from 0"
            )
        return Span(lines.starts[operation.start], lines.ends[operation.end])
    start = _find(operation, lines)
    return Span(start, start + len(operation.string))


def _find(operation: RemoveStr, lines: Lines) -> int:
    """Where the string to be removed begins."""
    text, string = lines.text, operation.string
    first, stop = 0, len(text)
    where = ""
    if operation.line is not None:
        if operation.line >= len(lines):
            raise ProgramError(
                f"remove_str: there is no line {operation.line}; the text has {len(lines)} lines, "
                "numbered from 0"
            )
        first, stop = lines.starts[operation.line], lines.ends[operation.line]
        where = f" in line {operation.line}"
    wanted = operation.number or 0
    position = text.find(string, first)
    for _ in range(wanted):
        if not first <= position < stop:
            break
        position = text.find(string, position + 1)
    if not first <= position < stop:
        which = f" number {wanted}" if wanted else ""
        raise ProgramError(f"remove_str: there is no {_shown(string)}{which}{where}")
    if operation.number is None:
        again = text.find(string, position + 1)
        if 0 <= again < stop:
            raise ProgramError(
                f"remove_str: {_shown(string)} is there several times{where}; name its line and "
                "number"
            )
    return position


def _replacements(operation: Normalize, text: str) -> list[Span]:
    found = []
    position = text.find(operation.source)
    if position < 0:
        raise ProgramError(f"normalize: there is no {_shown(operation.source)}")
    while position >= 0:
        end = position + len(operation.source)
        found.append(Span(position, end, operation.target))
        position = text.find(operation.source, end)
    return found


def _joined(removals: list[Span]) -> list[Span]:
    """Removals that overlap or touch as one."""
    found: list[Span] = []
    for span in sorted(removals, key=lambda span: span.start):
        if found and span.start <= found[-1].end:
            found[-1] = Span(found[-1].start, max(found[-1].end, span.end))
        else:
            found.append(span)
    return found


def _within(span: Span, removed: Sequence[Span]) -> bool:
    at = bisect_right(removed, span.start, key=lambda other: other.start) - 1
    return at >= 0 and span.end <= removed[at].end


def _shown(string: str) -> str:
    return repr(string if len(string) <= LONGEST_SHOWN else string[:LONGEST_SHOWN] + "…")


def keeps_everything(program: Sequence[Operation]) -> bool:
    """Whether a program changes nothing."""
    return all(isinstance(operation, KeepDoc | KeepChunk) for operation in program)
