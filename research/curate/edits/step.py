"""The step `edit_program`: applies stored edit programs, within bounds."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

from research.corpora.document import Document
from research.curate.edits.execute import spans
from research.curate.edits.program import DropDoc, Program, ProgramError, parse
from research.curate.edits.store import fingerprint_of, open_programs
from research.curate.steps import Change, Drop, Edited, Step, Survey, option, threshold
from research.errors import GristmillError


@dataclasses.dataclass(frozen=True)
class EditProgram(Step):
    """Applies the edit program that a file holds for a document.

    A document stays as it was, with the reason in `meta.edit_refused`, if its program does not
    parse, does not fit its text, or takes more of it than a declared share: a refine model is not
    trusted with a whole text, but where it says so by `drop_doc()`.  Documents without a program
    stay.
    """

    name: ClassVar[str] = "edit_program"
    version: ClassVar[int] = 1

    programs: str = option("", "file of gristmill refine compile or propose")
    max_removed: float = threshold(0.5, 0, 1, "share of a text's characters a program may take")
    drop: bool = option(True, "drop_doc() drops; else such documents stay")
    fingerprint: str = option("", "filled in: of the file")

    def settle(self, survey: Survey, made: Mapping[str, Any] | None) -> Step:
        """Fills in the file's fingerprint.

        Raises:
          GristmillError: no file is named, or it cannot be read.
        """
        if not self.programs:
            raise GristmillError(
                "edit_program.programs names no file; use gristmill refine apply, or bind it"
            )
        return dataclasses.replace(self, fingerprint=fingerprint_of(self.programs))

    def __call__(self, document: Document) -> Document | Edited | Drop:
        stored = open_programs(self.programs, self.fingerprint).get(document.id)
        if stored is None:
            return document
        try:
            program = parse(stored)
            return self._apply(program, document)
        except ProgramError as error:
            return _refused(document, str(error))

    def _apply(self, program: Program, document: Document) -> Document | Edited | Drop:
        if isinstance(program[0], DropDoc):
            return Drop("drop_doc") if self.drop else _refused(document, "drop_doc()")
        text = document.text
        found = spans(program, text)
        if not found:
            return document
        removed = sum(max(0, span.end - span.start - len(span.inserted)) for span in found)
        if (share := removed / len(text)) > self.max_removed:
            return _refused(document, f"takes {share:.3f} > {self.max_removed} of the text")
        parts, done, changes = [], 0, []
        for span in found:
            parts += [text[done : span.start], span.inserted]
            done = span.end
            reason = "normalize" if span.inserted else "remove"
            changes.append(Change(reason, text[span.start : span.end], span.inserted))
        edited = "".join([*parts, text[done:]])
        return Edited(dataclasses.replace(document, text=edited), tuple(changes))


def _refused(document: Document, reason: str) -> Document:
    return dataclasses.replace(document, meta={**document.meta, "edit_refused": reason[:200]})
