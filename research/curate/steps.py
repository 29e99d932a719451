"""What a curation step is: a pure function of one document, with its thresholds as fields.

    @dataclasses.dataclass(frozen=True)
    class Length(Step):
        name: ClassVar[str] = "length"
        version: ClassVar[int] = 1
        min_characters: int = threshold(100, 0, 10**9, "shorter texts are dropped")

        def __call__(self, document: Document) -> Document | Drop:
            if len(document.text) < self.min_characters:
                return Drop("too_short", f"{len(document.text)} < {self.min_characters}")
            return document

A step returns the document (itself, if it has nothing to change), an `Edited` document with what
was changed and why, or a `Drop` with its reason.  It keeps no state between documents, so that the
result is the same for any order and any number of processes.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from research.corpora.document import Document
from research.errors import GristmillError


@dataclasses.dataclass(frozen=True, slots=True)
class Drop:
    """A document is not kept.

    Attributes:
      reason: one of a step's few words, to count by.
      detail: what was measured in this document, as '0.41 > 0.3'.
    """

    reason: str
    detail: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """A passage was taken out of a text or replaced.

    Attributes:
      reason: one of a step's few words, to count by.
      removed: the passage.
      inserted: what stands in its place now.
    """

    reason: str
    removed: str
    inserted: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Edited:
    """A document whose text a step changed, with all changes in the order of the text."""

    document: Document
    changes: tuple[Change, ...]


Outcome = Document | Edited | Drop
# survey(measure): what measure says (JSON; None is left out) of every document that reaches a step
Survey = Callable[[Callable[[Document], Any]], list[Any]]


def threshold(default: Any, low: float, high: float, help: str) -> Any:
    """A field of a step that holds a number.

    Args:
      default: the published value.
      low: the least value that makes sense.
      high: the greatest.
      help: what it does, in a few words.
    """
    return dataclasses.field(default=default, metadata={"range": (low, high), "help": help})


def option(default: Any, help: str) -> Any:
    """A field of a step that holds a switch, a word or a tuple of words."""
    return dataclasses.field(default=default, metadata={"help": help})


@dataclasses.dataclass(frozen=True)
class Step:
    """Base of all steps: a frozen dataclass whose fields are its settings.

    Attributes:
      name: what users call it; unique among steps.
      version: raised when the same settings would give another result; part of fingerprints.
    """

    name: ClassVar[str]
    version: ClassVar[int]

    def __post_init__(self) -> None:
        """Checks every threshold.

        Raises:
          GristmillError: a threshold is no number or out of its range.
        """
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if "range" not in field.metadata:
                self._check_kind(field, value)
                continue
            low, high = field.metadata["range"]
            number = isinstance(value, int | float) and not isinstance(value, bool)
            whole = isinstance(field.default, int) and isinstance(value, float)
            if not number or whole or not math.isfinite(value) or not low <= value <= high:
                kind = "a whole number" if isinstance(field.default, int) else "a number"
                raise GristmillError(
                    f"{self.name}.{field.name} is {value!r}; "
                    f"it must be {kind} from {low} to {high}: {field.metadata['help']}"
                )

    def _check_kind(self, field: dataclasses.Field[Any], value: Any) -> None:
        right = type(value) is type(field.default)
        if right and isinstance(value, tuple):
            right = all(isinstance(word, str) for word in value)
        if not right:
            kind = {bool: "true or false", str: "a word", tuple: "a list of words"}
            raise GristmillError(
                f"{self.name}.{field.name} is {value!r}; "
                f"it must be {kind[type(field.default)]}: {field.metadata['help']}"
            )

    def __call__(self, document: Document) -> Outcome:
        """Judges one document.  An exception puts the document into quarantine."""
        raise NotImplementedError

    def settle(self, survey: Survey, made: Mapping[str, Any] | None) -> Step:
        """This step with what depends on the whole corpus filled in; most steps need nothing.

        Args:
          survey: measures all documents that reach the step.
          made: settings of this step in a recipe applied before to the same documents, if any.
        """
        return self

    def settings(self) -> dict[str, Any]:
        """All fields, as JSON has them."""
        return {
            field.name: list(value)
            if isinstance(value := getattr(self, field.name), tuple)
            else value
            for field in dataclasses.fields(self)
        }

    def describe(self) -> dict[str, Any]:
        """Name, version and settings: what a fingerprint and a manifest hold of a step."""
        return {"step": self.name, "version": self.version, "settings": self.settings()}
