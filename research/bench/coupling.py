"""What shared seeds are worth: the spread of an arm's difference, without them over with them.

Trains two arms with the same eight seeds or more: the demo's own mixture, and the same with
Wikipedia twice as often.  With one seed, both begin with the same parameters and see every
source's documents in the same order.  From the same runs,

    paired    standard deviation over seeds i of   arm[i] - baseline[i]
    unpaired  that of  arm[i] - baseline[j], i ≠ j: the root of the sum of the two arms' variances

`sd_ratio` is unpaired / paired, of the bits per byte of all held-out documents.  Paired seeds give
the same interval as sd_ratio² times as many unpaired ones.

It needs the cache of `demo` and minutes of training (0.3M parameters, 0.1M tokens a run).  With 8
seeds it was 4.1 (0.105 / 0.026 bits per byte); a deviation of 8 values is itself rough, and so the
ratio is known to a factor of about 1.7.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import tempfile
from pathlib import Path

import numpy as np

from research.bench.figures import Figure
from research.evaluate.assemble import make_evaluators
from research.model.config import ModelConfig
from research.terminal import progress
from research.train.loop import open_data, train
from research.train.run_spec import (
    BadStepsConfig,
    DataConfig,
    EvalsConfig,
    ExecSpec,
    InitConfig,
    LossConfig,
    OptimizerConfig,
    RunSpec,
)
from research.train.schedules import LearningRate

SEEDS = 8  # at least
UPWEIGHTED, FACTOR = "wiki_sample", 2.0
METRIC = "demo/all/bits_per_byte"
RUN = RunSpec(
    model=ModelConfig(
        vocabulary_size=8192,
        layers=2,
        width=32,
        heads=2,
        kv_heads=2,
        head_dim=16,
        mlp_width=96,
        max_length=64,
        compute_dtype="float32",
    ),
    data=DataConfig(mixture="demo", length=64, batch=8, seed=0),
    optimizer=OptimizerConfig(weight_decay=1e-3),
    learning_rate=LearningRate(peak=5e-3, warmup_steps=20, kind="cosine"),
    loss=LossConfig(),
    bad_steps=BadStepsConfig(),
    evals=EvalsConfig(mixtures=("demo",), documents=5),
    init=InitConfig(),
    steps=200,
    seed=0,
)


def coupling(rounds: int) -> list[Figure]:
    """The figure `sd_ratio`, beside both standard deviations; `rounds` above 8 adds seeds."""
    seeds = range(max(SEEDS, rounds))
    natural = dict(open_data(RUN, None).spec.schedule.points[0][1])
    arms = (natural, natural | {UPWEIGHTED: FACTOR * natural[UPWEIGHTED]})
    values_AxS = np.empty((len(arms), len(seeds)))
    with (
        tempfile.TemporaryDirectory() as folder,
        progress(total=values_AxS.size, unit="run") as bar,
    ):
        for seed in seeds:
            for number, shares in enumerate(arms):
                data = dataclasses.replace(RUN.data, seed=seed, schedule=((0, shares),))
                run = dataclasses.replace(RUN, data=data, seed=seed)
                values_AxS[number, seed] = _trained(run, Path(folder) / f"{number}-{seed}")
                bar.update()
    baseline_S, arm_S = values_AxS
    paired = float((arm_S - baseline_S).std(ddof=1))
    unpaired = math.sqrt(arm_S.var(ddof=1) + baseline_S.var(ddof=1))
    unit, name = "bits per byte", "coupling"
    return [
        Figure(name, "sd_ratio", unpaired / paired, "ratio", "target", 3.0, unpaired / paired / 3),
        Figure(name, "paired_sd", paired, unit),
        Figure(name, "unpaired_sd", unpaired, unit),
        Figure(name, "difference", float((arm_S - baseline_S).mean()), unit),
        Figure(name, "seeds", float(len(seeds)), "seeds"),
    ]


def _trained(run: RunSpec, directory: Path) -> float:
    """The metric of a run, trained without a word."""
    execution = ExecSpec(
        directory=str(directory), mesh="data=1", steps_per_call=50, checkpoint_every=run.steps,
        tensorboard=False,
    )  # fmt: skip
    with open(os.devnull, "w") as quiet, contextlib.redirect_stdout(quiet):
        return float(train(run, execution, make_evaluators)["evaluation"][METRIC])
