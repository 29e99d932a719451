"""Python programs that a model has read or written, parsed without trust."""

from __future__ import annotations

import ast
import re
import warnings

DEEPEST_NESTING = 90  # of brackets, beyond which Python's parser is not trusted
LONGEST = 1_000_000  # characters that are parsed
_BRACKET = re.compile(r"[()\[\]{}]")


def parse(program: str) -> ast.Module | None:
    """The tree of a Python program; None where it is none, or nested too deeply to be trusted."""
    if len(program) > LONGEST or "\0" in program:
        return None
    depth = deepest = 0
    for bracket in _BRACKET.findall(program):
        depth += 1 if bracket in "([{" else -1
        deepest = max(deepest, depth)
    if deepest > DEEPEST_NESTING:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(program)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
