"""How often is it worth repeating the same text, and with how much weight decay?

    gristmill sweep experiments.repetition --gin_file gin_configs/sweeps/repetition_cpu.gin \\
        --workers 2

A fixed set of training documents is read for 1, 2, 4, … epochs, each number of epochs as a run of
its own length with its own learning-rate schedule, and each with every weight decay.  Muennighoff
et al., "Scaling data-constrained language models" (2023, arXiv 2305.16264) find that up to about
four epochs are nearly as good as new text, and that far more are worth nothing; Kim et al.,
"Pre-training under infinite compute" (2025, arXiv 2509.14786), that with much more weight decay
than usual more epochs keep helping.  The data-constrained scaling law is fitted to the losses of
such a sweep by research.analyse.scaling.

Held-out documents are those of the same sources, which no arm trains on.

17 CPU-minutes.  Seen with 100 kB and seeds 0, 1, 2: bits per byte of all held-out documents,

                   weight decay 0.001              0.01
    1 epoch        4.94                            4.86  -0.08 [-0.20, +0.03]  cannot tell
    4 epochs       4.21  -0.72 [-1.23, -0.25]      4.04  -0.89 [-1.27, -0.55]  better
    16 epochs      3.60  -1.33 [-1.87, -0.86]      3.35  -1.58 [-2.08, -1.17]  better

less those of the first.  A model of 0.3M parameters is far from having learned 100 kB: sixteen
epochs, which are sixteen times the training, still help.  Ten times the weight decay helps more the
more often the text is read, by 0.08, 0.17 and 0.25 [0.11, 0.41]: the direction of the second paper.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path

from experiments.arms import Arm
from research import artefacts
from research.corpora.document import Corpus, Document, Unit, build_corpus
from research.errors import GristmillError
from research.input_pipeline.loader import open_caches
from research.input_pipeline.token_cache import build_caches
from research.registry.specs import load_mixture
from research.registry.splits import SAMPLE_VALIDATION_SHARE, TRAIN, hash_unit, split_of
from research.terminal import progress
from research.train.run_spec import RunSpec

SIZES = ("50k", "100k", "200k", "400k", "800k", "1600k", "3200k")
SOURCES = ("web_sample", "wiki_sample", "code_sample", "math_sample", "docs_sample")
HELD_OUT = "demo_bytes"
TASKS = "experiments.repetition_tasks"
COMMAND = "gristmill sweep experiments.repetition"


@dataclasses.dataclass(frozen=True)
class Settings:
    """The section `repetition`.

    Attributes:
      unique: bytes of text, one of SIZES; an equal share from each of the samples.
      epochs: how often it is read; the first is the baseline's.
      weight_decays: each with every number of epochs; the first is the baseline's.
    """

    unique: str = "200k"
    epochs: tuple[int, ...] = (1, 2, 4, 8, 16)
    weight_decays: tuple[float, ...] = (1e-3, 1e-2)

    def __post_init__(self) -> None:
        corpus_name(self.unique)
        if not self.epochs or min(self.epochs) < 1:
            raise GristmillError(f"repetition.epochs is {self.epochs}; give numbers of at least 1")
        if not self.weight_decays:
            raise GristmillError("repetition.weight_decays is empty; give at least one")


def corpus_name(unique: str) -> str:
    """Of the corpus of so many bytes, and of the Task over it.

    Raises:
      GristmillError: there is no such Task.
    """
    if unique not in SIZES:
        raise GristmillError(f"repetition.unique: {unique!r} is none of {', '.join(SIZES)}")
    return f"repetition_{unique}"


def arms(run: RunSpec, settings: Settings) -> list[Arm]:
    """An arm for every weight decay and number of epochs.

    Raises:
      GristmillError: the tokens are less than a step.
    """
    root, name = artefacts.data_root(), corpus_name(settings.unique)
    ((_, cache),) = open_caches(root, load_mixture(root, name, [TASKS]), "train").items()
    a_step = run.data.batch * run.data.length
    made = []
    for decay, epochs in itertools.product(settings.weight_decays, settings.epochs):
        steps = round(epochs * len(cache.tokens) / a_step)
        if steps < 1:
            raise GristmillError(
                f"repetition.unique {settings.unique} is less than a step of {a_step} tokens"
            )
        changes = {
            "data.mixture": name,
            "data.modules": (*run.data.modules, TASKS),
            "run.steps": steps,
            "optimizer.weight_decay": decay,
        }
        text = f"{epochs} × {len(cache.tokens)} tokens, weight decay {decay:g}"
        made.append(Arm(f"epochs{epochs}_decay{decay:g}", changes, text, baseline=not made))
    return made


def prepare(settings: Settings) -> None:
    """Builds the corpus and the token caches, where they are not there."""
    root = artefacts.data_root()
    build(root, settings.unique)
    for name in (corpus_name(settings.unique), HELD_OUT):
        mixture = load_mixture(root, name, [TASKS])
        build_caches(root, mixture, workers=1, command=COMMAND, progress=progress)


def build(root: Path, unique: str) -> Corpus:
    """The corpus of training documents of the samples, built if it is not there.

    Raises:
      GristmillError: a sample corpus is missing.
    """
    name, size = corpus_name(unique), 1000 * int(unique.removesuffix("k"))
    corpora = [Corpus.open(root, source) for source in SOURCES]

    def read() -> Iterator[Document]:
        for corpus in corpora:
            yield from chosen(corpus, size // len(corpora))

    inputs = [
        {"name": c.manifest["name"], "version": c.manifest["version"],
         "fingerprint": c.manifest["fingerprint"]} for c in corpora
    ]  # fmt: skip
    definition = {"bytes": size, "validation_share": SAMPLE_VALIDATION_SHARE, "version": 1}
    return build_corpus(
        root,
        name,
        "1",
        [Unit("samples", [definition, inputs], read)],
        licence="; ".join(dict.fromkeys(c.manifest["licence"] for c in corpora)),
        definition=definition,
        command=COMMAND,
        inputs=inputs,
    )


def chosen(corpus: Corpus, size: int) -> Iterator[Document]:
    """Training documents of up to `size` bytes together, in the order of a hash of their ids; what
    does not fit in any more is passed over."""
    documents = sorted(
        (
            document
            for document in corpus.documents()
            if split_of(document.root_ids, SAMPLE_VALIDATION_SHARE) == TRAIN
        ),
        key=lambda document: hash_unit("repetition", document.id),
    )
    for document in documents:
        if (bytes_ := len(document.text.encode())) <= size:
            size -= bytes_
            yield document
