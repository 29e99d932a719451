"""Which pieces of a page are its content: the rules of trafilatura 2.3 on a flat page.

sections that are never content go (navigation, forms, footers, …)
the first element that looks like the article is taken, its boilerplate and link lists removed
where little comes of it, paragraphs from anywhere, then readability, jusText, everything
"""

from __future__ import annotations

from research.curate.extraction.names import (
    BOILERPLATE,
    COMMENTS,
    CONTENT,
    HIDDEN,
    MAIN,
    TEASER,
)  # fmt: skip
from research.curate.extraction.page import AFTER_BREAK, INLINE, LEAD, Page
from research.curate.extraction.view import LinkDensity, View

LEAST_CONTENT = 250  # characters; with less other rules are tried
NEVER = {
    "aside", "embed", "fencedframe", "footer", "head", "iframe", "menu", "object", "script",
    "applet", "audio", "canvas", "map", "picture", "svg", "video", "area", "blink", "button",
    "datalist", "dialog", "frame", "frameset", "fieldset", "link", "input", "label", "legend",
    "marquee", "menuitem", "nav", "noindex", "noscript", "optgroup", "option", "output", "param",
    "progress", "rp", "rt", "rtc", "select", "source", "style", "track", "textarea", "time", "use",
}  # fmt: skip
_FRAMES = {"article", "div", "main", "section"}
_LISTS = {"ul", "ol", "dl"}
_ITEMS = {"li", "dt", "dd"}
_HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}
_CARRIERS = {"p", "pre", "code", "blockquote", "q", "table", "summary", "del", "s", "strike",
             *_LISTS, *_HEADINGS}  # fmt: skip
_WILD = {"p", "pre", "code", "blockquote", "q", "table"}
_DISCARDED = {"div", "p", "section", "span", *_LISTS, *_ITEMS}
_COMMENT_FRAMES = {"div", "section", *_LISTS}


def without_chrome(whole: View) -> View:
    """A page without the sections that are never content."""
    view, page = whole.copy(), whole.page
    tags, ends, elements = page.tags, page.ends, view.elements
    forms: list[int] = []
    i, count = 0, len(tags)
    while i < count:
        tag = tags[i]
        if tag in NEVER or (tag == "figure" and "table" not in tags[i : ends[i]]):
            view.remove(i)
            i = ends[i]
            continue
        if tag == "form":
            forms.append(i)
        i += 1
    if forms:
        total = view.raw_length(0)
        for form in forms:
            if elements[form] and view.raw_length(form) <= total / 2:
                view.remove(form)
    return view


def paragraphs_length(view: View) -> int:
    """Characters in `<p>` elements."""
    page, total, i = view.page, 0, 0
    tags = page.tags
    while True:
        try:
            i = tags.index("p", i)
        except ValueError:
            return total
        if view.elements[i]:
            total += view.raw_length(i)
            i = page.ends[i]
        else:
            i += 1


def take_comments(view: View) -> bytearray | None:
    """Removes the section of readers' comments, and gives the pieces of their paragraphs."""
    page = view.page
    for stage, mark in enumerate(COMMENTS):
        for i, marks in enumerate(view.marks):
            if not marks & mark or not view.elements[i]:
                continue
            tag = page.tags[i]
            if tag not in _COMMENT_FRAMES or (stage == 3 and tag in _LISTS):
                continue
            found = _carried(view, i, carriers={"p", "pre", "code", *_HEADINGS}, div=False)[0]
            if any(found):
                view.remove(i)
                return found
            break
    return None


def article(view: View, recall: bool = False) -> tuple[bytearray, int]:
    """The pieces of the article: of the first element that looks like one and holds enough.

    Args:
      view: the page without chrome.
      recall: take more.

    Returns:
      1 for each piece, and how many characters they have.
    """
    page = view.page
    tags, marks = page.tags, view.marks
    found = bytearray(len(page.texts))
    div = False
    work = view.copy()
    for stage in range(5):
        frame = -1
        for i, tag in enumerate(tags):
            if not work.elements[i]:
                continue
            if stage == 1:
                if tag == "article":
                    frame = i
                    break
            elif stage == 4:
                if tag == "main" or (tag in _FRAMES and marks[i] & MAIN):
                    frame = i
                    break
            elif marks[i] & CONTENT[stage] and tag in _FRAMES:
                frame = i
                break
        if frame < 0:
            continue
        remove_boilerplate(work, frame, recall)
        ends = page.ends[frame]
        if not any(work.elements[frame + 1 : ends]):
            continue
        if paragraphs_length(work) < 3 * LEAST_CONTENT:
            div = True
        pieces, units = _carried(work, frame, _CARRIERS, div)
        for k in range(page.first[frame], page.last[frame]):
            if pieces[k]:
                found[k] = 1
        _strip_headings(page, found)
        if units > 1:
            break
        for k in range(page.first[frame], page.last[frame]):
            if found[k]:
                work.pieces[k] = 0
        work._sums = None
    length = _length(page, found)
    if length < LEAST_CONTENT:
        _add_wild(view, found, recall, div)
        length = _length(page, found)
    return found, length


def _length(page: Page, pieces: bytearray) -> int:
    """Characters of some pieces, with all whitespace where a block holds line breaks and the like
    (trafilatura trims only blocks without)."""
    total, simple = 0, {}
    for k, taken in enumerate(pieces):
        if taken:
            block = page.blocks[k]
            if block not in simple:
                inner = page.tags[block + 1 : page.ends[block]]
                simple[block] = INLINE.issuperset(inner)
            if simple[block]:
                total += page.lengths[k] + (page.texts[k][:1] != " ")
            else:
                total += 1 + page.raw[k]
    return total


