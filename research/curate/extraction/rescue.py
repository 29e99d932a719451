"""What is tried where the article's own rules find little: readability, jusText, everything.

The scores and thresholds are those of readability and of jusText (Pomikálek 2011,
https://is.muni.cz/th/45523/fi_d) as trafilatura 2.3 sets them.
"""

from __future__ import annotations

from itertools import accumulate

from research.curate.extraction.names import CONSENT, FOOTER, UNLIKELY, weight_of
from research.curate.extraction.view import View

_SCORES = {
    **dict.fromkeys(("div", "article"), 5),
    **dict.fromkeys(("pre", "td", "blockquote"), 3),
    **dict.fromkeys(("address", "ol", "ul", "dl", "dd", "dt", "li", "form", "aside"), -3),
    **dict.fromkeys(("h1", "h2", "h3", "h4", "h5", "h6", "th", "header", "footer", "nav"), -5),
}
_PARTING = ("address", "article", "aside", "audio", "blockquote", "dl", "div", "img", "ol", "p",
            "table", "ul")  # fmt: skip
_CONDITIONAL = {"table", "ul", "div", "aside", "header", "footer", "section"}
_TEXT_HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}


def readability(whole: View) -> tuple[bytearray, int, list[int]]:
    """The pieces that readability takes for the article, and their characters."""
    view, page = whole.copy(), whole.page
    tags, parents, ends, first, last = page.tags, page.parents, page.ends, page.first, page.last
    marks, elements = view.marks, view.elements
    count = len(tags)
    i = 0
    while i < count:
        if marks[i] & UNLIKELY and tags[i] not in ("body", "html"):
            view.remove(i)
            i = ends[i]
        else:
            i += 1
    alive = view.pieces
    sums = view.sums
    parting = [
        0,
        *accumulate(t.startswith(_PARTING) and e for t, e in zip(tags, elements, strict=True)),
    ]
    linked = [0, *accumulate(t == "a" and e for t, e in zip(tags, elements, strict=True))]
    loose = _loose(view)
    as_paragraph = bytearray(count)
    own_text: list[int] = []
    for i in range(count):
        if tags[i] == "div" and elements[i]:
            plain = parting[ends[i]] == parting[i + 1]
            if plain and (linked[ends[i]] == linked[i + 1] or i in loose):
                as_paragraph[i] = 1
            elif i in loose:
                own_text.append(i)
    scores: dict[int, float] = {}

    def paragraph(text_length: int, commas: int, parent: int) -> None:
        for node in (parent, parents[parent] if parent >= 0 else -1):
            if node >= 0 and node not in scores:
                scores[node] = weight_of(marks[node]) + (
                    0 if as_paragraph[node] else _SCORES.get(tags[node], 0)
                )
        score = 2 + commas + min(text_length / 100, 3)
        if parent >= 0:
            scores[parent] += score
            if parents[parent] >= 0:
                scores[parents[parent]] += score / 2

    comma_sums = [
        0,
        *accumulate(text.count(",") if e else 0 for text, e in zip(page.texts, alive, strict=True)),
    ]
    for i in range(count):
        if elements[i] and (tags[i] in ("p", "pre", "td") or as_paragraph[i]):
            length = sums[last[i]] - sums[first[i]]
            if length >= 25:
                paragraph(length, comma_sums[last[i]] - comma_sums[first[i]], parents[i])
    for i in own_text:
        for k in loose[i]:
            if page.lengths[k] >= 25:
                paragraph(page.lengths[k], page.texts[k].count(","), i)
    if not scores:
        best = tags.index("body") if "body" in tags else 0
        chosen = [best]
    else:
        links = [
            0,
            *accumulate(
                n if a and e else 0
                for n, a, e in zip(page.lengths, page.linked, alive, strict=True)
            ),
        ]
        for i in scores:
            total = sums[last[i]] - sums[first[i]] or 1
            scores[i] *= 1 - (links[last[i]] - links[first[i]]) / total
        best = max(scores, key=scores.get)
        chosen = _with_siblings(view, best, scores, as_paragraph, links)
    return (*_sanitized(view, chosen, scores, as_paragraph), chosen)


def _loose(view: View) -> dict[int, list[int]]:
    """Pieces that stand in a `<div>` itself."""
    page = view.page
    loose: dict[int, list[int]] = {}
    for k, block in enumerate(page.blocks):
        own = page.owners[k] == block and view.pieces[k] and page.lengths[k]
        if own and page.tags[block] == "div":
            loose.setdefault(block, []).append(k)
    return loose


