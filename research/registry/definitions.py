"""Tasks and Mixtures as data, for those that follow from settings and that no module can list.

They are a file of the data root, which is named where a module would be, `data.modules =
['docs.json']` or `--modules docs.json`; with it, Tasks over a corpus and its rewrites, of which
every style is a domain, and a mixture of three real tokens to one rewritten:

    <root>/definitions/docs.json
    {"tasks": {"docs": {"corpus": "docs_sample", "vocabulary": "byte", "validation_share": 0.1},
               "wiki_style": {"corpus": "docs_wiki", "vocabulary": "byte",
                              "validation_share": 0.1, "domain_fields": ["style"]}},
     "mixtures": {"docs_3to1": {"docs": 3, "wiki_style": 1}}}

`null` for the share of every Task of a mixture stands for `NATURAL`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

from research import artefacts, gin_bindings
from research.errors import GristmillError

SUFFIX = ".json"


@dataclasses.dataclass(frozen=True)
class TaskDefinition:
    """A Task; the fields are those of `tasks.add_task`."""

    corpus: str
    vocabulary: str
    validation_share: float
    domain_fields: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Definitions:
    """What a file defines.

    Attributes:
      tasks: by name.
      mixtures: by name, the share of every Task; None for its size.
    """

    tasks: Mapping[str, TaskDefinition] = dataclasses.field(default_factory=dict)
    mixtures: Mapping[str, Mapping[str, float | None]] = dataclasses.field(default_factory=dict)


def definitions_file(root: Path, name: str) -> Path:
    """Where the definitions `NAME.json` lie."""
    return root / "definitions" / name


def write_definitions(root: Path, name: str, definitions: Definitions) -> None:
    """Writes the definitions `NAME.json`, in the place of older ones."""
    path = definitions_file(root, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    artefacts.write_json(path, dataclasses.asdict(definitions))


def read_definitions(root: Path, name: str) -> Definitions:
    """Inverse of `write_definitions`.

    Raises:
      GristmillError: there are none, or not such ones.
    """
    path = definitions_file(root, name)
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(value, dict):
            raise ValueError("it is no object with tasks and mixtures")
        return gin_bindings.build(Definitions, value, "definitions")
    except FileNotFoundError:
        raise GristmillError(f"no definitions {path}: write them, or name a module") from None
    except (OSError, ValueError, RecursionError, GristmillError) as error:
        raise GristmillError(f"{path}: {error}") from None
