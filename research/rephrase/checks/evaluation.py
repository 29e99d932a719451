"""No rewrite may hold an item of an evaluation set, wherever the model has it from."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, ClassVar

import pyarrow as pa

from research import artefacts
from research.curate.evaluation_sets import Item, read_sets
from research.curate.ngram_index import Index, Matching
from research.curate.word_hashes import text_buffer
from research.errors import GristmillError
from research.rephrase.style import Check, Rejection, Style


@dataclasses.dataclass(frozen=True)
class NoEvaluationItems(Check):
    """Rewrites without items of evaluation sets, found as `gristmill decontaminate` finds them.

    Attributes:
      sets: names of sets, or JSONL files.
    """

    name: ClassVar[str] = "evaluation_items"
    version: ClassVar[int] = 1

    sets: tuple[str, ...]

    def __post_init__(self) -> None:
        """Raises GristmillError where there are no such sets."""
        if not self.sets:
            raise GristmillError("no evaluation set is named; name some, as gsm8k,math")
        _items(self.sets)

    def __call__(self, source: str, rewrite: str) -> Rejection | None:
        items, indexes, matching = _indexes(self.sets)
        data, offsets = text_buffer(pa.array([rewrite.encode(errors="replace").decode()]))
        for code, index in indexes.items():
            found, _ = index.find(data, offsets, code, matching)
            if len(found):
                item = items[index.items[found[0][1]]]
                return Rejection("evaluation item", f"{item.set}/{item.id}")
        return None

    def describe(self) -> dict[str, Any]:
        """As of all checks, and what the sets hold."""
        held = [[i.set, i.id, i.question, i.answer, sorted(i.code)] for i in _items(self.sets)]
        return {**super().describe(), "items": artefacts.fingerprint(held)}


def decontaminated(style: Style, sets: tuple[str, ...]) -> Style:
    """The style with the check for evaluation sets as its last.

    Raises:
      GristmillError: there are no such sets.
    """
    return dataclasses.replace(style, checks=(*style.checks, NoEvaluationItems(sets)))


@functools.lru_cache(maxsize=4)
def _items(sets: tuple[str, ...]) -> list[Item]:
    return read_sets(sets)


@functools.lru_cache(maxsize=4)
def _indexes(sets: tuple[str, ...]) -> tuple[list[Item], dict[bool, Index], Matching]:
    items, matching = _items(sets), Matching()
    return items, {code: Index.build(items, code, matching) for code in (False, True)}, matching
