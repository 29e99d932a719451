"""Answers to questions about a text: taken from it, or one of those that are allowed."""

from __future__ import annotations

import dataclasses
import re
from typing import ClassVar

from research.errors import GristmillError
from research.rephrase.checks.words import folded, words
from research.rephrase.style import Check, Rejection

_ANSWER = re.compile(r"^Answer:[ \t]*(.*)$", re.MULTILINE)
_QUESTION = re.compile(r"^Question:[ \t]*(.*?)(?=^Answer:|\Z)", re.MULTILINE | re.DOTALL)
_OPTION = re.compile(r"(?:^|\s)\(?([A-E])[.):][ \t]*\S")


@dataclasses.dataclass(frozen=True)
class AnswersQuoted(Check):
    """Rewrites whose lines `Answer: …` are words of the source, in its order.

    Attributes:
      most_words: of an answer.
    """

    name: ClassVar[str] = "answers_quoted"
    version: ClassVar[int] = 1

    most_words: int = 20

    def __call__(self, source: str, rewrite: str) -> Rejection | None:
        said = f" {' '.join(words(folded(source)))} "
        for answer in _ANSWER.findall(rewrite):
            quoted = words(folded(answer))
            if len(quoted) > self.most_words:
                return Rejection("answer too long", answer[:80])
            if not quoted or f" {' '.join(quoted)} " not in said:
                return Rejection("answer not in the text", answer[:80])
        return None


@dataclasses.dataclass(frozen=True)
class AnswersAmong(Check):
    """Rewrites whose lines `Answer: …` begin with one of some words.

    Attributes:
      answers: in lower case.
    """

    name: ClassVar[str] = "answers_among"
    version: ClassVar[int] = 1

    answers: tuple[str, ...]

    def __post_init__(self) -> None:
        """Raises GristmillError where none is allowed."""
        if not self.answers:
            raise GristmillError("answers_among: name the answers that are allowed")

    def __call__(self, source: str, rewrite: str) -> Rejection | None:
        for answer in _ANSWER.findall(rewrite):
            begins = " ".join(words(answer)) + " "
            if not any(begins.startswith(f"{allowed} ") for allowed in self.answers):
                return Rejection("answer not among the choices", answer[:80])
        return None


@dataclasses.dataclass(frozen=True)
class ChoicesGiven(Check):
    """Rewrites whose questions offer choices A, B, … and whose answers name one of them.

    Attributes:
      least: choices of a question.
    """

    name: ClassVar[str] = "choices_given"
    version: ClassVar[int] = 1

    least: int = 3

    def __call__(self, source: str, rewrite: str) -> Rejection | None:
        questions, answers = _QUESTION.findall(rewrite), _ANSWER.findall(rewrite)
        for question, answer in zip(questions, answers, strict=False):
            options = _OPTION.findall(question)
            if len(set(options)) < self.least:
                return Rejection("too few choices", f"{len(set(options))}")
            chosen = re.match(r"\(?([A-E])\b", answer.strip())
            if not chosen or chosen[1] not in options:
                return Rejection("answer not among the choices", answer[:80])
        return None
