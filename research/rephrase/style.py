"""What a style of rewriting is: a prompt, how its answer is read, and what an answer must satisfy.

    FORMAL = Style(
        name="formal",
        version=1,
        about="formal English",
        instruction="Write the following text again in formal English. Answer with the text only.",
        checks=(LengthRatio(0.5, 2.0), SameLanguage()),
    )

The instruction is the same for all texts and comes first, so that an engine may keep what it has
computed of it.  A style is data: equal styles ask, read and judge alike.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Any, ClassVar, Literal, get_args

from research.errors import GristmillError
from research.rephrase.checks.words import words
from research.rephrase.chunking import CHUNKERS
from research.rephrase.engine import Message


@dataclasses.dataclass(frozen=True, slots=True)
class Rejection:
    """Why an answer is not taken.

    Attributes:
      reason: one of few words, to count by.
      detail: what was found in this answer.
    """

    reason: str
    detail: str = ""


@dataclasses.dataclass(frozen=True)
class Check:
    """Base of all checks: a frozen dataclass whose fields are its thresholds.

    Attributes:
      name: unique among checks.
      version: raised when equal thresholds would judge otherwise.
    """

    name: ClassVar[str]
    version: ClassVar[int]

    def __call__(self, source: str, rewrite: str) -> Rejection | None:
        """Judges a rewrite of a piece of text by itself and by the piece."""
        raise NotImplementedError

    def describe(self) -> dict[str, Any]:
        """Name, version and thresholds, for fingerprints and manifests."""
        return {"check": self.name, "version": self.version, **dataclasses.asdict(self)}


Rejected = Literal["drop_piece", "keep_piece", "drop_document"]
Placed = Literal["instead", "after"]
Parser = Callable[[str, str], str | Rejection]
READING = 3  # version of how all styles read answers: `plain_text`, and prompts said again
_PREAMBLE = re.compile(
    r"\A\s*(?:(?:sure|certainly|of course|absolutely|okay|ok|here(?:'s| is| are| you go)|below is)"
    r"\b[^\n]{0,200}?[:.!]\s*\n+"
    # "The following is a rewritten version of the text:", or what was asked, said again
    r"|(?:the following is|this is|(?:please )?re(?:write|phrase)|re(?:written|phrased))\b"
    r"[^\n]{0,80}?\b(?:text|version|passage|paragraph)\b[^\n]{0,40}:\s*\n+)+",
    re.IGNORECASE,
)
_FENCED = re.compile(r"\A\s*```[\w+-]*[ \t]*\n(.*?)\n?```\s*\Z", re.DOTALL)


def plain_text(source: str, answer: str) -> str | Rejection:
    """The answer without a line that announces it, and without quotes or a fence around it all."""
    announced = _PREAMBLE.match(answer)
    own = announced is not None and announced[0].strip() not in source
    text = (answer[announced.end() :] if own else answer).strip()
    if fenced := _FENCED.match(text):
        text = fenced[1].strip("\n")
    quoted = len(text) > 1 and text[0] == text[-1] == '"' and '"' not in text[1:-1]
    text = text[1:-1].strip() if quoted and not source.lstrip().startswith('"') else text
    return text or Rejection("empty answer")


@dataclasses.dataclass(frozen=True)
class Style:
    """A way of rewriting.

    Attributes:
      name: what users call it; in `meta["style"]` of what it makes.
      version: raised when the way an answer is read changes.
      about: what it makes, in a few words, and whose idea it is.
      instruction: what the model shall do; the system message.
      question: what is asked of each piece; `{text}` stands for it, `{title}` for the document's
        title (or nothing).
      examples: (text, answer) pairs shown before it.
      chunking: how documents are cut: 'prose', 'code' or 'whole'.
      chunk_tokens: what a piece has at most, estimated.
      answer_tokens: what an answer may have, as a multiple of the piece's tokens …
      least_answer_tokens: … and at least.
      temperature, top_p: for sampling, unless the user says otherwise.
      parse: reads an answer: (piece, answer) -> rewrite, or why there is none.
      checks: what a rewrite must satisfy, in order.
      rejected: what happens to a document for a piece whose rewrite is rejected: 'drop_piece'
        leaves it out, 'keep_piece' keeps it as it was, 'drop_document' gives up the document.
      placement: what the new document holds: 'instead' the rewrites, 'after' each piece followed by
        what was written about it.
    """

    name: str
    version: int
    about: str
    instruction: str
    question: str = "{text}"
    examples: tuple[tuple[str, str], ...] = ()
    chunking: Literal["prose", "code", "whole"] = "prose"
    chunk_tokens: int = 350
    answer_tokens: float = 2.0
    least_answer_tokens: int = 64
    temperature: float = 0.0
    top_p: float = 1.0
    parse: Parser = plain_text
    checks: tuple[Check, ...] = ()
    rejected: Rejected = "drop_piece"
    placement: Placed = "instead"

    def __post_init__(self) -> None:
        """Raises GristmillError where a field cannot be what it is."""
        for good, what in (
            (re.fullmatch(r"[a-z][a-z0-9_]{0,63}", self.name), "name: use a-z, 0-9 and '_'"),
            (self.instruction.strip(), "instruction is empty"),
            ("{text}" in self.question, "question has no {text}"),
            (self.chunking in CHUNKERS, f"chunking is one of {', '.join(CHUNKERS)}"),
            (self.chunk_tokens >= 16, "chunk_tokens must be at least 16"),
            (0 < self.answer_tokens < 1000, "answer_tokens must be above 0 and below 1000"),
            (isinstance(self.version, int), "version must be a whole number"),
            (self.rejected in get_args(Rejected), f"rejected is one of {get_args(Rejected)}"),
            (self.placement in get_args(Placed), f"placement is one of {get_args(Placed)}"),
            (all(isinstance(check, Check) for check in self.checks), "a check is no Check"),
            (all(len(pair) == 2 for pair in self.examples), "examples are pairs (text, answer)"),
        ):
            if not good:
                raise GristmillError(f"style {self.name!r}: {what}")

    def chunk(self, text: str) -> list[str]:
        """The pieces of a document, which joined are its text."""
        return CHUNKERS[self.chunking](text, self.chunk_tokens)

    def messages(self, piece: str, title: str = "") -> tuple[Message, ...]:
        """The conversation that asks for the rewrite of a piece."""
        turns = [Message("system", self.instruction)]
        for text, answer in self.examples:
            turns += [Message("user", self._ask(text, "")), Message("assistant", answer)]
        return (*turns, Message("user", self._ask(piece, title)))

    def _ask(self, text: str, title: str) -> str:
        # one pass, so that braces in a text are only braces
        given = {"{text}": text.strip("\n"), "{title}": title}
        return re.sub(r"\{(?:text|title)\}", lambda found: given[found[0]], self.question)

    def judge(self, piece: str, answer: str, finish: str) -> str | Rejection:
        """The rewrite that an answer holds, or why it holds none that can be used."""
        if finish != "stop":
            return Rejection("cut short" if finish == "length" else f"finish {finish}")
        try:
            rewrite = self.parse(piece, answer)
            if not isinstance(rewrite, str | Rejection):
                raise TypeError(f"parse gave {rewrite!r}, no text and no Rejection")
            if isinstance(rewrite, str) and (said := self._said_again(piece, rewrite)):
                return Rejection("prompt said again", said)
            for check in () if isinstance(rewrite, Rejection) else self.checks:
                rejection = check(piece, rewrite)
                if not isinstance(rejection, Rejection | None):
                    raise TypeError(f"{check.name} gave {rejection!r}, no Rejection and not None")
                if rejection:
                    return rejection
        except GristmillError:
            raise
        except (Exception, SystemExit) as error:  # the answers are kept, and can be judged again
            said = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            raise GristmillError(f"style {self.name} cannot judge an answer: {said}") from None
        return rewrite

    def _said_again(self, piece: str, rewrite: str) -> str:
        """A line of the question or sentence of the instruction that a rewrite has, and the piece
        has not."""
        told, own = (f" {' '.join(words(text))} " for text in (piece, rewrite))
        lines = [(line, 3) for line in re.split(r"\{text\}|\{title\}|\n", self.question)]
        lines += [(line, 5) for line in re.split(r"(?<=[.:!?])\s+", self.instruction)]
        for line, least in lines:
            asked = words(line)
            phrase = f" {' '.join(asked)} "
            if len(asked) >= least and phrase in own and phrase not in told:
                return line.strip()
        return ""

    def describe(self) -> dict[str, Any]:
        """All that decides what is asked and what is taken, as plain JSON values."""
        fields = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name not in ("parse", "checks")
        }
        parse = f"{self.parse.__module__}.{self.parse.__qualname__}"
        checks = [check.describe() for check in self.checks]
        return {**fields, "parse": parse, "reading": READING, "checks": checks}
