"""Words are what a plain reading of the rules makes of a text."""

from __future__ import annotations

import re
import unicodedata

import numpy as np
import pyarrow as pa
import pytest

from research.corpora.document import Corpus
from research.curate.word_hashes import (
    code_table,
    ngram_hashes,
    text_buffer,
    text_table,
    word_hashes,
    word_strings,
)


def plain_words(text: str) -> list[str]:
    """The rule of TEXT for scripts with spaces, by Python's own Unicode functions."""
    kept = "".join(c for c in text if unicodedata.category(c) not in ("Mn", "Cf"))
    spaced = "".join(c if unicodedata.category(c)[0] in "LMN" else " " for c in kept)
    return spaced.split()


def test_words_of_real_pages(sample_root) -> None:
    count = 0
    for document in Corpus.open(sample_root, "web_sample").documents():
        text = document.text[:20_000]
        if re.search("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]", text):
            continue
        words = [plain_words(word) for word in word_strings(text, text_table())]
        assert [word for parts in words for word in parts] == plain_words(text)
        count += len(words)
    assert count > 300_000


def same(a: str, b: str) -> bool:
    return np.array_equal(word_hashes(a, text_table()), word_hashes(b, text_table()))


def test_what_makes_no_difference() -> None:
    assert same("  Où est-ce?  NAÏVE «Straße» ", "ou est ce naive straße")
    assert same("so\u00adft", "soft") and same("٣٤", "34") and same("ΣΊΣΥΦΟΣ", "σισυφος")
    assert not same("abc d", "ab cd") and not same("a b", "b a") and not same("1 2", "12")
    assert list(word_strings("北京大学 in 2024", text_table())) == [
        "北",
        "京",
        "大",
        "学",
        "in",
        "2024",
    ]
    code = list(word_strings("x_1 += f(y[0])  # Né", code_table()))
    assert code == ["x_1", "+", "=", "f", "(", "y", "[", "0", "]", ")", "#", "Né"]


@pytest.mark.parametrize("keep", [True, False])
def test_numbers(keep: bool) -> None:
    column = pa.array(["it costs 3.50 or 12,000 here", "it costs 99 or 0.1 here", ""])
    grams, counts = ngram_hashes(*text_buffer(column), 5, keep)
    assert counts.tolist() == ([4, 3, 0] if keep else [2, 2, 0])
    first, second = np.split(grams, [counts[0]])
    assert keep != bool(set(first) & set(second))


def test_slices_of_columns_and_short_texts() -> None:
    texts = ["one", "two words", "", "!!", "five words are in here", "six words are in here now"]
    column = pa.array(texts)
    grams, counts = ngram_hashes(*text_buffer(column), 5, True)
    assert counts.tolist() == [1, 1, 0, 0, 1, 2]
    later, some = ngram_hashes(*text_buffer(column.slice(4, 2)), 5, True)
    assert some.tolist() == [1, 2] and np.array_equal(later, grams[2:])
