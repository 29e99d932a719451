"""Web text said again in four ways (WRAP: Maini et al. 2024, https://arxiv.org/abs/2401.16380).

The paper's medium style, "like Wikipedia", is the one that helps most across its evaluations; easy
and hard move the reading level down and up; question and answer changes the form.
"""

from __future__ import annotations

from research.rephrase.checks.answering import NoFraming, NoRefusal
from research.rephrase.checks.language import SameLanguage
from research.rephrase.checks.length import LengthRatio
from research.rephrase.checks.loops import NoLoops
from research.rephrase.checks.names import NamesKept
from research.rephrase.checks.numbers import NumbersKept
from research.rephrase.checks.overlap import NotCopied, NotInvented
from research.rephrase.style import Style
from research.rephrase.styles.parsing import several_questions

WRAP = "WRAP, Maini et al. 2024"
FAITHFUL = (
    "Keep every fact, name and number of the text, and add none. "
    "Write in the language of the text. Answer with the new text only."
)
CHECKS = (
    NoRefusal(),
    NoFraming(),
    LengthRatio(0.4, 2.0),
    NoLoops(),
    SameLanguage(),
    NotCopied(),
    NotInvented(),
    NumbersKept(),
    NamesKept(),
)

EASY = Style(
    name="easy",
    version=1,
    about=f"simple words and short sentences, for a child ({WRAP})",
    instruction=(
        "You rewrite texts for children of ten years. Use everyday words and short sentences. "
        + FAITHFUL
    ),
    question="Rewrite this text:\n\n{text}",
    checks=CHECKS,
)

WIKIPEDIA = Style(
    name="wikipedia",
    version=1,
    about=f"clear encyclopedic prose, the paper's medium style ({WRAP})",
    instruction=(
        "You rewrite texts as articles of an encyclopedia: clear, neutral, in full sentences. "
        + FAITHFUL
    ),
    question="Rewrite this text:\n\n{text}",
    checks=CHECKS,
)

HARD = Style(
    name="hard",
    version=1,
    about=f"terse scholarly prose with rare words ({WRAP})",
    instruction=(
        "You rewrite texts for scholars. Use learned, exact words and dense, complex sentences. "
        + FAITHFUL
    ),
    question="Rewrite this text:\n\n{text}",
    checks=CHECKS,
)

QUESTION_ANSWER = Style(
    name="question_answer",
    version=1,
    about=f"questions about the text with their answers ({WRAP})",
    instruction=(
        "You turn a text into questions and answers that together hold all its facts. "
        "Write each as two lines, the first beginning with 'Question:' and the second with "
        "'Answer:'. Use only what the text says, and its language. Write nothing else."
    ),
    question="Turn this text into questions and answers:\n\n{text}",
    parse=several_questions,
    checks=(
        NoRefusal(),
        NoFraming(),
        LengthRatio(0.3, 2.5),
        NoLoops(repeated=0.4),
        SameLanguage(),
        NotInvented(),
        NumbersKept(lost=0.67),
        NamesKept(lost=0.67),
    ),
)

STYLES = (EASY, WIKIPEDIA, HARD, QUESTION_ANSWER)