def remove_boilerplate(view: View, frame: int, recall: bool) -> None:
    """Takes sections out of an element by their names and by their density of links."""
    page, marks = view.page, view.marks
    tags, ends, elements = page.tags, page.ends, view.elements
    outer: list[int] = []
    i, end = frame + 1, ends[frame]
    while i < end:
        mark = marks[i]
        if elements[i] and (mark & HIDDEN or (mark & BOILERPLATE and tags[i] in _DISCARDED)):
            outer.append(i)
            i = ends[i]
        else:
            i += 1
    if outer:
        before = view.raw_length(frame)
        if before - sum(map(view.raw_length, outer)) > before / 7:
            for i in outer:
                view.remove(i)
    if not recall:
        for i in range(frame + 1, end):
            if marks[i] & TEASER and elements[i] and tags[i] in _DISCARDED:
                view.remove(i)
    if not page.links:
        return
    density = LinkDensity(view)
    for _ in range(2):
        for kind in ({"div"}, _LISTS, {"p"}):
            doomed = []
            for i in range(frame, end):
                if tags[i] in kind and elements[i] and density.is_boilerplate(i):
                    doomed.append(i)
            for i in doomed:
                if i != frame and elements[i]:
                    view.remove(i)
            if doomed:
                density = LinkDensity(view)
    for i in range(frame, end):
        if tags[i] == "table" and elements[i] and density.is_link_table(i):
            view.remove(i)


def _carried(view: View, frame: int, carriers: set[str], div: bool) -> tuple[bytearray, int]:
    """The pieces of an element that stand in a paragraph, a list, a table or after a line break.

    Args:
      view: the page.
      frame: the element.
      carriers: tags that carry text.
      div: a `<div>` that begins with text carries too.

    Returns:
      1 for each piece, and the number of such places.
    """
    page = view.page
    tags, ends, _parents, blocks, runs = page.tags, page.ends, page.parents, page.blocks, page.runs
    alive, lengths = view.pieces, page.lengths
    start, stop = page.first[frame], page.last[frame]
    bearing: set[int] = set()
    for k in range(start, stop):
        if alive[k] and lengths[k] and runs[k] == LEAD:
            bearing.add(blocks[k])
    end = ends[frame]
    units = 0
    found = bytearray(len(page.texts))
    i = frame + 1
    while i < end:
        if not view.elements[i]:
            i = ends[i]
            continue
        tag = tags[i]
        if tag in carriers or (div and tag == "div" and i in bearing):
            if tag == "table":
                _carry_table(view, i, found)
            else:
                a, b = page.first[i], page.last[i]
                found[a:b] = alive[a:b]
            units += view.length(i) > 0
            i = ends[i]
        else:
            i += 1
    for k in range(start, stop):
        if (
            not found[k]
            and alive[k]
            and (runs[k] == AFTER_BREAK or (runs[k] == LEAD and blocks[k] == frame))
        ):
            found[k] = 1
            units += lengths[k] > 0
    return found, units


def _carry_table(view: View, table: int, found: bytearray) -> None:
    """Takes a table, without lists in its cells."""
    page = view.page
    a, b = page.first[table], page.last[table]
    found[a:b] = view.pieces[a:b]
    i, end = table + 1, page.ends[table]
    while i < end:
        if page.tags[i] in _LISTS:
            a, b = page.first[i], page.last[i]
            found[a:b] = bytes(b - a)
            i = page.ends[i]
        else:
            i += 1


def _strip_headings(page: Page, found: bytearray) -> None:
    """Takes headings off the end."""
    k = found.rfind(1)
    while k >= 0 and (page.paragraphs[k] in page.headings or not page.lengths[k]):
        found[k] = 0
        k = found.rfind(1, 0, k)


def _add_wild(view: View, found: bytearray, recall: bool, div: bool) -> None:
    """Adds paragraphs from anywhere that do not repeat what was found."""
    page = view.page
    work = view.copy()
    remove_boilerplate(work, 0, recall)
    tags, ends = page.tags, page.ends
    wanted = _WILD | _LISTS if recall else _WILD
    seen: set[str] = set()
    text = "\n".join(text for text, taken in zip(page.texts, found, strict=True) if taken)
    pieces, _ = _carried(work, 0, wanted, recall)
    i = 0
    while i < len(tags):
        if work.elements[i] and (tags[i] in wanted or (recall and tags[i] == "div")):
            a, b = page.first[i], page.last[i]
            taken = [k for k in range(a, b) if pieces[k]]
            if tags[i] == "div" and (not taken or page.blocks[taken[0]] != i):
                i += 1  # its text, if any, is in what it holds
                continue
            if taken and not any(found[k] for k in taken):
                own = "".join(page.texts[k] for k in taken).strip()
                if own and own not in seen and not (len(own) > 50 and own in text):
                    seen.add(own)
                    text += "\n" + own
                    for k in taken:
                        found[k] = 1
            if taken or tags[i] != "div":
                i = ends[i]
                continue
        i += 1
    if recall:
        for k, taken in enumerate(pieces):
            if taken and page.runs[k] == AFTER_BREAK and not found[k]:
                found[k] = 1
