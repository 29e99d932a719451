"""Does a small model learn to add sooner when sums are written backwards, or with their steps?

    gristmill sweep experiments.arithmetic_format \\
        --gin_file gin_configs/sweeps/arithmetic_format_cpu.gin

After Lee et al., "Teaching Arithmetic to Small Transformers" (2023, arXiv 2307.03381): with the
units first, every digit of a sum depends on two digits and a carry; with the highest digit first,
on all of them.  They count distinct training sums, and train until nothing more is learned.  `Equal
samples` here means the same distinct sums in every format (`addition`), equally many steps, and
rows for equally many sums in every step, so that formats differ neither in sums nor in updates.
(Shorter sums leave room for more: a step of the shipped file has 54 plain or reversed sums, and 48
with a scratchpad.)  A scratchpad makes a sum 3.5 times as long, and its runs cost three times as
much.

The metric is `addition/exact_match`: of 1000 sums held out, drawn uniformly and the same in all
arms and seeds, those whose completion by greedy decoding ends with the right answer; reversed ones
are right if reversed.  Seeds change the initial parameters and the order of the data, not the sums.

About 15 minutes of one core, a minute and a half a cell.  Seen, with seeds 0, 1, 2:

    plain        0.51  0.51  0.78
    reversed     0.86  0.86  0.89    +0.27 [-0.07, +0.61]  cannot tell (about 3 more seeds)
    scratchpad   0.97  0.91  0.97    +0.35 [+0.01, +0.70]  cannot tell (about 2 more seeds)

The order is the paper's in every seed; plain sums vary most.  With half of the steps one of the
reversed runs was still in mid-learning (0.10, and its loss falling), and so the shipped file has
1800.
"""

from __future__ import annotations

import dataclasses
import itertools

from experiments.addition import FORMATS, build, corpus_name, document
from experiments.arms import Arm
from research import artefacts
from research.errors import GristmillError
from research.input_pipeline.token_cache import build_caches
from research.registry.specs import load_mixture
from research.terminal import progress
from research.train.run_spec import RunSpec

TASKS = "experiments.arithmetic_tasks"


@dataclasses.dataclass(frozen=True)
class Settings:
    """The section `arithmetic_format`.

    Attributes:
      digits: of the numbers.
      formats: ways to write a sum, of `addition.FORMATS`.
      samples: numbers of training sums, each with every format; the first of the formats with the
        first of these is the baseline.
      sums_per_step: the rows of a step have room for so many sums of the longest kind, in every
        format, so that equal steps see about equally many.
    """

    digits: int = 3
    formats: tuple[str, ...] = FORMATS
    samples: tuple[int, ...] = (2000,)
    sums_per_step: int = 48

    def __post_init__(self) -> None:
        if not self.formats or not self.samples:
            raise GristmillError("arithmetic_format.formats and .samples name at least one each")
        for format, samples in itertools.product(self.formats, self.samples):
            corpus_name(self.digits, format, samples)  # refuses what there is no Task of


def arms(run: RunSpec, settings: Settings) -> list[Arm]:
    """An arm for every number of samples and format.

    Raises:
      GristmillError: rows of data.length do not hold the sums of a step.
    """
    made = []
    for samples, format in itertools.product(settings.samples, settings.formats):
        task = corpus_name(settings.digits, format, samples)
        changes = {
            "data.mixture": task,
            "data.modules": (*run.data.modules, TASKS),
            "data.packer": "best_fit",
            "data.batch": _rows(settings, format, run.data.length),
            "evals.exact_match": {"addition": task},
        }
        text = f"{samples} sums of {settings.digits}-digit numbers, {format}"
        made.append(Arm(f"{format}_{samples}", changes, text, baseline=not made))
    return made


def _rows(settings: Settings, format: str, length: int) -> int:
    """Rows of so many tokens that hold the sums of a step, were they all of the longest kind (nine
    in ten are, but for a digit of the answer).

    Raises:
      GristmillError: no whole number of rows does.
    """
    largest = 10**settings.digits - 1
    tokens = len(document(largest, largest, format).text) + 1  # with EOS
    in_a_row = length // tokens
    if not in_a_row or settings.sums_per_step % in_a_row:
        raise GristmillError(
            f"data.length {length} has room for {in_a_row} {format} sums of {tokens} tokens: "
            f"arithmetic_format.sums_per_step ({settings.sums_per_step}) must be a multiple of "
            "that, and it of at least 1"
        )
    return settings.sums_per_step // in_a_row


def prepare(settings: Settings) -> None:
    """Builds the corpora and their token caches, where they are not there."""
    data_root = artefacts.data_root()
    for format, samples in itertools.product(settings.formats, settings.samples):
        corpus = build(data_root, settings.digits, format, samples)
        task = load_mixture(data_root, corpus.manifest["name"], [TASKS])
        command = "gristmill sweep experiments.arithmetic_format"
        build_caches(data_root, task, workers=1, command=command, progress=progress)
