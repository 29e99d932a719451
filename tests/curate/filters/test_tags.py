"""Tags of age and kind of place, toxicity, and documents kept by a table of scores."""

from __future__ import annotations

import importlib.util
import os
import pickle

import numpy as np
import pytest

from research.corpora.document import Document
from research.curate.filters import toxicity
from research.curate.filters.joblib_tables import Inert, read_joblib
from research.curate.filters.tags import Age, Domain, Tagged
from research.curate.filters.toxicity import Toxicity, cut_passages
from research.curate.steps import Drop


def tags(step, text: str = "", source: str = "s", **meta: object) -> dict:
    return step(Document(text, "a", source, meta)).meta


@pytest.mark.parametrize(
    ("text", "meta", "year", "evidence"),
    [
        ("© 2001 A", {"url": "http://a.org/2014/05/story", "date": "2012-01-02"}, 2012, "meta"),
        ("© 2001 A. Nobody", {"url": "http://a.org/2014/05/story"}, 2014, "url"),
        ("", {"url": "http://a.org/posts/20130429-a-day"}, 2013, "url"),
        ("Posted on May 3rd, 2011 by me\nCopyright (c) 2009-2016 Us", {}, 2011, "posted"),
        ("Copyright (c) 2009-2016 Us, born 3 May 1999", {}, 2016, "copyright"),
        ("from 12 Jan 2003 to 4.5.2007, or 2005-03-01", {}, 2007, "latest_date"),
        ("nothing", {"metadata.WARC-Date": "2019-08-01T00:00:00Z"}, 2019, "crawl"),
        ("in 1812 and at 2999-01-01", {"date": "1970-01-01"}, None, None),
        ("nothing", {"url": "http://a.org/item/201499"}, None, None),
    ],
)  # fmt: skip
def test_the_year_by_its_evidence(text: str, meta: dict, year: int, evidence: str) -> None:
    found = tags(Age(), text, **meta)
    assert (found.get("year"), found.get("year_evidence")) == (year, evidence)
    if year:
        first, last = map(int, found["period"].split("-"))
        assert first <= year <= last == first + 2
        assert tags(Age(span=1), text, **meta)["period"] == str(year)


@pytest.mark.parametrize(
    ("meta", "source", "domain"),
    [
        ({"url": "https://en.wikipedia.org/wiki/Law"}, "web", "encyclopedia"),
        ({"url": "http://notwikipedia.org/"}, "web", "web"),
        ({"url": "//cs.stanford.edu/people"}, "web", "academic"),
        ({"url": "http://forums.mazda.org/3"}, "web", "social"),
        ({"url": "http://a.org/store/checkout?x=1"}, "web", "shop"),
        ({"url": "http://[bad"}, "web", "web"),
        ({"path": "src/a.rs"}, "files", "code"),
        ({}, "math_sample", "math"),
        ({}, "mine", "other"),
    ],
)
def test_the_kind_of_place(meta: dict, source: str, domain: str) -> None:
    assert tags(Domain(), "", source, **meta)["domain"] == domain


def test_tagged_keeps_listed_values() -> None:
    step = Tagged(field="year", values=("2014", "2015"))
    assert not isinstance(step(Document("", "a", "s", {"year": 2015})), Drop)
    assert step(Document("", "a", "s", {"year": 2016})) == Drop("other_value", "year 2016")
    assert step(Document("", "a", "s")) == Drop("no_value", "no year")


def test_hostile_texts_take_linear_time() -> None:
    # quadratic time would be hours
    for text in ("2014-01-01 " * 90_000, "copyright " * 90_000, "jan  " * 90_000, "1" * 10**6):
        tags(Age(), text, url="http://a.org/" + "2014/" * 90_000)
        list(cut_passages(text))


def test_passages_hold_the_whole_text() -> None:
    text = "\n".join("word " * (i % 40) for i in range(200)) + "x" * 3000
    passages = list(cut_passages(text))
    assert "".join("".join(passages).split()) == "".join(text.split())
    assert max(map(len, passages)) <= 2 * toxicity.PASSAGE


class Evil:
    def __reduce__(self):
        return os.system, ("exit 1",)


def test_a_joblib_file_is_read_and_not_run() -> None:
    found = read_joblib(pickle.dumps({"words": ["a", "b"], "n": (1, 2.5, None, True)}, 4))
    assert found == {"words": ["a", "b"], "n": (1, 2.5, None, True)}
    evil = read_joblib(pickle.dumps(Evil(), 4))
    assert isinstance(evil, Inert) and evil.kind.endswith("system")
    assert evil.arguments == ("exit 1",)
    for bad in (b"", b"\x80\x04", pickle.dumps({1, 2}, 4), b"PK\x03"):
        with pytest.raises(ValueError):
            read_joblib(bad)


def test_toxic_passages_are_found() -> None:
    if importlib.util.find_spec("profanity_check") is None:
        pytest.skip(f"needs pip install --no-deps {toxicity.PACKAGE}")
    fine = "It was a bright day in the town, and people went to the river with fresh bread. " * 10
    foul = "You are a stupid idiot and nobody likes your damn shit here, you fucking moron. "
    step = Toxicity()
    kept = step(Document(fine, "a", "s"))
    assert kept.meta["toxic_share"] == 0 and kept.meta["toxicity"] < 0.2
    assert step(Document(fine + foul * 6, "a", "s")).reason == "toxic"
    assert not isinstance(step(Document(fine * 9 + foul, "a", "s")), Drop)
    german = Document("Die Katze und die Maus, die an die Tür kamen. " * 20, "a", "s")
    assert not isinstance(step(german), Drop)
    scores, known = toxicity.model().score(
        ["you are a stupid idiot", "a lovely day in the park", ""]
    )
    # what the package itself says of these
    np.testing.assert_allclose(scores, [0.99999999, 0.05702574, 0.03637575], atol=5e-9)
    assert known[2] == 0
