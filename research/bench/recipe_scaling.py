"""`gristmill bench recipe_scaling`: a whole recipe with one and with two processes, and its memory.

The corpus is copies of the web, Wikipedia and documentation samples; the recipe is `fineweb_en`.
  speedup_2   time with one process over time with two, of rounds in turns, start-up included; it
              means something only where two cores are free
  cpu_speedup_2   the same by CPU-seconds, of whatever machine: those of the run with one process
              over those of the parent and half of both workers' in the run with two
  peak_gb     most memory (VmHWM) of a process, on that corpus with texts of the largest size that
              is judged at its end, among them the worst we know
"""

from __future__ import annotations

import dataclasses
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from research import artefacts
from research.bench.figures import Figure
from research.corpora.document import Corpus, Document, Unit, build_corpus, corpus_folder
from research.curate.runner import LARGEST_TEXT
from research.terminal import progress

SAMPLES = ("web_sample", "wiki_sample", "docs_sample")
COPIES = 3
CODE = """
import resource, sys
from research.cli import main
status = main(sys.argv[1:])
lines = open("/proc/self/status").read().splitlines()
peak = next(line for line in lines if line.startswith("VmHWM")).split()[1]
usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
print(peak, *(use.ru_utime + use.ru_stime for use in usage), file=sys.stderr)
sys.exit(status)
"""


def recipe_scaling(rounds: int) -> list[Figure]:
    """Times the recipe in turns, then measures memory on the largest texts.

    Raises:
      GristmillError: a sample is missing.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _build(root, "ordinary", artefacts.data_root(), hostile=False)
        _build(root, "hostile", artefacts.data_root(), hostile=True)
        runs: dict[int, list[_Run]] = {1: [], 2: []}
        for _ in progress(range(rounds), desc="recipe_scaling", unit="round"):
            for workers, found in runs.items():
                found.append(_curate(root, "ordinary", workers))
        peak = _curate(root, "hostile", 1).peak_gb
    pairs = list(zip(*runs.values(), strict=True))
    speedup = statistics.median(a.seconds / b.seconds for a, b in pairs)
    by_cpu = statistics.median(a.cpu_s / (b.cpu_s + b.workers_cpu_s / 2) for a, b in pairs)
    one, two = (statistics.median(run.seconds for run in found) for found in runs.values())
    return [
        Figure("recipe_scaling", "seconds_1", one, "s"),
        Figure("recipe_scaling", "seconds_2", two, "s"),
        Figure("recipe_scaling", "speedup_2", speedup, "x"),
        Figure("recipe_scaling", "cpu_speedup_2", by_cpu, "x"),
        Figure("recipe_scaling", "peak_gb", peak, "GB"),
    ]


def _build(root: Path, name: str, samples: Path, hostile: bool) -> None:
    def read() -> Iterator[Document]:
        for copy in range(1 if hostile else COPIES):
            for sample in SAMPLES:
                for document in Corpus.open(samples, sample).documents():
                    yield Document(document.text, f"{copy}/{document.id}", "bench", document.meta)
        if hostile:
            for number, text in enumerate(_largest_texts()):
                yield Document(text, f"largest/{number}", "bench")

    build_corpus(root, name, "1", [Unit(name, 0, read)], licence="as the samples'", definition={},
                 command="gristmill bench recipe_scaling")  # fmt: skip


def _largest_texts() -> Iterator[str]:
    """Texts of the largest size: many short words, one endless word, brackets, short lines."""
    english = "the cat and the dog that have been with us to be of use. "
    for unit in (f"{english}\n", "a b c d . , ! ", "(", "x.Y", "to the. "):
        yield (english * 20 + unit * (LARGEST_TEXT // len(unit)))[:LARGEST_TEXT]


@dataclasses.dataclass(frozen=True)
class _Run:
    """Seconds of the clock, GB and CPU-seconds of the process that was started, CPU-seconds of the
    processes that it started."""

    seconds: float
    peak_gb: float
    cpu_s: float
    workers_cpu_s: float


def _curate(root: Path, name: str, workers: int) -> _Run:
    shutil.rmtree(corpus_folder(root, "out", "1"), ignore_errors=True)
    command = [sys.executable, "-c", CODE, "--root", str(root), "curate", name]
    command += ["--recipe", "fineweb_en", "--out", "out", "--workers", str(workers)]
    start = time.perf_counter()
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - start
    peak, own, children = map(float, run.stderr.splitlines()[-1].split())
    return _Run(seconds, peak * 1024 / 1e9, own, children)
