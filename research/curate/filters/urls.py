"""Lists of words and domains: which pages are not wanted by their address or by their words.

The lists here are small and our own; give longer ones by Gin, or in a recipe.
"""

from __future__ import annotations

import dataclasses
import re
from typing import ClassVar
from urllib.parse import urlsplit

from research.corpora.document import Document
from research.curate.filters.words import words_of
from research.curate.steps import Drop, Step, option, threshold

_PIECES = re.compile(r"[a-z0-9]+")
HARD_WORDS = ("porn", "porno", "xxx", "hentai", "milf", "escort", "escorts", "camgirls")
SOFT_WORDS = ("sex", "sexy", "nude", "adult", "casino", "poker", "betting", "viagra", "cialis",
              "torrent", "warez", "dating")  # fmt: skip
OBSCENE_WORDS = (
    "bukkake", "camgirl", "creampie", "cumshot", "deepthroat", "gangbang", "handjob", "hentai",
    "milf", "porn", "porno", "pornographic", "xxx",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Address(Step):
    """Drops pages by the address in `meta["url"]`; what has none is kept.

    As in RefinedWeb (Penedo et al. 2023, https://arxiv.org/abs/2306.01116): listed domains, one
    hard word, or several soft words, each a whole piece of the address.
    """

    name: ClassVar[str] = "url"
    version: ClassVar[int] = 1

    domains: tuple[str, ...] = option((), "domains that are dropped with all below them")
    hard_words: tuple[str, ...] = option(HARD_WORDS, "one is enough")
    soft_words: tuple[str, ...] = option(SOFT_WORDS, "several are needed")
    min_soft_words: int = threshold(2, 1, 100, "so many different soft words")

    def __call__(self, document: Document) -> Document | Drop:
        url = document.meta.get("url")
        if not isinstance(url, str) or not url:
            return document
        url = url[:4096].lower()
        try:
            host = urlsplit(url if "//" in url else f"//{url}").hostname or ""
        except ValueError:
            return Drop("bad_url", url[:200])
        if listed := {host, *_parents(host)}.intersection(self.domains):
            return Drop("domain", min(listed))
        pieces = set(_PIECES.findall(url))
        if hard := pieces.intersection(self.hard_words):
            return Drop("hard_word", min(hard))
        soft = pieces.intersection(self.soft_words)
        if len(soft) >= self.min_soft_words:
            return Drop("soft_words", ", ".join(sorted(soft)))
        return document


def _parents(host: str) -> list[str]:
    """a.b.org -> b.org, org"""
    parts = host.split(".")
    return [".".join(parts[i:]) for i in range(1, len(parts))]


@dataclasses.dataclass(frozen=True)
class WordList(Step):
    """Drops texts with listed words, as C4 does with obscene ones."""

    name: ClassVar[str] = "word_list"
    version: ClassVar[int] = 1

    words: tuple[str, ...] = option(OBSCENE_WORDS, "small letters")
    max_occurrences: int = threshold(0, 0, 10**6, "so many are let pass")

    def __call__(self, document: Document) -> Document | Drop:
        words = words_of(document.text)
        listed = frozenset(self.words)
        found, occurrences = [], 0
        for i, word in enumerate(words.vocabulary):
            if word.lower() in listed:
                found.append(word)
                occurrences += int(words.counts[i])
        if occurrences > self.max_occurrences:
            return Drop("listed_word", ", ".join(found[:5]))
        return document
