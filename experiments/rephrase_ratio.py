"""Is text worth more rewritten by a language model, and mixed with the real text at what ratio?

    gristmill corpora build docs_sample wiki_sample web_sample
    gristmill curate docs_sample --recipe gopher --gin gopher_quality.min_words=25 \\
        --gin gopher_quality.max_words=65 --gin gopher_quality.min_alphabetic_words=0.7 \\
        --gin gopher_repetition.max_top_2_gram=0.5 --gin gopher_repetition.max_top_3_gram=0.5 \\
        --gin gopher_repetition.max_top_4_gram=0.5 --out docs_short
    gristmill weights import smollm2.gguf --name smollm2_135m_instruct
    gristmill rephrase docs_short --style experiments.rephrase_ratio_styles:AS_WRITTEN \\
        --engine jax --model smollm2_135m_instruct --limit 640 --context 640 --concurrency 32 \\
        --out docs_as_written
    gristmill sweep experiments.rephrase_ratio \\
        --gin_file gin_configs/sweeps/rephrase_ratio_cpu.gin --workers 2

Maini et al., "Rephrasing the Web" (WRAP; 2024, arXiv 2401.16380) train on web text and its rewrites
1:1, and on either alone, and find that rewrites do not make real text dispensable.  The arms here:
real text alone (the very documents that were rewritten, no others), their rewrites alone, and both
at several ratios of tokens.  Each is an arm twice:

    equal_tokens  all arms read the same number of tokens, of all the text there is: what you get
                  for a budget of compute.  A mixture draws on two sets, so that each text of it is
                  read less often, and may win by that alone.
    matched       the sets are cut so that every arm has the same number of *unique* tokens, and all
                  text is read equally often: what a form of text is worth.  The real and rewritten
                  texts of a mixture are then of different documents, for a document in two forms
                  would be read twice as often in all but its words.

Held out are real documents of the sources, rewrites (a document and its rewrites have the same
root, so they are held out together), a domain for each style, and documents of other corpora.

15 CPU-minutes, after half an hour for the rewrites.  SmolLM2-135M rewrites badly: of 640 documents
the style `wikipedia` takes 72, and AS_WRITTEN, which asks little more than that a text is no copy,
238 (58k bytes to train on; the documents they were made of have 72k).  Seen with seeds 0, 1, 2:
bits per byte of what is held out,

                       real   rewritten  wiki   web     differs on real text from `real`
    real               1.799  1.924      4.29   9.0
    rewritten          1.823  1.898      4.35   8.6     +0.02 [-0.04, +0.09]  cannot tell
    both_3to1          1.807  1.908      4.29   8.5     +0.01 [-0.02, +0.04]  cannot tell
    both_1to1          1.785  1.889      4.28   8.6     -0.01 [-0.05, +0.02]  cannot tell
    both_1to3          1.817  1.913      4.29   8.5     +0.02 [-0.02, +0.06]  cannot tell

                       matched: all is read 5.3 times            from `real_matched`
    real_matched       1.818  1.974      4.38   8.6
    rewritten          1.823  1.898      4.35   8.6     +0.01 [-0.05, +0.06]  cannot tell
    both_3to1_matched  1.817  1.941      4.37   8.4     -0.00 [-0.10, +0.10]  cannot tell
    both_1to1_matched  1.822  1.933      4.33   8.7     +0.00 [-0.10, +0.11]  cannot tell
    both_1to3_matched  1.825  1.911      4.35   8.7     +0.01 [-0.07, +0.09]  cannot tell

Nothing is settled on real text, where the sweep could see differences from `real` of 0.1 to 0.2 and
from `real_matched` of 0.2 to 0.4.  With all there is, 1:1 comes first on real text, rewrites and
Wikipedia, within what seeds do; matched it does not on real text, as if that were the fresher data
alone.  On rewrites the matched arms rank by how much of them they read: `rewritten` is better than
`real_matched` by 0.08 [0.04, 0.12].  The matched arms are judged by `gristmill report DIR
--baseline real_matched`.

With corpora of your own:

    rephrase_ratio.name = 'news'
    rephrase_ratio.sources = ['news', 'news_archive']
    rephrase_ratio.rewritten = ['news_wikipedia', 'news_faq']
    rephrase_ratio.ratios = ['9:1', '1:1']
    rephrase_ratio.others = ['wiki_sample']
    evals.mixtures = ['news_heldout']
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow.parquet as pq

from experiments.arms import Arm
from research import artefacts
from research.corpora.document import Corpus, Document, Unit, build_corpus
from research.errors import GristmillError
from research.input_pipeline.loader import open_caches
from research.input_pipeline.token_cache import TokenCache, build_caches
from research.registry.definitions import (
    SUFFIX,
    Definitions,
    TaskDefinition,
    write_definitions,
)
from research.registry.specs import load_mixture
from research.registry.splits import check_validation_share, hash_unit
from research.terminal import progress
from research.train.run_spec import RunSpec

Kind = Literal["real", "rewritten"]
KINDS: tuple[Kind, Kind] = ("real", "rewritten")
VARIANTS = ("equal_tokens", "matched")
STYLE = "experiments.rephrase_ratio_styles:AS_WRITTEN"
MODEL = "smollm2_135m_instruct"
COMMAND = "gristmill sweep experiments.rephrase_ratio"
_RATIO = re.compile(r"(\d+(?:\.\d+)?):(\d+(?:\.\d+)?)")


@dataclasses.dataclass(frozen=True)
class Settings:
    """The section `rephrase_ratio`.

    Attributes:
      name: what the corpora, Tasks and mixtures that it makes begin with; `<name>_heldout` is the
        mixture to evaluate on.
      sources: corpora, some documents of which were rewritten.
      rewritten: what `gristmill rephrase` made of them, in one or several styles.
      ratios: real to rewritten tokens, as '3:1'; each is an arm beside those of one kind alone.
      others: corpora of other domains, to evaluate on.
      variants: 'equal_tokens', 'matched' or both; real text alone of the first is the baseline.
      vocabulary: of all Tasks.
      validation_share: of the documents, held out.
    """

    name: str = "rephrase_ratio"
    sources: tuple[str, ...] = ("docs_short",)
    rewritten: tuple[str, ...] = ("docs_as_written",)
    ratios: tuple[str, ...] = ("3:1", "1:1", "1:3")
    others: tuple[str, ...] = ("wiki_sample", "web_sample")
    variants: tuple[str, ...] = VARIANTS
    vocabulary: str = "byte"
    validation_share: float = 0.1

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\w{1,64}", self.name):
            raise GristmillError(
                f"rephrase_ratio.name is {self.name!r}; use letters, digits and '_', at most 64"
            )
        for field in ("sources", "rewritten"):
            if not getattr(self, field):
                raise GristmillError(f"rephrase_ratio.{field} names at least one corpus")
        if twice := set(self.rewritten) & {*self.sources, *self.others}:
            raise GristmillError(
                f"rephrase_ratio.rewritten names {', '.join(sorted(twice))}, which is real text "
                "by rephrase_ratio.sources or .others"
            )
        if not self.variants or not set(self.variants) <= set(VARIANTS):
            raise GristmillError(
                f"rephrase_ratio.variants is {list(self.variants)}; name some of "
                f"{', '.join(VARIANTS)}"
            )
        shares = [blend.shares["real"] for blend in blends(self)]
        if len(set(shares)) < len(shares):
            raise GristmillError(f"rephrase_ratio.ratios {list(self.ratios)} names one twice")
        check_validation_share(self.validation_share, "rephrase_ratio.validation_share")


@dataclasses.dataclass(frozen=True)
class Blend:
    """Text of one kind or both.

    Attributes:
      name: of the arm.
      shares: of the tokens, by kind, summing to 1.
    """

    name: str
    shares: Mapping[Kind, float]

    @property
    def kinds(self) -> list[Kind]:
        """Those there are."""
        return [kind for kind in KINDS if self.shares[kind]]


def blends(settings: Settings) -> list[Blend]:
    """Each kind alone, then both at every ratio.

    Raises:
      GristmillError: a ratio is none.
    """
    found = [Blend("real", {"real": 1.0, "rewritten": 0.0}),
             Blend("rewritten", {"real": 0.0, "rewritten": 1.0})]  # fmt: skip
    for text in settings.ratios:
        parts = (
            [float(part) for part in match.groups()] if (match := _RATIO.fullmatch(text)) else []
        )
        if not parts or min(parts) <= 0:
            raise GristmillError(
                f"rephrase_ratio.ratios: {text!r} is no ratio of real to rewritten tokens, both "
                "above 0, such as '3:1' (there are arms of one kind alone in any case)"
            )
        shares = {kind: part / sum(parts) for kind, part in zip(KINDS, parts, strict=True)}
        found.append(Blend(f"both_{text.replace(':', 'to')}", shares))
    return found


# ---- names --------------------------------------------------------------------------------------


def task_of(settings: Settings, kind: Kind, cut_for: Blend | None = None) -> str:
    """The Task over all text of a kind, or over what is left of it for a matched blend; and the
    corpus of the same name."""
    return f"{settings.name}_{kind}" + (f"_in_{cut_for.name}" if cut_for else "")


def mixture_of(settings: Settings, blend: Blend, matched: bool) -> str:
    """What an arm reads: a Mixture, or a Task where there is one kind alone."""
    if len(blend.kinds) == 1:
        return task_of(settings, blend.kinds[0], blend if matched else None)
    return f"{settings.name}_{blend.name}" + ("_matched" if matched else "")


def held_out(settings: Settings) -> str:
    """The mixture to evaluate on."""
    return f"{settings.name}_heldout"


def definitions_of(settings: Settings) -> Definitions:
    """All Tasks and Mixtures that there may be, of which only those that are asked for are made."""

    def task(corpus: str, *fields: str) -> TaskDefinition:
        return TaskDefinition(corpus, settings.vocabulary, settings.validation_share, fields)

    fields: dict[Kind, tuple[str, ...]] = {"real": (), "rewritten": ("style",)}
    names = [(kind, task_of(settings, kind)) for kind in KINDS]
    names += [(k, task_of(settings, k, blend)) for blend in blends(settings) for k in blend.kinds]
    tasks = {name: task(name, *fields[kind]) for kind, name in names}
    corpora = [(corpus, fields["rewritten"]) for corpus in settings.rewritten]
    corpora += [(corpus, fields["real"]) for corpus in (*settings.sources, *settings.others)]
    scored = {
        f"{held_out(settings)}_{re.sub(r'[^A-Za-z0-9_.]', '_', corpus)}": task(corpus, *of_kind)
        for corpus, of_kind in corpora
    }
    mixtures: dict[str, dict[str, float | None]] = {held_out(settings): dict.fromkeys(scored)}
    for blend, matched in itertools.product(blends(settings), (False, True)):
        if len(blend.kinds) > 1:
            mixtures[mixture_of(settings, blend, matched)] = {
                task_of(settings, kind, blend if matched else None): blend.shares[kind]
                for kind in blend.kinds
            }
    return Definitions({**tasks, **scored}, mixtures)


# ---- arms ---------------------------------------------------------------------------------------


def arms(run: RunSpec, settings: Settings) -> list[Arm]:
    """An arm for every blend and variant; one that has nothing to be cut is the same in both."""
    root, modules = artefacts.data_root(), [settings.name + SUFFIX]
    smaller = _unique(settings)
    made: dict[str, Arm] = {}
    tokens = run.steps * run.data.batch * run.data.length
    for variant, blend in itertools.product(settings.variants, blends(settings)):
        matched = variant == "matched" and not _is_whole(settings, blend, smaller)
        mixture = load_mixture(root, mixture_of(settings, blend, matched), modules)
        caches = open_caches(root, mixture, "train").values()
        read = []
        for kind, cache in zip(blend.kinds, caches, strict=True):
            epochs = blend.shares[kind] * tokens / len(cache.tokens)
            read.append(f"{len(cache.tokens)} {kind} tokens {epochs:.2f} times")
        ratio = " : ".join(f"{blend.shares[kind]:.0%} {kind}" for kind in blend.kinds)
        changes = {"data.mixture": mixture.name, "data.modules": (*run.data.modules, *modules)}
        name = f"{blend.name}_matched" if matched else blend.name
        text = f"{ratio}; reads {' and '.join(read)}"
        made.setdefault(name, Arm(name, changes, text, baseline=not made))
    return list(made.values())


def _cache(settings: Settings, task: str) -> TokenCache:
    root = artefacts.data_root()
    mixture = load_mixture(root, task, [settings.name + SUFFIX])
    return open_caches(root, mixture, "train")[task]


def _unique(settings: Settings) -> int:
    """Training tokens of the smaller kind: what every matched arm has."""
    return min(len(_cache(settings, task_of(settings, kind)).tokens) for kind in KINDS)


def _is_whole(settings: Settings, blend: Blend, unique: int) -> bool:
    """Whether a matched blend is all text of the smaller kind, uncut."""
    return len(blend.kinds) == 1 and unique == len(
        _cache(settings, task_of(settings, blend.kinds[0])).tokens
    )


# ---- corpora and caches -------------------------------------------------------------------------


def prepare(settings: Settings) -> None:
    """Makes the corpora of both kinds, those that are cut, and the token caches, as far as they are
    not there; it rewrites nothing.

    Raises:
      GristmillError: a corpus is missing, or was rewritten from something else.
    """
    root = artefacts.data_root()
    for name in settings.others:
        Corpus.open(root, name)  # refuses before anything is made
    sources = [Corpus.open(root, name) for name in settings.sources]
    rewritten = [_open_rewritten(root, name, settings) for name in settings.rewritten]
    write_definitions(root, settings.name + SUFFIX, definitions_of(settings))
    readers = {"rewritten": _rewrites, "real": _were_rewritten}  # the first refuses strays
    for kind, read in readers.items():
        _derive(root, task_of(settings, kind), [*sources, *rewritten], {"kind": kind},
                lambda read=read: read(sources, rewritten))  # fmt: skip
    _build_caches(settings, [held_out(settings), *(task_of(settings, kind) for kind in KINDS)])
    _check_splits(settings)
    unique = _unique(settings)
    for blend in blends(settings):
        matched = "matched" in settings.variants and not _is_whole(settings, blend, unique)
        if matched:
            _cut(root, settings, blend, unique)
        _build_caches(settings, [mixture_of(settings, blend, matched)])


def _check_splits(settings: Settings) -> None:
    """Raises GristmillError if there is nothing to train or to evaluate on."""
    root, modules = artefacts.data_root(), [settings.name + SUFFIX]
    uses = {held_out(settings): ("validation", "evaluate on")}
    uses |= {task_of(settings, kind): ("train", "train on") for kind in KINDS}
    for name, (split, use) in uses.items():
        mixture = load_mixture(root, name, modules)
        for task, cache in open_caches(root, mixture, split).items():
            if not len(cache.tokens):
                raise GristmillError(
                    f"rephrase_ratio.validation_share {settings.validation_share:g} leaves no "
                    f"document of {mixture.tasks[task].corpus} to {use}"
                )


def _open_rewritten(root: Path, name: str, settings: Settings) -> Corpus:
    """Opens a rewritten corpus.

    Raises:
      GristmillError: it is missing, then with the commands that make it; or it was made of
        something else than the sources.
    """
    if not list((root / "corpora" / name.partition("@")[0]).glob(f"*/{artefacts.MANIFEST}")):
        raise GristmillError(
            f"no rewritten corpus {name} yet; make it, half an hour or so on two cores, by: "
            f"gristmill rephrase {settings.sources[0]} --style {STYLE} --engine jax "
            f"--model {MODEL} --limit 640 --context 640 --concurrency 32 "
            f"--out {name.partition('@')[0]} (and the model by: gristmill weights import FILE.gguf "
            f"--name {MODEL})"
        )
    corpus = Corpus.open(root, name)
    made_of = corpus.manifest["definition"].get("rephrased_from", {}).get("name")
    known = [Corpus.open(root, source).name for source in settings.sources]
    if made_of is not None and made_of not in known:
        raise GristmillError(
            f"rephrase_ratio.rewritten: {corpus.name} was rewritten from {made_of}, which is none "
            f"of rephrase_ratio.sources ({', '.join(known)})"
        )
    return corpus


def _build_caches(settings: Settings, mixtures: Sequence[str]) -> None:
    root = artefacts.data_root()
    for name in mixtures:
        mixture = load_mixture(root, name, [settings.name + SUFFIX])
        build_caches(root, mixture, workers=1, command=COMMAND, progress=progress)


def _were_rewritten(sources: Sequence[Corpus], rewritten: Sequence[Corpus]) -> Iterator[Document]:
    """The documents of the sources that a rewrite was made of."""
    ids = _ids(sources)
    used = set().union(*(_origins(d, ids) for corpus in rewritten for d in corpus.documents()))
    for corpus in sources:
        yield from (document for document in corpus.documents() if document.id in used)


def _rewrites(sources: Sequence[Corpus], rewritten: Sequence[Corpus]) -> Iterator[Document]:
    """The rewrites, with ids that tell two of one document and style apart.

    Raises:
      GristmillError: one is not made of a document of the sources, or has no style.
    """
    ids = _ids(sources)
    for corpus, document in ((c, d) for c in rewritten for d in c.documents()):
        where = f"rephrase_ratio.rewritten: document {document.id} of {corpus.name}"
        if not _origins(document, ids):
            raise GristmillError(
                f"{where} was made of no document of rephrase_ratio.sources "
                f"({', '.join(source.name for source in sources)})"
            )
        if not document.meta.get("style"):
            raise GristmillError(
                f"{where} has no 'style' in its meta, as gristmill rephrase gives it: import it "
                "with one"
            )
        yield dataclasses.replace(document, id=f"{corpus.name}/{document.id}")


def _ids(corpora: Sequence[Corpus]) -> set[str]:
    return {document.id for corpus in corpora for document in corpus.documents()}


def _origins(document: Document, ids: set[str]) -> set[str]:
    """Which of some documents a rewrite was made of: its parents, or where it was worked on after
    it was rewritten, its roots."""
    return ids.intersection(document.parents) or ids.intersection(document.root_ids)


def _cut(root: Path, settings: Settings, blend: Blend, unique: int) -> None:
    """The corpora of a matched blend: `unique` tokens together, at its ratio, of different roots.

    Real text is taken from one end of the roots, in the order of a hash, and rewritten text from
    the other, up to the last document that fits.  As neither kind has fewer than `unique` tokens,
    the two ends meet at most.
    """
    whole = {kind: Corpus.open(root, task_of(settings, kind)) for kind in KINDS}

    def chosen() -> dict[Kind, set[str]]:
        found: dict[Kind, set[str]] = {}
        taken: set[str] = set()
        for kind in blend.kinds:
            cache, room = _cache(settings, task_of(settings, kind)), blend.shares[kind] * unique
            sizes = _sizes(cache)
            documents = [d for d in whole[kind].documents() if d.id in sizes]
            documents.sort(key=lambda d: (hash_unit("rephrase_ratio", min(d.root_ids)), d.id),
                           reverse=kind == "rewritten")  # fmt: skip
            found[kind] = set()
            for document in documents:
                if sizes[document.id] <= room and not taken.intersection(document.root_ids):
                    room -= sizes[document.id]
                    found[kind].add(document.id)
            taken = {r for d in documents if d.id in found[kind] for r in d.root_ids}
        return found

    for kind in blend.kinds:

        def read(kind: Kind = kind) -> Iterator[Document]:
            ids = chosen()[kind]
            return (document for document in whole[kind].documents() if document.id in ids)

        definition = {
            "kind": kind,
            "shares": blend.shares,
            "vocabulary": settings.vocabulary,
            "validation_share": settings.validation_share,
        }
        _derive(root, task_of(settings, kind, blend), list(whole.values()), definition, read)


def _sizes(cache: TokenCache) -> dict[str, int]:
    """Tokens of every document, by id."""
    ids = pq.read_table(cache.folder / "ids.parquet", columns=["id"])["id"].to_pylist()
    return dict(zip(ids, np.diff(cache.offsets).tolist(), strict=True))


def _derive(
    root: Path,
    name: str,
    inputs: Sequence[Corpus],
    definition: Mapping[str, Any],
    read: Callable[[], Iterator[Document]],
) -> None:
    """Builds a corpus of documents of others, if it is not there."""
    made_of = [{key: c.manifest[key] for key in ("name", "version", "fingerprint")} for c in inputs]
    build_corpus(
        root,
        name,
        "1",
        [Unit("documents", [definition, made_of], read)],
        licence="; ".join(dict.fromkeys(corpus.manifest["licence"] for corpus in inputs)),
        definition={**definition, "version": 1},
        command=COMMAND,
        inputs=made_of,
    )
