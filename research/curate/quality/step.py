"""The step `quality`: keeps documents by what a quality model says of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

from research.artefacts import data_root
from research.corpora.document import Document
from research.curate.quality.ranked import FILLED_IN, Ranked
from research.curate.steps import Drop, Step, Survey, option, threshold
from research.errors import GristmillError


@dataclasses.dataclass(frozen=True)
class Quality(Ranked):
    """Keeps the best documents by a model of `gristmill quality train`; notes the score in `meta`.

    DCLM (Li et al. 2024, https://arxiv.org/abs/2406.11794) keeps the best tenth by a classifier of
    good against ordinary text; PreSelect (Shum et al. 2025, https://arxiv.org/abs/2503.00808) by
    one that has learned another model's scores.  A document is scored by the model of its fold,
    which was not trained on it; a copy of a text that it was trained on is noted.
    """

    name: ClassVar[str] = "quality"
    version: ClassVar[int] = 1

    model: str = option("", "a name of gristmill quality train")
    head: str = option("", "of a model with several: which; none is the first")
    min_score: float = threshold(0.0, 0, 5, "a chance, or a rating from 1 to 5; at least")
    fingerprint: str = option("", FILLED_IN + "of the model")

    def settle(self, survey: Survey, made: Mapping[str, Any] | None) -> Step:
        """Fills in the model's fingerprint, and the cuts.

        Raises:
          GristmillError: no such model or head, or no way to choose.
        """
        if not self.model:
            raise GristmillError(
                "quality.model names no model; bind it, as with --gin \"quality.model='q1'\""
            )
        if self.keep_share < 1 and self.min_score > 0:
            raise GristmillError("quality: bind keep_share or min_score, not both")
        from research.curate.quality.models import QualityModel  # slow to import

        model = QualityModel.open(data_root(), self.model)
        model.head(self.head)
        known = dataclasses.replace(self, fingerprint=model.fingerprint)
        return super(Quality, known).settle(survey, made)

    def measure(self, document: Document) -> tuple[float, dict[str, Any]]:
        """The score; the domain, if the model tells it; whether it was trained on this text."""
        from research.curate.quality.models import load

        model = load(data_root(), self.model, self.fingerprint)
        head = model.head(self.head)
        values, seen = model.values(document)
        score = float(values[head]) + (1 if model.heads[head].levels > 2 else 0)
        notes: dict[str, Any] = {self.name: round(score, 6)}
        if domains := model.domains:
            notes["topic"] = max(domains, key=lambda name: values[domains[name]])
        return score, notes | ({"quality_seen": True} if seen else {})

    def refuse(self, score: float) -> Drop | None:
        """Drops what is below the least score."""
        if score < self.min_score:
            return Drop("low_score", f"{score:.6g} < {self.min_score:g}")
        return None
