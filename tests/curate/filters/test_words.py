"""Words and sentences are those of datatrove, which asks spaCy's English tokenizer."""

from __future__ import annotations

import pytest

from research.curate.filters.words import Words, count_sentences

# what datatrove 0.10 with spaCy 3.8 gives, the words joined by spaces
WORDS = {
    "don't can't y'all cannot I'm we'll it's dogs' o'clock":
        "do n't ca n't y' all can not I 'm we 'll it 's dogs ' o'clock",
    "Mr. Smith (b. 1950), Ph.D., lives in the U.S.A. now.":
        "Mr. Smith ( b. 1950 ) , Ph.D. , lives in the U.S.A. now .",
    "http://example.org/a?b=c, www.example.com. a@b.org x.y":
        "http://example.org/a?b=c , www.example.com . a@b.org x.y",
    "state-of-the-art foo--bar and/or 1990-2000 a—b":
        "state - of - the - art foo -- bar and/or 1990 - 2000 a — b",
    "5km 30% $5 US$30 10am 7:30p.m. 3.14 1,000,000 v2.0":
        "5 km 30 % $ 5 US$ 30 10 am 7:30p.m . 3.14 1,000,000 v2.0",
    "\"Hello,\" she said... (yes!) [1] {x} ‘quoted’ “so”:":
        "\" Hello , \" she said ... ( yes ! ) [ 1 ] { x } ‘ quoted ’ “ so ” :",
    "(string, required): foo_bar foo.Bar end.Next a/b c:d <b>x</b>":
        "( string , required ): foo_bar foo . Bar end . Next a / b c : d < b > x</b >",
    "Thanks:) 8) :-( ^_^ 'em rock'n'roll e.g. i.e. etc.":
        "Thanks :) 8) :-( ^_^ 'em rock'n'roll e.g. i.e. etc .",
    "日本語のテキスト。次。 мир, труд. हिन्दी है। £5m #tag @user 50°C. 100%.":
        "日本語のテキスト。次 。 мир , труд . हिन्दी है । £ 5 m # tag @user 50 ° C . 100 % .",
}  # fmt: skip


@pytest.mark.parametrize("text", WORDS)
def test_words_are_spacys(text: str) -> None:
    assert " ".join(Words(text).words) == WORDS[text]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("One. Two! Three?", 3),
        ("e.g. this. And (that).", 2),
        ("Dr. Smith.  went... on. end", 3),
        ("a.b.c", 1),
        ("“Stop.” he said. ok", 3),
        ("", 1),
    ],
)
def test_sentences_are_spacys(text: str, number: int) -> None:
    assert count_sentences(text) == number


@pytest.mark.parametrize(
    "unit", ["(", ".", "'s", "....)", "a.b/", "x@", "-", ":)", "1.", "a\u0301"]
)
def test_no_text_is_hostile(unit: str) -> None:
    text = unit * 200_000  # a quadratic rule would be at it for minutes
    assert "".join(Words(text).words) == text
