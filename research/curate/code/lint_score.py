"""SwallowCode's filter: pylint's score, lowered by the share of comments, at least 7."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from research.corpora.document import Document
from research.curate.code.languages import language_of
from research.curate.code.lint import lint
from research.curate.code.syntax_tree import CannotParse
from research.curate.steps import Drop, Step, option, threshold

_SHOWN = 3  # messages named in a verdict


@dataclasses.dataclass(frozen=True)
class LintScore(Step):
    """Drops Python that pylint would rate below a threshold, and notes the score of what stays.

    SwallowCode (Fujii et al. 2025, https://arxiv.org/abs/2505.02881) takes pylint's score, without
    the messages about missing modules, names, order of imports, line length and docstrings of
    modules and functions, and multiplies it by one minus the share of comments, so that code
    commented out or explained word by word does not pass for its tidiness.  The share is that of
    comment *tokens* among all tokens, as its published code counts them (the name there says
    lines); docstrings are no comments.  There a file whose tokens cannot be read gets no penalty,
    and one without statements no score; here the first cannot parse and the second has no code,
    and both are dropped.  Other languages stay.
    """

    name: ClassVar[str] = "lint_score"
    version: ClassVar[int] = 1

    min_score: float = threshold(7.0, 0, 10, "pylint's score after the penalty")
    comment_penalty: bool = option(True, "multiply the score by 1 - share of comments")

    def __call__(self, document: Document) -> Document | Drop:
        if language_of(document) != "python":
            return document
        try:
            found = lint(document.text)
        except CannotParse as error:
            return Drop(error.reason, str(error))
        if not found.statements:
            return Drop("no_code")
        score = found.score * (1 - found.comment_share) if self.comment_penalty else found.score
        if score < self.min_score:
            worst = ", ".join(f"{symbol} {count}" for symbol, count in
                              found.counts().most_common(_SHOWN))  # fmt: skip
            return Drop(
                "low_score",
                f"{score:.2f} < {self.min_score}: {worst or 'no messages'}; "
                f"comments {found.comment_share:.2f} of tokens",
            )
        return dataclasses.replace(document, meta={**document.meta, "lint_score": round(score, 2)})
