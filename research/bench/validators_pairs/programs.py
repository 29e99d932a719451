"""Programs rewritten: some still do what they did, others do not parse, lose names or go wrong."""

# ruff: noqa: E501 (texts are left as they are)
from __future__ import annotations

from research.bench.validators_pairs.case import Case

_MEAN = '''\
def mean(xs):
    """
    >>> mean([1, 2, 3])
    2.0
    """
    s = 0
    for x in xs:
        s = s + x
    return s / len(xs)
'''
_STACK = """\
class Stack:
    def __init__(self, items=None):
        self._items = list(items or [])

    def push(self, item):
        self._items.append(item)

    def pop(self, default=None):
        if not self._items:
            return default
        return self._items.pop()

def _check(stack):
    assert stack.pop() is None

EMPTY = Stack()
"""
_ROMAN = """\
VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}

def roman(text, *, strict=True):
    total = 0
    for a, b in zip(text, text[1:] + " "):
        v = VALUES[a]
        total += -v if b in VALUES and VALUES[b] > v else v
    return total

def test_roman():
    assert roman("XIV") == 14
    assert roman("XC") == 90
"""
_GREET = """\
import sys

def greet(name, punctuation="!"):
    print("Hello " + name + punctuation)

def main():
    greet(sys.argv[1])

if __name__ == "__main__":
    main()
"""
_FETCH = """\
async def fetch(session, url, retries=3):
    for attempt in range(retries):
        try:
            return await session.get(url)
        except OSError:
            continue
    raise OSError(url)

def parse(line, sep=","):
    return [part.strip() for part in line.split(sep)]
"""
_MATRIX = '''\
def transpose(m):
    return [[row[i] for row in m] for i in range(len(m[0]))]

def multiply(a, b):
    """Product of two matrices.

    >>> multiply([[1, 2]], [[3], [4]])
    [[11]]
    """
    t = transpose(b)
    return [[sum(x * y for x, y in zip(r, c)) for c in t] for r in a]
'''
_WORDS = """\
def count_words(text):
    counts = {}
    for w in text.lower().split():
        counts[w] = counts.get(w, 0) + 1
    return counts

assert count_words("a b A") == {"a": 2, "b": 1}
"""

PARSES = (
    Case(
        "code_parses",
        _MEAN,
        good=(
            "def mean(xs: list[float]) -> float:\n    return sum(xs) / len(xs)\n",
            "# the mean of some numbers\nfrom statistics import mean\n",
            "x = '''\ndef (broken\n'''\n",
        ),
        bad=(
            "def mean(xs)\n    return sum(xs) / len(xs)\n",
            "def mean(xs):\nreturn sum(xs) / len(xs)\n",
            "def mean(xs):\n    return sum(xs) / len(xs\n",
            "The function sums the list and divides by its length.\n",
        ),
    ),
    Case(
        "code_parses",
        _GREET,
        good=(
            'def greet(name: str, punctuation: str = "!") -> None:\n'
            '    print(f"Hello {name}{punctuation}")\n',
            "match = 1\ntype = match\n",
        ),
        bad=(
            'def greet(name):\n    print "Hello " + name\n',
            "```python\ndef greet(name):\n    print(name)\n```\nThis version is shorter.\n",
            "# def greet(name):\n#     print(name)\n",
        ),
    ),
    Case(
        "code_parses",
        _FETCH,
        good=(
            "def parse(line, sep=','):\n    return [p.strip() for p in line.split(sep)]\n",
            "async def fetch(session, url):\n    async with session.get(url) as r:\n"
            "        return await r.read()\n",
        ),
        bad=(
            "def fetch(session, url):\n    return await session.get(url)\n\ndef parse(:\n    ...\n",
            "def parse(line, sep=','):\n    return [p.strip() for p in line.split(sep)]\n\n"
            "This parses a line.\n",
            "(" * 3000 + ")" * 3000,
            "x = 1\n\tif x:\n    y = 2\n",
        ),
        held_out=True,
    ),
    Case(
        "code_parses",
        _WORDS,
        good=(
            "from collections import Counter\n\ndef count_words(text):\n"
            "    return dict(Counter(text.lower().split()))\n",
            "def count_words(text):\n    '''Counts “words”, naïvely.'''\n"
            "    return {w: text.split().count(w) for w in text.split()}\n",
            "if (n := 3) > 2:\n    print(f'{n!r:>{n}}')\n",
        ),
        bad=(
            "def count_words(text):\n    return {\n        w: 1 for w in text.split()\n\nprint('x')\n",
            "def count_words(text):\n    # TODO\n",
            "function countWords(text) { return text.split(' ').length; }\n",
            'def count_words(text):\n    return "unterminated\n',
            "def f():\n    return 1\n  return 2\n",
        ),
        held_out=True,
    ),
)

