"""What every step of a recipe did: counted by reason, with examples.

The examples are those whose ids have the smallest hashes, so they are the same for any order and
any number of processes, and a few of many pieces are merged into a few of all.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from research.corpora.document import Document
from research.curate.steps import Change, Drop, Edited, Step
from research.errors import GristmillError

EXAMPLES = 5  # for each step and reason
EXCERPT = 240  # characters
NOTHING_LEFT = "nothing_left"  # reason of a drop by the runner: the step took all of the text out


@dataclasses.dataclass
class Tally:
    """Documents, bytes (UTF-8) and examples of one reason.  For edits the bytes are what the
    documents lost, and `changes` counts passages."""

    documents: int = 0
    bytes: int = 0
    changes: int = 0
    examples: list[dict[str, Any]] = dataclasses.field(default_factory=list)

    def merge(self, other: Mapping[str, Any]) -> None:
        """Adds the counts and examples of another piece of the corpus."""
        self.documents += other["documents"]
        self.bytes += other["bytes"]
        self.changes += other["changes"]
        self.examples = sorted([*self.examples, *other["examples"]], key=_rank)[:EXAMPLES]

    def add_example(self, document: Document, **facts: str) -> None:
        """Keeps an example if it belongs to the few that are kept."""
        example = {"id": document.id, **facts, "rank": _hash(document.id)}
        if len(self.examples) < EXAMPLES or example["rank"] < self.examples[-1]["rank"]:
            self.examples = sorted([*self.examples, example], key=_rank)[:EXAMPLES]


@dataclasses.dataclass
class StepReport:
    """What one step did."""

    step: str
    documents_in: int = 0
    bytes_in: int = 0
    documents_out: int = 0
    bytes_out: int = 0
    dropped: dict[str, Tally] = dataclasses.field(default_factory=dict)
    edited: dict[str, Tally] = dataclasses.field(default_factory=dict)
    quarantined: dict[str, int] = dataclasses.field(default_factory=dict)

    def drop(self, document: Document, size: int, drop: Drop) -> None:
        """Counts a dropped document of so many bytes."""
        tally = self.dropped.setdefault(drop.reason, Tally())
        tally.documents += 1
        tally.bytes += size
        tally.add_example(document, detail=drop.detail, excerpt=excerpt(document.text))

    def edit(self, document: Document, changes: Sequence[Change]) -> None:
        """Counts the changes of a document."""
        seen: set[str] = set()
        for change in changes:
            tally = self.edited.setdefault(change.reason, Tally())
            tally.changes += 1
            tally.bytes += len(change.removed.encode()) - len(change.inserted.encode())
            if change.reason not in seen:
                seen.add(change.reason)
                tally.documents += 1
                tally.add_example(
                    document, removed=excerpt(change.removed), inserted=excerpt(change.inserted)
                )

    def merge(self, other: Mapping[str, Any]) -> None:
        """Adds what the same step did to another piece of the corpus."""
        for name in ("documents_in", "bytes_in", "documents_out", "bytes_out"):
            setattr(self, name, getattr(self, name) + other[name])
        for name in ("dropped", "edited"):
            for reason, tally in other[name].items():
                getattr(self, name).setdefault(reason, Tally()).merge(tally)
        for reason, count in other["quarantined"].items():
            self.quarantined[reason] = self.quarantined.get(reason, 0) + count

    def as_json(self, examples: bool) -> dict[str, Any]:
        """The counts, reasons by falling number, with or without the examples."""
        value = dataclasses.asdict(self)
        for name in ("dropped", "edited"):
            tallies = sorted(value[name].items(), key=lambda item: (-item[1]["documents"], item[0]))
            value[name] = dict(tallies)
            if not examples:
                for tally in value[name].values():
                    del tally["examples"]
        return value


class Report:
    """What all steps of a recipe did, in order."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps = [StepReport(step.name) for step in steps]

    def merge(self, pieces: Sequence[Mapping[str, Any]]) -> None:
        """Adds the report of another piece of the corpus, as `as_json` gave it."""
        for step, piece in zip(self.steps, pieces, strict=True):
            step.merge(piece)

    def check(self, documents: int, kept: int) -> None:
        """Checks that no document was lost: for each step in = out + dropped + quarantined.

        Args:
          documents: how many were read.
          kept: how many were written.

        Raises:
          GristmillError: the counts do not add up (a fault of ours).
        """
        expected = documents
        for step in self.steps:
            lost = sum(tally.documents for tally in step.dropped.values())
            lost += sum(step.quarantined.values())
            if step.documents_in != expected or step.documents_in != step.documents_out + lost:
                raise GristmillError(
                    f"step {step.step}: {expected} documents came, {step.documents_in} were "
                    f"counted, {step.documents_out} went on and {lost} did not: this is a fault of "
                    "gristmill; please report it"
                )
            expected = step.documents_out
        if expected != kept:
            raise GristmillError(
                f"{expected} documents passed the last step and {kept} were written: this is a "
                "fault of gristmill; please report it"
            )

    def as_json(self, examples: bool) -> list[dict[str, Any]]:
        """All steps, with or without examples."""
        return [step.as_json(examples) for step in self.steps]


def apply(step: Step, document: Document) -> tuple[Document | Drop, tuple[Change, ...]]:
    """The outcome of one step: the document or why it is dropped, and its changes.

    A step that leaves no text drops the document.
    """
    outcome = step(document)
    changes: tuple[Change, ...] = ()
    if isinstance(outcome, Edited):
        outcome, changes = outcome.document, outcome.changes
    if isinstance(outcome, Document):
        if outcome.text is not document.text and not outcome.text.strip():
            return Drop(NOTHING_LEFT), changes
    elif not isinstance(outcome, Drop):
        raise TypeError(f"a step gave a {type(outcome).__name__}, not Document, Edited or Drop")
    return outcome, changes


def excerpt(text: str) -> str:
    """The beginning of a text on one line."""
    short = " ".join(text[: 4 * EXCERPT].split())
    return short if len(short) <= EXCERPT else short[:EXCERPT] + "…"


def _hash(id: str) -> str:
    return hashlib.blake2b(id.encode(), digest_size=8).hexdigest()


def _rank(example: Mapping[str, Any]) -> tuple[str, str]:
    return example["rank"], example["id"]
