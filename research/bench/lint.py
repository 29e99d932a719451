"""`gristmill bench lint`: pylint's score without pylint, against pylint.

Files of the standard library (its tests too) and of installed packages, of 200 bytes to 60 kB, at
most four of a package, chosen by the hashes of their paths; those that the rules were fitted to
(lint_calibration.txt) are left out.
  agreement            share of files that both rate at least 7.0, or both below
  agreement_near_cut   the same of files that pylint rates from 6 to 8
  kept_by_pylint       share of files pylint rates at least 7.0: what always saying yes would reach
  mean_difference      of the two scores
  files_per_cpu_s      files a CPU-second; anchors: a process for each file, as SwallowCode runs
                       pylint, and one process for all
  crashes              files of the standard library's tests that end a step with an error
"""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import Any

from research.bench import lint_anchor
from research.bench.figures import Figure
from research.bench.minhash import anchors_python
from research.corpora.document import Document
from research.curate.code.lint import Lint
from research.curate.code.lint import lint as lint_text
from research.curate.code.lint_score import LintScore
from research.curate.code.parses import Parses
from research.curate.code.syntax_tree import CannotParse
from research.errors import GristmillError
from research.terminal import progress

CUT = 7.0
# of the library, of its tests, of packages
NUMBERS = {"library": 80, "tests": 40, "packages": 180}
LONE = 8  # files that pylint sees in a process each, a round
SMALLEST, LARGEST = 200, 60_000  # bytes
OF_A_PACKAGE = 4


def lint(rounds: int) -> list[Figure]:
    """Judges the files with both and compares.

    Raises:
      GristmillError: pylint is missing or fails.
    """
    python = anchors_python("pylint")
    files = held_out()
    with tempfile.TemporaryDirectory() as folder:
        truth = _pylint(python, files, Path(folder))
    judged = [(theirs, found, seconds) for theirs in truth
              if theirs["score"] is not None and theirs["messages"].get("syntax-error") is None
              and (found := _ours(theirs["path"])) is not None
              for seconds in [found[1]]]  # fmt: skip
    pairs = [(theirs["score"], found[0].score) for theirs, found, _ in judged]
    near = [(a, b) for a, b in pairs if 6 <= a < 8]
    ours = len(judged) / sum(seconds for _, _, seconds in judged)
    batch = len(judged) / sum(theirs["cpu_s"] for theirs, _, _ in judged)
    alone, ratio = _lone(python, files, rounds)
    return [
        Figure("lint", "files_per_cpu_s", ours, "files/cpu-s", "pylint", alone, ratio),
        Figure("lint", "files_per_cpu_s", ours, "files/cpu-s", "pylint, one process", batch,
               ours / batch),
        Figure("lint", "files", float(len(pairs)), "files"),
        Figure("lint", "agreement", _agreement(pairs), "of files", "pylint"),
        Figure("lint", "agreement_near_cut", _agreement(near), f"of {len(near)} files", "pylint"),
        Figure("lint", "kept_by_pylint", sum(a >= CUT for a, _ in pairs) / len(pairs), "of files"),
        Figure("lint", "mean_difference", statistics.mean(abs(a - b) for a, b in pairs), "points",
               "pylint"),
        Figure("lint", "crashes", float(_crashes()), "files"),
    ]  # fmt: skip


