"""The checks behind pylint's score: tokens, messages, switches in comments."""

from __future__ import annotations

import io
import sys
import sysconfig
import tokenize
from pathlib import Path

import pytest

from research.curate.code.lint import lint
from research.curate.code.python_tokens import tokens_of
from research.curate.code.syntax_tree import CannotParse, parse

LIBRARY = Path(sysconfig.get_path("stdlib"))


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="f-strings are several tokens there")
@pytest.mark.parametrize("name", ["argparse.py", "typing.py", "json/decoder.py", "this.py"])
def test_tokens_are_counted_as_the_standard_library_does(name: str) -> None:
    text = (LIBRARY / name).read_text("utf-8")
    expected = list(tokenize.generate_tokens(io.StringIO(text).readline))
    found = tokens_of(text)
    assert found.count == len(expected)
    comments = [token.start[0] for token in expected if token.type == tokenize.COMMENT]
    assert [found.lines[position] for position in found.comments] == comments


@pytest.mark.parametrize(
    ("source", "symbol"),
    [
        ("import os\n", "unused-import"),
        ("from . import a\nprint(a)\n", "no-name-in-module"),
        ("from .a import b\nprint(b)\n", "relative-beyond-top-level"),
        ("from textwrap import nothing\nprint(nothing)\n", "no-name-in-module"),
        ("import textwrap\ntextwrap.nothing()\n", "no-member"),
        ("def f():\n    a = 1\n", "unused-variable"),
        ("def f(a):\n    return 1\n", "unused-argument"),
        ("def f():\n    return a\n", "undefined-variable"),
        ("a = 1\n\n\ndef f():\n    a = 2\n    return a\n", "redefined-outer-name"),
        ("def f(id):\n    return id\n", "redefined-builtin"),
        ("if True:\n  a = 1\n", "bad-indentation"),
        ("a = 1 \n", "trailing-whitespace"),
        ("a = 1", "missing-final-newline"),
        ("a = 1; b = 2\n", "multiple-statements"),
        ("if (1 == 2):\n    pass\n", "superfluous-parens"),
        ("class A:\n    a = 1\n", "missing-class-docstring"),
        ("def f(a):\n    return a._b\n", "protected-access"),
        ("class A:\n    'a'\n    def f(self):\n        self.a = 1\n",
         "attribute-defined-outside-init"),
        ("class A:\n    'a'\n    def f(self):\n        return self.b\n", "no-member"),
        ("class A:\n    'a'\n    def f(this):\n        return this\n", "no-self-argument"),
        ("def f(a, b, c, d, e, g):\n    return a + b + c + d + e + g\n", "too-many-arguments"),
        ("def f(a):\n    if a:\n        return 1\n    else:\n        return 2\n", "no-else-return"),
        ("def f(a):\n    if a:\n        return 1\n", "inconsistent-return-statements"),
        ("print('%s' % 1)\n", "consider-using-f-string"),
        ("try:\n    print()\nexcept:\n    print()\n", "bare-except"),
        ("def f(a=[]):\n    return a\n", "dangerous-default-value"),
        ("def f(a):\n    return a\n\n\nf()\n", "no-value-for-parameter"),
        ("open('a')\n", "unspecified-encoding"),
        ("def f():\n    return 1\n\n\ndef f():\n    return 2\n", "function-redefined"),
    ],
)  # fmt: skip
def test_messages(source: str, symbol: str) -> None:
    assert symbol in lint(source).counts()


@pytest.mark.parametrize(
    "source",
    [
        "import os\n\n__all__ = ['os']\n",
        "from typing import List\n\na: 'List' = []\n",
        "def f(_a):\n    return 1\n",
        "import codecs\n\n\nclass A(codecs.Codec):\n    'a'\n    def encode(self, input, errors=0):"
        "\n        return b'', 0\n    def decode(self, input, errors='a'):\n        return '', 0\n",
        "class A:\n    'a'\n    def __init__(self):\n        self.set()\n\n    def set(self):\n"
        "        self.a = 1\n",
        "import os  # pylint: disable=unused-import\n",
        "def f(a):  # pylint: disable=W0613\n    return 1\n",
        "from math import *  # pylint: disable=W\n\nprint(sqrt(2))\n",
        "def f(a, b):\n    if (a and\n            b):\n        return 1\n    return 2\n",
        "try:\n    import a\nexcept ImportError:\n    from . import a\nprint(a)\n",
    ],
)
def test_no_message(source: str) -> None:
    assert not lint(source).messages


def test_score_is_pylints_formula() -> None:
    found = lint("import os\nimport re\nprint(undefined)\n\n\ndef f():\n    'what it is for'\n")
    assert found.statements == 4  # docstrings are none
    assert found.counts() == {"unused-import": 2, "undefined-variable": 1}
    assert found.score == 0.0  # 10 - 10 * (5 + 2) / 4, but not below 0
    assert lint("import os\nprint(1)\nprint(2)\nprint(3)\n").score == 7.5
    assert lint("# pylint: skip-file\nimport os\n").messages == ()


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("(" * 1000 + ")" * 1000, "too_deep"),
        ("a" + "[0]" * 100_000, "too_deep"),
        ("-" * 100_000 + "1", "too_deep"),
        ("not " * 100_000 + "1", "too_deep"),
        ("a = " + "1 + " * 100_000 + "1", "too_deep"),
        ("if a:\n  pass\n" + "elif b:\n  pass\n" * 5000, "too_deep"),
        ("".join(" " * i + "if a:\n" for i in range(150)) + " " * 150 + "pass", "too_deep"),
        ("lambda: " * 5000 + "1", "too_deep"),
        ("a\0b", "syntax_error"),
        ("9" * 10_000, "syntax_error"),
        ("print 'a'", "syntax_error"),
    ],
)
def test_what_could_overflow_a_parser_is_refused_first(source: str, reason: str) -> None:
    with pytest.raises(CannotParse) as refused:
        parse(source)
    assert refused.value.reason == reason


def test_hostile_files_of_the_standard_library() -> None:
    files = sorted(LIBRARY.glob("lib2to3/tests/data/*.py")) or sorted(LIBRARY.glob("test/bad*.py"))
    for path in [*files, *sorted(LIBRARY.glob("test/test_[fgps]*.py"))[::40]]:
        text = path.read_bytes().decode("utf-8", "replace")
        try:
            assert 0 <= lint(text).score <= 10
        except CannotParse:
            continue
