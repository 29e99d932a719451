"""`gristmill bench filters`: the four filters of FineWeb on real documents, against datatrove.

Gopher repetition, Gopher quality, C4 (without its rule for end marks) and FineWeb's own, in that
order, up to the first that drops.  Each round starts a fresh process for each contender, which
judges all documents; imports and the loading of spaCy are not counted.
  documents_per_cpu_s   documents a CPU-second
  agreement             share of documents that both keep or both drop
  reason_agreement      of those both drop, the share with the same filter and reason
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from research import artefacts
from research.bench import filters_contenders
from research.bench.figures import Figure
from research.bench.minhash import anchors_python
from research.corpora.document import Corpus
from research.errors import GristmillError
from research.terminal import progress

SAMPLES = {"web_sample": 954, "wiki_sample": 106, "docs_sample": 640}  # documents of each


def filters(rounds: int) -> list[Figure]:
    """Speed of both in turns, and how often they agree.

    Raises:
      GristmillError: a sample or datatrove is missing.
    """
    pythons = {"gristmill": sys.executable, "datatrove": anchors_python("datatrove", "spacy")}
    speeds: dict[str, list[float]] = {name: [] for name in pythons}
    verdicts: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "texts.json"
        path.write_text(json.dumps(_texts(artefacts.data_root())), "utf-8")
        for _ in progress(range(rounds), desc="filters", unit="round"):
            for name, python in pythons.items():
                result = _judge(python, name, path)
                verdicts[name] = result["verdicts"]
                speeds[name].append(len(result["verdicts"]) / result["cpu_s"])
    ours, theirs = verdicts["gristmill"], verdicts["datatrove"]
    pairs = list(zip(ours, theirs, strict=True))
    same = sum((a == "kept") == (b == "kept") for a, b in pairs)
    dropped = [a == b for a, b in pairs if "kept" not in (a, b)]
    ratio = statistics.median(
        a / b for a, b in zip(speeds["gristmill"], speeds["datatrove"], strict=True)
    )
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    return [
        Figure("filters", "documents_per_cpu_s", medians["gristmill"], "documents/cpu-s",
               "datatrove", medians["datatrove"], ratio),
        Figure("filters", "documents", float(len(pairs)), "documents"),
        Figure("filters", "agreement", same / len(pairs), "of documents", "datatrove"),
        Figure("filters", "reason_agreement", sum(dropped) / len(dropped), "of dropped",
               "datatrove"),
    ]  # fmt: skip


def _texts(root: Path) -> list[str]:
    texts: list[str] = []
    for name, count in SAMPLES.items():
        corpus = Corpus.open(root, name)
        step = max(1, corpus.manifest["documents"] // count)
        found = [document.text for document in corpus.documents()]
        texts += found[::step][:count]
    return texts


def _judge(python: str, name: str, path: Path) -> dict[str, Any]:
    command = [python, filters_contenders.__file__, name, str(path)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        raise GristmillError(f"{name} failed in {python}: {run.stderr.strip().splitlines()[-1]}")
    return json.loads(run.stdout.splitlines()[-1])
