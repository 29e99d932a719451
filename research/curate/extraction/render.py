"""Chosen pieces of a page as text: paragraphs, lists, tables, code in fences; images beside it."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urljoin

from research.curate.extraction.names import BOILERPLATE, HIDDEN
from research.curate.extraction.page import BREAK, CODE, IMAGE, Page
from research.curate.extraction.view import View

_ITEMS = {"li", "dt", "dd"}
_CELLS = {"td", "th"}
_BLOCKS_IN_CELLS = {"table", "ul", "ol", "dl", "pre", "h1", "h2", "h3", "h4", "h5", "h6"}
_AROUND_NO_IMAGE = {"nav", "footer", "aside", "header", "form", "button", "noscript"}
_SPACES = re.compile(r"[^\S\n]+")
_MANY_LINES = re.compile(r"\n{3,}")
MOST_IMAGES = 200
LONGEST_ADDRESS = 2000


def to_text(page: Page, found: bytearray) -> str:
    """The text of the chosen pieces.

    Paragraphs are parted by an empty line; list items begin with '- ' or their number, indented by
    their depth; the cells of a table row are parted by ' | '; code stands between ``` lines.
    """
    return _Writer(page).write(found)[0]


def to_text_and_images(
    view: View, found: bytearray, url: str | None
) -> tuple[str, list[dict[str, Any]]]:
    """The text of the chosen pieces, and the images among them.

    Returns:
      The text, and for each image in order its `src`, `alt` and `offset` in characters of the text.
    """
    text, offsets = _Writer(view.page).write(found)
    return text, _images(view, found, offsets, url)


class _Writer:
    def __init__(self, page: Page) -> None:
        self.page = page
        items, cells, rows, _tables = [], [], [], []
        depths: list[int] = []
        for i, (tag, parent) in enumerate(zip(page.tags, page.parents, strict=True)):
            root = parent < 0
            items.append(i if tag in _ITEMS else -1 if root else items[parent])
            cells.append(i if tag in _CELLS else -1 if root or tag == "table" else cells[parent])
            rows.append(i if tag == "tr" else -1 if root or tag == "table" else rows[parent])
            depths.append((0 if root else depths[parent]) + (tag in ("ul", "ol")))
        self.items, self.cells, self.rows, self.depths = items, cells, rows, depths
        self.data_rows: dict[int, bool] = {}
        self.numbers: dict[int, int] = {}

    def write(self, found: bytearray) -> tuple[str, dict[int, int]]:
        """The text, and where in it each chosen piece begins."""
        page = self.page
        out: list[str] = []
        offsets: dict[int, int] = {}
        position = 0
        before = -1  # the block of the last piece
        breaks = 0
        last_item = -1
        for k in range(len(found)):
            if not found[k]:
                continue
            kind = page.kinds[k]
            if kind == BREAK:
                breaks += 1
                continue
            if kind == IMAGE:
                continue
            block, text = page.blocks[k], page.texts[k]
            if kind == CODE:
                lead = "" if before < 0 else "\n\n"
                piece = f"{lead}{fenced(text, page.languages.get(k))}"
                out.append(piece)
                offsets[k] = position
                position += len(piece)
                before, breaks = block, 0
                before = -2 - block
                continue
            item = self.items[block]
            if (block == before and not breaks) or before == -1:
                lead = ""
            elif block == before:
                lead = "\n" if self._row(block) < 0 else " "
            else:
                lead = self._between(before, block)
            if item >= 0 and item != last_item and self._row(block) < 0:
                if lead.strip(" \n") == "":
                    apart = "\n\n" if last_item < 0 and "\n\n" in lead else "\n" if lead else ""
                    lead = apart + self._bullet(item)
            elif "\n" in lead and item >= 0 and item == last_item:
                lead = "\n" + "  " * self.depths[item]
            if (lead and not lead.isspace()) or "\n" in lead or before < 0:
                text = text.lstrip()
            last_item = item
            if lead and "\n" in lead and out:
                out[-1] = out[-1].rstrip(" ")
            piece = lead + text
            offsets[k] = position
            out.append(piece)
            position += len(piece)
            before, breaks = block, 0
        joined = "".join(out)
        return _MANY_LINES.sub("\n\n", joined).strip(), offsets

    def _row(self, block: int) -> int:
        """The table row a block stands in, if the table holds data and no layout."""
        row = self.rows[block]
        if row < 0:
            return -1
        if row not in self.data_rows:
            page = self.page
            inner = page.tags[row + 1 : page.ends[row]]
            self.data_rows[row] = sum(
                tag in _CELLS for tag in inner
            ) > 1 and _BLOCKS_IN_CELLS.isdisjoint(inner)
        return row if self.data_rows[row] else -1

    def _between(self, before: int, block: int) -> str:
        if before < -1:
            return "\n\n"
        row, other = self._row(block), self._row(before)
        if row >= 0 and row == other:
            a, b = self.cells[before], self.cells[block]
            if a == b:
                return " "
            return " | " * self._cells_between(a, b)
        if row >= 0 and other >= 0 and self.page.parents[row] == self.page.parents[other]:
            return "\n"
        item, last = self.items[block], self.items[before]
        if item >= 0 and last >= 0 and item != last:
            return "\n"
        return "\n\n"

    def _cells_between(self, a: int, b: int) -> int:
        page, count, j = self.page, 0, a
        while 0 <= j < b and count < 100:
            j = page.ends[j]
            count += 1
        return max(1, count)

    def _bullet(self, item: int) -> str:
        page = self.page
        parent = page.parents[item]
        indent = "  " * max(0, self.depths[item] - 1)
        if page.tags[item] == "dt" or parent < 0:
            return ""
        if page.tags[item] == "dd":
            return "  "
        if page.tags[parent] != "ol":
            return indent + "- "
        if parent not in self.numbers:
            start = page.attributes[parent].get("start", "1")
            self.numbers[parent] = int(start) - 1 if start.isdecimal() and len(start) < 9 else 0
        self.numbers[parent] += 1
        return f"{indent}{self.numbers[parent]}. "


def fenced(code: str, language: str | None) -> str:
    """Code between fences; None for the language leaves the lines as they are."""
    if language is None:
        return code
    fence = "```"
    while fence in code:
        fence += "`"
    return f"{fence}{language}\n{code}\n{fence}"


