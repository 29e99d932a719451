"""Tasks made of plain text: instruction and answer put after the passage they are about (after
Bonito: Nayak et al. 2024, https://arxiv.org/abs/2402.18334, a model trained to do this; here any
instruction-following model is asked).
"""

from __future__ import annotations

from research.rephrase.checks.answering import NoFraming, NoRefusal
from research.rephrase.checks.language import SameLanguage
from research.rephrase.checks.length import LengthRatio
from research.rephrase.checks.loops import NoLoops
from research.rephrase.checks.overlap import NotCopied, NotInvented
from research.rephrase.checks.tasks import AnswersAmong, AnswersQuoted, ChoicesGiven
from research.rephrase.style import Check, Style
from research.rephrase.styles.parsing import question_answers

BONITO = "Bonito, Nayak et al. 2024"
_FORM = (
    "Write the question after 'Question:' and the answer after 'Answer:', each on a new line. "
    "Write nothing else."
)


def _task(name: str, about: str, instruction: str, *checks: Check) -> Style:
    return Style(
        name=f"task_{name}",
        version=1,
        about=f"{about}, after the text ({BONITO})",
        instruction=f"{instruction} {_FORM}",
        question="The text:\n\n{text}",
        answer_tokens=1.0,
        least_answer_tokens=160,
        parse=question_answers,
        checks=(NoRefusal(), NoFraming(), LengthRatio(0.02, 1.5), NoLoops(repeated=0.5),
                SameLanguage(), *checks),
        placement="after",
    )  # fmt: skip


YES_NO = _task(
    "yes_no",
    "a question to be answered with yes or no",
    "You write a question about a text that can be answered with yes or no from the text alone. "
    "The answer is one word, Yes or No.",
    NotInvented(),
    AnswersAmong(("yes", "no")),
)
EXTRACT = _task(
    "extract",
    "a question answered in words of the text",
    "You write a question about a text whose answer stands in the text. The answer is the few "
    "words of the text that answer it, copied exactly.",
    NotInvented(),
    AnswersQuoted(),
)
CHOICE = _task(
    "choice",
    "a question with four choices",
    "You write a question about a text with four choices. After the question write the choices on "
    "lines that begin with A), B), C) and D). One of them is right by the text. The answer is the "
    "letter and the choice.",
    NotInvented(),
    ChoicesGiven(4),
)
ENTAILMENT = _task(
    "entailment",
    "a statement that follows, contradicts or does neither",
    "You write a statement about the matter of a text and ask whether it follows from the text, as "
    "in: Does it follow that bees sleep? The answer is one word, Yes, No or Maybe.",
    NotInvented(),
    AnswersAmong(("yes", "no", "maybe")),
)
SUMMARY = _task(
    "summary",
    "the request for a summary, and the summary",
    "You write a request to summarise a text, in your own words, as the question; as the answer a "
    "summary of one or two sentences.",
    NotCopied(few=12),
    NotInvented(),
)

STYLES = (YES_NO, EXTRACT, CHOICE, ENTAILMENT, SUMMARY)
