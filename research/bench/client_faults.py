"""`gristmill bench client_faults`: the HTTP client against a faulty server and sudden death.

A loopback server (fault_server.py) spoils a tenth of its requests: 500, 429, an answer that comes
too late or never, JSON that breaks off.  `gristmill rephrase` is killed twice by SIGKILL in the
middle and then let to its end.  Counted are pieces without an answer, pieces that the corpus has
twice, answers that were sent again although they had been received, and how the books differ from
the server's.  `busy_share` is of a server without faults and 64 slots: how much of its room the
client keeps filled.

datatrove's inference runner does the same pieces (client_faults_anchor.py): by its client with
retries, with checkpoints, killed at the same places, and started again whenever a fault has ended
it, `ANCHOR_RUNS` times at most.  `runs` is how often each had to be started.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

from research import artefacts
from research.bench.figures import Figure
from research.bench.minhash import anchors_python
from research.corpora.document import Corpus
from research.errors import GristmillError
from research.rephrase.chunking import chunk_prose
from research.rephrase.job import BOOKS
from research.rephrase.store import Store
from research.terminal import progress

SLOTS, SECONDS, KILLS, TIMEOUT = 64, 0.25, 2, 2.0
ANCHOR_RUNS = 24
DOCUMENTS = 40  # of wiki_sample, about 3,500 pieces
SOURCE = "wiki_sample"
CHUNK_TOKENS = 120
INSTRUCTION = "Write the words in reverse."
STYLE = f"""
from research.rephrase.style import Style

REVERSED = Style(
    name="reversed",
    version=1,
    about="the words in reverse",
    instruction={INSTRUCTION!r},
    chunk_tokens={CHUNK_TOKENS},
)
"""


@dataclasses.dataclass
class Outcome:
    """What became of all pieces; see the module."""

    lost: float = 0.0
    duplicated: float = 0.0
    resent_share: float = 0.0
    runs: float = 0.0
    books_differ: float = 0.0

    def worst(self, other: Outcome) -> Outcome:
        """The greater of both, number by number."""
        return Outcome(*map(max, dataclasses.astuple(self), dataclasses.astuple(other)))


def client_faults(rounds: int) -> list[Figure]:
    """Losses, repetitions and idleness, the worst of so many rounds.

    Raises:
      GristmillError: the corpus or the anchor is missing.
    """
    corpus = Corpus.open(artefacts.data_root(), SOURCE)
    python = anchors_python("datatrove", "openai", "aiosqlite", "aiofiles", "orjson", "xxhash<4")
    texts = (document.text for document in itertools.islice(corpus.documents(), DOCUMENTS))
    pieces = [piece for text in texts for piece in chunk_prose(text, CHUNK_TOKENS)]
    ours, theirs = Outcome(), Outcome()
    busy = {"ours": 1.0, "theirs": 1.0}
    for number in progress(range(rounds), desc="client_faults", unit="round"):
        with tempfile.TemporaryDirectory() as folder:
            ours = ours.worst(_ours(Path(folder), corpus, len(pieces), number))
        with tempfile.TemporaryDirectory() as folder:
            theirs = theirs.worst(_theirs(Path(folder), python, pieces, number))
        for name in busy:
            with tempfile.TemporaryDirectory() as folder, _server(SLOTS, 0.0, number) as url:
                if name == "ours":
                    command = _prepare(Path(folder), corpus, url)
                else:
                    command = _prepare_anchor(Path(folder), python, pieces, url)
                busy[name] = min(busy[name], _busy_share(command, url, len(pieces)))
    units = {"lost": "pieces", "duplicated": "pieces", "resent_share": "", "runs": "starts"}
    figures = [
        Figure("client_faults", name, getattr(ours, name), unit, "datatrove", getattr(theirs, name))
        for name, unit in units.items()
    ]
    return [
        *figures,
        Figure("client_faults", "books_differ", ours.books_differ, "tokens"),
        Figure("client_faults", "busy_share", busy["ours"], "", "datatrove", busy["theirs"],
               busy["ours"] / busy["theirs"]),
    ]  # fmt: skip


def _ours(folder: Path, corpus: Corpus, pieces: int, seed: int) -> Outcome:
    with _server(SLOTS, 0.1, seed) as url:
        command = [*_prepare(folder, corpus, url), "--timeout", str(TIMEOUT)]
        runs, said = _until_done(command, url, _kills(pieces, seed), KILLS + 1)
        if said:
            raise GristmillError(f"client_faults: {said}")
        stats = _stats(url)
    made = Corpus.open(folder, "reversed")
    books = json.loads((made.folder / BOOKS).read_text("utf-8"))["sources"][SOURCE]
    ids = [document.id for document in made.documents()]
    with Store(folder) as store:
        spent = store.spent(revision=made.manifest["definition"]["model"])
    return Outcome(
        lost=float(sum(books["rejected"].values())) + DOCUMENTS - len(ids),
        duplicated=float(len(ids) - len(set(ids)) + spent.requests - stats["prompts"]),
        resent_share=_resent_share(stats),
        runs=runs,
        books_differ=abs(spent.prompt_tokens + spent.completion_tokens - stats["tokens"]),
    )


def _theirs(folder: Path, python: str, pieces: Sequence[str], seed: int) -> Outcome:
    with _server(SLOTS, 0.1, seed) as url:
        command = _prepare_anchor(folder, python, pieces, url)
        runs, _ = _until_done(command, url, _kills(len(pieces), seed), ANCHOR_RUNS)
        stats = _stats(url)
    lines = [line for part in folder.glob("out/*") for line in part.read_bytes().splitlines()]
    ids = [json.loads(line)["id"] for line in lines if line.endswith(b"}")]
    different = len(set(pieces))
    return Outcome(
        lost=different - len(set(ids)),
        duplicated=len(ids) - len(set(ids)),
        resent_share=_resent_share(stats),
        runs=runs,
    )


def _resent_share(stats: dict[str, float]) -> float:
    """Of all prompts, those whose answers were given again, beyond what the kills lost."""
    again = stats["answers"] - stats["prompts"]
    return max(0.0, again - KILLS * SLOTS) / stats["prompts"]


def _kills(pieces: int, seed: int) -> list[float]:
    """After how many answers to kill."""
    rng = random.Random(seed)
    return [pieces * (kill + rng.uniform(0.5, 1.0)) / (KILLS + 1) for kill in range(KILLS)]


def _until_done(
    command: Sequence[str], url: str, kills: list[float], most_runs: int
) -> tuple[int, str]:
    """Runs a command until it ends well, as often as it may be, killing it at so many answers.

    Returns:
      How often it was started, and what it said at last if it never ended well.
    """
    said = ""
    for run in range(1, most_runs + 1):
        with tempfile.TemporaryFile("w+") as errors:
            client = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)
            while client.poll() is None:
                if kills and _stats(url)["answers"] >= kills[0]:
                    client.send_signal(signal.SIGKILL)
                    kills = kills[1:]
                    client.wait()
                time.sleep(0.05)
            errors.seek(0)
            said = errors.read().strip().rpartition("\n")[2]
        if client.returncode == 0:
            return run, "it ended before it was killed" if kills else ""
    return most_runs, said or "it never ended well"


def _busy_share(command: Sequence[str], url: str, pieces: int) -> float:
    """Of the server's room, what a client fills between a tenth and nine tenths of its work."""
    client = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
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


