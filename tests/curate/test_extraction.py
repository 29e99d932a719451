"""The step `extract`, and the recipes built on it, on real pages and on pages made to break it."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from research.cli import main
from research.corpora.document import Corpus, Document, Unit, build_corpus
from research.corpora.installed import SAMPLES
from research.curate.extraction.step import Extract
from research.curate.filters.mathematics import math_score
from research.curate.report import apply
from research.curate.steps import Drop

PAGE = """<!DOCTYPE html><html><head><title>t</title><script>var a = "<p>no</p>";</script></head>
<body><nav><a href="/">Home</a> <a href="/b">Menu</a></nav><div id="content"><h1>Heading</h1>
<p>A first paragraph of this article that is long enough, with <b>bold</b>&nbsp;words and
a <a href="/x">link</a>, to be taken for the content of the page by the rules.</p>
<p><img src="pic.png" alt="A picture"></p>
<ul><li>one</li><li>two<ol start="3"><li>three</li></ol></li></ul>
<pre class="language-python"><code>def f(x):
    if x &lt; 2:

        return  x
</code></pre>
<table><tr><th>name</th><th>value</th></tr><tr><td>a</td><td>1</td></tr></table>
<p>The sum <span class="katex"><span class="katex-mathml"><math><semantics><mi>x</mi><annotation
encoding="application/x-tex">\\sum_i x_i</annotation></semantics></math></span><span>x</span></span>
is finite, and so is the whole of it, as the reader of this paragraph will have guessed.</p>
</div><footer>Copyright</footer></body></html>"""
TEXT = """Heading

A first paragraph of this article that is long enough, with bold words and a link, to be taken for the content of the page by the rules.

- one
- two
  3. three

```python
def f(x):
    if x < 2:

        return  x
```

name | value
a | 1

