"""Recipes: plain lists of steps, in the order in which they are applied.

To make one of your own, write a list; to change a threshold, `--set gopher_quality.min_words=40`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from research.curate.filters.gopher import GopherQuality, GopherRepetition
from research.curate.filters.language import Language
from research.curate.filters.languages import STOP_WORDS
from research.curate.filters.lines import BoilerplateLines, Length
from research.curate.filters.personal_data import RedactPersonalData
from research.curate.filters.urls import Address, WordList
from research.curate.filters.web_rules import C4, FineWebQuality
from research.curate.steps import Step
from research.errors import GristmillError

STEPS: dict[str, type[Step]] = {
    step.name: step
    for step in (
        Address, Language, Length, BoilerplateLines, WordList, GopherRepetition, GopherQuality, C4,
        FineWebQuality, RedactPersonalData,
    )
}  # fmt: skip

RECIPES: dict[str, list[Step]] = {
    # Penedo et al. 2024: C4 without its rule for end marks; personal data goes at the end
    "fineweb_en": [
        Address(),
        Language(("en",), 0.65),
        GopherRepetition(),
        GopherQuality(),
        C4(end_punctuation=False),
        FineWebQuality(),
        RedactPersonalData(),
    ],
    # the four filters alone, for pages whose language is known
    "fineweb_rules": [
        GopherRepetition(),
        GopherQuality(),
        C4(end_punctuation=False),
        FineWebQuality(),
    ],
    # Raffel et al. 2020: English of probability 0.99 at least, the line rules, no obscene words
    "c4": [Language(("en",), 0.99), C4(), WordList()],
    # Rae et al. 2021, table A1
    "gopher": [Language(("en",), 0.65), GopherQuality(), GopherRepetition()],
    # the same idea for several languages, with the stop words and the menus of each
    "multilingual": [
        Address(),
        Language(tuple(STOP_WORDS), 0.65),
        BoilerplateLines(),
        GopherRepetition(),
        GopherQuality(language="meta"),
        RedactPersonalData(),
    ],
    "indic": [
        Language(("hi",), 0.65),
        BoilerplateLines(("hi", "en")),
        GopherRepetition(),
        GopherQuality(language="hi"),
        RedactPersonalData(),
    ],
}


def find_recipe(name: str, settings: Sequence[str] = ()) -> list[Step]:
    """A recipe by its name, with some settings changed.

    Args:
      name: a key of `RECIPES`.
      settings: 'step.field=value' each; the value as JSON has it, or a plain word, or a,b,c.

    Raises:
      GristmillError: no such recipe, step or field, or a value out of range.
    """
    if name not in RECIPES:
        raise GristmillError(f"no recipe {name!r}; there are: {', '.join(RECIPES)}")
    steps = {step.name: step for step in RECIPES[name]}
    for setting in settings:
        address, equals, value = setting.partition("=")
        step, dot, field = address.strip().partition(".")
        if not equals or not dot:
            raise GristmillError(f"--set {setting!r}: write step.field=value")
        if step not in steps:
            known = "there is such a step, but not" if step in STEPS else "no such step"
            raise GristmillError(
                f"--set {setting!r}: {known} in recipe {name}; it has: {', '.join(steps)}"
            )
        steps[step] = steps[step].with_settings({field: _parse(value)})
    return list(steps.values())


def _parse(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value.strip()


def restore(description: Sequence[Mapping[str, Any]]) -> list[Step]:
    """The steps a manifest describes, as `Step.describe` wrote them.

    Raises:
      GristmillError: this version does not have such a step, or has another version of it.
    """
    steps = []
    for entry in description:
        step = STEPS.get(entry["step"])
        if step is None or step.version != entry["version"]:
            here = "none" if step is None else f"version {step.version}"
            raise GristmillError(
                f"it was made with version {entry['version']} of step {entry['step']}, and here is "
                f"{here}: make it again under another name"
            )
        steps.append(step().with_settings(entry["settings"]))
    return steps
