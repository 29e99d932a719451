"""What is left of a page after some of it was removed, and how much of that is links."""

from __future__ import annotations

import dataclasses
from bisect import bisect_left
from itertools import accumulate
from operator import mul

from research.curate.extraction.names import marks_of
from research.curate.extraction.page import Page

_FORMATTING = {"b", "strong", "i", "em", "u", "kbd", "samp", "tt", "var", "sub", "sup", "abbr",
               "acronym", "address", "cite", "font", "img", "ins", "mark", "small", "tbody",
               "thead", "tfoot", "big", "bdi", "bdo", "data", "dfn", "hgroup", "nobr", "ruby",
               "wbr"}  # fmt: skip


@dataclasses.dataclass(slots=True)
class View:
    """What is left of a page after some of it was removed.

    Attributes:
      page: the page.
      marks: what the names of each element tell (see `names`).
      pieces: 1 for each text piece that is left.
      elements: 1 for each element that is left.
      removed: characters that were removed with each element.
    """

    page: Page
    marks: list[int]
    pieces: bytearray
    elements: bytearray
    removed: list[int]
    _sums: list[int] | None = None

    @classmethod
    def of(cls, page: Page) -> View:
        """All of a page."""
        marks = [marks_of(attribute) if attribute else 0 for attribute in page.attributes]
        ones = b"\1"
        count = len(page.tags)
        pieces, elements = bytearray(ones * len(page.texts)), bytearray(ones * count)
        return cls(page, marks, pieces, elements, [0] * count)

    def copy(self) -> View:
        """Another view, from which other things can be removed."""
        pieces, elements = self.pieces[:], self.elements[:]
        return View(self.page, self.marks, pieces, elements, self.removed[:], self._sums)

    def remove(self, i: int) -> None:
        """Takes an element out, with all in it."""
        page = self.page
        self.removed[i] += self.raw_length(i)
        end, first, last = page.ends[i], page.first[i], page.last[i]
        self.elements[i:end] = bytes(end - i)
        self.pieces[first:last] = bytes(last - first)
        self._sums = None

    @property
    def sums(self) -> list[int]:
        """Characters left before each piece."""
        if self._sums is None:
            self._sums = [0, *accumulate(map(mul, self.page.lengths, self.pieces))]
        return self._sums

    def raw_length(self, i: int) -> int:
        """Characters left in an element, with all whitespace."""
        page = self.page
        return page.raw_end[i] - page.raw_start[i] - sum(self.removed[i : page.ends[i]])

    def length(self, i: int) -> int:
        """Characters left in an element."""
        sums = self.sums
        return sums[self.page.last[i]] - sums[self.page.first[i]]


class LinkDensity:
    """How much of each element is links."""

    def __init__(self, view: View) -> None:
        page = view.page
        self.view, self.page = view, page
        self.links = [i for i in page.links if view.elements[i]]
        texts, first, last = page.texts, page.first, page.last
        lengths = [
            view.length(i) - (first[i] < last[i] and texts[first[i]][:1] == " ") for i in self.links
        ]
        self.chars = [0, *accumulate(lengths)]
        self.full = [0, *accumulate(length > 0 for length in lengths)]
        self.short = [0, *accumulate(0 < length < 10 for length in lengths)]

    def is_boilerplate(self, i: int) -> bool:
        """After trafilatura's `link_density_test`."""
        page, view = self.page, self.view
        end = page.ends[i]
        a, b = bisect_left(self.links, i), bisect_left(self.links, end)
        if a == b:
            return False
        length = view.length(i)
        chars = self.chars[b] - self.chars[a]
        if b - a == 1 and chars > 100 and chars > 0.9 * length:
            return not self._carries_item(i)
        last = not self._has_next(i)
        tag = page.tags[i]
        limit = (60 if last else 30) if tag == "p" else 300 if last else 100
        number = self.full[b] - self.full[a]
        if length < limit:
            if not number:
                return not self._carries_item(i)
            short = self.short[b] - self.short[a]
            verdict = chars > 0.8 * length or (number > 1 and short / number > 0.8)
            if not verdict and tag == "div" and length < 100:
                verdict = self._children(i) >= 3
            return verdict and not self._carries_item(i)
        if b - a > 4 and chars > 0.9 * length and chars < 100 * number:
            return not self._is_listing(a, b) and not self._carries_item(i)
        return False

    def is_link_table(self, i: int) -> bool:
        """After trafilatura's `link_density_test_tables`."""
        a, b = bisect_left(self.links, i), bisect_left(self.links, self.page.ends[i])
        length = self.view.length(i)
        if a == b or length < 200:
            return False
        return self.chars[b] - self.chars[a] > (0.8 if length < 1000 else 0.5) * length

    def _carries_item(self, i: int) -> bool:
        page = self.page
        if page.tags[i] != "p" or page.parents[i] < 0:
            return False
        return page.tags[page.parents[i]] in ("li", "dt", "dd", "td", "th")

    def _has_next(self, i: int) -> bool:
        page, elements = self.page, self.view.elements
        parent = page.parents[i]
        if parent < 0:
            return False
        j, end = page.ends[i], page.ends[parent]
        while j < end:
            if elements[j] and page.tags[j] not in _FORMATTING:
                return True
            j = page.ends[j]
        return False

    def _children(self, i: int) -> int:
        page, elements = self.page, self.view.elements
        j, end, count = i + 1, page.ends[i], 0
        while j < end and count < 3:
            count += elements[j] and page.tags[j] not in _FORMATTING
            j = page.ends[j]
        return count

    def _is_listing(self, a: int, b: int) -> bool:
        page = self.page
        for link in self.links[a:b]:
            parent = page.parents[link]
            if page.tags[parent] != "p":
                return False
            inner = bisect_left(self.links, page.ends[parent]) - bisect_left(self.links, parent)
            if inner > 1:
                return False
        return True
