"""Questions from a corpus of problems, and a corpus of the solutions drawn for them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from research import artefacts
from research.corpora.document import Corpus, Document, Unit, build_corpus
from research.errors import GristmillError
from research.rephrase.rejection_sampling import Books, Drawn, Job, Question, summary

BOOKS = "rejection_sampling.json"  # beside the parts of a corpus of solutions
NO_SOLUTION = "no right answer"


def read_questions(
    source: Corpus, question_field: str, answer_field: str, limit: int | None
) -> tuple[Question, ...]:
    """The problems of a corpus.

    Args:
      source: documents whose meta has a question and its answer.
      question_field, answer_field: of the meta; 'prompt' and 'value' of what
        `gristmill synthesize math_templates` makes.
      limit: only so many, the first; None for all.

    Raises:
      GristmillError: a document has no such field, or an empty one.
    """
    questions = []
    for document in itertools.islice(source.documents(), limit):
        texts = [
            str(document.meta.get(name, "")).strip() for name in (question_field, answer_field)
        ]
        for name, text in zip((question_field, answer_field), texts, strict=True):
            if not text:
                raise GristmillError(
                    f"{source.name}: document {document.id} has no {name} in its meta; it has "
                    f"{', '.join(document.meta) or 'none'}"
                )
        questions.append(Question(document.id, *texts))
    return tuple(questions)


def write_solutions(
    job: Job,
    source: Corpus,
    drawn: Sequence[Drawn],
    books: Books,
    root: Path,
    name: str,
    version: str,
    *,
    model: str,
    accept_failures: bool,
    command: str,
    progress: Callable[..., Any],
) -> Corpus:
    """Makes the corpus of the solutions: a document each, that descends from its problem.

    Args:
      job: what was drawn.
      source: the problems.
      drawn, books: as `sample` returned them.
      root: the data root.
      name, version: of the new corpus.
      model: its name, recorded in the documents.
      accept_failures: go on where questions wait for an answer.
      command: recorded, and named in remedies.
      progress: makes a progress bar.

    Raises:
      GristmillError: questions wait for answers, none has a solution, or the folder holds another
        corpus.
    """
    waiting = [item for item in drawn if item.lost]
    if waiting and not accept_failures:
        raise GristmillError(
            f"{len(waiting)} questions wait for an answer ({waiting[0].lost}); run the same "
            "command again to ask for it, or accept that failures are left out"
        )
    told = summary(drawn, books)
    if not told["solutions"]:
        raise GristmillError(
            f"none of {told['draws']} draws of {len(drawn)} questions has the right answer; they "
            "are kept: try another model, or draw more often"
        )
    style = f"solution_{job.plan.share}"

    def read() -> Iterator[Document]:
        for document, item in zip(source.documents(), drawn, strict=False):
            for draw, text in item.solutions[: item.target]:
                yield document.derive(
                    f"{item.question.text}\n\n{text}",
                    f"{document.id}#{style}{draw}",
                    document.source,
                    style=style,
                    model=model,
                    draw=draw,
                    fail_rate=round(item.fail_rate, 4),
                )

    table = root / "rephrase" / artefacts.fingerprint(job.definition)[:32] / BOOKS
    table.parent.mkdir(parents=True, exist_ok=True)
    artefacts.write_json(table, told)
    manifest = source.manifest
    inputs = {key: manifest[key] for key in ("name", "version", "fingerprint")}
    taken = artefacts.fingerprint([item.solutions[: item.target] for item in drawn])
    return build_corpus(
        root,
        name,
        version,
        [Unit(source.name, [manifest["fingerprint"], taken], read)],
        licence=manifest["licence"],
        definition={"solutions_of": inputs, **job.definition},
        command=command,
        inputs=[inputs],
        dropped={NO_SOLUTION: told["with_none"]} if told["with_none"] else {},
        tables=[table],
        progress=lambda made: progress(made, total=told["solutions"], desc=name, unit="doc"),
    )
