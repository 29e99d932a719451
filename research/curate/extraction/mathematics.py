"""Formulas of a page as LaTeX, whatever the page wrote them in (after OpenWebMath, Paster et al.
2023, https://arxiv.org/abs/2310.06786).

What is understood: MathML, by its LaTeX annotation, its `alttext` or converted; the scripts of
MathJax (`math/tex`, `math/mml`); what KaTeX, MathJax and Wikipedia render, which hold MathML;
`data-latex` and the like; and images with LaTeX as their `alt` (WordPress, LaTeX2HTML, CodeCogs).
Formulas that stand in the text between `$` or `\\(` are text already and stay as they are.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Mapping
from urllib.parse import unquote_plus

from lxml import etree

from research.curate.extraction.mathml import to_latex

_TEX_ENCODINGS = {"application/x-tex", "application/x-latex", "tex", "latex", "text/x-tex"}
_SOURCES = ("data-latex", "data-tex", "data-math", "data-formula", "data-equation", "data-expr")
_SOURCE_CLASSES = {"ql-formula": "data-value", "math-tex": "data-latex"}
_IMAGE_CLASSES = re.compile(r"\b(tex|latex|math|mathtex|eqn?|equation|formula|teximage)\b|mwe-math")
_IMAGE_SOURCES = re.compile(
    r"codecogs\.com|latex\.(?:php|cgi)|mimetex|mathtex|[?&]cht=tx\b|/latex[/?]"
)
_QUERY = re.compile(
    r"(?:latex\.php\?latex=|[?&]chl=|(?:codecogs|mimetex|mathtex)[^?]*\?(?:latex=)?)([^&#]+)"
)
_RENDERED = re.compile(
    r"\b(?:katex|katex-display|mwe-math-element|"
    r"MathJax(?:_(?:Display|SVG|CHTML|SVG_Display|CHTML_Display|Preview|PHTML))?)\b"
)
_TEX_CLASS = re.compile(r"\b(?:tex|latex|math)\b", re.IGNORECASE)
_DISPLAY = re.compile(r"display|block", re.IGNORECASE)
_STYLE = re.compile(r"^\{\\(?:display|text)style\s*(.*)\}$", re.DOTALL)
_COMMENT = re.compile(r"(?<!\\)%.*")
_DELIMITERS = ((r"\(", r"\)", False), (r"\[", r"\]", True), ("$$", "$$", True), ("$", "$", False))
_SIGNS = (
    "math", "Math", "MATH", "katex", "latex", "LaTeX", "Latex", "mimetex", 'class="tex"',
    "class='tex'", 'class="tex ', 'tex"', "data-tex", "data-formula", "data-equation", "data-expr",
    "ql-formula",
    "cht=tx", 'alt="$', "alt='$", "\\begin{", "mwe-", "mjx-",
)  # fmt: skip
LOOKED_AT = 300  # elements of a rendered formula, so that nesting costs no more than its size
LONGEST = 20_000  # characters; a longer formula is none


def may_hold_formulas(html: str) -> bool:
    """Whether a page may hold formulas that are not in its text: a quick look at its source."""
    return any(sign in html for sign in _SIGNS)


def formula_of(element: etree._Element, tag: str, attributes: Mapping[str, str]) -> str | None:
    """The formula that an element is.

    Args:
      element: of a parsed page.
      tag: its name.
      attributes: its attributes.

    Returns:
      LaTeX between dollars; an empty text for what only repeats a formula beside it; None for what
      is no formula.
    """
    if tag == "math" or tag.endswith(":math"):
        return _mathml(element, attributes)
    if tag == "script":
        return _script(element, attributes)
    if not attributes:
        return None
    if tag == "img":
        return _image(attributes)
    if tag == "mjx-container":
        return _rendered(element, "display" in attributes and attributes["display"] == "true")
    for name in _SOURCES:
        if name in attributes and (source := attributes[name]) and _is_tex(source):
            return delimited(source, _is_display(tag, attributes))
    names = attributes.get("class")
    if not names or not (kind := _kind(names)):
        return None
    if kind == "rendered":
        return _rendered(element, _is_display(tag, attributes))
    if kind == "source":
        source = next(
            (attributes.get(_SOURCE_CLASSES[c]) for c in _SOURCE_CLASSES if c in names), ""
        )
        return delimited(source, _is_display(tag, attributes)) if source else None
    return _bare(element, tag, names)


@functools.lru_cache(1 << 13)
def _kind(names: str) -> str:
    if _RENDERED.search(names):
        return "rendered"
    if any(name in names for name in _SOURCE_CLASSES):
        return "source"
    return "tex" if _TEX_CLASS.search(names) else ""


def delimited(latex: str, display: bool) -> str:
    """LaTeX between the dollars of its kind, without comments, its own delimiters and a wrapping
    style; an empty text if nothing is left."""
    if len(latex) > LONGEST:
        return ""
    if "%" in latex:
        latex = _COMMENT.sub("", latex)
    latex = latex.strip()
    for opening, closing, block in _DELIMITERS:
        inner = latex[len(opening) : -len(closing)]
        if latex.startswith(opening) and latex.endswith(closing) and opening not in inner:
            latex, display = inner.strip(), display or block
            break
    if style := _STYLE.match(latex):
        latex = style[1].strip()
    if not latex:
        return ""
    lines = [" ".join(line.split()) for line in latex.splitlines()]
    text = "\n".join(filter(None, lines)) if display else " ".join(filter(None, lines))
    return f"$${text}$$" if display else f"${text}$"


def _mathml(element: etree._Element, attributes: Mapping[str, str]) -> str:
    display = attributes.get("display") == "block" or attributes.get("mode") == "display"
    for inner in itertools.islice(element.iter(), 20 * LOOKED_AT):
        encoding = (inner.get("encoding") or "").lower()
        if inner.tag.endswith("annotation") and encoding in _TEX_ENCODINGS and inner.text:
            return delimited(inner.text, display)
    latex = attributes.get("alttext") or to_latex(element)
    return delimited(latex, display)


def _script(element: etree._Element, attributes: Mapping[str, str]) -> str | None:
    kind = (attributes.get("type") or "").lower()
    if not kind.startswith("math/"):
        return None
    source, display = element.text or "", "display" in kind
    if kind.startswith("math/tex"):
        return delimited(source, display)
    if kind.startswith("math/mml"):
        parser = etree.XMLParser(recover=True, resolve_entities=False, no_network=True)
        try:
            root = etree.fromstring(source.encode(), parser)
        except etree.XMLSyntaxError:
            return ""
        return "" if root is None else _mathml(root, dict(root.items()))
    return ""


def _image(attributes: Mapping[str, str]) -> str | None:
    alt, source = attributes.get("alt") or "", attributes.get("src") or ""
    names = attributes.get("class") or ""
    marked = bool(_IMAGE_CLASSES.search(names) or _IMAGE_SOURCES.search(source))
    if marked and (_is_tex(alt) or 0 < len(alt) <= 3):
        return delimited(alt, bool(_DISPLAY.search(names)))
    if marked and (query := _QUERY.search(source)):
        return delimited(unquote_plus(query[1]), False)
    stripped = alt.strip()
    if (len(stripped) > 2 and stripped[0] == stripped[-1] == "$") or stripped.startswith(
        r"\begin{"
    ):
        return delimited(stripped, stripped.startswith(r"\begin{"))  # LaTeX2HTML
    return None


def _rendered(element: etree._Element, display: bool) -> str | None:
    """A formula as a browser's library has drawn it: its MathML or its TeX are inside or follow."""
    for inner in itertools.islice(element.iter(), LOOKED_AT):
        tag, attributes = inner.tag, inner.attrib
        if "katex-display" in attributes.get("class", ""):
            display = True
        found = None
        if tag == "math":
            found = _mathml(inner, dict(attributes))
        elif tag == "script":
            found = _script(inner, dict(attributes))
        elif tag == "img":
            found = _image(dict(attributes))
        elif source := attributes.get("data-mathml"):
            found = _script_mathml(source)
        if found:
            return delimited(found, display)
    following = element.getnext()
    for _ in range(3):
        if following is None:
            break
        if following.tag == "script" and (following.get("type") or "").startswith("math/"):
            return ""  # the formula comes with the script
        following = following.getnext()
    return "" if "Preview" in element.get("class", "") else None


def _script_mathml(source: str) -> str | None:
    return _script(_source(source), {"type": "math/mml"})


def _source(text: str) -> etree._Element:
    element = etree.Element("script")
    element.text = text
    return element


def _bare(element: etree._Element, tag: str, names: str) -> str | None:
    """TeX as the text of an element whose class says so, without delimiters around it."""
    if len(element) or not (text := element.text) or len(text) > LONGEST or tag == "pre":
        return None
    text = text.strip()
    if text.startswith((r"\(", r"\[", "$")) or not _is_tex(text):
        return None
    return delimited(text, tag == "div" or bool(_DISPLAY.search(names)))


def _is_tex(text: str) -> bool:
    return len(text) <= LONGEST and any(mark in text for mark in ("\\", "^", "_", "{", "=", "+"))


def _is_display(tag: str, attributes: Mapping[str, str]) -> bool:
    names = attributes.get("class") or ""
    return tag in ("div", "p") or bool(_DISPLAY.search(names)) or "data-display" in attributes
