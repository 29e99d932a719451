"""The filters of Gopher (Rae et al. 2021, https://arxiv.org/abs/2112.11446, table A1 and section
A.1), as datatrove runs them: same order, same reasons, same reading of what the paper leaves open.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from research.corpora.document import Document
from research.curate.filters.languages import STOP_WORDS
from research.curate.filters.words import SENTENCE_TERMINALS, Words, words_of
from research.curate.steps import Drop, Step, option, threshold
from research.errors import GristmillError

PUNCTUATION = SENTENCE_TERMINALS.union(
    "!/—”:％１〈&(、━\\【#%「」，】；+^]~“《„';’{|∶´[=-`*．（–？！：$～«〉,><》)?）。…@_.\"}►»",
    map(chr, [*range(32), *range(127, 160)]),
)


@dataclasses.dataclass(frozen=True)
class GopherRepetition(Step):
    """Drops texts that repeat themselves: lines, paragraphs, n-grams of words."""

    name: ClassVar[str] = "gopher_repetition"
    version: ClassVar[int] = 1

    max_duplicate_paragraphs: float = threshold(0.3, 0, 1, "share of paragraphs seen before")
    max_duplicate_paragraph_characters: float = threshold(0.2, 0, 1, "their share of the text")
    max_duplicate_lines: float = threshold(0.3, 0, 1, "share of lines seen before")
    max_duplicate_line_characters: float = threshold(0.2, 0, 1, "their share of the text")
    max_top_2_gram: float = threshold(0.2, 0, 1, "the commonest 2-gram's share of the text")
    max_top_3_gram: float = threshold(0.18, 0, 1, "the commonest 3-gram's share of the text")
    max_top_4_gram: float = threshold(0.16, 0, 1, "the commonest 4-gram's share of the text")
    max_duplicate_5_grams: float = threshold(0.15, 0, 1, "share of text in 5-grams seen before")
    max_duplicate_6_grams: float = threshold(0.14, 0, 1, "share of text in 6-grams seen before")
    max_duplicate_7_grams: float = threshold(0.13, 0, 1, "share of text in 7-grams seen before")
    max_duplicate_8_grams: float = threshold(0.12, 0, 1, "share of text in 8-grams seen before")
    max_duplicate_9_grams: float = threshold(0.11, 0, 1, "share of text in 9-grams seen before")
    max_duplicate_10_grams: float = threshold(0.1, 0, 1, "share of text in 10-grams seen before")

    def __call__(self, document: Document) -> Document | Drop:
        text = document.text
        if not text:
            return Drop("empty")
        paragraphs, lines = split_paragraphs(text), split_lines(text)
        for what, pieces, most, most_characters in (
            ("para", paragraphs, self.max_duplicate_paragraphs,
             self.max_duplicate_paragraph_characters),
            ("line", lines, self.max_duplicate_lines, self.max_duplicate_line_characters),
        ):  # fmt: skip
            repeated, characters = repetitions(pieces)
            if (share := repeated / len(pieces)) > most:
                return Drop(f"dup_{what}_frac", f"{share:.3f} > {most}")
            if (share := characters / len(text)) > most_characters:
                return Drop(f"dup_{what}_char_frac", f"{share:.3f} > {most_characters}")
        grams = NGrams(words_of(text))
        for n in range(2, 5):
            grams.extend()
            most = getattr(self, f"max_top_{n}_gram")
            if (share := grams.top_characters() / len(text)) > most:
                return Drop(f"top_{n}_gram", f"{share:.3f} > {most}")
        for n in range(5, 11):
            grams.extend()
            if not len(grams.starts):
                break
            most = getattr(self, f"max_duplicate_{n}_grams")
            if (share := grams.duplicate_characters() / len(text)) > most:
                return Drop(f"duplicated_{n}_n_grams", f"{share:.3f} > {most}")
        return document


def split_paragraphs(text: str) -> list[str]:
    """What stands between runs of two or more newlines, as `re.split` does, but faster."""
    pieces = (piece.lstrip("\n") for piece in text.strip().split("\n\n"))
    return [piece for piece in pieces if piece] or [""]


def split_lines(text: str) -> list[str]:
    """What stands between newlines; a text that begins or ends with one has an empty line there,
    here at the end of the list."""
    lines = list(filter(None, text.split("\n")))
    return lines + [""] * (text.startswith("\n") + text.endswith("\n")) or [""]


def repetitions(pieces: Sequence[str]) -> tuple[int, int]:
    """How many pieces were seen before in the sequence, and their characters."""
    different = set(pieces)
    repeated = len(pieces) - len(different)
    return repeated, sum(map(len, pieces)) - sum(map(len, different)) if repeated else 0


class NGrams:
    """The n-grams of a text that occur more than once, for growing n.

    A repeated (n+1)-gram begins with a repeated n-gram, so each step looks only at the positions
    the last one has left: soon there are few.

    Attributes:
      n: words of a gram.
      starts: positions of the n-grams that occur more than once, int64 [R], ascending.
      keys: for each of them the position where it occurs first, int64 [R].
    """

    def __init__(self, words: Words) -> None:
        self.n = 1
        self._ids = words.ids
        self._ends = np.concatenate([[0], np.cumsum(words.lengths)])  # characters before each word
        self.starts = np.arange(len(self._ids))
        self.keys = self._ids

    def extend(self) -> None:
        """Goes from n-grams to (n+1)-grams."""
        count = len(self._ids)
        starts = self.starts[: np.searchsorted(self.starts, count - self.n)]
        pairs = self.keys[: len(starts)] * count + self._ids[starts + self.n]
        self.n += 1
        ordered = np.sort(pairs)
        repeated = ordered[1:][ordered[1:] == ordered[:-1]]
        if not len(repeated):
            self.starts = self.keys = starts[:0]
            return
        place = np.searchsorted(repeated, pairs)  # of equal ones the leftmost
        place[place == len(repeated)] = 0
        kept = repeated[place] == pairs
        self.starts, place = starts[kept], place[kept]
        firsts = np.zeros(len(repeated), np.int64)
        firsts[place[::-1]] = self.starts[::-1]  # of several the last one written stays
        self.keys = firsts[place]

    def top_characters(self) -> int:
        """Characters, with the spaces inside, of the commonest n-gram times its occurrences; of
        equally common ones it is the first."""
        if len(self._ids) < self.n:
            return 0
        most, first = 1, 0
        if len(self.starts):
            occurrences = np.bincount(self.keys)
            first = int(occurrences.argmax())  # the leftmost of the largest
            most = int(occurrences[first])
        return most * int(self._ends[first + self.n] - self._ends[first] + self.n - 1)

    def duplicate_characters(self) -> int:
        """Characters of n-grams seen before, from left to right; those counted do not overlap, and
        n-grams that begin inside of one are not looked at."""
        seen: set[int] = set()
        characters = free = 0
        for start, key in zip(self.starts.tolist(), self.keys.tolist(), strict=True):
            if start < free:
                continue
            if key in seen:
                free = start + self.n
                characters += int(self._ends[free] - self._ends[start])
            else:
                seen.add(key)
        return characters


@dataclasses.dataclass(frozen=True)
class GopherQuality(Step):
    """Drops texts that are unlike prose: by words, symbols, bullets, ellipses, stop words."""

    name: ClassVar[str] = "gopher_quality"
    version: ClassVar[int] = 1

    min_words: int = threshold(50, 0, 10**9, "words that are not only punctuation")
    max_words: int = threshold(100_000, 1, 10**9, "words that are not only punctuation")
    min_mean_word_length: float = threshold(3.0, 0, 1000, "characters of a word")
    max_mean_word_length: float = threshold(10.0, 0, 1000, "characters of a word")
    max_symbols: float = threshold(0.1, 0, 10, "'#', or ellipses, a word")
    max_bullet_lines: float = threshold(0.9, 0, 1, "share of lines that begin with a bullet")
    max_ellipsis_lines: float = threshold(0.3, 0, 1, "share of lines that end in an ellipsis")
    min_alphabetic_words: float = threshold(0.8, 0, 1, "share of words with a letter")
    min_stop_words: int = threshold(2, 0, 1000, "different stop words")
    language: str = option("en", f"whose stop words: meta (as noted), {', '.join(STOP_WORDS)}")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.language not in {"meta", *STOP_WORDS}:
            raise GristmillError(
                f"{self.name}.language is {self.language!r}; "
                f"there are stop words for: {', '.join(STOP_WORDS)}; meta takes the document's"
            )

    def __call__(self, document: Document) -> Document | Drop:
        text = document.text
        words = words_of(text)
        vocabulary, counts = words.vocabulary, words.counts
        number = len(words.words)
        symbols = letterless = symbol_characters = 0
        for i, word in enumerate(vocabulary):
            if word.isalpha():
                continue
            count = int(counts[i])
            if not any(map(str.isalpha, word)):
                letterless += count
            if PUNCTUATION.issuperset(word):
                symbols += count
                symbol_characters += count * len(word)
        plain = number - symbols
        if plain < self.min_words:
            return Drop("gopher_short_doc", f"{plain} words < {self.min_words}")
        if plain > self.max_words:
            return Drop("gopher_long_doc", f"{plain} words > {self.max_words}")
        mean = (int(words.lengths.sum()) - symbol_characters) / plain if plain else 0.0
        if mean < self.min_mean_word_length:
            return Drop("gopher_below_avg_threshold", f"{mean:.2f} < {self.min_mean_word_length}")
        if mean > self.max_mean_word_length:
            return Drop("gopher_above_avg_threshold", f"{mean:.2f} > {self.max_mean_word_length}")
        number = max(number, 1)
        for reason, marks in (
            ("gopher_too_many_hashes", text.count("#")),
            ("gopher_too_many_ellipsis", text.count("...") + text.count("…")),
        ):
            if (share := marks / number) > self.max_symbols:
                return Drop(reason, f"{share:.3f} a word > {self.max_symbols}")
        lines = text.splitlines() or [""]
        bullets = sum(line.lstrip().startswith(("•", "-")) for line in lines)
        if (share := bullets / len(lines)) > self.max_bullet_lines:
            return Drop("gopher_too_many_bullets", f"{share:.3f} > {self.max_bullet_lines}")
        if "..." in text or "…" in text:
            ends = sum(line.rstrip().endswith(("...", "…")) for line in lines)
            if (share := ends / len(lines)) > self.max_ellipsis_lines:
                return Drop("gopher_too_many_end_ellipsis",
                            f"{share:.3f} > {self.max_ellipsis_lines}")  # fmt: skip
        if (share := (number - letterless) / number) < self.min_alphabetic_words:
            return Drop(
                "gopher_below_alpha_threshold", f"{share:.3f} < {self.min_alphabetic_words}"
            )
        language = self.language
        if language == "meta":
            language = document.meta.get("language", "")
        stop_words = STOP_WORDS.get(language)  # a language without a list is let pass
        found = len(stop_words.intersection(vocabulary)) if stop_words else self.min_stop_words
        if found < self.min_stop_words:
            return Drop("gopher_enough_stop_words", f"{found} stop words < {self.min_stop_words}")
        return document
