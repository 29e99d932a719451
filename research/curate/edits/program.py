"""Edit programs as text: a small language, its parser and its writer.

    keep_doc()                          the whole text stays
    drop_doc()                          the whole document goes
    keep_chunk()                        a chunk of a long document stays as it is
    remove_lines(3, 7)                  lines 3 to 7 go, both included; the first line is 0
    remove_str("Share on Facebook")     this string, which the text has once, goes
    remove_str("]", 12)                 this string, which begins once in line 12, goes
    remove_str("]", 12, 2)              the third that begins in line 12 goes
    normalize("“", "\\"")                everywhere the first string becomes the second

One call a line.  Strings stand in double or single quotes, with the escapes
\\\\ \\" \\' \\n \\r \\t \\uXXXX and \\UXXXXXXXX.  The language is ProX's (Zhou et al. 2024, https://arxiv.org/abs/2409.17115)
with RefineX's removal of strings (Bi et al. 2025, https://arxiv.org/abs/2507.03253); the line and
the number tell equal strings apart.  A program is parsed, never evaluated.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

from research.errors import GristmillError

LONGEST = 1 << 20  # characters of a program
_TOKEN = re.compile(r"[ \t]*+(?:([A-Za-z_]++)|([0-9]{1,9}+)|([(),])|([\"']))")
_BLANK = re.compile(r"[ \t\r]*+(?:\n|\Z)")
_PLAIN = re.compile(r"[^\"'\\\r\n]*+")
_ESCAPES = {"\\": "\\", '"': '"', "'": "'", "n": "\n", "r": "\r", "t": "\t"}
_HEX = {"u": re.compile(r"[0-9a-fA-F]{4}"), "U": re.compile(r"[0-9a-fA-F]{8}")}


class ProgramError(GristmillError):
    """A program that is not well formed, or does not fit the text it is applied to."""


@dataclasses.dataclass(frozen=True, slots=True)
class KeepDoc:
    """The whole text stays."""


@dataclasses.dataclass(frozen=True, slots=True)
class KeepChunk:
    """A chunk stays as it is."""


@dataclasses.dataclass(frozen=True, slots=True)
class DropDoc:
    """The whole document goes."""


@dataclasses.dataclass(frozen=True, slots=True)
class RemoveLines:
    """Lines `start` to `end`, both included, go."""

    start: int
    end: int


@dataclasses.dataclass(frozen=True, slots=True)
class RemoveStr:
    """A string goes: the only one, the only one that begins in a line, or one of those."""

    string: str
    line: int | None = None
    number: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Normalize:
    """Every occurrence of a string becomes another."""

    source: str
    target: str


Operation = KeepDoc | KeepChunk | DropDoc | RemoveLines | RemoveStr | Normalize
Program = tuple[Operation, ...]

# name: operation, kinds of its arguments, how many of them are needed
_CALLS: dict[str, tuple[type, tuple[type, ...], int]] = {
    "keep_doc": (KeepDoc, (), 0),
    "keep_chunk": (KeepChunk, (), 0),
    "drop_doc": (DropDoc, (), 0),
    "remove_lines": (RemoveLines, (int, int), 2),
    "remove_str": (RemoveStr, (str, int, int), 1),
    "normalize": (Normalize, (str, str), 2),
}
_NAMES = {operation: name for name, (operation, _, _) in _CALLS.items()}
ALONE = (KeepDoc, KeepChunk, DropDoc)


def parse(text: str) -> Program:
    """Parses a program.

    Raises:
      ProgramError: it is not well formed; says where.
    """
    if len(text) > LONGEST:
        raise ProgramError(f"a program of {len(text)} characters; at most {LONGEST} are read")
    operations = []
    position = 0
    while position < len(text):
        if blank := _BLANK.match(text, position):
            position = max(blank.end(), position + 1)
            continue
        operation, position = _call(text, position)
        operations.append(operation)
        end = _BLANK.match(text, position)
        if end is None:
            raise _wrong(text, position, "one call a line")
        position = max(end.end(), position)
    if not operations:
        raise ProgramError("an empty program; write keep_doc() for one that changes nothing")
    if len(operations) > 1:
        for operation in operations:
            if isinstance(operation, ALONE):
                raise ProgramError(f"{_NAMES[type(operation)]}() must stand alone in a program")
    return tuple(operations)


def write(program: Sequence[Operation]) -> str:
    """The text of a program, which `parse` reads back; without a line's end behind the last."""
    return "\n".join(map(_write, program))


