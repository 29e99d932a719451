"""Writes a simulated sweep as the files that real runs leave."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from research.analyse import sweep_record
from research.analyse.results import DOCUMENT_COLUMNS, Results
from research.analyse.sweep_record import SweepRecord
from research.bench.calibration import Parts
from research.model.config import ModelConfig
from research.train.run_spec import (
    BadStepsConfig,
    DataConfig,
    EvalsConfig,
    InitConfig,
    LossConfig,
    OptimizerConfig,
    RunSpec,
)
from research.train.schedules import LearningRate

SMALL = Parts(
    documents={"web": (30, 2000.0, 0.8, 3.0), "wiki": (8, 9000.0, 0.5, 2.5)},
    level=0.3,
    shared=0.05,
    seed=0.004,
    source=0.004,
    both=0.01,
)
MODEL = ModelConfig(
    vocabulary_size=64,
    layers=1,
    width=8,
    heads=2,
    kv_heads=2,
    head_dim=4,
    mlp_width=16,
    max_length=16,
    compute_dtype="float32",
)


def run_spec(arm: str, seed: int) -> RunSpec:
    return RunSpec(
        model=MODEL,
        data=DataConfig("demo", 16, 4, seed, schedule=((0, {"web": 1.0, arm: 1.0}),)),
        optimizer=OptimizerConfig(),
        learning_rate=LearningRate(peak=1e-2, warmup_steps=0),
        loss=LossConfig(),
        bad_steps=BadStepsConfig(),
        evals=EvalsConfig(),
        init=InitConfig(),
        steps=20,
        seed=seed,
    )


def write_sweep(folder: Path, results: Results) -> SweepRecord:
    """Writes sweep.json and a finished run for every cell of a simulated sweep."""
    cells = tuple(
        dataclasses.replace(c, fingerprint=run_spec(c.arm, c.seed).fingerprint, steps=20)
        for c in results.record.cells
    )
    record = dataclasses.replace(results.record, cells=cells)
    sweep_record.write(folder, record)
    documents = results.documents
    for cell in cells:
        directory = folder / cell.directory
        (directory / "evaluations").mkdir(parents=True)
        run = run_spec(cell.arm, cell.seed)
        spec = {"fingerprint": run.fingerprint, "created": 0.0, "run": run.to_json(), "sources": {}}
        (directory / "spec.json").write_text(json.dumps(spec))
        mine = documents[(documents["arm"] == cell.arm) & (documents["seed"] == cell.seed)]
        values = {}
        for domain in ("all", *mine["domain"].unique()):
            rows = mine if domain == "all" else mine[mine["domain"] == domain]
            bits = rows["nll"].sum() / math.log(2)
            values[f"demo/{domain}/bits_per_byte"] = bits / rows["bytes"].sum()
            values[f"demo/{domain}/loss"] = rows["nll"].sum() / rows["tokens"].sum()
        lines = [
            {"step": 10, "loss": 5.0, "mfu": None, "tokens_per_s": 1e3},
            {"step": 10, "evaluation": {name: value + 1 for name, value in values.items()}},
            {"step": 20, "loss": 4.0, "mfu": None, "tokens_per_s": 1e3},
            {"step": 20, "evaluation": values},
        ]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (directory / "metrics.jsonl").write_text(text)
        for step in (10, 20):
            table = pa.Table.from_pandas(mine[DOCUMENT_COLUMNS], preserve_index=False)
            pq.write_table(table, directory / "evaluations" / f"demo-{step}.parquet")
        result = {"fingerprint": run.fingerprint, "step": 20, "training_seconds": 2.0}
        (directory / "result.json").write_text(json.dumps(result))
    return record
