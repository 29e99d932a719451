"""`gristmill solve` against a server on loopback that is right half of the time."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from research.cli import main
from research.corpora.document import Corpus


class Server(http.server.ThreadingHTTPServer):
    """Answers problems whose answers it is told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, str] = {}
        self.asked = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(http.server.BaseHTTPRequestHandler):
    """OpenAI's chat completions, as far as they are needed."""

    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.reply({"data": [{"id": "pupil"}]})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked += 1
        answer = self.server.answers[asked["messages"][-1]["content"]]
        end = answer if asked["seed"] % 2 else "unknown"
        message = {"role": "assistant", "content": f"Way {asked['seed']}.\nAnswer: {end}"}
        self.reply({
            "model": "pupil",
            "choices": [{"message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 20, "completion_tokens": 6},
        })  # fmt: skip

    def reply(self, value: dict) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def test_solve(tmp_path: Path, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    gristmill = ["--root", str(tmp_path)]
    make = ["synthesize", "math_templates", "--items", "8", "--out", "gsm_like"]
    assert main([*gristmill, *make]) == 0
    problems = list(Corpus.open(tmp_path, "gsm_like").documents())
    server.answers = {d.meta["prompt"].strip(): d.meta["value"] for d in problems}
    solve = [*gristmill, "solve", "gsm_like", "--engine", "http", "--url", server.url]
    solve += ["--out", "solved", "--correct", "3"]

    spend = [*solve, "--price-in", "1000", "--price-out", "1000"]
    assert main([*spend, "--budget-usd", "2"]) == 1
    assert "raise --budget_usd" in capsys.readouterr().err and 0 < server.asked < 24
    assert main(solve) == 0
    told = capsys.readouterr().out
    assert "24 of 24 solutions, 8 problems with all theirs, 0 with none" in told
    corpus = Corpus.open(tmp_path, "solved")
    assert corpus.manifest["documents"] == 24
    before = server.asked
    assert main(solve) == 0 and server.asked == before
    assert main([*gristmill, "verify", str(corpus.folder)]) == 0

    harder = [*solve[:-4], "--out", "harder", "--share", "proportional", "--correct", "5"]
    assert main(harder) == 0 and server.asked > before
    capsys.readouterr()

    for words, said in (
        (["--temperature", "0"], "all draws are the same"),
        (["--answer_field", "solution"], "has no solution in its meta"),
        (["--correct", "40"], "most must be at least 40"),
        (["--out", "gsm_like"], "that is the corpus that is read"),
        (["--out", "solved", "--seed", "1"], "already holds a corpus made otherwise"),
    ):
        assert main([*solve, *words]) == 1
        error = capsys.readouterr().err
        assert said in error and error.count("gristmill: ") == 1
    assert main([*gristmill, "solve", "gsm_like", "--out", "x"]) == 1
    assert "--engine" in capsys.readouterr().err