def _with_siblings(view, best, scores, as_paragraph, links) -> list[int]:
    page = view.page
    least = max(10, 0.2 * scores[best])
    parent = page.parents[best]
    if parent < 0:
        return [best]
    chosen = []
    i, end = parent + 1, page.ends[parent]
    while i < end:
        if view.elements[i]:
            if i == best or scores.get(i, 0) >= least:
                chosen.append(i)
            elif page.tags[i] == "p" or as_paragraph[i]:
                a, b = page.first[i], page.last[i]
                text = page.texts[a] if a < b and page.runs[a] == 0 else ""
                density = (links[b] - links[a]) / (view.length(i) or 1)
                if (len(text) > 80 and density < 0.25) or (
                    len(text) <= 80 and density == 0 and (". " in text or text.endswith("."))
                ):
                    chosen.append(i)
        i = page.ends[i]
    return chosen


def _sanitized(view: View, chosen: list[int], scores, as_paragraph) -> tuple[bytearray, int]:
    """Drops the parts of the chosen elements that look like no text, from the innermost out."""
    page = view.page
    tags, ends, parents, first, last = page.tags, page.ends, page.parents, page.first, page.last
    marks = view.marks
    found = bytearray(len(page.texts))
    total = [0, 0, 0, 0, 0, 0, 0]
    for root in chosen:
        _sums, elements = view.sums, view.elements
        for i in range(root, ends[root]):
            tag = tags[i]
            if not elements[i]:
                continue
            if tag in ("form", "textarea", "iframe"):
                view.remove(i)
            elif tag in _TEXT_HEADINGS:
                links = sum(
                    n
                    for n, a, e in zip(
                        page.lengths[first[i] : last[i]],
                        page.linked[first[i] : last[i]],
                        view.pieces[first[i] : last[i]],
                        strict=True,
                    )
                    if a and e
                )
                if weight_of(marks[i]) < 0 or links > 0.33 * (view.length(i) or 1):
                    view.remove(i)
        # totals of each element: characters, linked, commas, p, img, li, input
        own = {}
        for k in range(first[root], last[root]):
            if view.pieces[k]:
                block = page.owners[k]
                t = own.get(block)
                if t is None:
                    t = own[block] = [0, 0, 0, 0, 0, 0, 0]
                n = page.lengths[k]
                t[0] += n
                if page.linked[k]:
                    t[1] += n
                t[2] += page.texts[k].count(",")
        for i in range(ends[root] - 1, root - 1, -1):
            if not view.elements[i]:
                continue
            t = own.get(i)
            tag = "p" if as_paragraph[i] else tags[i]
            if tag in _CONDITIONAL and _is_clutter(
                tag, t or [0] * 7, weight_of(marks[i]), scores.get(i, 0)
            ):
                view.remove(i)
                if i == root:
                    break
                continue
            column = _COUNTED.get(tag)
            if tag == "input" and page.attributes[i].get("type") != "hidden":
                column = 6
            if t is None:
                if column is None:
                    continue
                t = [0, 0, 0, 0, 0, 0, 0]
            if column is not None:
                t[column] += 1
            if i == root:
                for c in range(7):
                    total[c] += t[c]
                break
            up = own.get(parents[i])
            if up is None:
                own[parents[i]] = t[:] if t is own.get(i) else t
            else:
                for c in range(7):
                    up[c] += t[c]
        found[first[root] : last[root]] = view.pieces[first[root] : last[root]]
    return found, total[0]


_COUNTED = {"p": 3, "img": 4, "li": 5}


def _is_clutter(tag: str, t: list[int], weight: int, score: float) -> bool:
    length, linked, commas, p, img, li, inputs = t
    if weight + score < 0:
        return True
    if commas >= 10:
        return False
    li -= 100
    if p and img > 1 + p * 1.3:
        return True
    if li > p and tag != "ul":
        return True
    if inputs > p / 3:
        return True
    if length < 25 and (img == 0 or img > 2):
        return True
    return linked > (0.5 if weight >= 25 else 0.2) * (length or 1)


def justext(view: View) -> tuple[bytearray, int]:
    """The pieces of the paragraphs that jusText takes for good, and their characters.

    Stop words are not counted: trafilatura counts those of a hundred languages together, which
    makes short words of letters alone do as well.
    """
    page = view.page
    spans: list[tuple[int, int]] = []  # pieces of each paragraph
    start = -1
    numbers = page.paragraphs
    for k in range(len(numbers)):
        if start < 0 or numbers[k] != numbers[start]:
            if start >= 0:
                spans.append((start, k))
            start = k
    if start >= 0:
        spans.append((start, len(numbers)))
    choices = bytearray(len(numbers))  # texts of drop-down lists
    if "select" in page.tags:
        for i, tag in enumerate(page.tags):
            if tag == "select":
                a, b = page.first[i], page.last[i]
                choices[a:b] = b"\1" * (b - a)
    kept: list[tuple[int, int]] = []
    kinds: list[str] = []
    lengths: list[int] = []
    for a, b in spans:
        length = linked = 0
        bad = bool(choices[a])
        for k in range(a, b):
            if view.pieces[k]:
                n = page.lengths[k]
                if n:
                    length += n + 1
                    if page.linked[k]:
                        linked += n + 1
                    bad = bad or "\xa9" in page.texts[k]
        if not length:
            continue
        length -= 1
        if bad or linked > 0.25 * length or (length >= 50 and not _has_words(page.texts[a:b])):
            kind = "bad"
        elif length < 50:
            kind = "bad" if linked else "short"
        else:
            kind = "good" if length > 150 else "neargood"
        kept.append((a, b))
        kinds.append(kind)
        lengths.append(length)
    final = revise(kinds)
    found = bytearray(len(page.texts))
    total = 0
    for (a, b), kind, length in zip(kept, final, lengths, strict=True):
        if kind == "good":
            found[a:b] = view.pieces[a:b]
            total += length + 1
    return found, total


