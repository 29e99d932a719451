"""A rater without a language model: ratings from what can be counted.

It stands in for a rater that understands text, which this cannot: each criterion is rated by one
measurable property that goes with it, cut into five levels at points between which web pages and
encyclopedia articles spread.  'Accuracy' counts garbled words and knows no facts; 'knowledge
novelty' is the share of long words.  Use it to try the machinery, as a baseline, or where nothing
better is at hand; not as a judgement of meaning.
"""

from __future__ import annotations

import dataclasses
import re
import zlib
from collections import Counter
from collections.abc import Sequence

import numpy as np

from research.corpora.document import Document
from research.curate.filters.language import Language
from research.curate.filters.languages import STOP_WORDS
from research.curate.filters.personal_data import RedactPersonalData
from research.curate.filters.urls import HARD_WORDS, OBSCENE_WORDS, SOFT_WORDS
from research.curate.quality.ratings import CRITERIA, DOMAINS, OVERALL, Rating
from research.curate.steps import Edited

LOOKED_AT = 50_000  # characters; a longer text is rated by these
WINDOW = 200  # words whose variety is counted
LONGEST_SENTENCE = 60  # words; longer ones are lists and menus
_WORD = re.compile(r"\w+(?:['’-]\w+)*")
_SENTENCE_END = re.compile(r"[.!?。！？]+[\"'”’)\]]*(?:\s|$)")
_BULLET = re.compile(r"^\s*(?:[-*•·>|#]|\d+[.)])")
_STOP = frozenset().union(*STOP_WORDS.values())
_SENSITIVE = frozenset((*HARD_WORDS, *SOFT_WORDS, *OBSCENE_WORDS))


# what `measure` says, cut into five levels: the least value of levels 2 to 5
CUTS = {
    "accuracy": (0.95, 0.98, 0.99, 0.996),
    "coherence": (0.02, 0.15, 0.4, 0.8),
    "language_consistency": (0.7, 0.8, 0.9, 0.95),
    "semantic_density": (0.3, 0.37, 0.42, 0.5),
    "knowledge_novelty": (0.15, 0.2, 0.24, 0.3),
    "topic_focus": (0.12, 0.17, 0.23, 0.35),
    "creativity": (0.5, 0.58, 0.63, 0.7),
    "professionalism": (-0.05, -0.02, -0.008, -0.002),
    "style_consistency": (-1.6, -1.2, -0.95, -0.75),
    "grammatical_diversity": (5, 8, 10, 12),
    "structural_standardization": (-0.93, -0.85, -0.7, -0.4),
    "originality": (0.75, 0.87, 0.95, 0.995),
    "sensitivity": (-0.01, -0.004, -0.001, -0.0002),
}
OVERALL_CUTS = (2.3, 2.8, 3.2, 3.6)  # of the mean level
DOMAIN_WORDS = {
    "medicine": "health medical patient patients disease treatment doctor hospital clinical drug "
                "symptoms cancer therapy blood medicine",
    "finance": "bank money investment market stock finance financial loan credit insurance tax "
               "price fund payment trading",
    "law": "law legal court act rights attorney lawyer judge copyright liability contract statute "
           "plaintiff clause agreement",
    "education": "school student students university course education teacher learning college "
                 "exam class degree academic training lessons",
    "technology": "software computer technology internet device web app data system digital "
                  "windows download hardware server online",
    "entertainment": "movie music film game games video song band actor show tv album episode "
                     "star celebrity",
    "mathematics": "theorem equation proof number function mathematics algebra geometry sum "
                   "integer matrix solve calculate total times",
    "coding": "def return import class function self python code string api parameter object "
              "error value variable",
    "government": "government president election minister policy state federal party congress "
                  "parliament vote senate military public council",
    "culture": "history art culture church religion museum century book literature language "
               "tradition philosophy ancient god world",
    "transportation": "car vehicle train flight airport road bus traffic ship driver railway bike "
                      "motor transport travel",
    "retail_e_commerce": "cart shop buy price shipping order product products sale checkout store "
                         "discount brand item wishlist",
    "telecommunication": "phone mobile network telephone wireless broadband sim call carrier "
                         "roaming signal 4g sms fiber calls",
    "agriculture": "farm crop plant soil farmer seed agriculture garden cattle harvest animals "
                   "livestock fertilizer grain farming",
}  # fmt: skip
_DOMAIN_OF = {word: domain for domain, words in DOMAIN_WORDS.items() for word in words.split()}
LEAST_DOMAIN_SHARE = 0.01  # of a text's words; with fewer it is 'other'