CHANGED = (
    Case(
        "code_changed",
        "def double(x):\n    return x+x\n",
        good=(
            "def double(x):\n    return 2 * x\n",
            "def double(x):\n    # twice\n    return x+x\n",
            "def double(x: int) -> int:\n    return x+x\n",
        ),
        bad=(
            "def double(x):\n    return x+x\n",
            "\ndef double(x):\n        return x+x",
        ),
    ),
)

DEFINED = (
    Case(
        "names_defined",
        "import json\nfrom . import events\n\n\ndef load(path):\n    with open(path) as file:\n"
        "        return decode(json.load(file))\n\n\ndef loop():\n    return events.current()\n",
        good=(
            "import json as j\nfrom . import events\n\ndef load(path):\n    try:\n        with open(path) as f:\n"
            "            return decode(j.load(f))\n    except OSError as error:\n        raise ValueError(path) from error\n"
            "\ndef loop():\n    return events.current()\n",
            "from .events import *\nfrom json import *\n\ndef read(f):\n    return decode(load(f))\n",
            "def first(xs, *rest, key=None, **more):\n    global seen\n    seen = [y for x in xs if (y := x)]\n"
            "    match xs:\n        case [a, *b]:\n            return a, b, __name__\n        case {'k': v, **others}:\n"
            "            return v, others\n    return lambda z: (z, rest, key, more, seen)\n",
        ),
        bad=(
            "import json\n\ndef load(path):\n    with open(path) as file:\n        return decode(json.load(file))\n"
            "\ndef loop():\n    return events.current()\n",
            "def load(path: Path):\n    return decode(path.read_text())\n",
            "from . import events\n\ndef load(path):\n    return copy.deepcopy(path)\n",
        ),
    ),
)

