"""The generator `sketches`: a passage's keywords with gaps between them, then the passage.

After GENIUS (Guo et al., "GENIUS: Sketch-based Language Model Pre-training via Extreme and
Selective Masking for Text Generation and Augmentation", 2022, arXiv 2211.10330): a text is
rewritten from a sketch that keeps a fifth of it, its most telling phrases in their order.

    Sketch: oldest wheels … wood … without spokes …

    Text: The oldest wheels known are of wood, and without spokes.

Phrases are found as in RAKE (Rose et al., "Automatic keyword extraction from individual documents",
2010), as runs of words that are not among the commonest; a word weighs its degree over its
frequency there, times how rare it is in the source (idf).  Which words are common is counted in the
source too, so no list of a language's words is needed.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import itertools
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from research import artefacts
from research.corpora.document import Corpus, Quarantined
from research.rephrase.chunking import chunk_prose
from research.rephrase.synthesis.draws import Draws
from research.rephrase.synthesis.generator import Generator, Items, Source

COUNTED_DOCUMENTS = 1000  # of the source, whose words are counted
COUNTED_CHARACTERS = 1 << 16  # of each of them
READ_CHARACTERS = 1 << 20  # of a document that passages are taken from
WINDOW = 100  # words that are looked at together
COMMON = 0.05  # a word in a larger share of the windows is part of no phrase
LONGEST_PHRASE = 3  # words, as in GENIUS
_WORD = re.compile(r"[^\W\d_](?:[^\W_]|['’-](?=[^\W_]))*|\d+(?:[.,]\d+)*")


@dataclasses.dataclass(frozen=True)
class Sketches(Generator):
    """Sketches of passages, each followed by its passage.

    Attributes:
      tokens: of a passage, at most, estimated.
      least_words: a passage with fewer words is not taken.
      kept: share of a passage's words that its sketch keeps, at most.
      mask: what stands for the words between.
      times: how many passages of a document are taken, at most.
    """

    name: ClassVar[str] = "sketches"
    version: ClassVar[int] = 1
    about: ClassVar[str] = "keywords of a passage with gaps between them, then the passage"
    block: ClassVar[int] = 1000

    tokens: int = 200
    least_words: int = 30
    kept: float = 0.2
    mask: str = "…"
    times: int = 1

    def __post_init__(self) -> None:
        """Raises GristmillError for a setting that makes no sketch."""
        self.refuse("tokens", 32 <= self.tokens <= 8192, "it must be from 32 to 8192")
        self.refuse("least_words", 5 <= self.least_words <= 4096, "it must be from 5 to 4096")
        self.refuse("kept", 0 < self.kept <= 0.9, "it must be above 0 and at most 0.9")
        self.refuse("mask", bool(self.mask.strip()), "it must have a character to see")
        self.refuse("times", 1 <= self.times <= 1000, "it must be from 1 to 1000")

    def most_items(self, documents: int) -> int:
        """See `Generator.most_items`."""
        return documents * self.times

    def items(self, seed: int, start: int, stop: int, source: Source | None) -> Items:
        """See `Generator.items`."""
        weights = _rarity(source.corpus.folder, source.corpus.manifest["fingerprint"])
        for index, document in enumerate(source.read(start, stop), start):
            lap = index // source.documents
            passages = [
                piece.strip()
                for piece in chunk_prose(document.text[:READ_CHARACTERS], self.tokens)
                if len(_WORD.findall(piece)) >= self.least_words
            ]
            # a passage a lap, in an order of the document's own
            order = Draws(f"{seed}/sketches/{document.id}").shuffled(range(len(passages)))
            sketch = len(order) > lap and self._sketch(passages[order[lap]], weights)
            if not sketch:
                reason = "no passage with phrases" if lap == 0 else "no further passage"
                yield Quarantined(reason, document.id, document.text[:200])
                continue
            passage = passages[order[lap]]
            yield document.derive(
                f"Sketch: {sketch}\n\nText: {passage}",
                f"{document.id}#sketch{lap}",
                document.source,
                style="sketch",
                prompt=f"Sketch: {sketch}\n\nText:",
                seed=seed,
            )

    def _sketch(self, passage: str, weights: Mapping[str, float]) -> str:
        """Its phrases in order with masks between them; empty if it has none."""
        words = list(_WORD.finditer(passage))
        spans = _phrases(passage, words, weights)
        chosen: list[tuple[int, int]] = []
        left = int(self.kept * len(words))
        for first, last in spans:  # heaviest first
            if last - first <= left:
                chosen.append((first, last))
                left -= last - first
        if not chosen:
            return ""
        parts, end = [], 0
        for first, last in sorted(chosen):
            if first > end:
                parts.append(self.mask)
            parts.append(passage[words[first].start() : words[last - 1].end()])
            end = last
        return " ".join([*parts, *[self.mask] * (end < len(words))])


def _phrases(
    passage: str, words: Sequence[re.Match[str]], weights: Mapping[str, float]
) -> list[tuple[int, int]]:
    """Runs of telling words, as ranges of word numbers, the heaviest first; each phrase once."""
    rarest = max(weights.values(), default=1.0)
    spans: list[tuple[int, int]] = []
    first = None
    for number, word in enumerate([*words, None]):
        telling = word is not None and weights.get(word[0].lower(), rarest) > 0
        joined = (
            first is not None
            and telling
            and number - first < LONGEST_PHRASE
            and passage[words[number - 1].end() : word.start()].isspace()
        )
        if first is not None and not joined:
            spans.append((first, number))
            first = None
        if telling and first is None:
            first = number
    degree: collections.Counter[str] = collections.Counter()
    frequency: collections.Counter[str] = collections.Counter()
    for a, b in spans:
        for word in words[a:b]:
            degree[word[0].lower()] += b - a
            frequency[word[0].lower()] += 1
    best: dict[str, tuple[float, int, int]] = {}
    for a, b in spans:
        spelled = [word[0].lower() for word in words[a:b]]
        weight = sum(degree[w] / frequency[w] * weights.get(w, rarest) for w in spelled)
        best.setdefault(" ".join(spelled), (-weight, a, b))
    return [(a, b) for _, a, b in sorted(best.values())]


@functools.lru_cache(4)
def _rarity(folder: Path, fingerprint: str) -> dict[str, float]:
    """How rare the words of a corpus are: the log of windows over windows with the word (idf), and
    0 for a common one."""
    corpus = Corpus(folder, artefacts.read_manifest(folder, "corpus", "gristmill corpora list"))
    windows, found = 0, collections.Counter()
    for document in itertools.islice(corpus.documents(), COUNTED_DOCUMENTS):
        words = _WORD.findall(document.text[:COUNTED_CHARACTERS].lower())
        for start in range(0, len(words), WINDOW):
            found.update(set(words[start : start + WINDOW]))
            windows += 1
    common = max(1.0, COMMON * windows)
    return {w: 0.0 if n > common else math.log(windows / n) for w, n in found.items()}