def held_out() -> list[Path]:
    """The files, those of the calibration left out."""
    calibration = set(Path(__file__).with_name("lint_calibration.txt").read_text().split())
    library, packages = (Path(sysconfig.get_path(kind)) for kind in ("stdlib", "purelib"))

    def key(path: Path, root: Path) -> str:
        return hashlib.sha256(path.relative_to(root).as_posix().encode()).hexdigest()

    def of(root: Path) -> list[Path]:
        found = [path for path in root.rglob("*.py")
                 if path.is_file() and SMALLEST <= path.stat().st_size <= LARGEST
                 and key(path, root)[:7] not in calibration]  # fmt: skip
        return sorted(found, key=lambda path: key(path, root))

    standard = [path for path in of(library) if "site-packages" not in path.parts]
    tests = [path for path in standard if "test" in path.parts]
    plain = [path for path in standard
             if not {"test", "tests", "idle_test"} & set(path.parts)]  # fmt: skip
    taken: dict[str, int] = {}
    chosen = []
    for path in of(packages):
        package = path.relative_to(packages).parts[0]
        taken[package] = taken.get(package, 0) + 1
        if taken[package] <= OF_A_PACKAGE:
            chosen.append(path)
    return [*plain[: NUMBERS["library"]], *tests[: NUMBERS["tests"]],
            *chosen[: NUMBERS["packages"]]]  # fmt: skip


def _agreement(pairs: list[tuple[float, float]]) -> float:
    return sum((a >= CUT) == (b >= CUT) for a, b in pairs) / len(pairs) if pairs else 1.0


def _ours(path: str) -> tuple[Lint, float] | None:
    text = Path(path).read_bytes().decode("utf-8", "replace")
    start = time.process_time()
    try:
        found = lint_text(text)
    except CannotParse:
        return None
    return found, time.process_time() - start


def _pylint(python: str, files: list[Path], folder: Path) -> list[dict[str, Any]]:
    listed, results = folder / "files.json", folder / "results.jsonl"
    listed.write_text(json.dumps([str(path) for path in files]))
    results.touch()
    command = [python, lint_anchor.__file__, str(listed), str(results)]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    with progress(total=len(files), desc="pylint", unit="file") as bar:
        while process.poll() is None:
            time.sleep(1)
            bar.update(results.read_bytes().count(b"\n") - bar.n)
    if process.returncode:
        error = process.stderr.read().strip().splitlines()[-1:]
        raise GristmillError(f"pylint failed in {python}: {''.join(error)}")
    return [json.loads(line) for line in results.read_text("utf-8").splitlines()]


def _lone(python: str, files: list[Path], rounds: int) -> tuple[float, float]:
    """Files a CPU-second of a pylint process for each, and the median of our ratios to it."""
    speeds, ratios = [], []
    for number in progress(range(rounds), desc="pylint, a process each", unit="round"):
        picked = files[number::rounds][:LONE]
        before = os.times()
        for path in picked:
            with tempfile.TemporaryDirectory() as folder:
                alone = Path(folder, "tmp_sample.py")
                alone.write_bytes(path.read_bytes())
                command = [python, "-m", "pylint", "--persistent=n",
                           f"--disable={lint_anchor.DISABLED}", str(alone)]  # fmt: skip
                subprocess.run(command, capture_output=True, cwd=folder, check=False)
        after = os.times()
        theirs = (after.children_user + after.children_system
                  - before.children_user - before.children_system)  # fmt: skip
        start = time.process_time()
        for path in picked:
            _ours(str(path))
        ours = time.process_time() - start
        speeds.append(len(picked) / theirs)
        ratios.append(theirs / ours)
    return statistics.median(speeds), statistics.median(ratios)


def _crashes() -> int:
    """Files of the standard library's tests on which a step fails, in a process of its own."""
    code = "from research.bench.lint import count_crashes; print(count_crashes())"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if run.returncode:
        raise GristmillError(f"a file of the standard library's tests ends the process: "
                             f"{run.stderr.strip().splitlines()[-1:]}")  # fmt: skip
    return int(run.stdout)


def count_crashes() -> int:
    """Applies `parses` and `lint_score` to every file of the standard library's tests."""
    steps = (Parses(), LintScore())
    crashes = 0
    for path in sorted(Path(sysconfig.get_path("stdlib"), "test").rglob("*.py")):
        text = path.read_bytes().decode("utf-8", "replace")
        document = Document(text, path.name, "bench", {"language": "python"})
        for step in steps:
            try:
                step(document)
            except Exception as error:
                print(f"{path}: {step.name}: {error!r}", file=sys.stderr)
                crashes += 1
    return crashes
