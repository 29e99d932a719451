"""Pages whose formulas and code blocks are known, for `gristmill bench extraction`.

    PYTHON extraction_sources.py make DOCSTRINGS.json PAGES.json
    PYTHON extraction_sources.py judge PAGES.json TEXTS.json

`make` lets docutils turn real documentation (reStructuredText) into pages, with a menu, a sidebar
and a footer around it.  The formulas are written by turns as docutils' MathML, as MathJax text and
scripts, as KaTeX, as Wikipedia and as images with LaTeX in their `alt`; the code by turns as plain
blocks, by Pygments, and by Pygments with line numbers.  What the documentation held is the truth.

`judge` counts what is in the extracted texts: a formula if its LaTeX is there, or LaTeX that
docutils turns into the same MathML; a block of code if its lines are, with their whitespace.
It stands alone: the Python with docutils and Pygments need not have Gristmill.
"""

import html
import json
import re
import sys
from typing import Any

from docutils import nodes
from docutils.core import publish_doctree, publish_from_doctree
from docutils.utils.math.latex2mathml import tex2mathml
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

SETTINGS = {
    "report_level": 5, "halt_level": 5, "file_insertion_enabled": False, "raw_enabled": False,
    "syntax_highlight": "none", "input_encoding": "unicode", "output_encoding": "unicode",
    "math_output": "MathML",
}  # fmt: skip
PAGE = """<!DOCTYPE html><html><head><title>{title}</title><meta charset="utf-8"></head><body>
<div class="navbar"><ul><li><a href="/">Home</a></li><li><a href="/docs">Documentation</a></li>
<li><a href="/news">News</a></li><li><a href="/about">About us</a></li></ul></div>
<div class="sidebar"><h3>Navigation</h3><ul><li><a href="/a">Previous topic</a></li>
<li><a href="/b">Next topic</a></li></ul></div>
<div class="document"><div class="body" role="main"><h1>{title}</h1>
{body}
</div></div><div class="footer">&copy; Copyright, the developers. <a href="/x">Contact</a></div>
</body></html>"""
MATH_FORMS = ("mathml", "mathjax", "script", "katex", "wikipedia", "image")
CODE_FORMS = ("plain", "pygments", "numbered")


def make(docstrings: dict[str, str]) -> list[dict[str, Any]]:
    """Pages with `html`, `formulas` and `codes`."""
    pages = []
    for number, (title, text) in enumerate(sorted(docstrings.items())):
        tree = publish_doctree(text, settings_overrides=SETTINGS)
        for problem in list(tree.findall(nodes.system_message)):
            problem.parent.remove(problem)
        math_form = MATH_FORMS[number % len(MATH_FORMS)]
        code_form = CODE_FORMS[number % len(CODE_FORMS)]
        formulas, codes = [], []
        for node in [*tree.findall(nodes.math), *tree.findall(nodes.math_block)]:
            source = node.astext().strip()
            written = _formula(source, math_form, isinstance(node, nodes.math_block))
            if written is None:
                node.replace_self(nodes.raw("", html.escape(source), format="html"))
                continue
            formulas.append({"latex": source, "form": math_form})
            node.replace_self(nodes.raw("", written, format="html"))
        for node in [*tree.findall(nodes.literal_block), *tree.findall(nodes.doctest_block)]:
            source = node.astext().strip("\n")
            codes.append({"code": source, "form": code_form})
            node.replace_self(nodes.raw("", _code(source, code_form), format="html"))
        body = publish_from_doctree(tree, writer="html5", settings_overrides=SETTINGS)
        body = body[body.index("<main") if "<main" in body else body.index("<body") :]
        body = re.sub(r"</?(?:main|body|html)[^>]*>", "", body)
        pages.append({"html": PAGE.format(title=html.escape(title), body=body),
                      "formulas": formulas, "codes": codes})  # fmt: skip
    return pages


def _mathml(source: str, display: bool) -> str | None:
    try:
        return str(tex2mathml(source, as_block=display))
    except Exception:  # LaTeX that docutils does not know
        return None


