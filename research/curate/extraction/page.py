"""A web page as flat lists, in the order of the page: quick to select from and to add up over.

A page is parsed by libxml2 and walked once.  Element i has its subtree in elements i to `ends[i]`
and in text pieces `first[i]` to `last[i]`, so that removing a section is setting a range to zero
and the length of its text is a difference of two prefix sums.  Formulas and preformatted blocks
become one piece each, with their LaTeX and their whitespace.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

from lxml import etree

from research.curate.extraction.mathematics import formula_of, may_hold_formulas

DEEPEST = 2000  # elements in each other; libxml2 stops reading at 2,048
INVISIBLE = {
    "head", "script", "style", "svg", "template", "iframe", "frame", "object", "applet", "link",
    "meta", "param", "source", "track", "base", "math", "title",
}  # fmt: skip
# tags that part no text: what they hold is a run with what stands around them
INLINE = {
    "a", "abbr", "acronym", "address", "b", "bdi", "bdo", "big", "blink", "body", "cite", "data",
    "dfn", "em", "font", "hgroup", "html", "i", "img", "ins", "kbd", "mark", "nobr", "ruby", "samp",
    "small", "span", "strong", "sub", "sup", "tbody", "tfoot", "thead", "time", "tt", "u", "var",
    "wbr", "button", "input", "label", "select", "form", "nav", "aside", "footer", "noscript",
    "figure", "picture", "video", "audio", "canvas", "embed", "map", "area", "fieldset", "legend",
}  # fmt: skip
_PARAGRAPH = {
    "body", "blockquote", "caption", "center", "col", "colgroup", "dd", "div", "dl", "dt",
    "fieldset", "form", "legend", "optgroup", "option", "p", "pre", "table", "td", "textarea",
    "tfoot", "th", "thead", "tr", "ul", "li", "h1", "h2", "h3", "h4", "h5", "h6",
}  # fmt: skip
# of those the ones that stand apart from what is around them
_APART = {"address", "aside", "body", "button", "fieldset", "figure", "footer", "form", "hgroup",
          "label", "legend", "nav", "noscript", "select", "tbody", "tfoot", "thead"}  # fmt: skip
_BREAKING = {"br", "hr", "blockquote", "q", "ul", "ol", "dl", "table", "pre", "code"}
TEXT, CODE, FORMULA, IMAGE, BREAK = range(5)  # kinds of pieces
LEAD, AFTER_BREAK, TAIL = range(3)  # where a piece stands in its block
_TELLING = {"id", "class", "style", "role", "aria-hidden", "itemprop"}
_WHOLE = {"img", "input", "ol"}  # elements of which other attributes are needed
_NONE: Mapping[str, str] = {}


class TooDeep(Exception):
    """Elements are nested deeper than the parser goes."""


@dataclasses.dataclass(slots=True)
class Page:
    """Elements and text pieces, each list in the order of the page.

    Attributes:
      tags: names of the elements.
      attributes: theirs, or an empty mapping.
      parents: the element around each; -1 around the first.
      ends: the first element after each one's subtree.
      first, last: the text pieces of its subtree.
      links: elements that are links.
      texts: the pieces, whitespace collapsed to single spaces, or verbatim in preformatted blocks.
      kinds: TEXT, CODE, FORMULA, IMAGE or BREAK.
      blocks: the nearest element around each piece that parts text.
      owners: the element around each piece.
      runs: LEAD before the first block in its block, AFTER_BREAK after a line break, list, table,
        quote or code, else TAIL.
      lengths: characters of each piece, without those of code, formula marks and images counted in.
      raw_start, raw_end: characters of the page before and up to the end of each element, with all
        whitespace.
      raw: characters of each piece with all the whitespace in and before it.
      linked: whether each piece is in a link.
      paragraphs: number of the paragraph (as jusText makes them) of each piece.
      headings: numbers of the paragraphs that are within a heading.
      languages: of pieces of code, the language's name, or an empty text.
      images: attributes of the images, by their pieces.
    """

    tags: list[str] = dataclasses.field(default_factory=list)
    attributes: list[Mapping[str, str]] = dataclasses.field(default_factory=list)
    parents: list[int] = dataclasses.field(default_factory=list)
    ends: list[int] = dataclasses.field(default_factory=list)
    first: list[int] = dataclasses.field(default_factory=list)
    last: list[int] = dataclasses.field(default_factory=list)
    links: list[int] = dataclasses.field(default_factory=list)
    texts: list[str] = dataclasses.field(default_factory=list)
    kinds: list[int] = dataclasses.field(default_factory=list)
    blocks: list[int] = dataclasses.field(default_factory=list)
    runs: list[int] = dataclasses.field(default_factory=list)
    owners: list[int] = dataclasses.field(default_factory=list)
    lengths: list[int] = dataclasses.field(default_factory=list)
    raw_start: list[int] = dataclasses.field(default_factory=list)
    raw_end: list[int] = dataclasses.field(default_factory=list)
    raw: list[int] = dataclasses.field(default_factory=list)
    linked: bytearray = dataclasses.field(default_factory=bytearray)
    paragraphs: list[int] = dataclasses.field(default_factory=list)
    headings: set[int] = dataclasses.field(default_factory=set)
    languages: dict[int, str] = dataclasses.field(default_factory=dict)
    images: dict[int, Mapping[str, str]] = dataclasses.field(default_factory=dict)


def parse(html: str) -> Page | None:
    """The page of some HTML, or None if there is nothing in it.

    Raises:
      TooDeep: its elements are nested too deeply to be parsed whole.
    """
    parser = etree.HTMLParser(
        encoding="utf-8", remove_comments=True, remove_pis=True, huge_tree=True,
        collect_ids=False, default_doctype=False,
    )  # fmt: skip
    data = html.replace("\0", "").encode("utf-8", "replace")
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError:
        root = None
    return None if root is None else _flatten(root, may_hold_formulas(html))


def _flatten(root: etree._Element, mathematical: bool) -> Page:
    page = Page()
    tags, attributes, parents = page.tags, page.attributes, page.parents
    ends, first, last, texts = page.ends, page.first, page.last, page.texts
    kinds, blocks, runs, lengths = page.kinds, page.blocks, page.runs, page.lengths
    linked, paragraphs, owners = page.linked, page.paragraphs, page.owners
    raws, raw_start, raw_end = page.raw, page.raw_start, page.raw_end
    stack: list[int] = []  # open elements
    block_stack: list[int] = [-1]  # those of them that part text
    states: list[int] = [LEAD]  # of each of these
    gap = False  # whitespace before the next piece
    blank = 0  # characters of it
    size = 0  # characters so far
    links = paragraph = in_heading = 0
    broken = False  # the last thing was a line break

    def add(text: str, kind: int) -> None:
        nonlocal broken, gap, blank, size
        if kind == TEXT:
            size += len(text)
            words = text.split()
            if not words:
                gap = True
                blank += len(text)
                return
            raw = blank + len(text)
            short = " ".join(words)
            if gap or text[0].isspace():
                short = " " + short
            length = len(short)
            gap = text[-1].isspace()
            text = short
            broken = False
        else:
            length = len(text) if kind in (CODE, FORMULA) else 0
            raw = length + blank
            size += length
            if kind == FORMULA and (gap or (kinds and kinds[-1] == FORMULA)):
                text = " " + text
            gap = False
        texts.append(text)
        kinds.append(kind)
        blocks.append(block_stack[-1])
        runs.append(states[-1])
        owners.append(stack[-1] if stack else -1)
        lengths.append(length)
        raws.append(raw)
        blank = 0
        linked.append(links > 0)
        paragraphs.append(paragraph)
        if in_heading:
            page.headings.add(paragraph)

    walk = etree.iterwalk(root, events=("start", "end"))
    for event, element in walk:
        tag = element.tag
        if event == "start":
            names = element.keys()
            if not names:
                attribute = _NONE
            elif mathematical or tag in _WHOLE:
                attribute = dict(element.items())
            else:
                attribute = {name: element.get(name) for name in names if name in _TELLING} or _NONE
            i = len(tags)
            tags.append(tag)
            attributes.append(attribute)
            parents.append(stack[-1] if stack else -1)
            ends.append(0)
            raw_start.append(size)
            raw_end.append(0)
            first.append(len(texts))
            last.append(0)
            stack.append(i)
            if len(stack) > DEEPEST:
                raise TooDeep
            if mathematical and (attribute or tag == "math"):
                formula = formula_of(element, tag, attribute)
                if formula is not None:
                    walk.skip_subtree()
                    tags[i] = "formula"  # no script, no image any more
                    if formula:
                        add(formula, FORMULA)
                    continue
            if tag in INVISIBLE:
                walk.skip_subtree()
                continue
            if tag in INLINE:
                gap = gap or tag in _APART
            else:
                block_stack.append(i)
                states.append(LEAD)
            if tag == "a":
                links += 1
                page.links.append(i)
            elif tag == "img":
                page.images[len(texts)] = attribute
                add("", IMAGE)
            elif tag == "br" or tag == "hr":
                if broken:
                    paragraph += 1
                broken = True
                add("\n", BREAK)
            elif tag in _PARAGRAPH:
                paragraph += 1
                if tag in _HEADINGS:
                    in_heading += 1
                if tag == "pre":
                    walk.skip_subtree()
                    text = preformatted(element)
                    if text.strip():
                        if (language := language_of(element, text)) is not None:
                            page.languages[len(texts)] = language
                        add(text, CODE)
                    continue
            if element.text:
                add(element.text, TEXT)
        else:
            i = stack.pop()
            if blank and len(texts) > first[i]:
                raws[-1] += blank
                blank = 0
            ends[i] = len(tags)
            last[i] = len(texts)
            raw_end[i] = size
            if tag == "a":
                links -= 1
            elif tag in _PARAGRAPH:
                paragraph += 1
                if tag in _HEADINGS:
                    in_heading -= 1
            gap = gap or tag in _APART
            if block_stack[-1] == i:
                block_stack.pop()
                states.pop()
                # an empty element is no block (trafilatura takes it out)
                if i + 1 < len(tags) or element.text is not None or tag in ("br", "hr"):
                    states[-1] = AFTER_BREAK if tag in _BREAKING else TAIL
            if element.tail:
                add(element.tail, TEXT)
    return page


_HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}


def preformatted(element: etree._Element) -> str:
    """The text of an element as it stands, `<br>` as a new line, without line numbers."""
    parts: list[str] = []
    walk = etree.iterwalk(element, events=("start", "end"))
    for event, inner in walk:
        if event == "start":
            if (inner is not element and inner.tag in INVISIBLE) or _is_line_number(inner):
                walk.skip_subtree()
            elif inner.tag == "br":
                parts.append("\n")
            elif inner.text:
                parts.append(inner.text)
        elif inner is not element and inner.tail:
            parts.append(inner.tail)
    return "".join(parts).replace("\r\n", "\n").strip("\n").rstrip()


_NUMBERS = {"linenos", "lineno", "linenodiv", "line-number", "line-numbers", "gutter", "linenumber",
            "blob-num", "rouge-gutter", "hljs-ln-numbers"}  # fmt: skip


def _is_line_number(element: etree._Element) -> bool:
    names = element.get("class")
    return bool(names) and not _NUMBERS.isdisjoint(names.split())


_LANGUAGE = re.compile(
    r"\b(?:language|lang|highlight(?:-source)?|brush:|sourceCode|src)[- ]\s*([a-z0-9+#]+)\b"
)
_CODE_CLASS = re.compile(
    r"code|highlight|hljs|syntax|prettyprint|brush|listing|console|terminal|cmd"
)
_CODE_MARK = re.compile(r"[{};=<>$#\\]|\w\(|\)$|^\s{2,}\S|^\s*(?:#|//)", re.MULTILINE)
_NO_LANGUAGE = {"default", "none", "text", "notranslate", "block", "plain", "plaintext"}


def language_of(element: etree._Element, text: str) -> str | None:
    """The language of a preformatted block, an empty text if it is not told, None if it looks like
    prose."""
    code = element.find(".//code")
    around = element.getparent()
    further = around.getparent() if around is not None else None
    names = [
        node.get("class") or "" for node in (code, element, around, further) if node is not None
    ]
    for name in names[:3]:
        if (match := _LANGUAGE.search(name)) and match[1] not in _NO_LANGUAGE:
            return match[1]
    if code is not None or any(map(_CODE_CLASS.search, names)):
        return ""
    marks = sum(1 for _ in _CODE_MARK.finditer(text[:4000]))
    return "" if marks * 50 >= len(text[:4000]) else None
