"""`# pylint: disable=…` comments: which messages they take back, and where."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from research.curate.code.lint_lines import Message
from research.curate.code.lint_messages import BY_ID, RETIRED, SYMBOLS
from research.curate.code.syntax_tree import Tree
from research.curate.code.tree_facts import blocks

_PRAGMA = re.compile(r"#.*?\bpylint:\s*([^;#\n\r]+)")
_ACTION = re.compile(r"(disable-next|disable|enable|skip-file|disable-msg|enable-msg)\s*=?\s*(.*)")
_CATEGORIES = {"C": "C", "R": "R", "W": "W", "E": "E", "F": "F", "convention": "C",
               "refactor": "R", "warning": "W", "error": "E", "fatal": "F"}  # fmt: skip


class SkipFile(Exception):
    """The file asks not to be checked at all."""


def pragmas(tree: Tree, text: str) -> tuple[list[tuple[str, int, int, bool]], list[Message]]:
    """What the comments of a file switch off and on.

    Returns:
      (symbol, category letter or 'all'; first line; last line; whether off) in the order of the
      file, and the messages about the comments themselves.

    Raises:
      SkipFile: the file asks for it.
    """
    if "pylint:" not in text:
        return [], []
    found: list[tuple[str, int, int, bool]] = []
    messages: list[Message] = []
    tokens = tree.tokens
    spans: list[tuple[int, int, int]] | None = None
    for position in tokens.comments:
        match = _PRAGMA.match(tokens.strings[position])
        if match is None:
            continue
        line = tokens.lines[position]
        action = _ACTION.match(match[1].strip())
        if action is None:
            messages.append(("unrecognized-inline-option", line))
            continue
        verb, names = action[1], [word.strip() for word in action[2].split(",") if word.strip()]
        if verb == "skip-file" or (verb == "disable" and names == ["all"]):
            raise SkipFile
        if spans is None:
            spans = sorted(_spans(tree))
        alone = position == 0 or tokens.strings[position - 1][:1] in "\r\n"
        if verb == "disable-next":
            first = last = line + 1
        else:
            first, last = _reach(spans, line, alone, text.count("\n") + 1)
        for name in names:
            symbol = BY_ID.get(name, name)
            if symbol in SYMBOLS or symbol in _CATEGORIES:
                symbol = _CATEGORIES.get(symbol, symbol)
                found.append((symbol, first, last, not verb.startswith("enable")))
            elif name in RETIRED:
                messages.append(("useless-option-value", line))
            elif not re.fullmatch(r"[CRWEFI]\d{4}", name):
                messages.append(("unknown-option-value", line))
    return found, messages


def _spans(tree: Tree) -> Iterator[tuple[int, int, int]]:
    """First line, last line of the head, and last line of every block."""
    for block in blocks(tree):
        if isinstance(block, ast.Module) or not hasattr(block, "lineno"):
            continue
        body = block.body[0].lineno if block.body else block.lineno
        yield block.lineno, max(block.lineno, body - 1), block.end_lineno or block.lineno


def _reach(
    spans: list[tuple[int, int, int]], line: int, alone: bool, lines: int
) -> tuple[int, int]:
    if not alone:
        for first, head, last in spans:
            if first <= line <= head:
                return first, last
        return line, line
    reach = (line, lines)
    for first, head, last in spans:
        if first <= line <= last:
            # at the top of a block it holds for all of it
            reach = (first if line <= head + 1 else line, last)
    return reach


def is_off(found: list[tuple[str, int, int, bool]], symbol: str, line: int) -> bool:
    """Whether a message is switched off on a line: the last comment that reaches it decides."""
    off = False
    for what, first, last, value in found:
        if first <= line <= last and (what == symbol or SYMBOLS[symbol][0] == what):
            off = value
    return off
