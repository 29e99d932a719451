"""What is each step of curation worth: extraction, filters, deduplication, choice by quality?

    gristmill corpora build web_pages web_sample wiki_sample docs_sample
    gristmill sweep experiments.curation_ladder \\
        --gin_file gin_configs/sweeps/curation_ladder_cpu.gin --workers 2

The rungs, each a corpus made of the one before it by the commands below:

    raw           web_pages: the HTML of 954 real pages
    extracted     gristmill curate ladder_raw --recipe extract
    filtered      gristmill curate ladder_extracted --recipe fineweb_en \\
                      --gin_file gin_configs/curation/fineweb_en_looser.gin
    deduplicated  gristmill dedup … --method minhash, then --method paragraph
    quality       gristmill curate ladder_deduplicated --recipe quality, the best share by a model
                  of wiki_sample against the extracted pages

Every rung is an arm twice.  With *equal tokens* all arms read the same number of bytes, so that a
smaller rung is read more often: what you get if nothing else is to be had.  *Matched* arms read
equally much of a rung that is cut to the size of the last one, so that all are read equally often:
what a byte of each rung is worth.  Models read bytes, so that no rung has a vocabulary made for it.

Held out are, for every rung, the English text (not the HTML) of pages of sites that no rung trains
on, and documents of wiki_sample and docs_sample.  Pages of a site fall on one side together: by
MinHash at 0.8 no held-out page is like one that is trained on, where splitting by page leaves nine
that are.  The quality model learns from wiki_sample without its held-out documents.

22 CPU-minutes, so about 12 minutes on 2 cores, after a minute or two for corpora and caches.  Seen
with seeds 0, 1, 2: bits per byte, of all and by source, and the difference of all from `raw`:

                  all   web   wiki  docs    equal tokens (614k)
    raw           4.03  4.35  3.82  3.83
    extracted     3.53  3.75  3.38  3.42    -0.50 [-0.62, -0.39]  better
    filtered      3.38  3.84  3.09  3.00    -0.66 [-0.76, -0.55]  better
    deduplicated  3.36  3.81  3.08  2.99    -0.67 [-0.86, -0.50]  better
    quality       3.39  3.90  3.06  3.09    -0.64 [-0.76, -0.51]  better

                                            matched (each read 2.7 times)
    raw           4.22  4.51  4.05  3.97    +0.19 [+0.13, +0.25]  worse
    extracted     3.75  3.98  3.58  3.65    -0.28 [-0.38, -0.19]  better
    filtered      3.45  4.01  3.10  3.02    -0.58 [-0.76, -0.40]  better
    deduplicated  3.47  4.02  3.13  3.02    -0.56 [-0.72, -0.40]  better

Extraction and filters help most, in every seed.  So small a corpus (297 filtered pages, 8 of them
near-duplicates) hardly shows deduplication.  Cut to equal size, the best 30% by quality beat the
rest in every seed (by 0.04 to 0.08); with equal tokens that is lost, for it is read more often.
Text of the web itself is predicted best by all that was extracted: filters and the quality model
make a corpus more like an encyclopedia, and less like the web.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from experiments.arms import Arm
from experiments.repetition import chosen
from research import artefacts
from research.cli import build_parser
from research.corpora.document import Corpus, Document, Unit, build_corpus, corpus_folder
from research.curate.filters.language import Language
from research.errors import GristmillError
from research.input_pipeline.loader import open_caches
from research.input_pipeline.token_cache import build_caches
from research.registry.specs import load_mixture
from research.registry.splits import SAMPLE_VALIDATION_SHARE, TRAIN, split_of
from research.terminal import progress
from research.train.run_spec import RunSpec

RUNGS = ("raw", "extracted", "filtered", "deduplicated", "quality")
ABOUT = {
    "raw": "pages as HTML",
    "extracted": "their main text",
    "filtered": "English that passes FineWeb's filters, loosened",
    "deduplicated": "without near-duplicates and repeated paragraphs",
    "quality": "the best of it by a quality model",
}
VARIANTS = ("equal_tokens", "matched")
KEEP_SHARE = 0.3  # of the deduplicated documents
PAGES, PAGE_TEXT, GOOD = "web_pages", "web_sample", "wiki_sample"
WEB_TEXT = "ladder_text"
POSITIVE, MODEL = "ladder_good", "ladder_model"
HELD_OUT = "ladder_heldout"
TASKS = "experiments.curation_ladder_tasks"
LOOSER = Path(__file__).parent.parent / "gin_configs" / "curation" / "fineweb_en_looser.gin"
COMMAND = "gristmill sweep experiments.curation_ladder"


@dataclasses.dataclass(frozen=True)
class Settings:
    """The section `curation_ladder`.

    Attributes:
      variants: 'equal_tokens', 'matched' or both; the first rung of the first is the baseline.
    """

    variants: tuple[str, ...] = VARIANTS

    def __post_init__(self) -> None:
        if not self.variants or not set(self.variants) <= set(VARIANTS):
            raise GristmillError(
                f"curation_ladder.variants is {list(self.variants)}; name some of "
                f"{', '.join(VARIANTS)}"
            )


def corpus_of(rung: str) -> str:
    """The corpus of a rung, and the Task over it."""
    return f"ladder_{rung}"


def matched(rung: str) -> str:
    """The same for the rung that is cut to the size of the last one."""
    return f"ladder_{rung}_matched"


def arms(run: RunSpec, settings: Settings) -> list[Arm]:
    """An arm for every rung, once a variant; the last rung's is the same in both."""
    made: dict[str, Arm] = {}
    tokens = run.steps * run.data.batch * run.data.length
    for variant in settings.variants:
        for rung in RUNGS:
            cut = variant == "matched" and rung != RUNGS[-1]
            task = matched(rung) if cut else corpus_of(rung)
            mixture = load_mixture(artefacts.data_root(), task, [TASKS])
            ((_, cache),) = open_caches(artefacts.data_root(), mixture, "train").items()
            epochs = tokens / len(cache.tokens)
            text = f"{ABOUT[rung]}{', cut to the size of the last' if cut else ''}"
            changes = {"data.mixture": task, "data.modules": (*run.data.modules, TASKS)}
            name = f"{rung}_matched" if cut else rung
            made[name] = Arm(name, changes, f"{text}; read {epochs:.2g} times", baseline=not made)
    return list(made.values())


