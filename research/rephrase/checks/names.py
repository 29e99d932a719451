"""Names of people, places and things: which a rewrite has lost, and which it has made up.

A heuristic for languages that write names, and not other nouns, with a capital: a name is a word
with a capital inside of a sentence, where a common word would have none.  Case, accents, the
genitive, words made of a name (Siberia, Siberian) and initials (the UN) count as the name.  In
German, and in scripts without capitals, nothing is judged.  A name at the beginning of a sentence
alone, or one that is also a common word, goes unseen; a correct name that the source does not
mention counts as made up.
"""

from __future__ import annotations

import dataclasses
import re
from collections import defaultdict
from typing import ClassVar

from research.rephrase.checks.words import folded
from research.rephrase.style import Check, Rejection

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_GENITIVE = re.compile(r"['’]s$")
_HEADING = re.compile(r"^[^\S\n]*(?:#.*|\*\*[^*\n]{1,100}\*\*:?[^\S\n]*|[ |:\-]+)$", re.MULTILINE)
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`|https?://\S+", re.DOTALL)
# what stands before the first word of a sentence, line, quotation, cell or label's text
_BEGINS = re.compile(r"(?:^|[.!?:…\n|•*\-–—\"“„«‘(\[])[\s\"'“”„«»‘’(\[*_>\-]*$|(?:^|\s)['‘]$")
_TITLES = """i i'm i've i'll i'd mr mrs ms dr prof sir madam lord lady saint st
question answer note step table figure example chapter section part english"""
_NO_NAMES = frozenset(_TITLES.split())
_GERMAN_WORDS = frozenset(
    {"der", "die", "das", "und", "ist", "nicht", "ein", "eine", "mit", "von", "zu", "den", "dem"}
)
_GERMAN = 0.1  # share of these words from which a text is German
_CAPITALS = re.compile(
    r"[A-Z]\w*(?:[ \-](?:(?:of|and|the|for|in|on|de|la|le|del|des|du|et|y) ){0,3}[A-Z]\w*)+"
)
# countries whose people are called otherwise
_PEOPLE = {"french": "france", "dutch": "netherlands", "holland": "netherlands",
           "welsh": "wales", "greek": "greece", "turkish": "turkey", "danish": "denmark",
           "spanish": "spain", "swiss": "switzerland", "polish": "poland", "irish": "ireland",
           "british": "britain", "scottish": "scotland", "us": "america", "usa": "america",
           "american": "america", "uk": "britain"}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class NamesKept(Check):
    """Rewrites with the names of their source.

    Attributes:
      lost: share of the source's different names that may be missing.
      invented: how many different names may be new.
      few: names of a source below which none counts as lost.
    """

    name: ClassVar[str] = "names"
    version: ClassVar[int] = 1

    lost: float = 0.5
    invented: int = 0
    few: int = 2

    def __call__(self, source: str, rewrite: str) -> Rejection | None:
        source, rewrite = (_CODE.sub(" ", _HEADING.sub("\n", t)) for t in (source, rewrite))
        before, after = _names(source), _names(rewrite)
        if before is None or after is None:
            return None
        known, there = _Known(source), _Known(rewrite)
        new = [name for name in after if name not in known]
        if len(new) > self.invented:
            return Rejection("name made up", ", ".join(new[:5]))
        gone = [name for name in before if name not in there and not there.abbreviates(name)]
        if len(before) >= self.few and len(gone) > self.lost * len(before):
            return Rejection("names lost", ", ".join(gone[:5]))
        return None


def _names(text: str) -> list[str] | None:
    """The different names inside of sentences; None where capitals do not tell them."""
    if _is_german(text) or not any(c.islower() for c in text):
        return None
    names: dict[str, None] = {}
    for word in _WORD.finditer(text):
        before = text[max(0, word.start() - 8) : word.start()]
        if not before or _BEGINS.search(before):
            continue
        name = _GENITIVE.sub("", word[0])
        if name[0].isupper() and len(name) > 1 and folded(name) not in _NO_NAMES:
            names[name] = None
    return list(names)


def _is_german(text: str) -> bool:
    found = _WORD.findall(text[:4000])
    return sum(word in _GERMAN_WORDS for word in found) > _GERMAN * len(found)


class _Known:
    """The words of a text, among which names are looked for."""

    def __init__(self, text: str) -> None:
        found = [_GENITIVE.sub("", word) for word in _WORD.findall(text)]
        self._words = {folded(word) for word in found}
        self._words |= {_PEOPLE[word] for word in self._words if word in _PEOPLE}
        self._kin: defaultdict[str, list[str]] = defaultdict(list)
        for word in self._words:
            self._kin[word[:4]].append(word)
        acronyms = {word for word in found if word.isupper() and 2 <= len(word) <= 6}
        self._letters = frozenset().union(*acronyms)
        self._initials = set()
        for run in _CAPITALS.findall(text):
            letters = "".join(word[0] for word in _WORD.findall(run) if word[0].isupper())
            self._initials |= {letters[i:] for i in range(len(letters) - 1)}

    def __contains__(self, name: str) -> bool:
        plain = folded(name)
        if plain in self._words or _PEOPLE.get(plain) in self._words:
            return True
        if name.isupper():
            return name in self._initials
        return any(_akin(plain, word) for word in self._kin.get(plain[:4], ()))

    def abbreviates(self, name: str) -> bool:
        """Whether an acronym here has the name's initial, and so may stand for it."""
        return name[0] in self._letters


def _akin(a: str, b: str) -> bool:
    """Whether one is made of the other: Siberia and Siberian."""
    short, long = sorted((len(a), len(b)))
    common = next((i for i in range(short) if a[i] != b[i]), short)
    return common >= 4 and common >= short - 2 and long - common <= 4
