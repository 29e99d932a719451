"""Generators: the same items whoever makes them, right by their own rules, and clear refusals."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from research.cli import main
from research.corpora.document import Corpus, Document
from research.errors import GristmillError
from research.rephrase.synthesis.corpus import synthesize
from research.rephrase.synthesis.draws import Draws
from research.rephrase.synthesis.english_rules import RULES, rewrite, sentences
from research.rephrase.synthesis.generator import Source
from research.rephrase.synthesis.generators import GENERATORS, find_generator
from research.rephrase.synthesis.sums import carries

SETTINGS = {"untie_knots": ("untie_knots.documents=3",)}


@pytest.fixture(scope="module")
def wiki(sample_root: Path) -> Corpus:
    return Corpus.open(sample_root, "wiki_sample")


def silent(items: Iterator[Any], **_: object) -> Iterator[Any]:
    return items


def make(generator: Any, root: Path, name: str, **options: Any) -> Corpus:
    settings = {"items": 30, "seed": 1, "source": None, "workers": 1, "command": "gristmill …",
                "progress": silent, **options}  # fmt: skip
    return synthesize(generator, root, name, "1", **settings)


@pytest.mark.parametrize("name", GENERATORS)
def test_items_depend_on_their_number_alone(name: str, wiki: Corpus) -> None:
    generator = find_generator(name, (), SETTINGS.get(name, ()))
    source = Source(wiki) if generator.reads else None
    whole = list(generator.items(7, 0, 15, source))
    shards = [list(generator.items(7, start, start + 5, source)) for start in (10, 5, 0)]
    assert list(itertools.chain(*shards[::-1])) == whole
    assert list(generator.items(7, 0, 7, source)) == whole[:7]
    others = list(generator.items(8, 0, 7, source))
    assert sum(a == b for a, b in zip(whole, others, strict=False)) < 4  # what cannot be made
    made = [item for item in whole if isinstance(item, Document)]
    assert len(made) > 7 and len({item.id for item in made}) == len(made)
    assert all(item.meta["style"] and item.root_ids for item in made)


def test_workers_and_interruptions_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = find_generator("math_templates")
    monkeypatch.setattr(type(generator), "block", 100)
    sizes = {"items": 350, "part_bytes": 30_000}
    alone = make(generator, tmp_path, "alone", **sizes)
    assert len(alone.parts) > 2
    in_two = make(generator, tmp_path, "in_two", workers=2, **sizes)
    assert in_two.manifest["fingerprint"] == alone.manifest["fingerprint"]

    def break_off(items: Iterator[Any], **_: object) -> Iterator[Any]:
        yield from itertools.islice(items, 200)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(generator, tmp_path, "broken", progress=break_off, **sizes)
    finished = len(list((tmp_path / "corpora/broken/1").glob("part-*.parquet")))
    assert finished >= 1
    drawn: list[int] = []

    def count(items: Iterator[Any], **_: object) -> Iterator[Any]:
        for item in items:
            drawn.append(1)
            yield item

    again = make(generator, tmp_path, "broken", progress=count, **sizes)
    assert again.manifest["fingerprint"] == alone.manifest["fingerprint"]
    assert 0 < len(drawn) < 350  # what was finished was not made again
    longer = make(generator, tmp_path, "longer", items=400)
    texts = [document.text for document in longer.documents()]
    assert texts[:350] == [document.text for document in alone.documents()]


def test_draws_are_uniform_and_never_change() -> None:
    draws = Draws("0/a/1")
    assert [draws.below(1000) for _ in range(10)] == [
        732, 702, 875, 46, 681, 317, 294, 297, 549, 862
    ]  # fmt: skip
    draws = Draws("0/a/2")
    counts = [0] * 6
    for _ in range(6000):
        counts[draws.integer(1, 6) - 1] += 1
    assert min(counts) > 850 and max(counts) < 1150
    assert sorted(draws.shuffled(range(20))) == list(range(20))
    assert {draws.multiple(5, 10, 20) for _ in range(100)} == {10, 15, 20}


def test_sums_are_right_and_balanced() -> None:
    found = [0] * 5
    for item in find_generator("sums", (), ["sums.format='plain'"]).items(0, 0, 3000, None):
        a, b, answer = map(int, re.fullmatch(r"(\d+)\+(\d+)=(\d+)", item.text).groups())
        assert a + b == answer
        if max(a, b) > 999:
            found[carries(a, b)] += 1
    assert min(found) > 0.8 * max(found)


@pytest.mark.parametrize("untie", ["codes", "text"])
def test_knots_can_be_untied(untie: str, wiki: Corpus) -> None:
    options = ["untie_knots.documents=4", "untie_knots.tokens=512", f"untie_knots.untie='{untie}'"]
    source = Source(wiki)
    for index, pack in enumerate(find_generator("untie_knots", (), options).items(3, 0, 5, source)):
        originals = list(source.read(4 * index, 4 * index + 4))
        assert pack.parents == tuple(document.id for document in originals)
        chunks = dict(re.findall(r"^\[(\w{4})\] (.*?) \[\1 > \w+\]$", pack.text, re.S | re.M))
        after = dict(re.findall(r"\[(\w{4}) > (\w+)\]$", pack.text, re.M))
        assert len(chunks) == len(after) == pack.meta["difficulty"]
        heads = set(chunks) - set(after.values())
        assert len(heads) == 4
        together = []
        for code in heads:
            strand = [code]
            while (code := after[code]) != "end":
                strand.append(code)
            if untie == "codes":
                assert f"[{strand[0]}]: {' '.join(strand)}" in pack.text
            together.append("".join("".join(chunks[code].split()) for code in strand))
        texts = ["".join(document.text.split()) for document in originals]
        assert all(any(text.startswith(strand) for text in texts) for strand in together)


def test_sketches_hold_phrases_of_their_passage_in_order(wiki: Corpus) -> None:
    for item in find_generator("sketches").items(0, 0, 40, Source(wiki)):
        if not isinstance(item, Document):
            continue
        sketch, passage = re.fullmatch(r"Sketch: (.*?)\n\nText: (.*)", item.text, re.S).groups()
        place = 0
        for phrase in filter(None, (part.strip() for part in sketch.split("…"))):
            place = passage.index(phrase.split()[0], place)
        kept = len(re.findall(r"[\w'’-]+", sketch))
        assert 0 < kept <= 0.35 * len(passage.split())
        assert not re.search(r"\b(?:the|of|and)\b", sketch)


@pytest.mark.parametrize(
    ("rule", "before", "after"),
    [
        ("numbers", "They kept 12 goats there.", "They kept twelve goats there."),
        ("numbers", "They kept twenty-one goats there.", "They kept 21 goats there."),
        ("numbers", "It is told on page 12 notes and all.", None),
        ("numbers", "They paid for 12 percent of it.", None),
        ("numbers", "They kept about two thirds of it.", None),
        ("numbers", "They bought 2,012 apples for it.", None),
        ("synonyms", "In order to win, train every day.", "To win, train every day."),
        ("synonyms", "It was a nearly full moon then.", "It was an almost full moon then."),
        ("synonyms", "They read The Almost Moon all night.", None),
        ("synonyms", "Hardly anything is almost as good.", None),
        ("order", "When the rain stops, the birds sing.", "The birds sing when the rain stops."),
        ("order", "When Anna came, she sang a song.", None),
        ("order", "When Anna came, Tom did not sing.", None),
        ("order", "In 1912, the bridge was closed.", "The bridge was closed in 1912."),
        ("order", "In 1912, Anna became the first pilot.", None),
        ("voice", "The bridge was designed by Ada Holm in 1912.",
         "Ada Holm designed the bridge in 1912."),
        ("voice", "The song was written by Oleta.", "Oleta wrote the song."),
        ("voice", "The bridge was designed by hand in 1912.", None),
        ("voice", "The bridge was admired by Ada Holm.", None),
        ("voice", "He said the bridge was led by Brig.", None),
    ],
)  # fmt: skip
def test_rules_change_what_they_may(rule: str, before: str, after: str | None) -> None:
    assert rewrite(before, rule) == (after or before)


def test_rules_are_quick_on_hostile_text() -> None:
    for text in ("A. " * 50_000, "a 5 bs " * 20_000, "In 1900, " * 20_000, "x" * 200_000):
        for sentence in sentences(text):
            for rule in RULES:
                rewrite(sentence, rule)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("math_template --items 5 --out x", "did you mean math_templates"),
        ("math_templates --out x", "say --items"),
        ("math_templates --items 5", "say --out"),
        ("math_templates --items 5 --out ../x", "no name of a corpus"),
        ("math_templates --items 5 --out x --source wiki_sample", "leave --source out"),
        ("math_templates --items 5 --out x --gin math_templates.style='odd'", "one of mixed"),
        ("sketches --items 5 --out x", "name it with --source"),
        ("sketches --items 5 --out x --source none", "no finished corpus none"),
        ("sketches --items 107 --out x --source wiki_sample", "too small"),
        ("untie_knots --items 14 --out x --source wiki_sample", "enough for 13 items"),
        ("sketches --items 5 --out wiki_sample --version 4.4.0 --source wiki_sample",
         "corpus to read"),
        ("math_templates --items 5 --out wiki_sample --version 4.4.0", "made otherwise"),
        ("show nothing", "no generator 'nothing'"),
        ("show", "name a generator"),
    ],
)  # fmt: skip
def test_refusals(
    words: str, said: str, sample_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--root", str(sample_root), "synthesize", *words.split()]) == 1
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_no_items_is_a_wrong_usage(sample_root: Path) -> None:
    with pytest.raises(SystemExit):
        main(["--root", str(sample_root), "synthesize", "sums", "--items", "0", "--out", "x"])


def test_a_wrong_template_stops_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    from research.rephrase.synthesis import math_problems

    right = math_problems.TEMPLATES["discount"]
    wrong = lambda draws: (made := right(draws))._replace(answer=made.answer + 1)  # noqa: E731
    monkeypatch.setitem(math_problems.TEMPLATES, "discount", wrong)
    with pytest.raises(GristmillError, match="template discount with seed 0, item 0"):
        list(find_generator("math_templates", (), ["math_templates.templates=('discount',)"])
             .items(0, 0, 1, None))  # fmt: skip


def test_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gristmill = ["--root", str(tmp_path), "synthesize"]
    assert main([*gristmill, "list"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in GENERATORS)
    assert main([*gristmill, "show", "math_templates", "--examples", "2"]) == 0
    assert "math_templates/0/1" in capsys.readouterr().out
    command = [*gristmill, "math_templates", "--items", "60", "--out", "gsm_like", "--seed", "4"]
    assert main([*command, "--dry-run"]) == 0 and not (tmp_path / "corpora").exists()
    assert main(command) == 0 and main(command) == 0
    assert "gsm_like@1 made before: 60 documents" in capsys.readouterr().out
    corpus = Corpus.open(tmp_path, "gsm_like")
    assert corpus.manifest["made_by"]["command"] == (
        "gristmill synthesize math_templates --items 60 --out gsm_like --seed 4"
    )
    for document in corpus.documents():
        assert document.text.startswith(document.meta["prompt"])
        assert document.text.rpartition("\n")[2] == document.meta["answer"]
