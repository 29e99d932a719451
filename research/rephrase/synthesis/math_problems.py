"""The generator `math_templates`: word problems, each of them proved as it is made."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import ClassVar, Literal

from research.corpora.document import Document
from research.errors import GristmillError
from research.gin_bindings import closest
from research.rephrase.synthesis.draws import Draws
from research.rephrase.synthesis.exact import Wrong
from research.rephrase.synthesis.generator import Generator, Items, Source
from research.rephrase.synthesis.math_templates import TEMPLATES
from research.rephrase.synthesis.problem import program, verify

STYLES = ("worked", "program")


@dataclasses.dataclass(frozen=True)
class MathTemplates(Generator):
    """Word problems with worked steps or a program; the templates take turns.

    Attributes:
      style: 'worked' shows the steps, 'program' the program, 'mixed' one of both, drawn.
      templates: names of those to use; none for all.
    """

    name: ClassVar[str] = "math_templates"
    version: ClassVar[int] = 1
    about: ClassVar[str] = f"word problems of {len(TEMPLATES)} templates, computed and verified"
    licence: ClassVar[str] = "CC0-1.0"

    style: Literal["mixed", "worked", "program"] = "mixed"
    templates: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises GristmillError for a template that there is not, or that is named twice."""
        for name in self.templates:
            if name not in TEMPLATES:
                raise GristmillError(
                    f"math_templates.templates: no template {name!r}; {closest(name, TEMPLATES)}"
                )
        once = len(set(self.templates)) == len(self.templates)
        self.refuse("templates", once, "name each template once")

    def items(self, seed: int, start: int, stop: int, source: Source | None) -> Items:
        """See `Generator.items`.

        Raises:
          GristmillError: an item does not agree with itself: its template is wrong.
        """
        names = self.templates or tuple(TEMPLATES)
        styles = STYLES if self.style == "mixed" else (self.style,)
        for index in range(start, stop):
            # by the name, so that a template's items do not depend on which others are used
            turn, which = divmod(index, len(names))
            name = names[which]
            draws = Draws(f"{seed}/math_templates/{name}/{turn}")
            style = draws.choice(styles)
            try:
                yield _document(name, draws, style, seed, index)
            except Wrong as error:
                raise GristmillError(
                    f"math_templates: template {name} with seed {seed}, item {index}: {error}"
                ) from None


def _document(name: str, draws: Draws, style: str, seed: int, index: int) -> Document:
    """An item that has been verified as it stands."""
    problem = TEMPLATES[name](draws)
    steps, code, answer = "\n".join(problem.steps), program(problem), str(problem.answer)
    difficulty = verify(problem.question, steps, code, answer, problem.given)
    solution = steps if style == "worked" else f"```python\n{code}\n```"
    last = f"Answer: {answer}"
    # equal questions of two items are held out together, or not at all
    root = hashlib.blake2b(problem.question.encode(), digest_size=16).hexdigest()
    return Document(
        text=f"{problem.question}\n\n{solution}\n{last}",
        id=f"math_templates/{seed}/{index}",
        source="math_templates",
        meta={
            "style": style,
            "template": name,
            "seed": seed,
            "prompt": f"{problem.question}\n\n",
            "answer": last,
            "value": answer,
            "code": code,
            "difficulty": difficulty,
        },
        roots=(root,),
    )
