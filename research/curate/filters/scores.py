"""Documents kept by somebody else's scores: a table of losses, ratings or the like."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import pyarrow as pa

from research import artefacts
from research.corpora.document import Document
from research.curate.quality.ranked import FILLED_IN, Ranked
from research.curate.steps import Drop, Step, Survey, option, threshold
from research.errors import GristmillError

ALL = 1e12


@dataclasses.dataclass(frozen=True)
class ScoreBetween(Ranked):
    """Keeps documents whose value in a table of scores lies in a range, or the best share of them.

    With three buckets: CCNet's head, middle and tail by perplexity (Wenzek et al. 2020,
    https://arxiv.org/abs/1911.00359).  A document is found by its id; what the table says is of
    its text at that time.
    """

    name: ClassVar[str] = "score_between"
    version: ClassVar[int] = 1

    table: str = option("", "a name of gristmill perplexity or quality rate")
    column: str = option("bits_per_byte", "of the table")
    prefer: str = option("low", "which values are best: low or high")
    min_value: float = threshold(-ALL, -ALL, ALL, "at least")
    max_value: float = threshold(ALL, -ALL, ALL, "at most")
    fingerprint: str = option("", FILLED_IN + "of the table")

    def settle(self, survey: Survey, made: Mapping[str, Any] | None) -> Step:
        """Fills in the table's fingerprint, and the cuts.

        Raises:
          GristmillError: no such table or column, or an empty range.
        """
        if not self.table:
            raise GristmillError(
                "score_between.table names no table; bind it, as with --gin "
                "\"score_between.table='losses'\""
            )
        if self.prefer not in ("low", "high"):
            raise GristmillError(f"score_between.prefer is {self.prefer!r}; it must be low or high")
        if self.min_value > self.max_value:
            raise GristmillError(
                f"score_between: min_value {self.min_value:g} is above max_value "
                f"{self.max_value:g}; nothing lies between them"
            )
        root = artefacts.data_root()
        from research.curate import score_tables  # slow to import

        fingerprint = score_tables.ScoreTable.open(root, self.table).manifest["fingerprint"]
        score_tables.numbers(root, self.table, self.column, fingerprint)
        known = dataclasses.replace(self, fingerprint=fingerprint)
        return super(ScoreBetween, known).settle(survey, made)

    def measure(self, document: Document) -> tuple[float, dict[str, Any]] | None:
        """The table's value, its sign changed if low ones are best; none for what lies outside."""
        from research.curate import score_tables

        scores = score_tables.numbers(
            artefacts.data_root(), self.table, self.column, self.fingerprint
        )
        value = float(scores.find(pa.array([document.id]))[0])
        signed = -value if self.prefer == "low" else value
        return signed, {self.column: round(value, 6)}

    def refuse(self, score: float) -> Drop | None:
        """Drops what is outside of the range."""
        value = -score if self.prefer == "low" else score
        if value < self.min_value:
            return Drop("low_value", f"{self.column} {value:.6g} < {self.min_value:g}")
        if value > self.max_value:
            return Drop("high_value", f"{self.column} {value:.6g} > {self.max_value:g}")
        return None
