"""`gristmill bench minhash`: near-duplicates of real documents, against datatrove and datasketch.

Speed: documents per CPU-second from Parquet to decisions, verification included; the anchors only
sign (datasketch also looks up candidates), from texts in memory.  All use word 5-grams and 112 or
(ours) 108 permutations.

Truth: real documents of the samples with an edited copy of each, of a Jaccard similarity drawn
between .6 and 1; all pairs are compared by sets of words, apart from the code under test.
  recall             of the pairs of J >= .8, the share of which not both stay
  false_merge_rate   of the dropped documents, the share less than .8 similar to the one kept
"""

from __future__ import annotations

import json
import os
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import scipy.sparse
import scipy.sparse.csgraph

from research import artefacts
from research.bench import minhash_anchors
from research.bench.figures import Figure
from research.corpora.document import Corpus, Document, Unit, build_corpus
from research.curate.collection import Collection
from research.curate.dedup import decide, examine
from research.curate.minhash import MinHash
from research.errors import GristmillError
from research.terminal import progress

SAMPLES = ("web_sample", "wiki_sample", "code_sample", "docs_sample")
ORIGINALS = 1_500
TIMED = 500
MOST_WORDS = 4_000  # longer documents are cut, for the sake of the slowest contender
JACCARD = 0.8
PYTHON = "GRISTMILL_ANCHORS_PYTHON"  # an interpreter that has the anchors


