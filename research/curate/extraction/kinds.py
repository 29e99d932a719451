"""RedStone's four kinds of pages, told apart in one pass (Chang et al. 2024,
https://arxiv.org/abs/2412.03398): questions with answers, mathematics, code with its prose, and all
others.

Every page gets one kind, the first that fits in the order above, so that no text is in two corpora
and what is read is what is kept, dropped and quarantined.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from typing import ClassVar

from research.corpora.document import Document
from research.curate.filters.gopher import GopherQuality, GopherRepetition
from research.curate.filters.mathematics import LOOKED_AT, math_score
from research.curate.filters.web_rules import FineWebQuality
from research.curate.steps import Drop, Step, threshold

KINDS = ("general", "code", "math", "qa")
_LATEX = re.compile(r"\$[^$\n]{0,200}[\\^_][^$\n]{0,200}\$|\\\(.{1,400}?\\\)|\\\[|\\begin\{")
_SCHEMA = ("QAPage", "FAQPage", "schema.org/Question")
# lines that begin a question and an answer, or the choices of one
_QUESTION = re.compile(
    r"^\W{0,4}(?:Q(?:uestion)?\s?\d{0,3}\s?[:.)]\s|(?:(?:who|what|when|where|why|how|which|can|"
    r"could|do|does|did|is|are|should|will|would|may)\b.{5,200}|.{0,40}\?.{0,20})\?\s*$)",
    re.IGNORECASE | re.MULTILINE,
)
_ANSWER = re.compile(r"^\W{0,4}(?:A(?:nswer)?s?\s?\d{0,3}\s?[:.)]\s|(?:best |accepted )?answers?:)",
                     re.IGNORECASE | re.MULTILINE)  # fmt: skip
_CHOICES = re.compile(
    r"^\W{0,2}A[.)] .{1,200}\n+\W{0,2}B[.)] .{1,200}\n+\W{0,2}C[.)] ", re.MULTILINE
)
NOTED = "qa_markup"  # in `meta`: the page's source says that it holds questions and answers


def has_qa_markup(html: str) -> bool:
    """Whether a page says in schema.org's terms (JSON-LD or microdata) that it is Q&A or FAQ."""
    return any(name in html for name in _SCHEMA)


@dataclasses.dataclass(frozen=True)
class Kind(Step):
    """Notes the kind of a page in `meta`: qa, math, code or general."""

    name: ClassVar[str] = "kind"
    version: ClassVar[int] = 1

    min_questions: int = threshold(2, 1, 1000, "lines that ask, beside as many that answer")
    min_math_score: float = threshold(0.8, 0, 1, "probability of mathematics, without LaTeX")
    min_math_score_with_latex: float = threshold(0.17, 0, 1, "the same of a text with LaTeX")
    min_code_characters: int = threshold(80, 1, 10**6, "in blocks of code")

    def __call__(self, document: Document) -> Document:
        text = document.text
        code = code_characters(text)
        meta = {**document.meta, "kind": self._kind(document, text, code)}
        if code:
            meta["code_characters"] = code
        return dataclasses.replace(document, meta=meta)

    def _kind(self, document: Document, text: str, code: int) -> str:
        if self._is_qa(document, text):
            return "qa"
        score = math_score(text)
        if score >= self.min_math_score:
            return "math"
        if score >= self.min_math_score_with_latex and _LATEX.search(text[:LOOKED_AT]):
            return "math"
        return "code" if code >= self.min_code_characters else "general"

    def _is_qa(self, document: Document, text: str) -> bool:
        if document.meta.get(NOTED):
            return True
        if _CHOICES.search(text):
            return True
        questions = _count(_QUESTION, text, self.min_questions)
        if questions < self.min_questions:
            return False
        if _count(_ANSWER, text, self.min_questions) >= self.min_questions:
            return True
        return _answered(text) >= max(3, self.min_questions)


def code_characters(text: str) -> int:
    """Characters between fences of backticks, without blank lines."""
    if "```" not in text:
        return 0
    count, fence = 0, ""
    for line in text.split("\n"):
        if fence:
            if line == fence:
                fence = ""
            else:
                count += len(line)
        elif line.startswith("```"):
            fence = "`" * (len(line) - len(line.lstrip("`")))
    return count


def _count(pattern: re.Pattern[str], text: str, enough: int) -> int:
    count = 0
    for _ in pattern.finditer(text):
        count += 1
        if count >= enough:
            break
    return count


def _answered(text: str) -> int:
    """Short paragraphs that end in a question mark, each before a longer one that does not."""
    blocks = [block.strip() for block in text.split("\n\n")]
    blocks = [block for block in blocks if block]
    return sum(
        question.endswith("?") and 10 <= len(question) <= 200 and "\n" not in question
        and len(answer) > 60 and not answer.endswith("?")
        for question, answer in itertools.pairwise(blocks)
    )  # fmt: skip


@dataclasses.dataclass(frozen=True)
class GeneralQuality(Step):
    """Judges pages of the kind `general` by the rules of Gopher and FineWeb (with their published
    thresholds), which would drop code, formulas and short answers; other kinds pass."""

    name: ClassVar[str] = "general_quality"
    version: ClassVar[int] = 1

    def __call__(self, document: Document) -> Document | Drop:
        if document.meta.get("kind", "general") != "general":
            return document
        for step in (GopherRepetition(), GopherQuality(), FineWebQuality()):
            outcome = step(document)
            if isinstance(outcome, Drop):
                return outcome
        return document