def _has_words(texts: list[str]) -> bool:
    words = "".join(texts).split()
    return sum(map(_is_short_word, words)) >= 0.35 * len(words)


def _is_short_word(word: str) -> bool:
    return len(word) <= 10 and word.isalpha()


def revise(kinds: list[str]) -> list[str]:
    """jusText's second look: short and nearly good paragraphs are judged by their neighbours."""
    before, after = _neighbours(kinds, ("good", "bad")), None
    previous_near = _neighbours(kinds, ("good", "bad", "neargood"))
    after = _neighbours(kinds[::-1], ("good", "bad"))[::-1]
    next_near = _neighbours(kinds[::-1], ("good", "bad", "neargood"))[::-1]
    second = list(kinds)
    for i, kind in enumerate(kinds):
        if kind != "short":
            continue
        around = (before[i], after[i])
        good = around == ("good", "good") or (
            around != ("bad", "bad")
            and (
                (around[0] == "bad" and previous_near[i] == "neargood")
                or (around[1] == "bad" and next_near[i] == "neargood")
            )
        )
        second[i] = "good" if good else "bad"
    before = _neighbours(second, ("good", "bad"))
    after = _neighbours(second[::-1], ("good", "bad"))[::-1]
    # each verdict counts for the next ones
    last = "bad"
    final = list(second)
    for i, kind in enumerate(second):
        if kind == "neargood":
            final[i] = "bad" if (last, after[i]) == ("bad", "bad") else "good"
        if final[i] in ("good", "bad"):
            last = final[i]
    return final


def _neighbours(kinds: list[str], wanted: tuple[str, ...]) -> list[str]:
    """The nearest wanted kind before each."""
    nearest, found = "bad", []
    for kind in kinds:
        found.append(nearest)
        if kind in wanted:
            nearest = kind
    return found


def basic(whole: View) -> View:
    """All of a page but asides, footers and the banners that ask for consent."""
    view, page = whole.copy(), whole.page
    for i, tag in enumerate(page.tags):
        if view.elements[i] and (
            tag in ("aside", "fencedframe", "footer")
            or (tag == "div" and view.marks[i] & FOOTER)
            or view.marks[i] & CONSENT
        ):
            view.remove(i)
    return view


def baseline(view: View) -> tuple[bytearray, int]:
    """The page's articles, else its paragraphs, else all of it."""
    page = view.page
    tags, _ends = page.tags, page.ends
    found = bytearray(len(page.texts))
    articles = _outermost(view, {"article"})
    articles = [i for i in articles if view.length(i) > 100]
    if articles:
        least = max(map(view.length, articles)) / 5
        return _all_of(view, [i for i in articles if view.length(i) >= least], found)
    parts = _outermost(view, {"blockquote", "code", "p", "pre", "q", "quote"})
    seen: set[str] = set()
    fresh = []
    for i in parts:
        text = "".join(page.texts[k] for k in range(page.first[i], page.last[i]) if view.pieces[k])
        if len(text) > 50 and text in seen:
            continue
        seen.add(text)
        fresh.append(i)
    pieces, length = _all_of(view, fresh, found)
    if length > 100:
        return pieces, length
    body = tags.index("body") if "body" in tags else 0
    return _all_of(view, [body], bytearray(len(page.texts)))


def _outermost(view: View, wanted: set[str]) -> list[int]:
    page, i, found = view.page, 0, []
    while i < len(page.tags):
        if view.elements[i] and page.tags[i] in wanted:
            found.append(i)
            i = page.ends[i]
        else:
            i += 1
    return found


def _all_of(view: View, elements: list[int], found: bytearray) -> tuple[bytearray, int]:
    page = view.page
    length = 0
    for i in elements:
        a, b = page.first[i], page.last[i]
        found[a:b] = view.pieces[a:b]
        length += view.length(i) + 1
    return found, length
