"""Wikitext to prose: links and styles become their text, the apparatus of the page is left out."""

from __future__ import annotations

import re

import mwparserfromhell
from mwparserfromhell import nodes
from mwparserfromhell.wikicode import Wikicode

DROPPED_TAGS = {"gallery", "imagemap", "ref", "references", "score", "style", "table", "timeline"}
DROPPED_SECTIONS = {
    "bibliography", "citations", "external links", "footnotes", "further reading", "gallery",
    "notes", "notes and references", "references", "see also", "sources", "works cited",
}  # fmt: skip
# templates that stand for words of the sentence: the parameters that are those words
TEMPLATES = {
    "quote": ["1"], "blockquote": ["1"], "cquote": ["1"], "nowrap": ["1"], "lang": ["2"],
    "transl": ["-1"], "math": ["1"], "mvar": ["1"], "sup": ["1"], "sub": ["1"], "abbr": ["1"],
    "small": ["1"], "angbr": ["1"], "as of": ["1"],
    "convert": ["1", "2"], "cvt": ["1", "2"], "frac": ["1", "2"], "sic": ["1"],
}  # fmt: skip
SYMBOLS = {
    "ndash": "–", "mdash": "—", "spaced ndash": " – ", "snd": " – ", "nbsp": " ", "!": "|",
    "=": "=", "'": "'", "pi": "π",
}  # fmt: skip

# links to files, categories and the same page in other languages
PAGE_APPARATUS = re.compile(r"(?i:file|image|media|category)\s*:|[a-z]{2,3}(-[a-z]+)?:\S")
STRAY = re.compile(
    r"<ref[^<>]*>.*?</ref>|</?(?:ref|blockquote|small|div|span|center|br)\b[^<>]*>|'{2,}|__[A-Z]+__",
    re.DOTALL,
)


def to_prose(source: str) -> str:
    """The running text of an article: paragraphs, headings and list items."""
    kept = []
    dropped_level = 0
    # unbalanced quotes would swallow what follows them: they are stripped as text instead
    for node in mwparserfromhell.parse(source, skip_style_tags=True).nodes:
        if isinstance(node, nodes.Heading):
            if dropped_level and node.level > dropped_level:
                continue
            title = _render(node.title).strip()
            dropped_level = node.level if title.lower() in DROPPED_SECTIONS else 0
            if not dropped_level:
                kept.append(f"\n\n{title}\n\n")
        elif not dropped_level:
            kept.append(_render_node(node))
    return _tidy("".join(kept))


def _render(code: Wikicode | None) -> str:
    return "".join(map(_render_node, code.nodes)) if code is not None else ""


def _render_node(node: nodes.Node) -> str:
    if isinstance(node, nodes.Text):
        return str(node.value)
    if isinstance(node, nodes.Wikilink):
        if PAGE_APPARATUS.match(str(node.title)):
            return ""
        return _render(node.text if node.text is not None else node.title)
    if isinstance(node, nodes.ExternalLink):
        return _render(node.title) if node.title is not None else ""
    if isinstance(node, nodes.HTMLEntity):
        return node.normalize() or ""
    if isinstance(node, nodes.Tag):
        return _render_tag(node)
    if isinstance(node, nodes.Template):
        return _render_template(node)
    if isinstance(node, nodes.Heading):
        return f"\n\n{_render(node.title).strip()}\n\n"
    return ""


def _render_tag(node: nodes.Tag) -> str:
    tag = str(node.tag).strip().lower()
    if tag in DROPPED_TAGS:
        return ""
    if tag == "br":
        return "\n"
    if tag == "li" and node.wiki_markup:
        return "- "
    if tag == "math":
        return f"${str(node.contents).strip()}$"
    return _render(node.contents)


def _render_template(node: nodes.Template) -> str:
    name = str(node.name).strip().lower()
    if name in SYMBOLS:
        return SYMBOLS[name]
    wanted = ["1"] if name.startswith("lang-") else TEMPLATES.get(name)
    if wanted is None:
        return ""
    positional = [_render(p.value).strip() for p in node.params if not p.showkey]
    named = {str(p.name).strip(): _render(p.value).strip() for p in node.params if p.showkey}
    words = []
    for key in wanted:
        if key in named:
            words.append(named[key])
        elif -len(positional) <= (index := int(key) - (int(key) > 0)) < len(positional):
            words.append(positional[index])
    return ("/" if name == "frac" else " ").join(words)


def _tidy(text: str) -> str:
    text = STRAY.sub("", text)
    text = re.sub(r"\(\s*[,;:–]?\s*\)", "", text)  # what templates left behind
    text = re.sub(r"\((?:\s*[;,])+\s*", "(", text)
    text = re.sub(r"(?:[;,]\s*)+\)", ")", text)
    text = re.sub(r"[ \t\xa0]+", " ", text)
    text = re.sub(r" +([,.;:)])", r"\1", text)
    lines = [line.strip() for line in text.split("\n")]
    table = ("{|", "|", "!")  # rows of tables that are never closed
    text = "\n".join("" if line == "-" or line.startswith(table) else line for line in lines)
    return re.sub(r"\n{3,}", "\n\n", text).strip()
