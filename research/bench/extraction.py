"""`gristmill bench extraction`: the step `extract` on real pages, against trafilatura.

Each round starts a fresh process for each contender, which extracts the pages of `web_pages`;
imports are not counted.
  pages_per_cpu_s   pages a CPU-second, against trafilatura's and (for scale) resiliparse's
  f1                tokens in common with trafilatura's text, mean of all pages
  formula_recall    formulas found with their LaTeX, on pages made of SciPy's documentation
  code_recall       blocks of code found with their whitespace, on the same pages
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from research import artefacts
from research.bench import extraction_contenders
from research.bench.figures import Figure
from research.bench.minhash import anchors_python
from research.corpora.document import Corpus
from research.errors import GristmillError
from research.terminal import progress

SOURCES = Path(__file__).with_name("extraction_sources.py")
DOCUMENTED = ("scipy.special", "scipy.stats", "scipy.linalg", "scipy.integrate", "scipy.signal")
MOST_PAGES = 300  # of documentation
_WORD = re.compile(r"\w+")


def extraction(rounds: int) -> list[Figure]:
    """Speed of the three in turns, agreement with trafilatura, and what is found of known sources.

    Raises:
      GristmillError: the sample, or a package to compare with, is missing.
    """
    anchors = anchors_python("trafilatura", "lxml_html_clean", "docutils", "pygments")
    pythons = {"gristmill": sys.executable, "trafilatura": anchors, "resiliparse": sys.executable}
    pages = [
        document.text for document in Corpus.open(artefacts.data_root(), "web_pages").documents()
    ]
    speeds: dict[str, list[float]] = {name: [] for name in pythons}
    texts: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pages.json"
        path.write_text(json.dumps(pages), "utf-8")
        for _ in progress(range(rounds), desc="extraction", unit="round"):
            for name, python in pythons.items():
                result = _extract(python, name, path)
                texts[name] = result["texts"]
                speeds[name].append(len(pages) / result["cpu_s"])
        found = _known_sources(anchors, Path(folder))
    ours = speeds["gristmill"]
    figures = [
        Figure("extraction", "pages_per_cpu_s", statistics.median(ours), "pages/cpu-s", anchor,
               statistics.median(speeds[anchor]),
               statistics.median(a / b for a, b in zip(ours, speeds[anchor], strict=True)))
        for anchor in ("trafilatura", "resiliparse")
    ]  # fmt: skip
    for name in ("gristmill", "resiliparse"):
        pairs = zip(texts[name], texts["trafilatura"], strict=True)
        f1 = statistics.fmean(token_f1(one, other) for one, other in pairs)
        figure = "f1" if name == "gristmill" else "f1_resiliparse"
        figures.append(Figure("extraction", figure, f1, "of tokens", "trafilatura"))
    for kind, (good, total) in found.items():
        name, _, form = kind.partition(" ")
        figure = f"{name}_recall" + (f"_{form}" if form else "")
        figures.append(Figure("extraction", figure, good / total, f"of {total}"))
    return figures


def token_f1(one: str, other: str) -> float:
    """Harmonic mean of precision and recall of words, each counted as often as it occurs; 1 for
    two texts without words."""
    first, second = (Counter(_WORD.findall(text.lower())) for text in (one, other))
    total = first.total() + second.total()
    return 2 * (first & second).total() / total if total else 1.0


def _extract(python: str, name: str, pages: Path) -> dict[str, Any]:
    out = pages.with_name(f"{name}.json")
    _run([python, extraction_contenders.__file__, name, str(pages), str(out)], name)
    return json.loads(out.read_text("utf-8"))


def _run(command: list[str], what: str) -> str:
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        raise GristmillError(
            f"{what} failed in {command[0]}: {run.stderr.strip().splitlines()[-1]}"
        )
    return run.stdout


def _known_sources(python: str, folder: Path) -> dict[str, tuple[int, int]]:
    """Formulas and blocks of code found and there, by form."""
    paths = [folder / name for name in ("docstrings.json", "sources.json", "source_pages.json")]
    paths[0].write_text(json.dumps(_docstrings()), "utf-8")
    _run([python, str(SOURCES), "make", str(paths[0]), str(paths[1])], "docutils")
    pages = json.loads(paths[1].read_text("utf-8"))
    paths[2].write_text(json.dumps([page["html"] for page in pages]), "utf-8")
    _extract(sys.executable, "gristmill", paths[2])
    out = _run(
        [python, str(SOURCES), "judge", str(paths[1]), str(folder / "gristmill.json")], "docutils"
    )
    return json.loads(out.splitlines()[-1])


def _docstrings() -> dict[str, str]:
    """SciPy's documentation of what has formulas or examples, as reStructuredText."""
    found: dict[str, str] = {}
    for name in DOCUMENTED:
        module = importlib.import_module(name)
        for member in sorted(dir(module)):
            text = inspect.getdoc(getattr(module, member)) or ""
            if not member.startswith("_") and (".. math::" in text or ":math:" in text):
                found[f"{name}.{member}"] = re.sub(r":(?!math\b)\w+:(`)", r"\1", text)
    return dict(list(found.items())[:MOST_PAGES])
