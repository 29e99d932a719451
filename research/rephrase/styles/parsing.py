"""How answers of several forms are read; what is kept has one form, whatever marks a model uses."""

from __future__ import annotations

import re

from research.rephrase.python_source import parse
from research.rephrase.style import Rejection, plain_text

_FENCE = re.compile(
    r"^[ \t]*```[ \t]*(?:python|py|python3)?[ \t]*\n(.*?)(?:^[ \t]*```|\Z)", re.M | re.S
)
_LABEL = re.compile(
    r"^[ \t#>*\-]*(?:\d{1,3}[.)][ \t]*\**)?"
    r"(question|problem|answer|solution|[qa](?=[ \t]?\d{0,3}\**:))"
    r"[ \t]*\d{0,3}\**[ \t]*[:.)]\**[ \t]*",
    re.IGNORECASE | re.MULTILINE,
)
_TURN = re.compile(r"^[ \t>*\-]*([A-Z][\w .'-]{0,30}?)\**[ \t]*:\**(?=\s)", re.MULTILINE)
_ROW = re.compile(r"^[ \t]*\|.*\|[ \t]*$", re.MULTILINE)
_RULE = re.compile(r"^[ \t]*\|(?:[ \t]*:?-+:?[ \t]*\|)+[ \t]*$", re.MULTILINE)
_STEP = re.compile(r"^[ \t#*]*(?:\d{1,2}[.)]|step \d{1,2}\b)", re.IGNORECASE | re.MULTILINE)


def program(source: str, answer: str) -> str | Rejection:
    """The longest fenced block of Python; without fences, the whole answer if it is a program."""
    blocks = [found[1].strip("\n") for found in _FENCE.finditer(answer)]
    if blocks:
        return max(blocks, key=len) or Rejection("empty answer")
    text = plain_text(source, answer)
    if isinstance(text, Rejection) or parse(text) is not None:
        return text
    return Rejection("no code")


def text_with_code(source: str, answer: str) -> str | Rejection:
    """The answer with its fenced blocks, even if it begins and ends with one."""
    if len(_FENCE.findall(answer)) > 1:
        return answer.strip()
    return plain_text(source, answer)


def question_answers(source: str, answer: str) -> str | Rejection:
    """Questions with their answers, as `Question: …` and `Answer: …` with empty lines between the
    pairs; what is neither is left out."""
    text = plain_text(source, answer)
    if isinstance(text, Rejection):
        return text
    pairs = _pairs(text)
    if not pairs:
        return Rejection("no question and answer")
    return "\n\n".join(f"Question: {question}\nAnswer: {reply}" for question, reply in pairs)


def several_questions(source: str, answer: str) -> str | Rejection:
    """As `question_answers`, at least two pairs."""
    text = question_answers(source, answer)
    if isinstance(text, str) and text.count("Question: ") < 2:
        return Rejection("one question only")
    return text


def table_and_question(source: str, answer: str) -> str | Rejection:
    """A Markdown table with two rows at least, then a question with its answer."""
    text = plain_text(source, answer)
    if isinstance(text, Rejection):
        return text
    rows = [row[0].strip() for row in _ROW.finditer(text)]
    if len(rows) < 4 or not _RULE.search(text):
        return Rejection("no table")
    pairs = _pairs(text)
    if not pairs:
        return Rejection("no question and answer")
    question, reply = pairs[-1]
    return "\n".join(rows) + f"\n\nQuestion: {question}\nAnswer: {reply}"


def steps(source: str, answer: str) -> str | Rejection:
    """A text with at least two numbered steps."""
    text = plain_text(source, answer)
    if isinstance(text, str) and len(_STEP.findall(text)) < 2:
        return Rejection("no steps")
    return text


def dialogue(source: str, answer: str) -> str | Rejection:
    """Turns `Name: …` of two speakers or more, at least three turns."""
    text = plain_text(source, answer)
    if isinstance(text, Rejection):
        return text
    speakers = [found[1].strip() for found in _TURN.finditer(text)]
    if len(speakers) < 3 or len(set(speakers)) < 2:
        return Rejection("no dialogue")
    return text


def _pairs(text: str) -> list[tuple[str, str]]:
    """Each question with the answer that follows it."""
    labels = list(_LABEL.finditer(text))
    pairs, question = [], ""
    ends = [label.start() for label in labels[1:]] + [len(text)] * bool(labels)
    for label, end in zip(labels, ends, strict=True):
        body = text[label.end() : end].strip().strip("*").strip()
        if label[1].lower() in ("question", "q", "problem"):
            question = body
        elif question and body:
            pairs.append((question, body))
            question = ""
    return pairs