def rate(documents: Sequence[Document]) -> list[Rating]:
    """Rates some documents, each by itself."""
    return [_rate(document) for document in documents]


def _rate(document: Document) -> Rating:
    measured = measure(document)
    levels = {
        name: 1 + sum(measured[name] >= point for point in CUTS[name])
        for name in CRITERIA
        if name != OVERALL
    }
    # a text of a few words is not good, whatever its words are
    most = 1 + sum(measured["words"] >= least for least in (20, 50, 100, 200))
    mean = sum(levels.values()) / len(levels)
    levels[OVERALL] = min(most, 1 + sum(mean >= point for point in OVERALL_CUTS))
    return Rating(levels, _domain(document.text))


def measure(document: Document) -> dict[str, float]:
    """What each criterion is rated by, the more the better; and the number of words."""
    text = document.text[:LOOKED_AT]
    words = _WORD.findall(text)
    small = [word.lower() for word in words]
    lines = [line for line in text.split("\n") if line.strip()]
    sentences = [len(_WORD.findall(piece)) for piece in _SENTENCE_END.split(text)]
    sentences = [count for count in sentences if 3 <= count <= LONGEST_SENTENCE] or [0]
    content = Counter(word for word in small if len(word) > 3 and word not in _STOP)
    total = max(1, len(words))
    encoded = text.encode()
    language = Language((), 0.0)(dataclasses.replace(document, text=text))
    redacted = RedactPersonalData()(dataclasses.replace(document, text=text))
    private = len(redacted.changes) if isinstance(redacted, Edited) else 0
    prose = sum(len(line) for line in lines if _SENTENCE_END.search(line) and len(line) > 80)
    lengths = np.array([len(line) for line in lines] or [0])
    return {
        "words": float(len(words)),
        # all small, all capitals, capitalised, hyphenated or a number: 'xKr9' is none of these
        "accuracy": sum(map(_is_whole, words)) / total,
        "coherence": prose / max(1, int(lengths.sum())),
        "language_consistency": language.meta["language_score"]
        if isinstance(language, Document) else 0.0,
        "semantic_density": len(zlib.compress(encoded, 6)) / max(1, len(encoded)),
        "knowledge_novelty": sum(len(word) >= 8 for word in words) / total,
        "topic_focus": sum(n for _, n in content.most_common(10)) / max(1, content.total()),
        "creativity": _variety(small),
        "professionalism": -(text.count("!") + text.count("?")
                             + sum(word in ("you", "your", "i", "we", "our") for word in small))
        / total,
        "style_consistency": -float(lengths.std() / max(1.0, lengths.mean())),
        "grammatical_diversity": float(np.std(sentences) * (1 - 1 / len(sentences))),
        "structural_standardization": -sum(bool(_BULLET.match(line)) or len(line) < 30
                                           for line in lines) / max(1, len(lines)),
        "originality": len({line.strip() for line in lines}) / max(1, len(lines)),
        "sensitivity": -(sum(word in _SENSITIVE for word in small) + private) / total,
    }  # fmt: skip


def _is_whole(word: str) -> bool:
    return word.isdecimal() or word.islower() or word.istitle() or word.isupper() or "-" in word


def _variety(words: Sequence[str]) -> float:
    """Mean share of different words in windows of `WINDOW` words."""
    windows = [words[i : i + WINDOW] for i in range(0, max(1, len(words) - WINDOW + 1), WINDOW)]
    return sum(len(set(window)) / max(1, len(window)) for window in windows) / len(windows)


def _domain(text: str) -> str:
    words = _WORD.findall(text[:LOOKED_AT].lower())
    found = Counter(_DOMAIN_OF[word] for word in words if word in _DOMAIN_OF)
    if not found or max(found.values()) < LEAST_DOMAIN_SHARE * len(words):
        return "other"
    return max(found, key=lambda name: (found[name], -DOMAINS.index(name)))
