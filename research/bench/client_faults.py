"""`gristmill bench client_faults`: the HTTP client against a faulty server and sudden death.

A loopback server (fault_server.py) spoils a tenth of its requests: 500, 429, an answer that comes
too late or never, JSON that breaks off.  `gristmill rephrase` is killed twice by SIGKILL in the
middle and then let to its end.  Counted are pieces without an answer, pieces that the corpus has
twice, answers that were sent again although they had been received, and how the books differ from
the server's.  `busy_share` is of a server without faults and 64 slots: how much of its room the
client keeps filled.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from research import artefacts
from research.bench.figures import Figure
from research.corpora.document import Corpus
from research.errors import GristmillError
from research.rephrase.chunking import chunk_prose
from research.rephrase.job import BOOKS
from research.rephrase.store import Store
from research.terminal import progress

SLOTS, SECONDS, KILLS = 64, 0.25, 2
DOCUMENTS = 40  # of wiki_sample, about 2,500 pieces
SOURCE = "wiki_sample"
CHUNK_TOKENS = 120
STYLE = f"""
from research.rephrase.style import Style

REVERSED = Style(
    name="reversed",
    version=1,
    about="the words in reverse",
    instruction="Write the words in reverse.",
    chunk_tokens={CHUNK_TOKENS},
)
"""


def client_faults(rounds: int) -> list[Figure]:
    """Losses, repetitions and idleness, the worst of so many rounds.

    Raises:
      GristmillError: the corpus is missing.
    """
    corpus = Corpus.open(artefacts.data_root(), SOURCE)
    texts = (document.text for document in itertools.islice(corpus.documents(), DOCUMENTS))
    pieces = sum(len(chunk_prose(text, CHUNK_TOKENS)) for text in texts)
    worst = dict.fromkeys(("lost", "duplicated", "resent_share", "books_differ"), 0.0)
    busy = 1.0
    for number in progress(range(rounds), desc="client_faults", unit="round"):
        with tempfile.TemporaryDirectory() as folder:
            for name, value in _with_faults(Path(folder), corpus, pieces, number).items():
                worst[name] = max(worst[name], value)
        with tempfile.TemporaryDirectory() as folder:
            busy = min(busy, _busy_share(Path(folder), corpus, pieces, number))
    figures = [
        Figure("client_faults", "lost", worst["lost"], "pieces"),
        Figure("client_faults", "duplicated", worst["duplicated"], "pieces"),
        Figure("client_faults", "resent_share", worst["resent_share"], ""),
        Figure("client_faults", "books_differ", worst["books_differ"], "tokens"),
    ]
    return [*figures, Figure("client_faults", "busy_share", busy, "")]


def _with_faults(folder: Path, corpus: Corpus, pieces: int, seed: int) -> dict[str, float]:
    command = _prepare(folder, corpus)
    with _server(SLOTS, 0.1, seed) as url:
        words = [*command, "--url", url, "--timeout", "2"]
        rng = random.Random(seed)
        in_flight = 0
        for kill in range(KILLS):
            at = pieces * (kill + rng.uniform(0.5, 1.0)) / (KILLS + 1)
            client = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while client.poll() is None and _stats(url)["answers"] < at:
                time.sleep(0.05)
            if client.poll() is not None:
                raise GristmillError("client_faults: the job ended before it was killed")
            client.send_signal(signal.SIGKILL)
            client.wait()
            in_flight += SLOTS
        ended = subprocess.run(words, capture_output=True, text=True)
        if ended.returncode:
            raise GristmillError(f"client_faults: {ended.stderr.strip().splitlines()[-1]}")
        stats = _stats(url)
    made = Corpus.open(folder, "reversed")
    books = json.loads((made.folder / BOOKS).read_text("utf-8"))["sources"][SOURCE]
    ids = [document.id for document in made.documents()]
    with Store(folder) as store:
        revision = made.manifest["definition"]["model"]
        spent = store.spent(revision=revision)
    again = stats["answers"] - stats["prompts"]
    return {
        "lost": float(sum(books["rejected"].values())) + DOCUMENTS - len(ids),
        "duplicated": float(len(ids) - len(set(ids)) + spent.requests - stats["prompts"]),
        "resent_share": max(0, again - in_flight) / stats["prompts"],
        "books_differ": abs(spent.prompt_tokens + spent.completion_tokens - stats["tokens"]),
    }


def _busy_share(folder: Path, corpus: Corpus, pieces: int, seed: int) -> float:
    command = _prepare(folder, corpus)
    with _server(SLOTS, 0.0, seed) as url:
        client = subprocess.Popen(
            [*command, "--url", url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            seen = []
            for share in (0.1, 0.9):
                while (stats := _stats(url))["answers"] < share * pieces:
                    if client.poll() is not None:
                        raise GristmillError("client_faults: the client ended too early")
                    time.sleep(0.05)
                seen.append((time.monotonic(), stats["busy"]))
            (began, before), (ended, after) = seen
            return (after - before) / (SLOTS * (ended - began))
        finally:
            client.kill()
            client.wait()


def _prepare(folder: Path, corpus: Corpus) -> list[str]:
    """A data root with the corpus, and the command of the job."""
    there = folder / "corpora" / SOURCE / corpus.manifest["version"]
    there.parent.mkdir(parents=True)
    there.symlink_to(corpus.folder.resolve())
    style = folder / "reversed.py"
    style.write_text(STYLE, encoding="utf-8")
    return [
        sys.executable, "-m", "research.cli", "--root", str(folder), "rephrase", SOURCE,
        "--style", f"{style}:REVERSED", "--engine", "http", "--concurrency", str(SLOTS),
        "--limit", str(DOCUMENTS), "--out", "reversed",
    ]  # fmt: skip


@contextlib.contextmanager
def _server(slots: int, faults: float, seed: int) -> Iterator[str]:
    """Address of a running server."""
    script = Path(__file__).with_name("fault_server.py")
    options = ["--slots", slots, "--seconds", SECONDS, "--faults", faults, "--seed", seed]
    server = subprocess.Popen(
        [sys.executable, str(script), *map(str, options)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout
        yield f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
    finally:
        server.kill()
        server.wait()


def _stats(url: str) -> dict[str, float]:
    with urllib.request.urlopen(f"{url}/stats", timeout=10) as answer:
        return json.load(answer)