def _prepare(folder: Path, corpus: Corpus, url: str) -> list[str]:
    """A data root with the corpus, and the command of the job."""
    there = folder / "corpora" / SOURCE / corpus.manifest["version"]
    there.parent.mkdir(parents=True)
    there.symlink_to(corpus.folder.resolve())
    style = folder / "reversed.py"
    style.write_text(STYLE, encoding="utf-8")
    return [
        sys.executable, "-m", "research.cli", "--root", str(folder), "rephrase", SOURCE,
        "--style", f"{style}:REVERSED", "--engine", "http", "--concurrency", str(SLOTS),
        "--limit", str(DOCUMENTS), "--out", "reversed", "--url", url,
    ]  # fmt: skip


def _prepare_anchor(folder: Path, python: str, pieces: Sequence[str], url: str) -> list[str]:
    """The anchor's job in a file, and its command."""
    # 127.1 is 127.0.0.1, but not to datatrove, whose client for the latter never tries again
    job = {
        "url": url.replace("127.0.0.1", "127.1").removesuffix("/v1"),
        "slots": SLOTS,
        "timeout": TIMEOUT,
        "system": INSTRUCTION,
        "max_tokens": 4 * CHUNK_TOKENS,
        "pieces": list(dict.fromkeys(pieces)),
        "folder": str(folder),
    }
    path = folder / "job.json"
    path.write_text(json.dumps(job), encoding="utf-8")
    return [python, str(Path(__file__).with_name("client_faults_anchor.py")), str(path)]


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
