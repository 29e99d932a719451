"""What a rewrite shares with its source: too much is a copy, too little is an invention.

Both measures are of words: copying of runs of them (as in the novelty that is reported for
summaries, See et al. 2017, https://arxiv.org/abs/1704.04368), invention of stems without function
words, so that other forms of a word still count as that word.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import ClassVar

from research.rephrase.checks.words import folded, words
from research.rephrase.style import Check, Rejection

STEM = 5  # letters
_FUNCTION_WORDS = """
aber about after again ainsi all alle allem allen aller alors als also although and another
answer ante antes antwort any apres are auch auf aunque aus aussi autre aux avant avec avoir
because been before beim being bereits between both but cada can ces cette chez comme como con
contra contre could cual cuando dabei damit dann dans darauf dass del dem den denn depuis der
deren des desde despues dessen deux did die diese diesem diesen dieser dieses doch does doing
donc donde dont dort down durante durch during each ein eine einem einen einer eines either ella
elle elles ellos encore entre era eran erst est esta estaba este esto etait etre etwas every
fait for frage from fue fuer gegen haben had has hasta hat hatte hatten have having her here
herself heute hier him himself his how however ihr ihre ihrem ihren ihrer immer into ist its
itself jede jedem jeden jeder jedes just kann kein keine las les leur leurs like los made mais
make man many mas may mehr meme mich mientras mit moins more most much mucho must muy nach
neither nicht noch nor not nous now nur oder off ohne one only ont other otra otro our out over
par para parce pas pendant pero peut plus plusieurs por porque pour puede quand que question qui
quien same sans schon segun sehr sein seine seinem seinen seiner seit ser ses shall she should
sich sie sin since sind sobre sogar some son sont sous sowie such sur sus tambien than that the
their them then there these they this those though through thus tiene todo too tous tout toute
toutes tres two ueber una und under une uno unter until upon vers very viel vom von vor wahrend
war waren was wegen wenn werden were what when where whether which while who whom whose why wie
wieder will wir wird with within without would wurde wurden yet you your zum zur zwischen
"""  # of English, German, French and Spanish, without accents
_NOT_TELLING = frozenset(_FUNCTION_WORDS.split())


@dataclasses.dataclass(frozen=True)
class NotCopied(Check):
    """Rewrites of which so many n-grams of words at most are the source's.

    Attributes:
      most: share of the rewrite's n-grams.
      n: words (or characters of scripts without spaces) of one.
      few: words below which nothing is judged.
    """

    name: ClassVar[str] = "copied"
    version: ClassVar[int] = 1

    most: float = 0.75
    n: int = 4
    few: int = 20

    def __call__(self, source: str, rewrite: str) -> Rejection | None:
        before, after = words(source), words(rewrite)
        if len(after) < self.few:
            return None
        known = set(_grams(before, self.n))
        grams = _grams(after, self.n)
        share = sum(gram in known for gram in grams) / max(1, len(grams))
        if share <= self.most:
            return None
        return Rejection("copied", f"{share:.0%} of its {self.n}-grams")


@dataclasses.dataclass(frozen=True)
class NotInvented(Check):
    """Rewrites that speak of what their source speaks of.

    Attributes:
      least: share of the rewrite's stems that must be the source's.
      few: stems below which nothing is judged.
    """

    name: ClassVar[str] = "invented"
    version: ClassVar[int] = 1

    least: float = 0.2
    few: int = 4

    def __call__(self, source: str, rewrite: str) -> Rejection | None:
        before, after = _stems(source), _stems(rewrite)
        if len(after) < self.few:
            return None
        share = len(after & before) / len(after)
        return Rejection("invented", f"{share:.0%} of its words") if share < self.least else None


def _grams(text: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(text[i : i + n]) for i in range(len(text) - n + 1)]


def _stems(text: str) -> set[str]:
    """The beginnings of the words that say something; pairs of characters in scripts without
    spaces."""
    found = words(text)
    stems = {a + b for a, b in itertools.pairwise(found) if _alone(a) and _alone(b)}
    for word in found:
        plain = folded(word)
        if (len(plain) >= 3 and plain not in _NOT_TELLING) and not _alone(word):
            stems.add(plain[:STEM])
    return stems


def _alone(word: str) -> bool:
    return len(word) == 1 and word >= "\u0e00"
