"""Recipes: plain lists of steps, in the order in which they are applied.

To make one of your own, write a list.  Thresholds are bound by Gin, each step being a section:
`--gin gopher_quality.min_words=40`, or `--gin_file` with a file such as those of
gin_configs/curation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from research import gin_bindings
from research.curate.code.generated import GeneratedCode
from research.curate.code.languages import CodeLanguage
from research.curate.code.licence_header import LicenceHeader
from research.curate.code.lint_score import LintScore
from research.curate.code.parses import Parses
from research.curate.edits.step import EditProgram
from research.curate.extraction.kinds import KINDS, GeneralQuality, Kind
from research.curate.extraction.step import Extract
from research.curate.filters.gopher import GopherQuality, GopherRepetition
from research.curate.filters.language import Language
from research.curate.filters.languages import STOP_WORDS
from research.curate.filters.lines import BoilerplateLines, Length
from research.curate.filters.mathematics import Mathematics, MathSigns
from research.curate.filters.personal_data import RedactPersonalData
from research.curate.filters.scores import ScoreBetween
from research.curate.filters.tags import Age, Domain, Tagged
from research.curate.filters.toxicity import Toxicity
from research.curate.filters.urls import Address, WordList
from research.curate.filters.web_rules import C4, FineWebQuality
from research.curate.quality.ranked import FILLED_IN
from research.curate.quality.step import Quality
from research.curate.steps import Step
from research.errors import GristmillError

STEPS: dict[str, type[Step]] = {
    step.name: step
    for step in (
        Extract, Kind, GeneralQuality, MathSigns, Mathematics, Address, Language, Length,
        BoilerplateLines, WordList, GopherRepetition,
        GopherQuality, C4,
        FineWebQuality, RedactPersonalData, Quality, ScoreBetween,
        Toxicity, Age, Domain, Tagged,
        CodeLanguage, Parses, GeneratedCode, LintScore, LicenceHeader,
        EditProgram,
    )
}  # fmt: skip

RECIPES: dict[str, list[Step]] = {
    # pages of HTML as text, none dropped but those without text
    "extract": [Extract()],
    # Paster et al. 2023, Han et al. 2024: signs of mathematics in the source, then in the text
    "math_pages": [
        MathSigns(),
        Extract(),
        Mathematics(),
        Language(("en",), 0.5),
        Length(min_characters=100),
        GopherRepetition(),
    ],
    # Chang et al. 2024: general, code, mathematics and Q&A of one pass; see SPLITS
    "redstone": [Extract(), Address(), Language(("en",), 0.5), Kind(), GeneralQuality()],
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
    # the best tenth by a model of `gristmill quality train`, as in DCLM (Li et al. 2024)
    "quality": [Quality(keep_share=0.1)],
    # Longpre et al. 2023: what a sweep over age, kind of place and toxicity chooses by; drops none
    "pretrainers_guide": [Age(), Domain(), Toxicity(max_share=1.0)],
    "tagged": [Tagged()],
    # Wenzek et al. 2020: the third of lowest perplexity, by a table of `gristmill perplexity`
    "ccnet_head": [ScoreBetween(column="perplexity", keep_share=1 / 3)],
    # what gristmill refine apply does; bind edit_program.programs
    "edit_program": [EditProgram()],
    # Fujii et al. 2025: what compiles, then pylint's score with the penalty for comments
    "swallow_code_filter": [
        CodeLanguage(("python",)),
        Parses(),
        GeneratedCode(),
        LintScore(),
        LicenceHeader(),
    ],
    "indic": [
        Language(("hi",), 0.65),
        BoilerplateLines(("hi", "en")),
        GopherRepetition(),
        GopherQuality(language="hi"),
        RedactPersonalData(),
    ],
}

# recipes whose corpus is also cut in several: the key in `meta` and the values it can have
SPLITS: dict[str, tuple[str, tuple[str, ...]]] = {"redstone": ("kind", KINDS)}


def find_recipe(
    name: str, gin_files: Sequence[str] = (), options: Sequence[str] = ()
) -> list[Step]:
    """A recipe by its name, with the settings of its steps that Gin binds.

    Args:
      name: a key of `RECIPES`.
      gin_files, options: files with bindings, and bindings that override them, of the fields of
        the recipe's steps.

    Raises:
      GristmillError: no such recipe; or, with its file and line, a binding of no step of it, of no
        field, or of a value that does not fit.
    """
    if name not in RECIPES:
        raise GristmillError(f"no recipe {name!r}; there are: {', '.join(RECIPES)}")
    steps = RECIPES[name]
    here = {step.name: type(step) for step in steps}
    bindings = gin_bindings.read(gin_files, options, STEPS | here)
    for section, fields in bindings.items():
        for field, binding in fields.items():
            if section not in here:
                raise GristmillError(
                    f"{binding.where}: {section}.{field} binds nothing: recipe {name} has the "
                    f"steps {', '.join(here)}"
                )
            if here[section].__dataclass_fields__[field].metadata["help"].startswith(FILLED_IN):
                raise GristmillError(
                    f"{binding.where}: {section}.{field} cannot be bound, it is filled in when the "
                    "recipe is applied; leave it out"
                )
    try:
        return [
            _with(step, {field: binding.value for field, binding in bindings[step.name].items()})
            for step in steps
        ]
    except GristmillError as error:
        raise gin_bindings.placed(error, bindings) from None


def _with(step: Step, values: Mapping[str, Any]) -> Step:
    """A step with some of its settings changed."""
    return gin_bindings.build(type(step), step.settings() | values, step.name)


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
        steps.append(gin_bindings.build(step, entry["settings"], step.name))
    return steps