def _formula(source: str, form: str, display: bool) -> str | None:
    """The formula as a page would have it; None if docutils cannot convert it."""
    escaped = html.escape(source)
    mathml = _mathml(source, display)
    if mathml is None:
        return None
    annotated = re.sub(
        r"(<math[^>]*>)(.*)(</math>)",
        lambda match: f"{match[1]}<semantics><mrow>{match[2]}</mrow><annotation "
        f'encoding="application/x-tex">{escaped}</annotation></semantics>{match[3]}',
        mathml, flags=re.DOTALL,
    )  # fmt: skip
    tag = "div" if display else "span"
    if form == "mathml":
        return mathml
    if form == "mathjax":
        inner = rf"\[{escaped}\]" if display else rf"\({escaped}\)"
        return f'<{tag} class="math notranslate nohighlight">{inner}</{tag}>'
    if form == "script":
        mode = "; mode=display" if display else ""
        return (f'<span class="MathJax_Preview">[math]</span>'
                f'<script type="math/tex{mode}">{source}</script>')  # fmt: skip
    if form == "katex":
        drawn = "".join(f'<span class="mord">{html.escape(c)}</span>' for c in source[:8])
        katex = (f'<span class="katex"><span class="katex-mathml">{annotated}</span>'
                 f'<span class="katex-html" aria-hidden="true">{drawn}</span></span>')  # fmt: skip
        return f'<span class="katex-display">{katex}</span>' if display else katex
    style = html.escape(rf"{{\displaystyle {source}}}")
    if form == "wikipedia":
        return (f'<span class="mwe-math-element"><span class="mwe-math-mathml-inline" '
                f'style="display: none;">{annotated}</span><img src="/math/svg/0" '
                f'class="mwe-math-fallback-image-inline" alt="{style}"></span>')  # fmt: skip
    return f'<img src="/latex.php?latex=x" alt="{escaped}" class="latex">'


def _code(source: str, form: str) -> str:
    if form == "plain":
        return f'<pre class="literal-block">{html.escape(source)}</pre>'
    formatter = HtmlFormatter(linenos="table" if form == "numbered" else False)
    drawn = highlight(source, PythonLexer(stripnl=False), formatter)
    return f'<div class="highlight-python">{drawn}</div>'


_WRITTEN = re.compile(r"\$\$(.+?)\$\$|\$([^$\n]+?)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)


def judge(pages: list[dict[str, Any]], texts: list[str]) -> dict[str, Any]:
    """How many formulas and blocks of code there are, and how many are in the texts, by form."""
    counts: dict[str, list[int]] = {}

    def count(kind: str, form: str, found: bool) -> None:
        for key in (kind, f"{kind} {form}"):
            entry = counts.setdefault(key, [0, 0])
            entry[0] += found
            entry[1] += 1

    for page, text in zip(pages, texts, strict=True):
        bare = _bare(text)
        drawn = {_mathml_text(next(filter(None, match))) for match in _WRITTEN.findall(text)}
        for formula in page["formulas"]:
            source = formula["latex"]
            here = _bare(source) in bare or _mathml_text(source) in drawn - {None}
            count("formula", formula["form"], here)
        lines = "\n".join(line.rstrip() for line in text.splitlines())
        for code in page["codes"]:
            wanted = "\n".join(line.rstrip() for line in code["code"].splitlines())
            count("code", code["form"], wanted in lines)
    return counts


def _bare(latex: str) -> str:
    return re.sub(r"\s+", "", latex)


def _mathml_text(latex: str) -> str | None:
    """What the MathML of a formula shows, piece by piece, without grouping."""
    mathml = _mathml(latex.strip(), False)
    if mathml is None:
        return None
    mathml = re.sub(r"</?(?:mrow|mstyle|math|mspace|mpadded)\b[^>]*>", "", mathml)
    return re.sub(r"<(\w+)[^>]*>|\s+", lambda match: f"<{match[1]}>" if match[1] else "", mathml)


def main() -> None:
    """Makes or judges."""
    action, first, second = sys.argv[1:]
    with open(first, encoding="utf-8") as file:
        given = json.load(file)
    if action == "make":
        with open(second, "w", encoding="utf-8") as file:
            json.dump(make(given), file)
    else:
        with open(second, encoding="utf-8") as file:
            print(json.dumps(judge(given, json.load(file)["texts"])))


if __name__ == "__main__":
    main()
