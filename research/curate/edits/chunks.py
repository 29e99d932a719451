"""Long documents for a refine model: numbered lines, in chunks; and back to one program.

A model sees a chunk as ProX shows it,

    [000]Home | About | Contact
    [001]The Ada programming language was designed …

and answers with a program whose line numbers are those of the chunk.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from research.curate.edits.compile import operations
from research.curate.edits.execute import Lines, keeps_everything, spans
from research.curate.edits.program import (
    DropDoc,
    KeepDoc,
    Normalize,
    Operation,
    Program,
    ProgramError,
    RemoveLines,
    parse,
)

CHUNK_CHARACTERS = 6000  # about 1,500 tokens, as ProX's chunks

# what proposes programs: takes a numbered chunk, gives the text of a program for it
Refiner = Callable[[str], str]


@dataclasses.dataclass(frozen=True)
class Chunk:
    """Lines of a document that lie together.

    Attributes:
      first_line: the number of its first line in the document.
      start: the character of the document at which it begins.
      text: its lines.
    """

    first_line: int
    start: int
    text: str

    def numbered(self) -> str:
        """The lines with their numbers in front, from [000]."""
        lines = Lines(self.text)
        return "".join(
            f"[{number:03d}]{self.text[start:end]}"
            for number, (start, end) in enumerate(zip(lines.starts, lines.ends, strict=True))
        )


def chunks(text: str, characters: int = CHUNK_CHARACTERS) -> list[Chunk]:
    """Cuts a text at the ends of lines; a line that is longer is a chunk of its own."""
    lines = Lines(text)
    found: list[Chunk] = []
    first = 0
    for number in range(1, len(lines) + 1):
        full = number == len(lines) or lines.ends[number] - lines.starts[first] > characters
        if full:
            start = lines.starts[first]
            found.append(Chunk(first, start, text[start : lines.ends[number - 1]]))
            first = number
    return found


def refine(
    text: str, refiner: Refiner, characters: int = CHUNK_CHARACTERS
) -> tuple[Program, list[str]]:
    """The program a refiner proposes for a document, chunk by chunk.

    Args:
      text: the document.
      refiner: is called for every chunk.
      characters: of a chunk, at most.

    Returns:
      The program, and for every chunk whose program did not parse or fit what was wrong; that
      chunk stays as it is.
    """
    parts = chunks(text, characters)
    programs: list[Program] = []
    wrong = []
    for part in parts:
        try:
            program = parse(refiner(part.numbered()))
            joined(text, [part], [program])  # or it does not fit
        except ProgramError as error:
            wrong.append(f"chunk at line {part.first_line}: {error}")
            program = (KeepDoc(),)
        programs.append(program)
    return joined(text, parts, programs), wrong


def joined(text: str, parts: Sequence[Chunk], programs: Sequence[Program]) -> Program:
    """One program of the document out of those of its chunks; `drop_doc()` drops a chunk.

    Raises:
      ProgramError: a program does not fit its chunk, or normalises what other chunks have too.
    """
    runs: list[tuple[int, int]] = []
    normalized: dict[Operation, int] = {}
    for part, program in zip(parts, programs, strict=True):
        if keeps_everything(program):
            continue
        if any(isinstance(operation, DropDoc) for operation in program):
            runs.append((part.start, part.start + len(part.text)))
            continue
        for operation in program:
            if isinstance(operation, Normalize):
                count = part.text.count(operation.source)
                normalized[operation] = normalized.get(operation, 0) + count
        removals = [one for one in program if not isinstance(one, Normalize)]
        spans(program, part.text)
        runs += [(part.start + span.start, part.start + span.end)
                 for span in spans(removals, part.text)]  # fmt: skip
    for operation, count in normalized.items():
        if text.count(operation.source) != count:
            raise ProgramError(
                f"normalize({operation.source!r:.60}, …): other chunks have that string too"
            )
    whole: list[tuple[int, int]] = []
    for start, end in runs:  # chunks dropped one after the other
        if whole and whole[-1][1] == start:
            whole[-1] = (whole[-1][0], end)
        else:
            whole.append((start, end))
    if whole == [(0, len(text))]:
        return (DropDoc(),)
    return (*operations(text, whole), *normalized) or (KeepDoc(),)


def removed_lines(program: Program, lines: int) -> list[bool]:
    """For every line of a text, whether `remove_lines` or `drop_doc` takes it."""
    if any(isinstance(operation, DropDoc) for operation in program):
        return [True] * lines
    gone = [False] * lines
    for operation in program:
        if isinstance(operation, RemoveLines):
            for number in range(operation.start, min(operation.end + 1, lines)):
                gone[number] = True
    return gone
