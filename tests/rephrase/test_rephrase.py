"""`gristmill rephrase` against a server on loopback: nothing lost, nothing twice, all accounted."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from research.cli import main
from research.corpora.document import Corpus
from research.errors import GristmillError
from research.rephrase.chunking import chunk_code, chunk_prose, estimate_tokens, merge
from research.rephrase.engine import Message, Response, Sampling, make_request
from research.rephrase.http_engine import HttpEngine
from research.rephrase.store import Store
from research.rephrase.style import Style, plain_text

SERVER = Path(__file__).parents[2] / "research" / "bench" / "fault_server.py"
STYLES = """
import dataclasses
from research.rephrase.checks.length import LengthRatio
from research.rephrase.style import Style

REVERSED = Style(
    name="reversed", version=1, about="the words in reverse",
    instruction="Write the words in reverse.", chunk_tokens=200, answer_tokens=3.0,
)
def boom(piece, answer):
    raise ValueError("boom")

BOOM = dataclasses.replace(REVERSED, name="boom", parse=boom)
LONGER = dataclasses.replace(REVERSED, name="longer", checks=(LengthRatio(3.0, 9.0, few=0),))
"""


@pytest.fixture
def root(sample_root: Path, tmp_path: Path) -> Path:
    """A data root of one's own with the sample of Wikipedia, and styles in a file."""
    (tmp_path / "corpora").mkdir()
    (tmp_path / "corpora" / "wiki_sample").symlink_to(sample_root / "corpora" / "wiki_sample")
    (tmp_path / "styles.py").write_text(STYLES, encoding="utf-8")
    return tmp_path


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Starts a server with options; gives its address."""
    started: list[subprocess.Popen] = []

    def start(**options: object) -> str:
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        server = subprocess.Popen(
            [sys.executable, str(SERVER), *words], stdout=subprocess.PIPE, text=True
        )
        started.append(server)
        assert server.stdout
        return f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"

    yield start
    for server in started:
        server.kill()
        server.wait()


def rephrase(root: Path, *words: str, style: str = "REVERSED") -> list[str]:
    return [
        "--root", str(root), "rephrase", "wiki_sample", "--style", f"{root}/styles.py:{style}",
        "--engine", "http", "--limit", "3", "--concurrency", "16", "--timeout", "1", *words,
    ]  # fmt: skip


def stats(url: str) -> dict:
    with urllib.request.urlopen(f"{url}/stats") as answer:
        return json.load(answer)


def test_a_killed_job_on_a_faulty_server_loses_nothing(root: Path, serve, capsys) -> None:
    url = serve(slots=16, seconds=0.05, faults=0.1)
    words = rephrase(root, "--url", url, "--out", "reversed")
    client = subprocess.Popen([sys.executable, "-m", "research.cli", *words])
    while stats(url)["answers"] < 60:
        assert client.poll() is None
    client.kill()
    client.wait()
    assert main(words) == 0
    corpus = Corpus.open(root, "reversed")
    made = list(corpus.documents())
    sources = list(Corpus.open(root, "wiki_sample").documents())[:3]
    assert [document.parents for document in made] == [(source.id,) for source in sources]
    for document, source in zip(made, sources, strict=True):
        assert sorted(document.text.split()) == sorted(source.text.split())
        assert document.meta["style"] == "reversed"
    books = json.loads((corpus.folder / "rephrase.json").read_text("utf-8"))
    (funnel,) = books["sources"].values()
    assert funnel["accepted"] == funnel["pieces"] and not funnel["rejected"]
    served = stats(url)
    with Store(root) as store:
        spent = store.spent(revision="http/reverser")
    assert spent.requests == served["prompts"]
    assert spent.prompt_tokens + spent.completion_tokens == served["tokens"]
    assert served["answers"] - served["prompts"] <= 16  # what was on the wire
    # a second time asks nothing; neither does another corpus of the same answers
    assert main(words) == 0
    assert main(rephrase(root, "--url", url, "--out", "again")) == 0
    assert stats(url)["received"] == served["received"]
    again = Corpus.open(root, "again")
    assert again.manifest["fingerprint"] == corpus.manifest["fingerprint"]
    capsys.readouterr()
    assert main(["--root", str(root), "rephrase", "show", "reversed"]) == 0
    assert "100.0%" in capsys.readouterr().out


def test_a_budget_stops_and_goes_on(root: Path, serve, capsys) -> None:
    url = serve(slots=16, seconds=0.01)
    money = ["--price-in", "1", "--price-out", "1"]
    words = rephrase(root, "--url", url, "--out", "cheap", *money)
    assert main([*words, "--budget-usd", "0.01"]) == 1
    assert "allows no further request" in capsys.readouterr().err
    before = stats(url)
    assert 0 < before["tokens"] <= 0.01 * 1e6
    assert main([*words, "--budget-usd", "10"]) == 0
    after = stats(url)
    assert after["answers"] == after["prompts"] > before["answers"]
    # the estimate for what is there already is nothing
    capsys.readouterr()
    assert main([*words, "--dry-run"]) == 0
    assert "about 0 tokens in" in capsys.readouterr().out


def test_what_cannot_go_on_is_one_line(root: Path, serve, capsys, monkeypatch) -> None:
    url = serve(slots=64, seconds=0.0)

    def refused(*words: str, style: str = "REVERSED") -> str:
        assert main(rephrase(root, *words, "--out", "never", style=style)) == 1
        (line,) = capsys.readouterr().err.strip().splitlines()
        return line

    assert "no server answers there" in refused("--url", "http://127.0.0.1:9/v1")
    assert "write http://HOST:PORT/v1" in refused("--url", "127.0.0.1:9")
    assert "lists no models" in refused("--url", f"{url}/x")
    assert "its models: reverser" in refused("--url", url, "--model", "gpt")
    assert "a budget is above 0" in refused("--url", url, "--budget-usd", "0", "--price-in", "1")
    assert "name the prices" in refused("--url", url, "--budget-usd", "1")
    for price in ("nan", "inf", "-1"):
        assert "a price is a number" in refused("--url", url, "--price-in", price)
    assert "temperature must be" in refused("--url", url, "--temperature", "nan")
    assert "is no address" in refused("--url", "http://[")
    assert "seconds above 0" in refused("--url", url, "--timeout", "0")
    assert "ValueError: boom" in refused("--url", url, style="BOOM")
    assert "none of the first 40 answers" in refused("--url", url, style="LONGER")
    assert "no Style named NONE" in refused("--url", url, style="NONE")
    monkeypatch.setenv("A_KEY", "secret")
    said = refused("--url", "http://example.com/v1", "--key-env", "A_KEY")
    assert "unencrypted" in said and "secret" not in said
    monkeypatch.setenv("A_KEY", "secret\r")
    said = refused("--url", url, "--key-env", "A_KEY")
    assert "characters that no key has" in said and "secret" not in said


def test_what_is_no_answer_is_told_apart() -> None:
    engine = HttpEngine.__new__(HttpEngine)
    engine.url, engine._answers_as = "http://127.0.0.1/v1", None

    def read(model: str = "a", content: object = "x", out: object = 1) -> Response:
        answer = {
            "choices": [{"message": {"content": content}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": out}, "model": model,
        }  # fmt: skip
        return engine._read(json.dumps(answer).encode(), 0.1)

    assert read().text == "x" and read(content=None).text == ""
    assert read(content="a\ud800").text == "a?"
    for wrong in (-5, 10**30, "many", None):
        with pytest.raises((ValueError, TypeError)):
            read(out=wrong)
    with pytest.raises(TypeError):
        read(content=["x"])
    with pytest.raises(GristmillError, match="it has changed its model"):
        read(model="b")


def test_answers_depend_on_all_that_is_asked() -> None:
    turns = (Message("system", "a"), Message("user", "b"))
    greedy = make_request("m", turns, Sampling(10, seed=1))
    assert greedy.key == make_request("m", turns, Sampling(10, seed=2)).key
    keys = {
        make_request("m", turns, Sampling(10, temperature=1.0, seed=seed)).key for seed in (1, 2)
    }
    keys |= {make_request("n", turns, Sampling(10)).key, make_request("m", turns[::-1],
             Sampling(10)).key, make_request("m", turns, Sampling(11)).key, greedy.key}  # fmt: skip
    assert len(keys) == 6


def test_an_answer_is_kept_once(tmp_path: Path) -> None:
    with Store(tmp_path) as store, Store(tmp_path) as other:
        store.put("k", "job", "m", Response("first", "stop", 3, 4, 0.5))
        other.put("k", "job", "m", Response("second", "stop", 3, 4, 0.5))
        assert other.get("k").text == "first"
        assert store.spent(job="job").requests == 1
    (tmp_path / "responses.sqlite3").write_bytes(b"no database" * 100)
    with pytest.raises(Exception, match="cannot be used"):
        Store(tmp_path)


def test_pieces_are_the_text(sample_root: Path) -> None:
    for corpus in ("wiki_sample", "code_sample", "web_sample"):
        documents = Corpus.open(sample_root, corpus).documents()
        for document, _ in zip(documents, range(60), strict=False):
            for chunk in (chunk_prose, chunk_code):
                for tokens in (50, 350):
                    pieces = chunk(document.text, tokens)
                    assert "".join(pieces) == document.text
                    assert merge(pieces, pieces).split() == document.text.split()
                    if chunk is chunk_prose:
                        assert max(map(estimate_tokens, pieces)) <= tokens
    words = "word " * 30
    assert merge([f"{words}\n\n", words], [None, "second"]) == "second"
    assert merge(["a\n\n", "b\n", "c"], ["x", None, "z"]) == "x\n\nz"


def test_definitions_stay_whole() -> None:
    code = "import os\n\n# about f\n@os.x\ndef f():\n    return 1\n\n\nclass A:\n    b = 2\n"
    pieces = chunk_code(code, 8)
    assert pieces[1].startswith("# about f\n@os.x\ndef f()") and pieces[2].startswith("class A")
    assert chunk_code("(" * 100_000, 10_000)  # what no parser survives


def test_announcements_and_fences_come_off() -> None:
    assert plain_text("t", "Sure! Here is the rewritten text:\n\nThe text.") == "The text."
    assert plain_text("t", "Rewrite this text:\n\nThe text.") == "The text."
    said = "The following is a version of the text:\nA text."
    assert plain_text("t", said) == "A text." and plain_text(said, said) == said
    assert plain_text("t", "```text\nThe text.\n```") == "The text."
    assert plain_text("t", '"The text."') == "The text."
    assert plain_text("t", "Here we are. A story.") == "Here we are. A story."
    style = Style("s", 1, "about", "Do it.", question="{title}: {text}")
    assert style.messages("a {title} b", "T")[-1].content == "T: a {title} b"
