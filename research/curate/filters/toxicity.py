"""Toxicity by a linear classifier of 200,000 comments labelled by people (alt-profanity-check)."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib.util
import itertools
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from research.corpora.document import Document
from research.curate.filters.joblib_tables import read_joblib
from research.curate.steps import Drop, Step, threshold
from research.errors import GristmillError

PACKAGE = "alt-profanity-check==1.9.1"
FILES = {  # SHA-256 of that version's
    "vectorizer.joblib": "19c5200dc6a41f026e0558e2f164f5fe8d8f58e502b46b37e4385037fcfa4831",
    "model.joblib": "aeafc04849d4d93db4721cf30a86ebf22085595294b8a07d51918e7fa98f538b",
}
PASSAGE = 400  # characters, about: what people labelled were comments
_TOKEN = re.compile(r"\b\w\w+\b")
_BREAK = re.compile(r"\s+")


@dataclasses.dataclass(frozen=True)
class ToxicityModel:
    """Five linear classifiers over tf-idf, each with a sigmoid, averaged.

    Attributes:
      rows: of every known word.
      idf: float64 [V].
      weights: of the five, float64 [V, 5].
      biases: float64 [5].
      slopes, shifts: of the sigmoids 1 / (1 + exp(slope * value + shift)), float64 [5].
    """

    rows: Mapping[str, int]
    idf: np.ndarray
    weights: np.ndarray
    biases: np.ndarray
    slopes: np.ndarray
    shifts: np.ndarray

    def score(self, passages: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """The chance that each passage is toxic, and the share of its different words that are
        known (stop words are not), float64 [N] each."""
        tokens = [_TOKEN.findall(passage.lower()) for passage in passages]
        different = [max(1, len(set(words))) for words in tokens]
        found = [[self.rows.get(word, -1) for word in words] for words in tokens]
        sizes = np.fromiter(map(len, found), np.int64, len(found))
        rows = np.fromiter(itertools.chain.from_iterable(found), np.int64, sizes.sum())
        places = np.repeat(np.arange(len(found)), sizes)[rows >= 0]
        pairs, counts = np.unique(places * len(self.idf) + rows[rows >= 0], return_counts=True)
        places, rows = np.divmod(pairs, len(self.idf))
        tfidf = counts * self.idf[rows]
        norm = np.sqrt(np.bincount(places, tfidf**2, len(found)))
        chances = np.zeros(len(found))
        for k, bias in enumerate(self.biases):
            value = np.bincount(places, tfidf * self.weights[rows, k], len(found))
            value = np.divide(value, norm, out=np.zeros_like(norm), where=norm > 0) + bias
            chances += 1 / (1 + np.exp(self.slopes[k] * value + self.shifts[k]))
        known = np.bincount(places, minlength=len(found)) / np.array(different)
        return chances / len(self.biases), known


@dataclasses.dataclass(frozen=True)
class Toxicity(Step):
    """Drops texts with many toxic passages; notes their share and the mean score in `meta`.

    The classifier is alt-profanity-check's, of https://github.com/dimitrismistriotis/
    alt-profanity-check (MIT).  It judges comments, so a text is judged in passages of about 400
    characters.  The thresholds are ours: A Pretrainer's Guide (Longpre et al. 2023,
    https://arxiv.org/abs/2305.13169) sweeps such thresholds, and so can you.  The words are
    English: a text noted to be in another language is not judged, nor passages with few known
    words.
    """

    name: ClassVar[str] = "toxicity"
    version: ClassVar[int] = 1

    min_score: float = threshold(0.5, 0, 1, "of a passage to count as toxic, at least")
    min_known: float = threshold(0.35, 0, 1, "of a passage's different words known, at least")
    max_share: float = threshold(0.1, 0, 1, "of the text's characters in toxic passages, at most")

    def __call__(self, document: Document) -> Document | Drop:
        passages = list(cut_passages(document.text))
        if not passages or document.meta.get("language", "en") != "en":
            return document
        scores, known = model().score(passages)
        scores[known < self.min_known] = 0
        sizes = np.fromiter(map(len, passages), np.int64, len(passages))
        share = float(sizes[scores >= self.min_score].sum() / sizes.sum())
        if share > self.max_share:
            worst = " ".join(passages[int(scores.argmax())].split())[:80]
            return Drop("toxic", f"{share:.2f} > {self.max_share:g}, as {worst!r}")
        mean = float(np.average(scores, weights=sizes))
        meta = {**document.meta, "toxicity": round(mean, 4), "toxic_share": round(share, 4)}
        return dataclasses.replace(document, meta=meta)


def cut_passages(text: str) -> Iterator[str]:
    """Lines put together, and long ones cut, to about 400 characters each."""
    start = 0
    while start < len(text):
        end = start + PASSAGE
        if end < len(text):
            line = text.rfind("\n", start + PASSAGE // 2, end)
            if line >= 0:
                end = line + 1
            elif space := _BREAK.search(text, end, end + PASSAGE):
                end = space.end()
        passage = text[start:end]
        if passage.strip():
            yield passage
        start = end


@functools.cache
def model() -> ToxicityModel:
    """The classifier, read from the installed package's files as data: nothing of it is run.

    Raises:
      GristmillError: the package is not installed, or its files are others.
    """
    vectorizer, classifier = (read_joblib(_read(name)) for name in FILES)
    members = classifier.state["calibrated_classifiers_"]
    linear = [member.state["estimator"].state for member in members]
    sigmoids = [member.state["calibrators"][0].state for member in members]
    return ToxicityModel(
        vectorizer.state["vocabulary_"],
        vectorizer.state["_tfidf"].state["idf_"],
        np.concatenate([one["coef_"] for one in linear]).T.copy(),
        np.concatenate([one["intercept_"] for one in linear]),
        np.array([_number(one["a_"]) for one in sigmoids]),
        np.array([_number(one["b_"]) for one in sigmoids]),
    )


def _number(scalar: Any) -> float:
    return float(np.frombuffer(scalar.arguments[1], "<f8")[0])


def _read(name: str) -> bytes:
    remedy = f"run: {sys.executable} -m pip install --no-deps {PACKAGE}"
    spec = importlib.util.find_spec("profanity_check")
    if spec is None:
        raise GristmillError(f"the step 'toxicity' reads a file of {PACKAGE}; {remedy}")
    path = Path(spec.submodule_search_locations[0]) / "data" / name
    data = path.read_bytes() if path.exists() else b""
    if hashlib.sha256(data).hexdigest() != FILES[name]:
        raise GristmillError(f"{path} is not that of {PACKAGE}; {remedy}")
    return data