def minhash(rounds: int) -> list[Figure]:
    """Speed of all three in turns, and how right ours and datatrove's decisions are.

    Raises:
      GristmillError: a sample or an anchor is missing.
    """
    python = anchors_python("datatrove", "datasketch", "spacy", "tokenizers", "xxhash<4")
    texts = _texts_with_copies(artefacts.data_root())
    timed = texts[:: len(texts) // TIMED][:TIMED]
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        _decisions(scratch / "warm", texts[:50])
        seconds: dict[str, list[float]] = {"ours": [], "datatrove": [], "datasketch": []}
        for turn in progress(range(rounds), desc="minhash", unit="round"):
            seconds["ours"].append(_decisions(scratch / f"timed-{turn}", timed)[1])
            for name in ("datatrove", "datasketch"):
                seconds[name].append(_anchor(python, name, timed, scratch)[1])
        figures = []
        for name in ("datatrove", "datasketch"):
            ratio = statistics.median(
                theirs / ours for theirs, ours in zip(seconds[name], seconds["ours"], strict=True)
            )
            speeds = [TIMED / statistics.median(seconds[who]) for who in ("ours", name)]
            values = speeds[0], "documents/cpu-s", name, speeds[1], ratio
            figures.append(Figure("minhash", "documents_per_cpu_s", *values))
        pairs = _true_pairs(texts)
        leader, _ = _decisions(scratch / "judged", texts)
        ours = _judge(pairs, leader)
        signatures, _ = _anchor(python, "datatrove", texts, scratch)
        theirs = _judge(pairs, _components(signatures))
    return [
        *figures,
        Figure("minhash", "true_pairs", len(pairs.data) / 2, f"pairs of J >= {JACCARD}"),
        Figure("minhash", "recall", ours[0], "of pairs", "datatrove", theirs[0]),
        Figure("minhash", "false_merge_rate", ours[1], "of dropped", "datatrove", theirs[1]),
    ]


def anchors_python(*packages: str) -> str:
    """The interpreter that has the packages to compare with.

    Raises:
      GristmillError: they are not there.
    """
    python = os.environ.get(PYTHON, sys.executable)
    names = [package.partition("<")[0] for package in packages]
    code = f"import importlib.util as u; assert all(map(u.find_spec, {names}))"
    if subprocess.run([python, "-c", code], capture_output=True, check=False).returncode:
        raise GristmillError(
            f"{python} lacks some of {', '.join(packages)}; install them in an environment (pip "
            f"install {shlex.join(packages)}) and set {PYTHON} to its python"
        )
    return python


def _texts_with_copies(root: Path) -> list[str]:
    random = np.random.default_rng(1)
    texts = []
    for name in SAMPLES:
        for document in Corpus.open(root, name).documents():
            words = re.findall(r"\S+\s*", document.text)[:MOST_WORDS]
            if len(words) >= 50:
                texts.append("".join(words))
    originals = [texts[i] for i in random.permutation(len(texts))[:ORIGINALS]]
    vocabulary = sorted({word for text in originals[:200] for word in re.findall(r"\w+", text)})
    copies = [_edited(text, random.uniform(0.6, 1), vocabulary, random) for text in originals]
    both = originals + copies
    return [both[i] for i in random.permutation(len(both))]


def _edited(
    text: str, jaccard: float, vocabulary: Sequence[str], random: np.random.Generator
) -> str:
    """The text with words replaced until about that similarity of word 5-grams is left."""
    words = re.findall(r"\S+\s*", text)
    changed = len(words) * (1 - jaccard) / (1 + jaccard) / 5
    for place in random.permutation(len(words))[: round(changed)]:
        words[place] = vocabulary[random.integers(len(vocabulary))] + " "
    return "".join(words)


def _decisions(root: Path, texts: Sequence[str]) -> tuple[np.ndarray, float]:
    """The leader of each text, and the CPU-seconds of finding it."""
    unit = Unit("texts", 0, lambda: (Document(t, f"{i:06d}", "t") for i, t in enumerate(texts)))
    build_corpus(root, "texts", "1", [unit], licence="", definition={}, command="")
    work = root / "work"
    work.mkdir()
    start = time.process_time()
    collection = Collection(root, ["texts"])
    examine(collection, MinHash(), work, 1, _silent)
    decisions = decide(collection, MinHash(), work, ["corpus", "longest"], _silent)
    return decisions.leader, time.process_time() - start


def _anchor(
    python: str, name: str, texts: Sequence[str], scratch: Path
) -> tuple[np.ndarray, float]:
    path, out = scratch / "texts.jsonl", scratch / "out.npy"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    command = [python, minhash_anchors.__file__, name, str(path), str(out)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        raise GristmillError(f"{name} failed in {python}: {run.stderr.strip().splitlines()[-1]}")
    return np.load(out), float(run.stdout.split()[-1])


def _true_pairs(texts: Sequence[str]) -> scipy.sparse.coo_array:
    """Jaccard similarity of all pairs of at least `JACCARD`, as [N, N], both ways."""
    numbers: dict[str, int] = {}
    rows, columns = [], []
    for row, text in enumerate(texts):
        words = _plain_words(text)
        for gram in {" ".join(words[i : i + 5]) for i in range(max(1, len(words) - 4))}:
            rows.append(row)
            columns.append(numbers.setdefault(gram, len(numbers)))
    has = scipy.sparse.csr_array((np.ones(len(rows), np.int32), (rows, columns)))
    common = (has @ has.T).tocoo()
    sizes = has.sum(axis=1)
    jaccard = common.data / (sizes[common.row] + sizes[common.col] - common.data)
    found = (jaccard >= JACCARD) & (common.row != common.col)
    places = common.row[found], common.col[found]
    return scipy.sparse.coo_array((jaccard[found], places), shape=common.shape)


def _plain_words(text: str) -> list[str]:
    """datatrove's normalisation in plain Python, all punctuation and symbols as separators."""
    text = re.sub(r"\d+([.,،٫⎖⎗⎘]\d+)?", "0", text.lower())
    text = "".join(c for c in text if unicodedata.category(c) != "Cf")
    text = "".join(
        c if unicodedata.category(c) in ("Mn",) or unicodedata.category(c)[0] in "LMN" else " "
        for c in text
    )
    decomposed = unicodedata.normalize("NFD", text)
    return "".join(c for c in decomposed if unicodedata.category(c) != "Mn").split()


def _judge(pairs: scipy.sparse.coo_array, leader: np.ndarray) -> tuple[float, float]:
    """Recall and false merges of decisions."""
    stays = leader == np.arange(len(leader))
    recall = 1 - (stays[pairs.row] & stays[pairs.col]).mean()
    similar = set(zip(pairs.row.tolist(), pairs.col.tolist(), strict=True))
    dropped = np.flatnonzero(~stays)
    wrong = sum((d, leader[d]) not in similar for d in dropped.tolist())
    return float(recall), wrong / len(dropped)


def _components(signatures: np.ndarray) -> np.ndarray:
    """The leaders that datatrove's rule gives: the first of all that are joined by any bucket."""
    count, buckets, _ = signatures.shape
    rows, columns = [], []
    for bucket in range(buckets):
        _, first, group = np.unique(
            signatures[:, bucket], axis=0, return_index=True, return_inverse=True
        )
        rows.append(np.arange(count))
        columns.append(first[group.ravel()])
    joined = scipy.sparse.coo_array(
        (np.ones(count * buckets), (np.concatenate(rows), np.concatenate(columns))),
        shape=(count, count),
    )
    _, component = scipy.sparse.csgraph.connected_components(joined, directed=False)
    _, first, group = np.unique(component, return_index=True, return_inverse=True)
    return first[group]


def _silent(iterable=None, **options):
    return progress(iterable, **{**options, "disable": True})
