"""What a word is to the checks, in scripts with spaces and without."""

from __future__ import annotations

import unicodedata

import regex

# ideographs, kana, Thai, Lao, Burmese and Khmer letters are words of their own
WORD = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Myanmar}\p{Khmer}]"
    r"|[\p{L}\p{N}\p{M}]+(?:['’][\p{L}]+)?"
)


def words(text: str) -> list[str]:
    """The words of a text, in lower case."""
    return WORD.findall(text.lower())


def folded(text: str) -> str:
    """Lower case, without accents."""
    decomposed = unicodedata.normalize("NFKD", text.lower())
    return "".join(c for c in decomposed if not unicodedata.combining(c))
