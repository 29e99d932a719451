"""The order in which the ways to find a page's content are tried (after trafilatura 2.3)."""

from __future__ import annotations

from operator import mul

from research.curate.extraction.main_content import (
    LEAST_CONTENT,
    NEVER,
    article,
    take_comments,
    without_chrome,
)  # fmt: skip
from research.curate.extraction.names import COMMENT_SECTION
from research.curate.extraction.page import CODE, FORMULA, TEXT, Page
from research.curate.extraction.rescue import (
    baseline,
    basic,
    justext,
    readability,
)
from research.curate.extraction.view import View

UNCLEAN = {
    "aside", "audio", "button", "fencedframe", "fieldset", "figure", "footer", "iframe", "input",
    "label", "link", "nav", "noindex", "noscript", "object", "option", "select", "source", "svg",
    "time",
}  # fmt: skip


def select(page: Page) -> tuple[View, bytearray, str]:
    """The pieces of a page that are its content, and the way they were found.

    Returns:
      The whole page, 1 for each piece of it that is content, and the way's name.
    """
    whole = View.of(page)
    clean = without_chrome(whole)
    backup = clean.copy()
    comments = take_comments(clean)
    found, length, way = _compare(clean, backup, whole, False)
    everything = basic(whole)
    if length < LEAST_CONTENT:
        other, other_length = baseline(everything)
        if other_length > length:
            found, length, way = other, other_length, "baseline"
    if 0 < length < 3000 and length < 0.2 * everything.sums[-1]:
        trimmed = whole.copy()
        for i, marks in enumerate(trimmed.marks):
            if (
                marks & COMMENT_SECTION
                and trimmed.elements[i]
                and page.tags[i]
                in ("div", "section", "details", *(("ol", "ul") if comments else ()))
            ):
                trimmed.remove(i)
        again = without_chrome(trimmed)
        more, more_length, _ = _compare(again, again, trimmed, True)
        just, just_length = justext(basic(trimmed))
        if just_length > more_length and just_length > 2 * length:
            found, length, way = just, just_length, "justext_recall"
        elif more_length >= LEAST_CONTENT and more_length > 1.5 * length:
            found, length, way = more, more_length, "recall"
    if comments:
        found = bytearray(a | b for a, b in zip(found, comments, strict=True))
    for k in keep_always(clean):
        found[k] = 1
    return whole, found, way


def _compare(clean: View, backup: View, whole: View, recall: bool) -> tuple[bytearray, int, str]:
    page = whole.page
    found, length = article(clean, recall)
    way = "article"
    if recall and length > 10 * LEAST_CONTENT:
        return found, length, way
    other, other_length, roots = readability(whole)
    unclean = False
    if _prefer(page, found, length, other_length, recall):
        found, length, way = other, other_length, "readability"
        unclean = any(
            other[page.first[i] : page.last[i]].count(1) or page.tags[i] in ("input", "link")
            for root in roots
            for i in range(root, page.ends[root])
            if page.tags[i] in UNCLEAN and whole.elements[i]
        )
    if unclean or length < LEAST_CONTENT:
        just, just_length = justext(basic(backup))
        accept = length <= 3 * just_length if unclean else length < just_length
        if just_length and accept:
            return just, just_length, "justext"
    if way == "readability":
        for root in roots:
            for i in range(root, page.ends[root]):
                if page.tags[i] in NEVER or page.tags[i] == "figure":
                    a, b = page.first[i], page.last[i]
                    found[a:b] = bytes(b - a)
        length = sum(map(mul, page.lengths, found)) + sum(found)
    return found, length, way


def _prefer(page: Page, found: bytearray, length: int, other: int, recall: bool) -> bool:
    if other == 0 or other == length or length > 2 * other:
        return False
    if length == 0 or other > 2 * length or (recall and other > 1.5 * length):
        return True
    if other > 2 * LEAST_CONTENT:
        tables = paragraphs = 0
        text = False
        for i, tag in enumerate(page.tags):
            if tag == "p" or tag == "table":
                a, b = page.first[i], page.last[i]
                if any(found[a:b]):
                    if tag == "p":
                        paragraphs += 1
                        text = True
                    else:
                        tables += 1
        return not text or tables > paragraphs
    return False


def keep_always(clean: View) -> set[int]:
    """Code blocks and formulas, with the text beside them: they are content wherever they stand but
    in chrome."""
    page = clean.page
    kinds, blocks, alive = page.kinds, page.blocks, clean.pieces
    kept: set[int] = set()
    for k, kind in enumerate(kinds):
        if not alive[k]:
            continue
        if kind == CODE:
            if k in page.languages:
                kept.add(k)
        elif kind == FORMULA or (kind == TEXT and page.texts[k].lstrip().startswith(_OPENINGS)):
            kept.add(k)
            for step in (-1, 1):
                j = k + step
                while 0 <= j < len(kinds) and blocks[j] == blocks[k] and alive[j]:
                    if j in kept:
                        break
                    kept.add(j)
                    j += step
    return kept


_OPENINGS = ("\\[", "\\(", "$$", "\\begin{")
