"""What pylint says of lines and tokens: indentation, ends of lines, needless parentheses."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from research.curate.code.python_tokens import Tokens
from research.curate.code.syntax_tree import Tree
from research.curate.code.tree_facts import blocks, statement_of

Message = tuple[str, int]  # symbol and line

MAX_LINES = 1000
_TRAILING = re.compile(r"[ \t\v]\r?$", re.MULTILINE)
_BEFORE_PARENTHESES_WORDS = (
    "assert del elif except for if in not raise return while yield with = :="
)
_BEFORE_PARENTHESES = frozenset(_BEFORE_PARENTHESES_WORDS.split())
_NEEDS_PARENTHESES_WORDS = "and or yield for else , :="
_NEEDS_PARENTHESES = frozenset(_NEEDS_PARENTHESES_WORDS.split())
_AFTER_PARENTHESES_WORDS = ": ) ] } in"
_AFTER_PARENTHESES = frozenset(_AFTER_PARENTHESES_WORDS.split())


def check_lines(tree: Tree, text: str) -> Iterator[Message]:
    """Messages about the text itself."""
    tokens = tree.tokens
    for position, indentation, level in tokens.logical:
        if indentation.rpartition("\f")[2] != "    " * level:
            yield "bad-indentation", tokens.lines[position]
    if _TRAILING.search(text):
        yield from _trailing(tokens, text)
    lines = text.count("\n") + (not text.endswith("\n"))
    if lines > MAX_LINES:
        yield "too-many-lines", 1
    if not text.endswith("\n"):
        yield "missing-final-newline", lines
    elif text.endswith(("\n\n", "\n\r\n")) and text.strip():
        yield "trailing-newlines", lines
    if "\r\n" in text and text.count("\r\n") != text.count("\n"):
        yield "mixed-line-endings", 1
    yield from _semicolons(tokens)
    yield from _parentheses(tokens)
    yield from _several_statements(tree)


def _trailing(tokens: Tokens, text: str) -> Iterator[Message]:
    """Whitespace before the ends of lines, but those within a string."""
    within: set[int] = set()
    for token, line in zip(tokens.strings, tokens.lines, strict=True):
        if "\n" in token and token[0] not in "\r\n\\":
            within.update(range(line, line + token.count("\n")))
    line, last = 1, 0
    for match in _TRAILING.finditer(text):
        line += text.count("\n", last, match.start())
        last = match.start()
        if line not in within:
            yield "trailing-whitespace", line


def _semicolons(tokens: Tokens) -> Iterator[Message]:
    strings = tokens.strings
    if ";" in strings:
        for number, token in enumerate(strings):
            if (
                token == ";"
                and strings[number + 1 : number + 2]
                and (strings[number + 1][:1] in "\r\n")
            ):
                yield "unnecessary-semicolon", tokens.lines[number]


def _parentheses(tokens: Tokens) -> Iterator[Message]:
    strings, depths = tokens.strings, tokens.depths
    for number in range(len(strings) - 2):
        if strings[number + 1] != "(" or strings[number] not in _BEFORE_PARENTHESES:
            continue
        if strings[number] == "not" and number and strings[number - 1] == "is":
            continue
        depth = depths[number] + 1
        end = number + 2
        double = False
        while end < len(strings):
            token = strings[end]
            if token[:1] in "\r\n":
                break
            if depths[end] == depth:
                if token == ")":
                    break
                if token in _NEEDS_PARENTHESES:
                    break
            elif token == ")" and strings[end + 1 : end + 2] == [")"]:
                double = True
            end += 1
        if end >= len(strings) or strings[end] != ")" or depths[end] != depth:
            continue
        after = strings[end + 1] if end + 1 < len(strings) else "\n"
        if (after not in _AFTER_PARENTHESES and after[:1] not in "\r\n#") or end == number + 2:
            continue
        if double and strings[number + 2] == "(":
            continue
        if strings[number] == "in" and not (
            end == number + 3 and strings[number + 2][:1] in "\"'0123456789"
        ):
            continue
        yield "superfluous-parens", tokens.lines[number]


def _several_statements(tree: Tree) -> Iterator[Message]:
    """Two statements on one line, once a line."""
    seen: set[int] = set()
    for holder in blocks(tree):
        for field in ("body", "orelse", "finalbody", "handlers"):
            above = 0 if holder is tree.root else statement_of(tree, holder).lineno
            for node in getattr(holder, field, ()):
                if node.__class__ is ast.match_case:
                    continue
                line = node.lineno
                if (
                    line == above
                    and line not in seen
                    and not (isinstance(node, ast.With) or _is_stub(node))
                ):
                    seen.add(line)
                    yield "multiple-statements", line
                above = line


def _is_stub(node: ast.AST) -> bool:
    return (
        node.__class__ is ast.Expr
        and node.value.__class__ is ast.Constant
        and node.value.value is ...
    )