def _write(operation: Operation) -> str:
    values = [getattr(operation, field.name) for field in dataclasses.fields(operation)]
    arguments = [_quoted(value) if isinstance(value, str) else str(value)
                 for value in values if value is not None]  # fmt: skip
    return f"{_NAMES[type(operation)]}({', '.join(arguments)})"


def _quoted(string: str) -> str:
    escaped = string.replace("\\", "\\\\").replace('"', '\\"')
    for letter in "nrt":
        escaped = escaped.replace(_ESCAPES[letter], f"\\{letter}")
    # what ends a line elsewhere, and what no one sees, is written out
    escaped = "".join(
        character
        if character.isprintable()
        else f"\\u{ord(character):04x}"
        if ord(character) < 0x10000
        else f"\\U{ord(character):08x}"
        for character in escaped
    )
    return f'"{escaped}"'


def _call(text: str, position: int) -> tuple[Operation, int]:
    """One call, and where it ends."""
    start = position
    name, position = _token(text, position, "the name of an operation")
    if name not in _CALLS:
        raise _wrong(text, start, f"one of {', '.join(_CALLS)}")
    operation, kinds, needed = _CALLS[name]
    position = _mark(text, position, "(")
    values: list[int | str] = []
    token, after = _token(text, position, "an argument or )")
    while token != ")":
        if values:
            position = _mark(text, position, ",")
        at = position
        value, position = _value(text, position)
        if len(values) == len(kinds):
            raise _wrong(text, at, f") after {len(kinds)} argument(s) of {name}")
        if type(value) is not kinds[len(values)]:
            wanted = {int: "a number", str: "a string in quotes"}[kinds[len(values)]]
            raise _wrong(text, at, f"{wanted} as argument {len(values) + 1} of {name}")
        values.append(value)
        token, after = _token(text, position, ", or )")
    if len(values) < needed:
        raise _wrong(text, position, f"{needed} argument(s) of {name}")
    made = operation(*values)
    if isinstance(made, RemoveLines) and made.end < made.start:
        raise _wrong(text, start, f"lines in order, not {made.start} to {made.end}")
    if (isinstance(made, RemoveStr) and not made.string) or (
        isinstance(made, Normalize) and not made.source
    ):
        raise _wrong(text, start, "a string that is not empty")
    return made, after


def _token(text: str, position: int, wanted: str) -> tuple[str, int]:
    match = _TOKEN.match(text, position)
    if match is None:
        raise _wrong(text, position, wanted)
    return match[match.lastindex], match.end()


def _mark(text: str, position: int, mark: str) -> int:
    token, after = _token(text, position, mark)
    if token != mark:
        raise _wrong(text, position, mark)
    return after


def _value(text: str, position: int) -> tuple[int | str, int]:
    match = _TOKEN.match(text, position)
    if match is None or match.lastindex not in (2, 4):
        raise _wrong(text, position, "a number or a string in quotes")
    if match.lastindex == 2:
        return int(match[2]), match.end()
    return _string(text, match.end(), match[4])


def _string(text: str, position: int, quote: str) -> tuple[str, int]:
    """The rest of a string, behind its first quote."""
    start = position - 1
    parts = []
    while True:
        plain = _PLAIN.match(text, position)
        parts.append(plain[0])
        position = plain.end()
        character = text[position : position + 1]
        if character == quote:
            return "".join(parts), position + 1
        if character in ("", "\r", "\n"):
            raise _wrong(text, start, f"a string that ends with {quote} on its line")
        if character != "\\":  # the other kind of quote
            parts.append(character)
            position += 1
            continue
        escape = text[position + 1 : position + 2]
        if escape in _ESCAPES and escape:
            parts.append(_ESCAPES[escape])
            position += 2
        elif escape in _HEX and (digits := _HEX[escape].match(text, position + 2)):
            code = int(digits[0], 16)
            if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
                raise _wrong(text, position, "a character of Unicode")
            parts.append(chr(code))
            position = digits.end()
        else:
            raise _wrong(text, position, "an escape: \\\\ \\\" \\' \\n \\r \\t \\uXXXX")


def _wrong(text: str, position: int, wanted: str) -> ProgramError:
    line = text.count("\n", 0, position) + 1
    column = position - (text.rfind("\n", 0, position) + 1) + 1
    rest = text[position : position + 30].partition("\n")[0]
    return ProgramError(
        f"line {line}, column {column} of the program: expected {wanted}, found "
        f"{rest!r}" if rest else
        f"line {line}, column {column} of the program: expected {wanted}, but it ends there"
    )  # fmt: skip
