"""`gristmill bench decontamination`: planted evaluation items, clean text, and a 13-gram rule.

Planted are items of GSM8K, MATH, HumanEval, ARC and HellaSwag, question and answer: alone
(verbatim), in the middle of a web page (embedded), and there with 5 to 10 % of their words
replaced, left out or doubled (edited).  An item counts as found if it is found by name.

Clean are the web, wiki, code and docs samples and the Python files of the installed packages, but
for reasoning_gym, whose problems are GSM8K's.  The 13-gram rule (GPT-3, Brown et al. 2020,
arXiv:2005.14165, appendix C; here on lower-case words without punctuation) takes a text to hold an
item if any 13 words of it are in the text; of shorter items it knows nothing.
"""

from __future__ import annotations

import itertools
import statistics
import sysconfig
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from research import artefacts
from research.bench.figures import Figure
from research.corpora.document import Corpus
from research.curate.evaluation_sets import Item, read_sets
from research.curate.ngram_index import Index, Matching
from research.curate.word_hashes import ngram_hashes, text_buffer
from research.terminal import progress

SETS = ("gsm8k", "math", "humaneval", "arc", "hellaswag")
PLANTED = 2_000
SAMPLES = ("web_sample", "wiki_sample", "code_sample", "docs_sample")
FILES = 4_000
CHUNK = 500  # texts in memory
RULE = 13
Finder = Callable[[Sequence[str]], list[set[int]]]  # texts -> numbers of the items in each


def decontamination(rounds: int) -> list[Figure]:
    """Recall on planted items, false positives on clean text, and speed.

    Raises:
      GristmillError: a sample or the package with the evaluation sets is missing.
    """
    root = artefacts.data_root()
    items = read_sets(SETS)
    finders = {"ours": _ours(items), "rule": _thirteen_grams(items)}
    chosen = np.random.default_rng(1).permutation(len(items))[:PLANTED].tolist()
    pages = [d.text for d in Corpus.open(root, "web_sample").documents() if len(d.text) < 20_000]
    figures = []
    for kind in progress(("verbatim", "embedded", "edited"), desc="planted"):
        texts = [_plant(items[i], kind, pages, np.random.default_rng([2, i])) for i in chosen]
        recall = {
            who: statistics.mean(i in found for i, found in zip(chosen, find(texts), strict=True))
            for who, find in finders.items()
        }
        values = recall["ours"], "of items", f"{RULE}-gram rule", recall["rule"]
        figures.append(Figure("decontamination", f"recall_{kind}", *values))
    clean, alarms = 0, dict.fromkeys(finders, 0)
    for texts in progress(_clean(root), desc="clean", unit="chunk"):
        clean += len(texts)
        for who, find in finders.items():
            alarms[who] += sum(map(bool, find(texts)))
    rates = [alarms[who] / clean for who in ("ours", "rule")]
    unit = f"of {clean} documents"
    values = rates[0], unit, f"{RULE}-gram rule", rates[1]
    figures.append(Figure("decontamination", "false_positive_rate", *values))
    some = [d.text for name in SAMPLES[:3] for d in Corpus.open(root, name).documents()]
    size = sum(len(text.encode()) for text in some) / 1e6
    speeds: dict[str, list[float]] = {who: [] for who in finders}
    for _ in progress(range(rounds), desc="speed", unit="round"):
        for who, find in finders.items():
            start = time.process_time()
            find(some)
            speeds[who].append(size / (time.process_time() - start))
    medians = [statistics.median(speeds[who]) for who in ("ours", "rule")]
    ratio = statistics.median(a / b for a, b in zip(speeds["ours"], speeds["rule"], strict=True))
    values = medians[0], "MB/cpu-s", f"{RULE}-gram rule", medians[1], ratio
    return [*figures, Figure("decontamination", "mb_per_cpu_s", *values)]


def _ours(items: Sequence[Item]) -> Finder:
    matching = Matching()
    indexes = {code: Index.build(items, code, matching) for code in (False, True)}

    def find(texts: Sequence[str]) -> list[set[int]]:
        data, offsets = text_buffer(pa.array(texts, pa.large_string()))
        found: list[set[int]] = [set() for _ in texts]
        for code, index in indexes.items():
            for text, entry in index.find(data, offsets, code, matching)[0][:, :2].tolist():
                found[text].add(int(index.items[entry]))
        return found

    return find


def _thirteen_grams(items: Sequence[Item]) -> Finder:
    buffers = text_buffer(pa.array([f"{i.question}\n{i.answer}" for i in items], pa.large_string()))
    grams, counts = ngram_hashes(*buffers, RULE, True)
    owner = np.repeat(np.arange(len(items)), counts)
    words = np.repeat(ngram_hashes(*buffers, 1, True)[1], counts)
    long = words >= RULE  # what is shorter has one shingle, of fewer words
    order = np.argsort(grams[long], kind="stable")
    grams, owner = grams[long][order], owner[long][order]

    def find(texts: Sequence[str]) -> list[set[int]]:
        data, offsets = text_buffer(pa.array(texts, pa.large_string()))
        inside, counts = ngram_hashes(data, offsets, RULE, True)
        text = np.repeat(np.arange(len(texts)), counts)
        low, high = (np.searchsorted(grams, inside, side) for side in ("left", "right"))
        found: list[set[int]] = [set() for _ in texts]
        for i in np.flatnonzero(high > low):
            found[text[i]].update(owner[low[i] : high[i]].tolist())
        return found

    return find


def _plant(item: Item, kind: str, pages: Sequence[str], random: np.random.Generator) -> str:
    text = f"{item.question}\n{item.answer}"
    if kind == "verbatim":
        return text
    if kind == "edited":
        text = _edited(text, random)
    page = pages[random.integers(len(pages))].split("\n")
    middle = len(page) // 2
    return "\n".join([*page[:middle], text, *page[middle:]])


def _edited(text: str, random: np.random.Generator) -> str:
    """The text with 5 to 10 % of its words changed, at least one."""
    words = text.split(" ")
    count = max(1, round(len(words) * random.uniform(0.05, 0.10)))
    for place in random.permutation(len(words))[:count]:
        kind = random.integers(3)
        words[place] = ("another", "", f"{words[place]} {words[place]}")[kind]
    return " ".join(words)


def _clean(root: Path) -> Iterator[list[str]]:
    """Texts without items, some at a time."""

    def texts() -> Iterator[str]:
        for name in SAMPLES:
            yield from (document.text for document in Corpus.open(root, name).documents())
        packages = Path(sysconfig.get_path("purelib"))
        files = sorted(p for p in packages.rglob("*.py") if "reasoning_gym" not in p.parts)
        for path in files[:: max(1, len(files) // FILES)][:FILES]:
            if (text := path.read_text(encoding="utf-8", errors="replace")).strip():
                yield text

    stream = texts()
    while chunk := list(itertools.islice(stream, CHUNK)):
        yield chunk
