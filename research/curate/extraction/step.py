"""The step `extract`: pages of HTML become text."""

from __future__ import annotations

import dataclasses
import re
from typing import ClassVar

from resiliparse.extract.html2text import extract_plain_text

from research.corpora.document import Document
from research.curate.extraction.cascade import select
from research.curate.extraction.kinds import NOTED, has_qa_markup
from research.curate.extraction.page import TooDeep, parse
from research.curate.extraction.render import to_text_and_images
from research.curate.steps import Change, Drop, Edited, Step, threshold

_TAG = re.compile(
    r"<(?:!doctype\s+html|html|head|body|title|meta|div|p|table|ul|ol|h[1-6]|span|a|article|section|"
    r"pre|br|img|font|center)\b",
    re.IGNORECASE,
)
_NOT_TEXT = re.compile(r"[\0-\x08\x0e-\x1f\ufffd]")
LOOKED_AT = 20_000  # characters, to tell HTML and binary files


def is_html(document: Document) -> bool:
    """Whether a document's text is HTML: its `meta` says so, or it begins with a tag of HTML."""
    if document.meta.get("format") == "html" or document.meta.get("language") == "html":
        return True
    start = document.text[:LOOKED_AT].lstrip("\ufeff \t\r\n")
    return start.startswith("<") and bool(_TAG.search(start[:4000]))


@dataclasses.dataclass(frozen=True)
class Extract(Step):
    """Turns HTML into its main text, with lists, tables, code and LaTeX; other text stays as it is.

    Notes in `meta` the way it went (`extraction`) and the images in order (`images`).
    """

    name: ClassVar[str] = "extract"
    version: ClassVar[int] = 1

    max_binary: float = threshold(0.1, 0, 1, "share of control characters; more is no page")

    def __call__(self, document: Document) -> Document | Edited | Drop:
        if not is_html(document):
            return document
        html = document.text
        if not html.strip():
            return Drop("empty")
        start = html[:LOOKED_AT]
        share = len(_NOT_TEXT.findall(start)) / len(start)
        if share > self.max_binary:
            return Drop("binary", f"{share:.2f} > {self.max_binary} of it are no characters")
        images = []
        try:
            page = parse(html)
            if page is None or not page.texts:
                return Drop("no_text", f"{len(html)} characters of HTML hold none")
            view, found, way = select(page)
            text, images = to_text_and_images(view, found, document.meta.get("url"))
        except TooDeep:
            text, way = extract_plain_text(html, preserve_formatting=True), "nested_too_deeply"
        if not text.strip():
            return Drop("no_text", f"{len(html)} characters of HTML hold none")
        meta = {**document.meta, "format": "text", "extraction": way}
        if has_qa_markup(html):
            meta[NOTED] = True
        if images:
            meta["images"] = images
        changed = dataclasses.replace(document, text=text, meta=meta)
        return Edited(changed, (Change(f"by_{way}", html, text),))
