"""Ratings of documents by many criteria: the schema, and what a usable rating is.

The criteria and domains are those of DataMan (Peng et al. 2025, https://arxiv.org/abs/2502.19363):
thirteen criteria and an overall one, each rated from 1 (worst) to 5, and fifteen domains of use.
The descriptions are our own words.  A *rater* is any callable from documents to ratings: a
language model that is asked, people, or the rules of `rules`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from research.corpora.document import Document, Quarantined
from research.curate.quality.linear import UNKNOWN, Head
from research.curate.word_hashes import string_hashes
from research.errors import GristmillError

LEVELS = 5
OVERALL = "overall"
DOMAIN_HEAD = "domain:"  # before a domain's name, in the name of its head
CRITERIA: dict[str, str] = {
    OVERALL: "How good is the text for training a language model, all in all?",
    "accuracy": "Is it free of slips: misspelt, broken or garbled words, wrong facts?",
    "coherence": "Does it read as one whole, each part following from the one before?",
    "language_consistency": "Does it keep to one language, without foreign fragments?",
    "semantic_density": "Does it say much for its length, with little padding?",
    "knowledge_novelty": "Does it tell what few other texts tell?",
    "topic_focus": "Does it stay with its subject?",
    "creativity": "Are its wording and ideas fresh?",
    "professionalism": "Does it show expertise, and use the terms of its field rightly?",
    "style_consistency": "Is it written in one manner from beginning to end?",
    "grammatical_diversity": "Are its sentences of varied length and build?",
    "structural_standardization": "Is it well laid out: paragraphs, headings, lists in order?",
    "originality": "Is it free of copied and repeated passages?",
    "sensitivity": "Is it free of offensive, private and otherwise harmful content?",
}
DOMAINS = (
    "medicine", "finance", "law", "education", "technology", "entertainment", "mathematics",
    "coding", "government", "culture", "transportation", "retail_e_commerce",
    "telecommunication", "agriculture", "other",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Rating:
    """What a rater says of one document.

    Attributes:
      levels: 1 to 5 for every criterion.
      domain: one of `DOMAINS`.
    """

    levels: Mapping[str, int]
    domain: str


Rater = Callable[[Sequence[Document]], Sequence[Rating]]


def fault(rating: Rating) -> str:
    """Why a rating cannot be used; empty if it can."""
    if not isinstance(rating.levels, Mapping):
        return f"levels are a {type(rating.levels).__name__}, not a mapping"
    if missing := [name for name in CRITERIA if name not in rating.levels]:
        return f"no rating of {missing[0]}"
    for name, level in rating.levels.items():
        if name not in CRITERIA:
            return f"rating of {str(name)[:40]!r}, which is no criterion"
        if isinstance(level, bool) or not isinstance(level, int) or not 1 <= level <= LEVELS:
            return f"{name} rated {str(level)[:20]!r}, not 1 to {LEVELS}"
    return "" if rating.domain in DOMAINS else f"{str(rating.domain)[:40]!r} is no domain"


def rate(
    name: str, rater: Rater, documents: Sequence[Document]
) -> Iterator[dict[str, Any] | Quarantined]:
    """The rows of a table of ratings: id, every criterion, domain.

    Args:
      name: of the rater.
      rater: asked for ratings.
      documents: to rate.

    Raises:
      GristmillError: the rater fails, or does not return one rating for each document.
    """
    try:
        ratings = rater(documents)
    except GristmillError:
        raise
    except Exception as error:  # anything may be wrong in a user's function
        what = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise GristmillError(
            f"rater {name} failed ({what}); it must take a list of documents and return a list of "
            "Ratings"
        ) from None
    wrong = {type(ratings).__name__}
    if isinstance(ratings, Sequence):
        wrong = {f"a list with {type(r).__name__}" for r in ratings if not isinstance(r, Rating)}
    if wrong:
        raise GristmillError(
            f"rater {name} returned {min(wrong)}; it must return a list of one Rating "
            "(research.curate.quality.ratings) of each document"
        )
    if len(ratings) != len(documents):
        raise GristmillError(
            f"rater {name} returned {len(ratings)} ratings of {len(documents)} documents; it must "
            "return one of each, in order"
        )
    for document, rating in zip(documents, ratings, strict=True):
        if reason := fault(rating):
            yield Quarantined(reason, document.id, document.text[:200])
        else:
            levels = {name: rating.levels[name] for name in CRITERIA}
            yield {"id": document.id, **levels, "domain": rating.domain}


def student_heads() -> tuple[Head, ...]:
    """What a student of a rater predicts: levels of all criteria, yes or no of all domains."""
    return (
        *(Head(name, LEVELS) for name in CRITERIA),
        *(Head(DOMAIN_HEAD + name) for name in DOMAINS),
    )


def student_labels(table: pa.Table) -> Callable[[int, pa.Array], np.ndarray]:
    """The labels of a student: levels from 0, and which domain it is, int8 [n, 29].

    Raises:
      GristmillError: the table has no ratings.
    """
    if missing := {"id", "domain", *CRITERIA} - set(table.column_names):
        raise GristmillError(
            f"that is no table of ratings: it has no column {min(missing)}; gristmill quality "
            "rate makes one"
        )
    if not len(table):
        raise GristmillError("that table of ratings is empty; rate a corpus with more documents")
    levels = np.stack([table[name].to_numpy() for name in CRITERIA], 1) - 1
    domains = np.array(table["domain"].to_pylist())[:, None] == np.array(DOMAINS)
    labels = np.concatenate([levels, domains], 1).astype(np.int8)
    hashes = string_hashes(table["id"].combine_chunks())
    order = np.argsort(hashes)

    def find(corpus: int, ids: pa.Array) -> np.ndarray:
        wanted = string_hashes(ids)
        places = order[np.minimum(np.searchsorted(hashes, wanted, sorter=order), len(order) - 1)]
        known = hashes[places] == wanted
        return np.where(known[:, None], labels[places], UNKNOWN).astype(np.int8)

    return find
