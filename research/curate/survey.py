"""What a step must know of the whole corpus, found before any document is judged.

The corpus goes through the steps before it, piece by piece in several processes, and what the
step measures of every document that is left is gathered.  Where this is interrupted, it goes on
with the next piece.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from research import artefacts
from research.corpora.document import Document
from research.curate.report import Report
from research.curate.steps import Step
from research.curate.workers import Work

if TYPE_CHECKING:
    from research.curate.runner import Piece, PieceWork


def settle(
    steps: Sequence[Step],
    work_of: Callable[[tuple[Step, ...]], PieceWork],
    pieces: Sequence[Piece],
    made: Sequence[Mapping[str, Any]],
    run: Callable[[Work, Sequence[Any]], Iterator[Any]],
    *,
    progress: Callable[..., Any],
) -> list[Step]:
    """The steps, each with what depends on the whole corpus filled in (`Step.settle`).

    Args:
      steps: a recipe.
      work_of: what judges a piece by the first steps of it, with a folder of its own to work in.
      pieces: of the corpus.
      made: the steps that made what was made of this corpus before, as manifests describe them.
      run: does pieces.
      progress: makes a progress bar of `total` documents.

    Raises:
      GristmillError: a step cannot be settled, or working processes die again and again.
    """
    settled: list[Step] = []
    for step in steps:

        def survey(measure: Callable[[Document], Any], step: Step = step) -> list[Any]:
            work = _Measuring(work_of(tuple(settled)), step.name, measure)
            folder = work.judge.folder
            with artefacts.exclusive(folder):
                total = sum(piece.stop - piece.start for piece in pieces)
                rest = [piece for piece in pieces if not (folder / piece.state).exists()]
                left = sum(piece.stop - piece.start for piece in rest)
                with progress(total=total, initial=total - left, desc=f"survey for {step.name}",
                              unit="doc") as bar:  # fmt: skip
                    for piece in run(work, rest):
                        bar.update(piece.stop - piece.start)
                found = [value for piece in pieces for value in work.found(piece)]
                shutil.rmtree(folder)
            return found

        before = itertools.takewhile(lambda pair: pair[0].describe() == pair[1],
                                     zip(settled, made, strict=False))  # fmt: skip
        same = len(list(before)) == len(settled) < len(made)
        here = made[len(settled)] if same else {"step": ""}
        settings = here["settings"] if here["step"] == step.name else None
        settled.append(step.settle(survey, settings))
    return settled


@dataclasses.dataclass(frozen=True)
class _Measuring:
    """What a working process does with a piece.

    Attributes:
      judge: applies the steps before.
      name: of the step that asks.
      measure: of a document; JSON, or None to leave it out.
    """

    judge: PieceWork
    name: str
    measure: Callable[[Document], Any]

    def __call__(self, piece: Piece, deadly: frozenset[int], at: Callable[[int], None]) -> None:
        recorder = _Recorder(self.name, self.measure)
        judge = dataclasses.replace(self.judge, steps=(*self.judge.steps, recorder))
        for _ in judge.outcomes(piece, Report(judge.steps), deadly, at):
            pass
        artefacts.write_json(self.judge.folder / piece.state, {"found": recorder.found})

    def found(self, piece: Piece) -> list[Any]:
        return json.loads((self.judge.folder / piece.state).read_text("utf-8"))["found"]


class _Recorder:
    """In the place of the step that asks: measures what reaches it."""

    def __init__(self, name: str, measure: Callable[[Document], Any]) -> None:
        self.name, self.measure = name, measure
        self.found: list[Any] = []

    def __call__(self, document: Document) -> Document:
        if (value := self.measure(document)) is not None:
            self.found.append(value)
        return document
