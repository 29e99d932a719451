"""The hash of a text preprocessor covers all that decides what it does, and nothing else."""

from __future__ import annotations

import functools
import subprocess
import sys
from pathlib import Path

import pytest

from research.errors import GristmillError
from research.registry import modules, preprocessors, source_hash
from research.registry.preprocessors import normalize_unicode

MINE = """
import functools
import aside_of_mine as aside
from aside_of_mine import Cleaner, told
from research.registry.preprocessors import text_preprocessor

TABLE = {"a": ["b", {"c"}], "d": 1}
STEPS = (str.strip, told, lambda text: text)
WORDS = frozenset([1, "a", None])
NOTHING = None
MARK = "!"
PATTERN_LIKE = 7

def decorated(function):
    return functools.wraps(function)(lambda text: function(text) + MARK)

@functools.lru_cache
def kept(text):
    return text + "kept"

@decorated
def wrapped(text):
    return text

@text_preprocessor
def step(text, mark=MARK, *, more=(1, 2)):
    from aside_of_mine import LATE
    for one in STEPS:
        text = one(text)
    if TABLE or WORDS or NOTHING:
        text = text.replace(aside.SIGN, mark)
    return wrapped(Cleaner()(kept(text))) + LATE

def unused():
    return 1
"""
ASIDE = """
LATE, SIGN, DEEP, UNUSED = "late", "sign", "deep", "unused"

def told(text):
    return text + DEEP

class Cleaner:
    limit = 3
    def __call__(self, text):
        return shorten(text)[:self.limit]

def shorten(text):
    return text[:9]
"""


@pytest.fixture
def hash_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The hash of `step` in a fresh pair of files, the second found by its name."""
    made = []

    def hash_of(mine: str = MINE, aside: str = ASIDE) -> str:
        folder = tmp_path / str(len(made))
        made.append(folder)
        folder.mkdir()
        (folder / "mine.py").write_text(mine)
        (folder / "aside_of_mine.py").write_text(aside)
        sys.modules.pop("aside_of_mine", None)
        source_hash._global.cache_clear()
        with monkeypatch.context() as patch:
            patch.syspath_prepend(str(folder))
            module = modules.import_module(str(folder / "mine.py"))
            return preprocessors.describe(module.step, {}).source_sha256

    yield hash_of
    sys.modules.pop("aside_of_mine", None)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"d": 1', '"d": 2'),
        ('"c"', '"C"'),
        ('"a": ["b", {"c"}], "d": 1', '"d": 1, "a": ["b", {"c"}]'),
        ("lambda text: text)", "lambda text: text[1:])"),
        ("str.strip", "str.lstrip"),
        ('[1, "a", None]', '[1, "b", None]'),
        ("NOTHING = None", "NOTHING = 0"),
        ('MARK = "!"', 'MARK = "?"'),
        ("more=(1, 2)", "more=(1, 3)"),
        ('text + "kept"', 'text + "lost"'),
        ("function(text) + MARK", "function(text) * 2 + MARK"),
        ("@decorated", "@functools.cache"),
    ],
)
def test_a_change_of_what_it_uses_shows(hash_of, old: str, new: str) -> None:
    assert MINE.count(old) == 1
    assert hash_of() != hash_of(MINE.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"late"', '"later"'),
        ('"sign"', '"sigh"'),
        ('"deep"', '"deeper"'),
        ("text + DEEP", "DEEP + text"),
        ("limit = 3", "limit = 4"),
        ("text[:9]", "text[:8]"),
    ],
)
def test_a_change_in_the_file_beside_shows(hash_of, old: str, new: str) -> None:
    assert ASIDE.count(old) == 1
    assert hash_of() != hash_of(aside=ASIDE.replace(old, new))


def test_other_changes_do_not(hash_of) -> None:
    """Nor does the folder: every call has its own."""
    first = hash_of()
    assert first == hash_of(MINE.replace("return 1", "return 2"))
    assert first == hash_of("\n\n" + MINE, ASIDE.replace('"unused"', '"other"'))


def test_what_cannot_be_described_is_refused(hash_of) -> None:
    mine = MINE.replace("PATTERN_LIKE = 7", "import threading\nLOCK = threading.Lock()")
    hash_of(mine)  # not used
    with pytest.raises(GristmillError, match=r"mine:step uses mine\.LOCK \(a lock\)") as caught:
        hash_of(mine.replace("    for one in STEPS:", "    LOCK\n    for one in STEPS:"))
    assert "\n" not in str(caught.value)


def test_the_hash_is_the_same_in_every_process(tmp_path: Path) -> None:
    """Addresses and the order of sets are not."""
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "aside_of_mine.py").write_text(ASIDE)
    code = ("import mine; from research.registry import source_hash; "
            "print(source_hash.source_sha256(mine.step.function))")  # fmt: skip
    path = ":".join([str(tmp_path), *filter(None, sys.path)])
    hashes = {
        subprocess.check_output([sys.executable, "-c", code],
                                env={"PYTHONPATH": path, "PYTHONHASHSEED": seed})
        for seed in "123"
    }  # fmt: skip
    assert len(hashes) == 1


def test_results_kept_in_a_global_are_no_change(tmp_path: Path) -> None:
    (tmp_path / "keeps.py").write_text(
        "from research.registry.preprocessors import text_preprocessor\nKEPT = {}\n"
        "@text_preprocessor\ndef step(text):\n    return KEPT.setdefault(text, text * 2)\n"
    )
    module = modules.import_module(str(tmp_path / "keeps.py"))
    spec = preprocessors.describe(module.step, {})
    assert preprocessors.resolve(spec)("a") == "aa"
    assert preprocessors.resolve(spec)("b") == "bb"


@pytest.mark.parametrize("value", [("a", "b"), {1: "a"}, {"a"}, float("nan"), "\ud800", str.lower])
def test_arguments_come_back_from_a_file_as_they_are(value: object) -> None:
    with pytest.raises(GristmillError, match=r"argument form=.* would not come back"):
        preprocessors.describe(normalize_unicode, {"form": value})
    step = functools.partial(normalize_unicode, form="NFKC")
    spec = preprocessors.describe(normalize_unicode, step.keywords)
    assert preprocessors.resolve(spec)("ﬁ") == "fi"
