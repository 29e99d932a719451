"""The generator `variants`: English documents with some things said otherwise, by rules."""

from __future__ import annotations

import collections
import dataclasses
from typing import ClassVar

from research.corpora.document import Document, Quarantined
from research.curate.filters.language import Language
from research.curate.steps import Drop
from research.gin_bindings import closest
from research.rephrase.synthesis.draws import Draws
from research.rephrase.synthesis.english_rules import RULES, rewrite, sentences
from research.rephrase.synthesis.generator import Generator, Items, Source

READ_CHARACTERS = 1 << 20  # a longer document is not taken
_ENGLISH = Language()


@dataclasses.dataclass(frozen=True)
class Variants(Generator):
    """Documents whose sentences are changed by the rules of `english_rules`.

    A document that is not English, or that no rule finds anything in, makes no item.

    Attributes:
      rules: which of 'voice', 'order', 'synonyms' and 'numbers' to apply.
      share: of the places that a rule finds, how many are changed, on average.
      times: how many variants of a document are made.
    """

    name: ClassVar[str] = "variants"
    version: ClassVar[int] = 1
    about: ClassVar[str] = "English documents with some things said otherwise, by rules"
    block: ClassVar[int] = 1000

    rules: tuple[str, ...] = tuple(RULES)
    share: float = 0.7
    times: int = 1

    def __post_init__(self) -> None:
        """Raises GristmillError for an unknown rule, or where nothing would change."""
        for rule in self.rules:
            self.refuse("rules", rule in RULES, f"{rule!r} is none: {closest(rule, RULES)}")
        self.refuse("rules", bool(self.rules), "name one at least")
        self.refuse("share", 0 < self.share <= 1, "it must be above 0 and at most 1")
        self.refuse("times", 1 <= self.times <= 100, "it must be from 1 to 100")

    def most_items(self, documents: int) -> int:
        """See `Generator.most_items`."""
        return documents * self.times

    def items(self, seed: int, start: int, stop: int, source: Source | None) -> Items:
        """See `Generator.items`."""
        for index, document in enumerate(source.read(start, stop), start):
            yield self._variant(document, seed, index // source.documents)

    def _variant(self, document: Document, seed: int, lap: int) -> Document | Quarantined:
        reason = ""
        if len(document.text) > READ_CHARACTERS:
            reason = "too long for rules"
        elif isinstance(_ENGLISH(document), Drop):
            reason = "not English"
        if reason:
            return Quarantined(reason, document.id, document.text[:200])
        draws = Draws(f"{seed}/variants/{document.id}/{lap}")
        threshold = round(self.share * (1 << 32))
        changes: collections.Counter[str] = collections.Counter()

        def wanted() -> bool:
            return draws.below(1 << 32) < threshold

        lines = []
        for line in document.text.split("\n"):
            parts = sentences(line)
            for place in range(0, len(parts), 2):
                for rule in RULES:
                    if rule in self.rules:
                        after = rewrite(parts[place], rule, wanted)
                        changes[rule] += after != parts[place]
                        parts[place] = after
            lines.append("".join(parts))
        if not changes.total():
            return Quarantined("no rule applies", document.id, document.text[:200])
        made = {rule: count for rule, count in changes.items() if count}
        return document.derive(
            "\n".join(lines),
            f"{document.id}#variant{lap}",
            document.source,
            style="variant",
            seed=seed,
            changes=made,
        )