NAMES = (
    Case(
        "public_names",
        "from _abc import *\nfrom _abc import __all__\nfrom _ctx import Context, Token\n\n__all__ = ('Context', 'x')\n"
        "__version__ = '1.0'\n\ndef x():\n    pass\n",
        good=(
            "from _ctx import Context\nfrom _abc import *\n\n__version__ = '1.0'\n\ndef x():\n    # does nothing\n    pass\n",
            "from _ctx import *\nfrom _abc import *\n\n__version__ = '1.0'\n\ndef x():\n    return None\n",
        ),
        bad=(
            "from _abc import _G\nfrom _ctx import Context\n\n__version__ = '1.0'\n\ndef x():\n    pass\n",
            "from _abc import *\nfrom _ctx import Context\n\ndef x():\n    pass\n",
        ),
    ),
    Case(
        "public_names",
        _STACK,
        good=(
            "from typing import Any\n\n\nclass Stack:\n    '''Last in, first out.'''\n\n"
            "    def __init__(self, items: list | None = None) -> None:\n"
            "        self._stored = list(items or [])\n\n"
            "    def push(self, item: Any) -> None:\n        self._stored.append(item)\n\n"
            "    def pop(self, default: Any = None) -> Any:\n"
            "        return self._stored.pop() if self._stored else default\n\n\nEMPTY = Stack()\n",
            "class Stack:\n    def __init__(self, items=None):\n        self.data = items or []\n"
            "    def push(self, item):\n        self.data += [item]\n"
            "    def pop(self, default=None):\n        return self.data.pop() if self.data else default\n"
            "    def peek(self):\n        return self.data[-1]\n\nEMPTY: Stack = Stack()\n",
        ),
        bad=(
            "class Stack:\n    def __init__(self, items=None):\n        self.data = items or []\n"
            "    def push(self, item):\n        self.data += [item]\n\nEMPTY = Stack()\n",
            "class Stack:\n    def __init__(self, items=None):\n        self.data = items or []\n"
            "    def push(self, item):\n        self.data += [item]\n"
            "    def pop(self):\n        return self.data.pop()\n\nEMPTY = Stack()\n",
            _STACK.replace("EMPTY = Stack()\n", ""),
            _STACK.replace("class Stack", "class LastInFirstOut").replace("Stack()", "0"),
        ),
    ),
    Case(
        "public_names",
        _ROMAN,
        good=(
            "VALUES = dict(I=1, V=5, X=10, L=50, C=100)\n\ndef roman(text: str, *, strict: bool = True):"
            "\n    ...\n\ndef test_roman():\n    assert roman('XIV') == 14\n",
            _ROMAN.replace("total", "result"),
        ),
        bad=(
            _ROMAN.replace("text, *, strict=True", "text, strict"),
            _ROMAN.replace("strict=True", "lenient=True"),
            _ROMAN.replace("def roman", "def from_roman").replace('roman("', 'from_roman("'),
        ),
    ),
    Case(
        "public_names",
        _FETCH,
        good=(
            _FETCH.replace("retries=3", "retries: int = 3").replace("part", "field"),
            "def parse(line, sep=',', strip=True):\n    return line.split(sep)\n\n"
            "async def fetch(session, url, retries=3):\n    return await session.get(url)\n",
        ),
        bad=(
            _FETCH.replace("async def", "def").replace("await ", ""),
            _FETCH.replace("session, url", "url, session"),
            _FETCH.replace('def parse(line, sep=",")', "def parse(line, sep)"),
            _FETCH.replace('def parse(line, sep=",")', "def parse(line, sep, strict)"),
        ),
        held_out=True,
    ),
    Case(
        "public_names",
        _GREET,
        good=(
            "import sys\n\n\ndef greet(name: str, punctuation: str = '!') -> None:\n"
            "    print(f'Hello {name}{punctuation}')\n\n\ndef main() -> None:\n    greet(sys.argv[1])\n",
            "def main():\n    '''Runs the program.'''\n\ndef greet(name, punctuation='!', *, file=None):\n"
            "    print('Hello', name, punctuation, sep='', file=file)\n",
        ),
        bad=(
            "def greet(name, punctuation='!'):\n    print('Hello', name)\n",
            "def greet(name, **options):\n    print('Hello', name)\n\ndef main():\n    greet('x')\n",
            "class Greeter:\n    def greet(self, name, punctuation='!'):\n        print(name)\n\n"
            "    def main(self):\n        self.greet('x')\n",
        ),
        held_out=True,
    ),
    Case(
        "public_names",
        "class Shape:\n    sides = 0\n\n    @property\n    def area(self):\n        return 0\n\n"
        "    @staticmethod\n    def unit():\n        return 'm'\n\n    def _private(self):\n        pass\n"
        "\n\nclass Square(Shape):\n    def __init__(self, a):\n        self.a = a\n",
        good=(
            "class Shape:\n    sides: int = 0\n\n    @property\n    def area(self) -> float:\n"
            "        return 0.0\n\n    @staticmethod\n    def unit() -> str:\n        return 'm'\n\n\n"
            "class Square(Shape):\n    def __init__(self, a: float) -> None:\n        self.a = a\n",
        ),
        bad=(
            "class Shape:\n    sides = 0\n\n    def area(self):\n        return 0\n\n    @staticmethod\n"
            "    def unit():\n        return 'm'\n\nclass Square(Shape):\n    def __init__(self, a):\n"
            "        self.a = a\n",
            "class Shape:\n    sides = 0\n\n    @property\n    def area(self):\n        return 0\n\n"
            "    @staticmethod\n    def unit():\n        return 'm'\n\nclass Square(Shape):\n    pass\n",
            "class Shape:\n    sides = 0\n\n    @property\n    def area(self):\n        return 0\n\n"
            "    def unit(self):\n        return 'm'\n\nclass Square(Shape):\n"
            "    def __init__(self, a):\n        self.a = a\n",
        ),
        held_out=True,
    ),
)

