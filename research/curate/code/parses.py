"""Code that a compiler would take: Python by CPython's own, other languages by tree-sitter."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import symtable
import warnings
from typing import Any, ClassVar

from research.corpora.document import Document
from research.curate.code.languages import language_of
from research.curate.code.python_tokens import tokens_of
from research.curate.code.syntax_tree import CannotParse, check_nesting
from research.curate.steps import Drop, Step, threshold
from research.errors import GristmillError

# the compiler compares equal functions and classes pair by pair: of more than this, only names and
# syntax are checked
MOST_BLOCKS = 5000
_GRAMMARS = {  # language: module and function
    "c": ("tree_sitter_c", "language"),
    "cpp": ("tree_sitter_cpp", "language"),
    "go": ("tree_sitter_go", "language"),
    "java": ("tree_sitter_java", "language"),
    "javascript": ("tree_sitter_javascript", "language"),
    "rust": ("tree_sitter_rust", "language"),
    "tsx": ("tree_sitter_typescript", "language_tsx"),
    "typescript": ("tree_sitter_typescript", "language_typescript"),
}


@dataclasses.dataclass(frozen=True)
class Parses(Step):
    """Drops code that does not parse, and code nested so deep that parsers could die of it.

    Python is compiled, as SwallowCode does (Fujii et al. 2025, https://arxiv.org/abs/2505.02881):
    that also refuses `return` outside a function.  Its nesting is measured first, by tokens.  For
    other languages tree-sitter's parser, which does not recurse, tells how much of the text it had
    to skip; they need the extra `code`.  Documents in no known language stay.
    """

    name: ClassVar[str] = "parses"
    version: ClassVar[int] = 1

    max_error_share: float = threshold(
        0.0, 0, 1, "share of bytes that do not parse (not for Python; C with macros needs some)"
    )

    def __call__(self, document: Document) -> Document | Drop:
        language = language_of(document)
        if language == "python":
            try:
                compile_python(document.text)
            except CannotParse as error:
                return Drop(error.reason, str(error))
        elif language:
            share, line = _errors(_parser(language), document.text.encode())
            if share > self.max_error_share:
                detail = f"{share:.4f} > {self.max_error_share} (first in line {line})"
                return Drop("syntax_error", detail)
        return document


def compile_python(text: str) -> None:
    """Compiles Python, without running it.

    Raises:
      CannotParse: it is not valid, or too deep.
    """
    tokens = tokens_of(text)
    check_nesting(tokens)
    blocks = sum(map(tokens.strings.count, ("def", "class", "lambda")))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if blocks <= MOST_BLOCKS:
                compile(text, "<document>", "exec", dont_inherit=True)
            else:
                symtable.symtable(text, "<document>", "exec")
    except SyntaxError as error:
        where = f" (line {error.lineno})" if error.lineno else ""
        raise CannotParse("syntax_error", f"{error.msg}{where}"[:200]) from None
    except (RecursionError, MemoryError):
        raise CannotParse("too_deep", "the compiler's stack is too small for it") from None
    except (ValueError, OverflowError) as error:  # a null byte, a number of too many digits
        raise CannotParse("syntax_error", str(error)[:200]) from None


@functools.cache
def _parser(language: str) -> Any:
    module, function = _GRAMMARS[language]
    try:
        tree_sitter = importlib.import_module("tree_sitter")
        grammar = getattr(importlib.import_module(module), function)()
    except ImportError:
        raise GristmillError(
            f"step parses needs tree-sitter for {language}; run: pip install 'gristmill[code]'"
        ) from None
    return tree_sitter.Parser(tree_sitter.Language(grammar))


def _errors(parser: Any, text: bytes) -> tuple[float, int]:
    """The share of bytes in what does not parse, and the line (from 1) of the first of it."""
    root = parser.parse(text).root_node
    if not root.has_error:
        return 0.0, 0
    skipped, first = 0, 0
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node.is_error or node.is_missing:
            skipped += max(1, node.end_byte - node.start_byte)
            first = first or node.start_point[0] + 1
        else:
            waiting += [child for child in reversed(node.children) if child.has_error]
    return min(1.0, skipped / max(1, len(text))), first
