"""Gopher's filters: n-grams against a plain reading of the rules, and every reason once."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from research.corpora.document import Document
from research.curate.filters.gopher import (
    GopherQuality,
    GopherRepetition,
    NGrams,
    split_lines,
    split_paragraphs,
)
from research.curate.filters.words import Words
from research.curate.steps import Drop
from research.errors import GristmillError


def reason(step, text: str) -> str:
    outcome = step(Document(text, "a", "s"))
    return outcome.reason if isinstance(outcome, Drop) else "kept"


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(["ab", "cde", "f", "gg", "h"]), max_size=40))
def test_n_grams_are_counted_as_datatrove_does(words: list[str]) -> None:
    grams = NGrams(Words(" ".join(words)))
    for n in range(2, 11):
        grams.extend()
        pieces = [" ".join(words[i : i + n]) for i in range(len(words) - n + 1)]
        top = Counter(pieces).most_common(1)
        assert grams.top_characters() == (len(top[0][0]) * top[0][1] if top else 0)
        seen, characters, position = set(), 0, 0
        while position < len(pieces):
            if pieces[position] in seen:
                characters += len(pieces[position].replace(" ", ""))
                position += n
            else:
                seen.add(pieces[position])
                position += 1
        assert grams.duplicate_characters() == characters


@given(st.text("a\n", max_size=20))
def test_lines_and_paragraphs_are_those_of_the_regular_expressions(text: str) -> None:
    assert Counter(split_lines(text)) == Counter(re.split(r"\n+", text))
    assert split_paragraphs(text) == re.split(r"\n{2,}", text.strip())


PROSE = (
    "It was a bright day in the town, and all of the people who live there went out to the river "
    "with bread. Some had never been that far from home before, while others knew each stone on "
    "the way; nobody spoke much until we reached a small bridge near an old mill."
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "empty"),
        (PROSE, "kept"),
        ("x\n\n" * 5 + PROSE, "dup_para_frac"),
        ("x\n" * 5 + PROSE.replace(". ", "\n"), "dup_line_frac"),
        (
            f"{PROSE}\n\n{PROSE[:90]}\n\n{PROSE[:90]}\n\n1\n\n2\n\n3\n\n{PROSE[:90]}",
            "dup_para_char_frac",
        ),
        ("spam eggs " * 10 + PROSE, "top_2_gram"),
        (PROSE + " " + PROSE[:110], "duplicated_5_n_grams"),
    ],
)
def test_repetition(text: str, expected: str) -> None:
    assert reason(GopherRepetition(), text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (PROSE, "kept"),
        ("Too short to be of use.", "gopher_short_doc"),
        ("a b c of to " * 20, "gopher_below_avg_threshold"),
        ("internationalization " * 60, "gopher_above_avg_threshold"),
        (PROSE + " #" * 9, "gopher_too_many_hashes"),
        (PROSE + " and…" * 9, "gopher_too_many_ellipsis"),
        ("- " + PROSE.replace(" ", "\n- "), "gopher_too_many_bullets"),
        (PROSE.replace(", ", "...\n").replace(". ", "...\n"), "gopher_too_many_end_ellipsis"),
        (PROSE + " 1234" * 30, "gopher_below_alpha_threshold"),
        ("words without any small ones " * 12, "gopher_enough_stop_words"),
    ],
)
def test_quality(text: str, expected: str) -> None:
    assert reason(GopherQuality(), text) == expected


def test_stop_words_are_those_of_the_language() -> None:
    german = "Der Hund und die Katze sind nicht in dem Haus mit den Kindern gewesen, sagt man. " * 4
    assert reason(GopherQuality(), german) == "gopher_enough_stop_words"
    assert reason(GopherQuality(language="de"), german) == "kept"
    meta = GopherQuality(language="meta")
    noted = [Document(german, "a", "s", {"language": language}) for language in ("de", "fr", "xx")]
    assert [isinstance(meta(document), Drop) for document in noted] == [False, True, False]
    with pytest.raises(GristmillError, match="there are stop words for: en, de"):
        GopherQuality(language="xx")