def prepare(settings: Settings) -> None:
    """Makes the corpora of the rungs and the token caches, as far as they are not there."""
    root = artefacts.data_root()
    _by_site(root, PAGES, corpus_of("raw"))
    _by_site(root, PAGE_TEXT, WEB_TEXT, Language(("en",), 0.65))
    _training_half(root, GOOD, POSITIVE)
    workers = ["--workers", str(os.cpu_count() or 1)]
    raw, extracted, filtered, deduplicated, quality = map(corpus_of, RUNGS)
    fuzzy = "ladder_fuzzy"  # without near-duplicates, with paragraphs repeated
    _gristmill(["curate", raw, "--recipe", "extract", "--out", extracted, *workers])
    _gristmill(["curate", extracted, "--recipe", "fineweb_en", "--gin-file", str(LOOSER),
                "--out", filtered, *workers])  # fmt: skip
    _gristmill(["dedup", filtered, "--method", "minhash", "--out", fuzzy, *workers])
    _gristmill(["dedup", fuzzy, "--method", "paragraph", "--out", deduplicated, *workers])
    _gristmill(["quality", "train", "--positive", POSITIVE, "--negative", extracted,
                "--out", MODEL])  # fmt: skip
    _gristmill(["curate", deduplicated, "--recipe", "quality", "--gin", f"quality.model='{MODEL}'",
                "--gin", f"quality.keep_share={KEEP_SHARE}", "--out", quality,
                *workers])  # fmt: skip
    size = sum(len(document.text.encode()) for document in _training(Corpus.open(root, quality)))
    for rung in RUNGS[:-1]:
        source = Corpus.open(root, corpus_of(rung))
        _derive(root, source, matched(rung), {"bytes": size}, lambda s=source: chosen(s, size))
    tasks = [*map(corpus_of, RUNGS), *map(matched, RUNGS[:-1]), HELD_OUT]
    for task in tasks:
        mixture = load_mixture(root, task, [TASKS])
        build_caches(root, mixture, workers=1, command=COMMAND, progress=progress)


def _gristmill(words: Sequence[str]) -> None:
    """Runs a command, and lets it speak unless what it makes was there before."""
    said = io.StringIO()
    args = build_parser().parse_args(words)
    before = (corpus_folder(artefacts.data_root(), args.out, "1") / artefacts.MANIFEST).exists()
    with contextlib.redirect_stdout(said):
        args.run(args)
    if not before and words[0] != "quality":
        print(said.getvalue())


def _by_site(root: Path, name: str, out: str, wanted: Language | None = None) -> None:
    """A corpus of the same documents, whose root is their site: all of it is held out, or none."""
    source = Corpus.open(root, name)

    def read() -> Iterator[Document]:
        for document in source.documents():
            if wanted is None or isinstance(wanted(document), Document):
                site = urlsplit(document.meta.get("url", "")).hostname or document.id
                yield dataclasses.replace(document, roots=(site,))

    definition = {"roots": "sites", "wanted": wanted and wanted.describe()}
    _derive(root, source, out, definition, read)


def _training(corpus: Corpus) -> Iterator[Document]:
    for document in corpus.documents():
        if split_of(document.root_ids, SAMPLE_VALIDATION_SHARE) == TRAIN:
            yield document


def _training_half(root: Path, name: str, out: str) -> None:
    """The documents of a corpus that are not held out."""
    source = Corpus.open(root, name)
    definition = {"training": True, "validation_share": SAMPLE_VALIDATION_SHARE}
    _derive(root, source, out, definition, lambda: _training(source))


def _derive(
    root: Path,
    source: Corpus,
    name: str,
    definition: Mapping[str, Any],
    read: Callable[[], Iterator[Document]],
) -> None:
    """Builds a corpus of documents of another, if it is not there."""
    made_of = {key: source.manifest[key] for key in ("name", "version", "fingerprint")}
    build_corpus(
        root,
        name,
        "1",
        [Unit(source.name, [definition, made_of["fingerprint"]], read)],
        licence=source.manifest["licence"],
        definition={**definition, "version": 1},
        command=COMMAND,
        inputs=[made_of],
    )
