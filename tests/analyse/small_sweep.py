"""Trains a small real sweep: three mixtures of the demo's corpora with three seeds, and two of
them with two seeds at a smaller size too.

    GRISTMILL_ROOT=… python tests/analyse/small_sweep.py DIR STEPS
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from research.analyse import sweep_record
from research.analyse.sweep_record import ArmRecord, CellRecord, SweepRecord
from research.artefacts import tool_versions
from research.evaluate.assemble import make_evaluators
from research.model.config import ModelConfig, flops_per_token, parameters
from research.train.loop import open_data, train
from research.train.overview import plan
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

SOURCES = ("web_sample", "wiki_sample", "code_sample", "math_sample", "docs_sample")
ARMS: dict[str, tuple[str, Mapping[str, float] | None]] = {
    "natural": ("every document as often as every other", None),
    "stratified": ("equal shares of the sources", dict.fromkeys(SOURCES, 0.2)),
    "no_code": ("no code, the others equal", dict.fromkeys(set(SOURCES) - {"code_sample"}, 0.25)),
}
WIDTHS = {"small": 8, "large": 32}
SEEDS = (0, 1, 2)
SMALL = {"natural": (0, 1), "no_code": (0, 1)}  # seeds of the smaller size, by arm


def tiny_run(width: int, shares: Mapping[str, float] | None, seed: int, steps: int) -> RunSpec:
    return RunSpec(
        model=ModelConfig(
            vocabulary_size=2000,
            layers=1,
            width=width,
            heads=2,
            kv_heads=2,
            head_dim=width // 2,
            mlp_width=2 * width,
            max_length=256,
            compute_dtype="float32",
        ),
        data=DataConfig(
            mixture="demo",
            length=64,
            batch=8,
            seed=seed,
            schedule=None if shares is None else ((0, shares),),
        ),
        optimizer=OptimizerConfig(weight_decay=1e-3),
        learning_rate=LearningRate(peak=2e-2, warmup_steps=4),
        loss=LossConfig(),
        bad_steps=BadStepsConfig(),
        evals=EvalsConfig(mixtures=("demo",), every=steps // 2, documents=2, length=256),
        init=InitConfig(),
        steps=steps,
        seed=seed,
    )


def train_sweep(folder: Path, steps: int) -> SweepRecord:
    """Writes and trains the sweep, cell by cell; $GRISTMILL_ROOT has the demo's data."""
    arms, cells = [], []
    runs: dict[str, RunSpec] = {}
    for name, (description, shares) in ARMS.items():
        for size, width in WIDTHS.items():
            for seed in SEEDS if size == "large" else SMALL.get(name, ()):
                run = tiny_run(width, shares, seed, steps)
                directory = f"{name}/{size}/seed{seed}"
                runs[directory] = run
                cells.append(
                    CellRecord(
                        arm=name,
                        size=size,
                        seed=seed,
                        directory=directory,
                        fingerprint=run.fingerprint,
                        steps=steps,
                        tokens=run.tokens,
                        flops=flops_per_token(run.model, run.data.length) * run.tokens,
                        parameters=parameters(run.model),
                    )
                )
        changes: dict[str, Any] = {} if shares is None else {"data.schedule": [[0, shares]]}
        mixture = plan(run, open_data(run, None))
        arms.append(ArmRecord(name, description, changes, name == "natural", mixture))
    record = SweepRecord(
        name="tiny",
        experiment="experiments.domain_mixture",
        question="Which source is worth its tokens?",
        command="gristmill sweep experiments.domain_mixture --gin_file tiny.gin",
        metric="demo/all/bits_per_byte",
        better="lower",
        arms=tuple(arms),
        sizes=tuple(WIDTHS),
        seeds=SEEDS,
        cells=tuple(cells),
        made_by=tool_versions("jax"),
    )
    sweep_record.write(folder, record)
    for directory, run in runs.items():
        execution = ExecSpec(
            directory=str(folder / directory),
            mesh="data=1",
            steps_per_call=steps // 4,
            eval_batch=16,
            checkpoint_every=steps,
            keep_last=1,
            log_every=steps // 20,
            tensorboard=False,
            compile_cache=str(folder / "compiled"),
        )
        train(run, execution, make_evaluators)
    return record


if __name__ == "__main__":
    train_sweep(Path(sys.argv[1]), steps=int(sys.argv[2]))