The sum $\\sum_i x_i$ is finite, and so is the whole of it, as the reader of this paragraph will have guessed."""  # noqa: E501


def extracted(html: str, **meta: str) -> Document | Drop:
    return apply(Extract(), Document(html, "d", "pages", {"format": "html", **meta}))[0]


def corpus_of(root: Path, name: str, texts: Sequence[str], **meta: str) -> Corpus:
    unit = Unit(name, 0, lambda: (Document(t, f"d{i}", name, meta) for i, t in enumerate(texts)))
    return build_corpus(root, name, "1", [unit], licence="CC0", definition={}, command="a test")


def test_a_page_keeps_its_lists_tables_code_formulas_and_images() -> None:
    document = extracted(PAGE, url="https://example.org/a/b.html")
    assert document.text == TEXT
    image = {"src": "https://example.org/a/pic.png", "alt": "A picture"}
    assert document.meta["images"] == [image | {"offset": TEXT.index("- one") - 2}]
    assert apply(Extract(), document)[0] is document  # it is text now


def test_text_that_is_no_html_passes_unchanged() -> None:
    for text in ("a < b and <b>bold</b>", "import html\nPAGE = '<html><body>'", "<x> unknown </x>"):
        document = Document(text, "d", "texts")
        assert apply(Extract(), document)[0] is document


@pytest.mark.parametrize(
    ("html", "latex"),
    [
        ('<script type="math/tex; mode=display">a&lt;b_1</script>', "$$a&lt;b_1$$"),
        ('<img class="latex" src="l.php" alt="\\frac{1}{2} &gt; x">', r"$\frac{1}{2} > x$"),
        ('<img src="https://latex.codecogs.com/gif.latex?x%5E2" alt="">', "$x^2$"),
        ('<span class="mwe-math-element"><span style="display:none"><math><mi>z</mi></math></span>'
         '<img class="mwe-math-fallback-image-inline" alt="{\\displaystyle z}"></span>', "$z$"),
        ('<math display="block"><mfrac><mn>1</mn><msqrt><mi>&alpha;</mi></msqrt></mfrac></math>',
         r"$$\frac{1}{\sqrt{\alpha}}$$"),
        ("<math><msubsup><mo>∑</mo><mrow><mi>i</mi><mo>=</mo><mn>1</mn></mrow><mi>n</mi></msubsup>"
         "<mi>sin</mi><mi>x</mi></math>", r"$\sum_{i=1}^{n}\sin x$"),
        ('<span class="ql-formula" data-value="e^{i\\pi}">x</span>', r"$e^{i\pi}$"),
        ('<span class="math">\\(k^2\\)</span>', r"\(k^2\)"),
        ('<span class="MathJax_Preview">x</span><script type="math/tex">y % c</script>', "$y$"),
    ],
)  # fmt: skip
def test_formulas_come_out_as_latex(html: str, latex: str) -> None:
    document = extracted(f"<html><body><p>Before {html} after.</p></body></html>")
    assert document.text == f"Before {latex} after."


def test_bad_pages_are_handled_and_counted(tmp_path: Path, capsys) -> None:
    good = "<p>" + "A sentence of a page that is in order. " * 20 + "</p>"
    pages = {
        "good": f"<html><body>{good}</body></html>",
        "broken": f"<html><body><div><table><tr><td>{good}<p <b>unclosed <i>tags</div></b><a hr",
        "deep": "<html><body>" + "<div>" * 100_000 + good,
        "deep lists": "<html><body>" + "<ul><li>" * 100_000 + good,
        "deep mathematics": f"<html><body>{good}<math>" + "<mrow>" * 1900 + "<mi>x</mi>",
        "nulls": f"<html>\0<body>\0{good}\0</body></html>",
        "one line": "<html><body>" + good.replace("\n", " ") * 300 + "</body></html>",
        "wrong encoding": f"<html><body>{good}<p>Die größe \ufffd\ufffd ist so.</p></body></html>",
        "binary": "<html>" + "\0\x01\ufffd\x02PNG" * 500,
        "no text": "<html><body><script>only()</script></body></html>",
        "only formulas": "<html><body>" + "$" * 100_000 + "`" * 100_000 + "</body></html>",
        "fences": "<html><body><pre>" + "```a\n" * 50_000 + "</pre></body></html>",
        "large": "<html><body>" + "<p>word</p>" * 800_000,
        "attributes": f"<html><body><p class='{'menu ' * 20_000}' id={'x' * 90_000}>x</p>{good}",
        "brackets": "<html><body>" + "<" * 200_000 + "&" * 100_000,
    }  # fmt: skip
    corpus_of(tmp_path, "hostile", list(pages.values()), format="html")
    command = ["--root", str(tmp_path), "curate", "hostile", "--recipe", "extract", "--out", "out"]
    assert main(command) == 0
    step = Corpus.open(tmp_path, "out").manifest["funnel"][0]
    ids = {name: f"d{i}" for i, name in enumerate(pages)}
    assert step["quarantined"] == {"text larger than 8 MiB": 1}
    assert step["dropped"]["binary"]["documents"] == 1
    assert (
        step["documents_in"]
        == len(pages)
        == step["documents_out"] + 1 + sum(tally["documents"] for tally in step["dropped"].values())
    )
    kept = {d.id: d for d in Corpus.open(tmp_path, "out").documents()}
    for name in ("good", "broken", "deep", "deep mathematics", "nulls", "one line"):
        assert "A sentence of a page that is in order." in kept[ids[name]].text
    assert "größe" in kept[ids["wrong encoding"]].text
    assert kept[ids["deep"]].meta["extraction"] == "nested_too_deeply"
    capsys.readouterr()
    explain = ["--root", str(tmp_path), "curate", "explain", "out", "--id", ids["binary"]]
    assert main(explain) == 0
    assert "extract: DROPPED: binary" in capsys.readouterr().out


def test_real_pages_give_text_and_stay_in_order() -> None:
    pages = itertools.islice(SAMPLES["web_pages"].open_units("web_pages")[0].read(), 40)
    outcomes = [apply(Extract(), page)[0] for page in pages]
    texts = [outcome.text for outcome in outcomes if isinstance(outcome, Document)]
    assert len(texts) >= 38 and all("<div" not in text and "</" not in text for text in texts)
    assert sum(map(len, texts)) > 20_000


def test_redstone_leaves_four_corpora_that_are_one(tmp_path: Path) -> None:
    prose = "It was the custom of the house that all of them would sit there in the evening. "
    prose = "".join(f"<p>{prose}That was on day {i} of the year, and they were content.</p>"
                    for i in range(40))  # fmt: skip
    body = "<html><body><div id=content><h1>{}</h1>{}</div></body></html>"
    faq = "".join(f"<h3>How do I do the thing number {i} here?</h3><p>You do the thing by asking "
                  "the people in the office of the house, who will help you with it.</p>"
                  for i in range(6))  # fmt: skip
    code = f"<p>We show how to write it:</p><pre><code>{'print(1)  # a line' * 20}</code></pre>"
    maths = "".join(f"<p>Let <math><mi>x</mi><mo>=</mo><mn>{i}</mn></math> be an integer. By the "
                    "theorem, the equation has a solution and the proof follows by induction.</p>"
                    for i in range(20))  # fmt: skip
    varied = [prose.replace("evening", f"evening of {word}") for word in ("May", "June")]
    texts = [body.format("t", part) for part in (*varied, faq, code, maths)]
    corpus_of(tmp_path, "pages", texts, format="html")
    command = ["--root", str(tmp_path), "curate", "pages", "--recipe", "redstone", "--out", "rs"]
    gin = ["--gin", "language.min_score = 0.1"]
    assert main([*command, *gin]) == 0 and main([*command, *gin]) == 0  # the second finds all made
    whole = {d.id: d for d in Corpus.open(tmp_path, "rs").documents()}
    parts = {}
    for kind in ("general", "code", "math", "qa"):
        if (tmp_path / "corpora" / f"rs_{kind}").exists():
            parts[kind] = {d.id for d in Corpus.open(tmp_path, f"rs_{kind}").documents()}
    assert sorted(itertools.chain(*parts.values())) == sorted(whole)
    assert parts["qa"] == {"d2"} and parts["code"] == {"d3"} and parts["math"] == {"d4"}


def test_math_pages_keeps_mathematics(sample_root: Path, tmp_path: Path) -> None:
    shutil.copytree(sample_root / "corpora/wiki_sample", tmp_path / "corpora/wiki_sample")
    command = ["--root", str(tmp_path), "curate", "wiki_sample", "--recipe", "math_pages"]
    assert main([*command, "--out", "wiki_math"]) == 0
    titles = {d.meta["title"] for d in Corpus.open(tmp_path, "wiki_math").documents()}
    assert "Arithmetic mean" in titles and len(titles) < 15
    for line in itertools.islice(Corpus.open(sample_root, "web_sample").documents(), 50):
        assert math_score(line.text) < 0.99
