"""Licence and copyright headers: found, named, and taken out if asked for."""

from __future__ import annotations

import dataclasses
import re
from typing import ClassVar

from research.corpora.document import Document
from research.curate.steps import Change, Edited, Step, option

_HEAD = 16_384  # characters in which a header must end
_SPDX = re.compile(r"SPDX-License-Identifier:\s*([A-Za-z0-9.+() -]{1,80}[A-Za-z0-9.+)])")
_COPYRIGHT = re.compile(r"copyright|\(c\)\s*(19|20)\d\d|©|all rights reserved", re.IGNORECASE)
_LICENCES = {  # our names are SPDX's; the first that is found counts
    "Apache-2.0": r"apache\s+license,?\s+version\s+2|apache-2\.0|licenses/LICENSE-2\.0",
    "MPL-2.0": r"mozilla\s+public\s+license",
    "AGPL-3.0": r"affero\s+general\s+public",
    "LGPL": r"(lesser|library)\s+general\s+public|\bLGPL\b",
    "GPL": r"general\s+public\s+license|\bGPLv?[23]?\b",
    "MIT": r"\bMIT\s+license|permission\s+is\s+hereby\s+granted,\s+free\s+of\s+charge",
    "BSD": r"\bBSD\b|redistribution\s+and\s+use\s+in\s+source\s+and\s+binary\s+forms",
    "PSF-2.0": r"\bPSF\b|python\s+software\s+foundation|licensed\s+to\s+PSF",
    "ISC": r"permission\s+to\s+use,\s+copy,\s+modify,\s+and(/or)?\s+distribute",
    "Unlicense": r"free\s+and\s+unencumbered\s+software|public\s+domain",
}
_KNOWN = [(name, re.compile(pattern, re.IGNORECASE)) for name, pattern in _LICENCES.items()]
_OTHER = re.compile(r"\blicen[cs]ed?\b", re.IGNORECASE)
# a first line that must stay first
_FIRST = re.compile(r"#!|#.{0,40}coding[:=]|#.{0,40}vim?:|<\?|// *@ts-|'use strict'|\"use strict\"")
_LINE_MARKS = ("#", "//", "--", ";", "%")
_JUNK = re.compile(r"^[ \t]*(?:#+|/{2,}|/?\*+/?|--+|;+|%+)[ \t]?", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class LicenceHeader(Step):
    """Notes the licence and copyright that a comment at the top of a file states.

    Dolma (Soldaini et al. 2024, https://arxiv.org/abs/2402.00159) and RedPajama take such
    preambles out of code, as they repeat thousands of times and tell nothing of programming; with
    `strip` this step does so, and keeps the licence's name in `meta`.  A comment block counts that
    begins the file, behind at most a `#!` or encoding line, and names a copyright or a licence.
    """

    name: ClassVar[str] = "licence_header"
    version: ClassVar[int] = 1

    strip: bool = option(False, "take the header out")

    def __call__(self, document: Document) -> Document | Edited:
        start, end = header_span(document.text)
        header = _JUNK.sub("", document.text[start:end])
        licence = licence_of(header)
        copyrighted = bool(_COPYRIGHT.search(header))
        if not licence and not copyrighted:
            return document
        noted = {"licence": licence} if licence else {}
        meta = {**document.meta, "copyright_header": copyrighted, **noted}
        changed = dataclasses.replace(document, meta=meta)
        if not self.strip:
            return changed
        text = document.text[:start] + document.text[end:].lstrip("\r\n")
        return Edited(
            dataclasses.replace(changed, text=text),
            (Change("licence_header", document.text[start:end]),),
        )


def licence_of(header: str) -> str:
    """The SPDX name of a licence, 'other' for one we do not know, or nothing."""
    if spdx := _SPDX.search(header):
        return spdx[1].strip()
    plain = " ".join(header.split())
    for name, pattern in _KNOWN:
        if pattern.search(plain):
            return name
    return "other" if _OTHER.search(plain) else ""


def header_span(text: str) -> tuple[int, int]:
    """Where the comment block at the top of a file begins and ends, in characters."""
    position = 0
    for _ in range(3):
        line = _line(text, position)
        if not line or (line.strip() and not _FIRST.match(line)):
            break
        position += len(line)
    start = position
    first = _line(text, position).lstrip()
    if first.startswith("/*"):
        closing = text.find("*/", position, position + _HEAD)
        return (start, closing + 2) if closing >= 0 else (start, start)
    mark = next((mark for mark in _LINE_MARKS if first.startswith(mark)), None)
    while mark and position - start < _HEAD:
        line = _line(text, position)
        if not line.lstrip().startswith(mark):
            break
        position += len(line)
    return start, position


def _line(text: str, position: int) -> str:
    end = text.find("\n", position)
    return text[position:] if end < 0 else text[position : end + 1]
