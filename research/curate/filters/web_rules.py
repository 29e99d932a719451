"""The rules of C4 (Raffel et al. 2020, https://jmlr.org/papers/v21/20-074.html) and FineWeb
(Penedo et al. 2024, https://arxiv.org/abs/2406.17557), as datatrove runs them.

What the papers leave open follows datatrove: a line is judged stripped, its words are counted
before citations are taken out, the first rule that a line breaks is the reason it goes, and
sentences are those of spaCy's sentencizer.
"""

from __future__ import annotations

import dataclasses
import re
from typing import ClassVar

from research.corpora.document import Document
from research.curate.filters.gopher import repetitions
from research.curate.filters.words import SENTENCE_TERMINALS, count_sentences, words_of
from research.curate.steps import Change, Drop, Edited, Step, option, threshold

_CITATION = re.compile(r"\[\d*]|\[edit]|\[citation needed]")
_LINE_ENDS = (".", "?", "!", '"', "'")
_POLICIES = (
    "terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies",
    "use cookies",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class C4(Step):
    """Removes lines that are no sentences; drops texts with too few sentences left, with code or
    with filler text."""

    name: ClassVar[str] = "c4"
    version: ClassVar[int] = 1

    min_sentences: int = threshold(5, 0, 10**9, "sentences in the lines that stay")
    min_words_in_line: int = threshold(3, 0, 1000, "lines with fewer words go")
    max_word_length: int = threshold(1000, 1, 10**9, "lines with a longer word go")
    end_punctuation: bool = option(True, "lines without an end mark (. ? ! and quotes) go")
    citations: bool = option(True, "take out [1], [edit], [citation needed]")
    javascript: bool = option(True, "lines that name Javascript go")
    policies: bool = option(True, "lines about cookies, privacy or terms of use go")
    lorem_ipsum: bool = option(True, "texts with 'lorem ipsum' are dropped")
    curly_bracket: bool = option(
        True, "texts with a curly bracket in a line that stays are dropped"
    )

    def __call__(self, document: Document) -> Document | Edited | Drop:
        text = document.text
        small = text.lower()
        javascript = self.javascript and "javascript" in small
        lorem = self.lorem_ipsum and "lorem ipsum" in small
        policy = self.policies and any(phrase in small for phrase in _POLICIES)
        citations = self.citations and "[" in text
        least = self.min_words_in_line
        kept: list[str] = []
        changes: list[Change] = []
        for whole in text.splitlines():
            line = whole.strip()
            if not line and (least or self.end_punctuation):
                continue
            words = line.split(None, least)
            if len(line) > self.max_word_length and any(
                len(word) > self.max_word_length for word in line.split()
            ):
                changes.append(Change("too_long_word", whole))
                continue
            if citations:
                before, line = line, _CITATION.sub("", line)
                if line != before:
                    changes.append(Change("citation", before, line))
            if self.end_punctuation and (not line.endswith(_LINE_ENDS) or line.endswith("...")):
                changes.append(Change("no_terminal_punc", whole))
                continue
            if len(words) < least:
                changes.append(Change("too_few_words", whole))
                continue
            if lorem and "lorem ipsum" in line.lower():
                return Drop("lorem_ipsum", line[:200])
            if javascript and "javascript" in line.lower():
                changes.append(Change("javascript", whole))
                continue
            if self.curly_bracket and "{" in line:
                return Drop("curly_bracket", line[:200])
            if policy and any(phrase in line.lower() for phrase in _POLICIES):
                changes.append(Change("policy", whole))
                continue
            kept.append(line)
        if len(kept) < self.min_sentences:  # a line has at least one sentence
            sentences = sum(map(count_sentences, kept))
            if sentences < self.min_sentences:
                return Drop("too_few_sentences", f"{sentences} < {self.min_sentences}")
        result = "\n".join(kept).strip()
        if result == text:
            return document
        return Edited(dataclasses.replace(document, text=result), tuple(changes))


@dataclasses.dataclass(frozen=True)
class FineWebQuality(Step):
    """Drops texts that look like lists, menus and repeated lines."""

    name: ClassVar[str] = "fineweb_quality"
    version: ClassVar[int] = 1

    min_punctuated_lines: float = threshold(0.12, 0, 1, "share of lines that end in an end mark")
    max_short_lines: float = threshold(0.67, 0, 1, "share of short lines")
    short_line: int = threshold(30, 0, 10**6, "characters of a short line, at most")
    max_duplicate_characters: float = threshold(0.01, 0, 1, "share of text in lines seen before")
    max_newlines_per_word: float = threshold(0.3, 0, 100, "more is a list")

    def __call__(self, document: Document) -> Document | Drop:
        text = document.text
        lines = [line for line in text.split("\n") if line.strip()]
        if not lines:
            return Drop("empty")
        share = sum(line[-1] in SENTENCE_TERMINALS for line in lines) / len(lines)
        if share < self.min_punctuated_lines:
            return Drop("line_punct_ratio", f"{share:.3f} < {self.min_punctuated_lines}")
        share = sum(len(line) <= self.short_line for line in lines) / len(lines)
        if share > self.max_short_lines:
            return Drop("short_line_ratio", f"{share:.3f} > {self.max_short_lines}")
        newlines = text.count("\n")
        share = repetitions(lines)[1] / (len(text) - newlines)
        if share > self.max_duplicate_characters:
            return Drop("char_dup_ratio", f"{share:.3f} > {self.max_duplicate_characters}")
        # a word at least for each piece between whitespace: most texts need no splitting
        if newlines > self.max_newlines_per_word * len(text.split()):
            share = newlines / len(words_of(text).words)
            if share > self.max_newlines_per_word:
                return Drop("list_ratio", f"{share:.3f} > {self.max_newlines_per_word}")
        return document
