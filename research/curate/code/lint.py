"""pylint's score of a Python file, fifty times and more faster than pylint.

The score is pylint's: `10 − 10 · (5·errors + warnings + refactors + conventions) / statements`, not
below 0.  The messages are those that decide scores of real code, by the rules of pylint 4 at its
default limits, without those SwallowCode switches off.  pylint infers types across modules; here a
file is looked at alone, so messages that need other modules (`no-member` of an imported class) are
not given.
"""

from __future__ import annotations

import ast
import dataclasses
from collections import Counter

from research.curate.code.lint_access import check_access
from research.curate.code.lint_calls import check_calls
from research.curate.code.lint_classes import check_classes
from research.curate.code.lint_design import check_design, is_docstring
from research.curate.code.lint_flow import check_flow
from research.curate.code.lint_functions import check_functions
from research.curate.code.lint_idioms import check_idioms
from research.curate.code.lint_lines import Message, check_lines
from research.curate.code.lint_messages import SYMBOLS
from research.curate.code.lint_names import check_names
from research.curate.code.lint_pragmas import SkipFile, is_off, pragmas
from research.curate.code.syntax_tree import CannotParse, Tree, parse

ERROR_WEIGHT = 5
BEST = 10.0


@dataclasses.dataclass(frozen=True)
class Lint:
    """What was found in a file.

    Attributes:
      statements: as pylint counts them: all but docstrings.
      messages: (symbol, line), each message once.
      comment_share: comments of all tokens.
    """

    statements: int
    messages: tuple[Message, ...]
    comment_share: float

    @property
    def score(self) -> float:
        """pylint's score, from 0 to 10; 10 where there is nothing to rate."""
        if not self.statements:
            return BEST
        weight = sum(ERROR_WEIGHT if SYMBOLS[symbol][0] in "EF" else 1
                     for symbol, _ in self.messages)  # fmt: skip
        return max(0.0, BEST - BEST * weight / self.statements)

    def counts(self) -> Counter[str]:
        """How often each message was given."""
        return Counter(symbol for symbol, _ in self.messages)


def lint(text: str) -> Lint:
    """Looks at one Python file.

    Raises:
      CannotParse: it is not valid Python, or too deep.
    """
    tree = parse(text)
    tokens = tree.tokens
    share = len(tokens.comments) / tokens.count
    statements = _statements(tree)
    try:
        switches, messages = pragmas(tree, text)
    except SkipFile:
        return Lint(0, (), share)
    checks = (check_names, check_design, check_access, check_classes, check_flow, check_idioms,
              check_functions, check_calls)  # fmt: skip
    try:
        messages += check_lines(tree, text)
        for check in checks:
            messages += check(tree)
    except RecursionError:
        raise CannotParse("too_deep", "its expressions are too deep for the checks") from None
    if switches:
        messages = [one for one in messages if not is_off(switches, *one)]
    return Lint(statements, tuple(messages), share)


def _statements(tree: Tree) -> int:
    count = sum(len(found) for kind, found in tree.nodes.items()
                if issubclass(kind, (ast.stmt, ast.ExceptHandler)))  # fmt: skip
    return count - sum(is_docstring(tree, node) for node in tree.of(ast.Expr))