def _images(
    view: View, found: bytearray, offsets: dict[int, int], url: str | None
) -> list[dict[str, Any]]:
    """The images between the first and the last chosen piece that are in no menu or the like."""
    page = view.page
    begin, end = found.find(1), found.rfind(1)
    images: list[dict[str, Any]] = []
    places = sorted(offsets)
    for k, attributes in page.images.items():
        if not begin <= k <= end or len(images) == MOST_IMAGES:
            continue
        source = next((attributes[name] for name in ("data-src", "data-original", "src")
                       if attributes.get(name)), "").strip()  # fmt: skip
        if not source or source.startswith("data:") or len(source) > LONGEST_ADDRESS:
            continue
        if attributes.get("width") in ("0", "1") or attributes.get("height") in ("0", "1"):
            continue
        if _in_chrome(view, page.owners[k]):
            continue
        if url:
            try:
                source = urljoin(url, source)
            except ValueError:
                continue
        following = next((offsets[place] for place in places if place > k), None)
        alt = " ".join((attributes.get("alt") or "").split())
        images.append({"src": source, "alt": alt[:500], "offset": following})
    return images


def _in_chrome(view: View, i: int) -> bool:
    page = view.page
    while i >= 0:
        if page.tags[i] in _AROUND_NO_IMAGE or view.marks[i] & (BOILERPLATE | HIDDEN):
            return True
        i = page.parents[i]
    return False