RUNS = (
    Case(
        "code_runs",
        _MEAN,
        good=(
            "def mean(xs: list[float]) -> float:\n    return sum(xs) / len(xs)\n",
            "from statistics import fmean\n\ndef mean(xs):\n    return fmean(xs)\n",
            'def mean(xs):\n    """\n    >>> mean([4, 6])\n    5.0\n    """\n'
            "    return sum(xs) / len(xs)\n",
        ),
        bad=(
            "def mean(xs):\n    return sum(xs) // len(xs)\n",
            "def mean(xs):\n    return fmean(xs)\n",
            'def mean(xs):\n    """\n    >>> mean([4, 6])\n    10\n    """\n'
            "    return sum(xs) / len(xs)\n",
            "def mean(xs):\n    while True:\n        pass\n",
        ),
    ),
    Case(
        "code_runs",
        _ROMAN,
        good=(
            "VALUES = {'I': 1, 'V': 5, 'X': 10, 'L': 50, 'C': 100}\n\n\n"
            "def roman(text: str, *, strict: bool = True) -> int:\n    values = [VALUES[c] for c in text]\n"
            "    return sum(-v if v < w else v for v, w in zip(values, values[1:] + [0]))\n",
        ),
        bad=(
            "VALUES = {'I': 1, 'V': 5, 'X': 10, 'L': 50, 'C': 100}\n\n\n"
            "def roman(text, *, strict=True):\n    return sum(VALUES[c] for c in text)\n",
            _ROMAN.replace("== 14", "== 16"),
            "def roman(text, *, strict=True):\n    return 14\n",
        ),
    ),
    Case(
        "code_runs",
        _MATRIX,
        good=(
            "def transpose(m):\n    return [list(column) for column in zip(*m)]\n\n\n"
            "def multiply(a, b):\n    columns = transpose(b)\n"
            "    return [[sum(x * y for x, y in zip(row, column)) for column in columns] for row in a]\n",
            _MATRIX.replace("    t = transpose(b)\n", "    t = list(zip(*b))\n"),
        ),
        bad=(
            "def multiply(a, b):\n    return [[sum(x * y for x, y in zip(r, c)) for c in b] for r in a]\n",
            _MATRIX.replace("x * y", "x + y"),
            "import numpie\n\n" + _MATRIX,
            "import sys\nsys.exit(1)\n" + _MATRIX,
        ),
        held_out=True,
    ),
    Case(
        "code_runs",
        _WORDS,
        good=(
            "from collections import Counter\n\n\ndef count_words(text: str) -> dict[str, int]:\n"
            "    return dict(Counter(text.lower().split()))\n",
            "def count_words(text):\n    words = text.lower().split()\n"
            "    return {word: words.count(word) for word in words}\n\n\n"
            'assert count_words("x y x") == {"x": 2, "y": 1}\n',
        ),
        bad=(
            "from collections import Counter\n\n\ndef count_words(text):\n"
            "    return dict(Counter(text.split()))\n",
            "def count_words(text):\n    return {w: 1 for w in text.lower().split()}\n",
            "def count_words(text):\n    return Counter(text.lower().split())\n",
            "def count_words(text):\n    return len(text.split())\n\n\nassert count_words('a b A') == 3\n",
        ),
        held_out=True,
    ),
    Case(
        "code_runs",
        "import unittest\n\ndef area(w, h):\n    return w * h\n\nclass TestArea(unittest.TestCase):\n"
        "    def test_area(self):\n        self.assertEqual(area(3, 4), 12)\n",
        good=(
            "def area(width, height):\n    '''Of a rectangle.'''\n    return width * height\n",
            "import unittest\n\n\ndef area(w: float, h: float) -> float:\n    return h * w\n\n\n"
            "class TestArea(unittest.TestCase):\n    def test_area(self) -> None:\n"
            "        self.assertEqual(area(3, 4), 12)\n",
        ),
        bad=(
            "def area(w, h):\n    return w + h\n",
            "def area(width, height):\n    return widht * height\n",
        ),
        held_out=True,
    ),
)


def _blocks(*parts: tuple[str, str]) -> str:
    steps = [
        f"Step {i}:\n\n```python\n{code}\n```\n\n```output\n{output}\n```\n"
        for i, (code, output) in enumerate(parts, start=1)
    ]
    return "\n".join(steps)


