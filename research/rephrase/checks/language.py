"""The language of a rewrite: that of its source, or the one that was asked for.

Languages are told by the model of the step `language` (fastText's lid.176), a stretch at a time, so
that an answer that changes its language midway is noticed.  Code, formulas, tables' rules, numbers
and quotations are no language; what is too short to tell counts as right.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import ClassVar

from research.curate.filters.language import language_scores
from research.errors import GristmillError
from research.rephrase.style import Check, Rejection

LONG = 60  # letters of a sentence that is judged by itself
STRETCH = 100  # letters of several that are judged together
_NO_LANGUAGE = re.compile(
    r"```.*?(?:```|\Z)|`[^`\n]*`|\$\$.*?\$\$|\$[^$\n]*\$|\\\[.{0,2000}?\\\]|https?://\S+|[\d|#*_=<>{}\\]+"
    r"|[\"“„«»「『][^\"”“«»」』\n]{1,200}[\"”“»«」』]|(?<!\w)['‘‚][^'’‘\n]{1,200}['’‘](?!\w)",
    re.DOTALL,
)
_SPACE = re.compile(r"\s+")
_SENTENCE = re.compile(r"(?<=[.!?…।])\s+|(?<=[。！？])|\n+")
# codes of fastText that are one language to a reader of either
_SAME = {"hr": "sr", "bs": "sr", "sh": "sr", "arz": "ar", "wuu": "zh", "yue": "zh", "pnb": "ur",
         "nn": "no", "nb": "no", "ms": "id", "als": "de"}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class SameLanguage(Check):
    """Rewrites in the language of their source, all through.

    Attributes:
      sure: score from which a stretch counts as being in another language.
      letters: that short sentences together must have, to be judged.
    """

    name: ClassVar[str] = "same_language"
    version: ClassVar[int] = 1

    sure: float = 0.6
    letters: int = 40

    def __call__(self, source: str, rewrite: str) -> Rejection | None:
        language, score = _language(_SPACE.sub(" ", _NO_LANGUAGE.sub(" ", source)))
        if score < self.sure:
            return None  # a mixture, or no language at all
        return _foreign(rewrite, language, self.sure, self.letters)


@dataclasses.dataclass(frozen=True)
class InLanguage(Check):
    """Rewrites in one language, all through.

    Attributes:
      language: its ISO 639-1 code.
      sure, letters: as of `SameLanguage`.
    """

    name: ClassVar[str] = "in_language"
    version: ClassVar[int] = 1

    language: str
    sure: float = 0.6
    letters: int = 40

    def __post_init__(self) -> None:
        """Raises GristmillError where that is no code."""
        if not re.fullmatch(r"[a-z]{2,3}", self.language):
            raise GristmillError(
                f"language {self.language!r}: give its ISO 639-1 code, as 'de' for German"
            )

    def __call__(self, source: str, rewrite: str) -> Rejection | None:
        language = _SAME.get(self.language, self.language)
        return _foreign(rewrite, language, self.sure, self.letters)


def _foreign(text: str, language: str, sure: float, letters: int) -> Rejection | None:
    for stretch in _stretches(_NO_LANGUAGE.sub(" ", text), letters):
        found, score = _language(stretch)
        if found != language and score >= sure:
            return Rejection("another language", f"{found} {score:.2f}: {stretch[:60]}")
    return None


def _stretches(text: str, letters: int) -> Iterator[str]:
    """The text in stretches of whole sentences: a long one by itself, short ones together."""
    together = ""
    for sentence in _SENTENCE.split(text):
        if _weight(sentence) >= LONG:
            yield _SPACE.sub(" ", sentence)
            continue
        together = f"{together} {sentence}".strip()
        if _weight(together) >= STRETCH:
            yield _SPACE.sub(" ", together)
            together = ""
    if _weight(together) >= letters:
        yield _SPACE.sub(" ", together)


def _weight(text: str) -> int:
    """Letters; one of a script without spaces says as much as three."""
    return sum((3 if ord(c) > 0x2E80 else 1) for c in text if c.isalpha())


def _language(text: str) -> tuple[str, float]:
    """The likeliest language and its probability; alike ones count together."""
    sums: dict[str, float] = {}
    for code, score in language_scores(text):
        code = _SAME.get(code, code)
        sums[code] = sums.get(code, 0.0) + score
    return max(sums.items(), key=lambda item: item[1], default=("", 0.0))
