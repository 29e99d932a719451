"""Which programming language a document is in."""

from __future__ import annotations

import dataclasses
from pathlib import PurePosixPath
from typing import ClassVar

from research.corpora.document import Document
from research.curate.steps import Drop, Step, option
from research.errors import GristmillError

SUFFIXES = {
    ".py": "python", ".pyi": "python", ".pyw": "python",
    ".c": "c", ".h": "c",
    ".cc": "cpp", ".cpp": "cpp", ".cxx": "cpp", ".hh": "cpp", ".hpp": "cpp", ".hxx": "cpp",
    ".go": "go",
    ".java": "java",
    ".js": "javascript", ".mjs": "javascript", ".cjs": "javascript", ".jsx": "javascript",
    ".rs": "rust",
    ".ts": "typescript", ".mts": "typescript", ".cts": "typescript", ".tsx": "tsx",
}  # fmt: skip
LANGUAGES = tuple(dict.fromkeys(SUFFIXES.values()))
_OTHER_NAMES = {"c++": "cpp", "golang": "go", "js": "javascript", "ts": "typescript",
                "py": "python", "python3": "python"}  # fmt: skip
# where collections of code keep a file's path: The Stack, The Stack v2, and imports of our own
_PATHS = ("path", "file", "filename", "max_stars_repo_path", "name")


def language_of(document: Document) -> str:
    """The language by `meta` (`language` or `lang`), else by the suffix of a path in `meta` or of
    the id; empty if neither says."""
    for key in ("language", "lang"):
        named = document.meta.get(key)
        if isinstance(named, str):
            name = named.strip().lower()
            name = _OTHER_NAMES.get(name, name)
            if name in LANGUAGES:
                return name
    for key in _PATHS:
        path = document.meta.get(key)
        if isinstance(path, str) and (known := SUFFIXES.get(PurePosixPath(path).suffix.lower())):
            return known
    return SUFFIXES.get(PurePosixPath(document.id).suffix.lower(), "")


@dataclasses.dataclass(frozen=True)
class CodeLanguage(Step):
    """Keeps code in some programming languages."""

    name: ClassVar[str] = "code_language"
    version: ClassVar[int] = 1

    languages: tuple[str, ...] = option(("python",), f"of {', '.join(LANGUAGES)}")

    def __post_init__(self) -> None:
        super().__post_init__()
        for language in self.languages:
            if language not in LANGUAGES:
                raise GristmillError(
                    f"{self.name}.languages: {language!r} is not known; there are: "
                    f"{', '.join(LANGUAGES)}"
                )

    def __call__(self, document: Document) -> Document | Drop:
        language = language_of(document)
        if language in self.languages:
            return document
        return Drop("other_language", language or "neither meta nor a path says which")