_SUM = "The sum of the first n odd numbers is n squared; for n = 5 it is 25."
_INTEREST = "At 4% a year, 500 dollars become 500 * 1.04^3 = 562.43 dollars in three years."
_SOLVE = "The equation x^2 - 5x + 6 = 0 has the roots 2 and 3, whose product is 6."
BLOCKS = (
    Case(
        "blocks_run",
        _SUM,
        good=(
            _blocks(("print(sum(range(1, 10, 2)))", "25")),
            _blocks(("odd = [2 * i + 1 for i in range(5)]\nprint(odd)", "[1, 3, 5, 7, 9]"),
                    ("print(sum(odd) == 5 ** 2)", "True")),
            _blocks(("n = 5\ns = sum(2*k - 1 for k in range(1, n + 1))\nprint('sum:', s)", "sum: 25 ")),
        ),
        bad=(
            _blocks(("print(sum(range(1, 10, 2)))", "24")),
            _blocks(("odd = [1, 3, 5]", ""), ("print(sum(even))", "25")),
            _blocks(("print(sum(range(1, 10, 2))", "25")),
            "The sum of the first five odd numbers is 25, that is 5 squared.",
            _blocks(("odd = [2 * i + 1 for i in range(5)]\nprint(odd)", "[1, 3, 5, 7, 9]"),
                    ("print(sum(odd))", "[1, 3, 5, 7, 9]\n25")),
        ),
    ),
    Case(
        "blocks_run",
        _INTEREST,
        good=(
            _blocks(("amount = 500 * 1.04 ** 3\nprint(amount)", "562.432")),
            _blocks(("a = 500\nfor year in range(3):\n    a *= 1.04\nprint(round(a, 2))", "562.43")),
        ),
        bad=(
            _blocks(("amount = 500 * 1.04 ** 3\nprint(round(amount, 2))", "562.34")),
            _blocks(("amount = 500 * 1.4 ** 3\nprint(amount)", "562.432")),
            _blocks(("while True: pass", "562.432")),
        ),
    ),
    Case(
        "blocks_run",
        _SOLVE,
        good=(
            _blocks(("import math\n\na, b, c = 1, -5, 6\nd = b * b - 4 * a * c\nprint(d)", "1"),
                    ("roots = sorted([(-b - math.sqrt(d)) / 2, (-b + math.sqrt(d)) / 2])\nprint(roots)",
                     "[2.0, 3.0]"),
                    ("print(roots[0] * roots[1])", "6.0")),
            _blocks(("from fractions import Fraction\nprint([x for x in range(10) if x*x - 5*x + 6 == 0])",
                     "[2, 3]")),
        ),
        bad=(
            _blocks(("import math\n\na, b, c = 1, -5, 6\nd = b * b - 4 * a * c\nprint(d)", "1"),
                    ("print((-b + math.sqrt(d)) / 2)", "2.0")),
            _blocks(("import requests\nprint(requests.get('http://example.com').status_code)", "200")),
            _blocks(("print([x for x in range(10) if x*x - 5*x + 6 = 0])", "[2, 3]")),
            "```python\nprint([x for x in range(10) if x*x - 5*x + 6 == 0])\n```\n",
            "```python\nraise SystemExit(0)\n```\n\n```output\n[2, 3]\n```\n",
        ),
        held_out=True,
    ),
    Case(
        "blocks_run",
        "A circle of radius 2 has the area 4 pi, about 12.566; its circumference is the same number.",
        good=(
            _blocks(("import math\narea = math.pi * 2 ** 2\nprint(f'{area:.3f}')", "12.566"),
                    ("print(math.isclose(area, 2 * math.pi * 2))", "True")),
            _blocks(("import math\nprint(math.pi * 4)", "12.566370614359")),
            _blocks(("from math import pi\nr = 2\nprint('area', round(pi*r**2, 3))\n"
                     "print('circumference', round(2*pi*r, 3))",
                     "area 12.566\ncircumference 12.566")),
        ),
        bad=(
            _blocks(("import math\nprint(math.pi * 4)", "12.6")),
            _blocks(("import math\nprint(math.pi * 4)", "12.566370614359\nDone")),
            _blocks(("print(pi * 4)", "12.566370614359172")),
            _blocks(("import math\narea = math.pi * 2 ** 2", "12.566370614359172")),
        ),
        held_out=True,
    ),
)  # fmt: skip

CASES = (*PARSES, *CHANGED, *DEFINED, *NAMES, *RUNS, *BLOCKS)
