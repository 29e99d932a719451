"""The results of a sweep: what its cells are, what they measured, what they make of documents.

    sweep.json ──> record        cells      a row for every cell, finished or not
    <cell>/spec.json             table      arm, size, seed, step, metric, value
    <cell>/metrics.jsonl         documents  arm, size, seed, source, domain, id, bytes, tokens, nll
    <cell>/evaluations/

An unfinished sweep reads as well as a finished one: cells that are not there have no rows.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from research import artefacts
from research.analyse import sweep_record
from research.analyse.cell_state import state_of
from research.analyse.json_numbers import finite, whole
from research.analyse.sweep_record import CellRecord, SweepRecord
from research.errors import GristmillError

KEYS = ["arm", "size", "seed"]
TYPES = {"seed": "int64", "step": "int64", "bytes": "int64", "tokens": "int64",
         "value": "float64", "nll": "float64"}  # fmt: skip
DOCUMENT_COLUMNS = ["source", "domain", "id", "bytes", "tokens", "nll"]  # of evaluate.domains


@dataclasses.dataclass(frozen=True)
class Results:
    """What a sweep has found so far.

    Attributes:
      record: the sweep as it was declared.
      cells: a row for every cell, in the order of the record: arm, size, seed, directory, state,
        step, steps, tokens, flops, parameters, seconds, failure (as `cell_state.CellState` has
        them), and a column for every field of the RunSpec in which cells differ, by its Gin name
        ('data.schedule', 'optimizer.weight_decay', …); lists and mappings are JSON text.
      table: tidy: arm, size, seed, step, metric, value (NaN for a loss that was not finite, or
        what a run could not say, as the MFU of a CPU).  The metrics are those of a run's
        metrics.jsonl ('loss', 'loss/<domain>', 'tokens_per_s', …), of its evaluations
        ('<mixture>/<domain>/bits_per_byte') and of `gristmill evaluate`, which has the last word
        where a step was measured twice.
      documents: the losses of documents at the last evaluation of a cell on each mixture: arm,
        size, seed, mixture, step, source, domain, id, bytes, tokens, nll (nats).
    """

    record: SweepRecord
    cells: pd.DataFrame
    table: pd.DataFrame
    documents: pd.DataFrame

    @property
    def finished(self) -> pd.DataFrame:
        """The rows of `cells` that are finished."""
        return self.cells[self.cells["state"] == "finished"]

    def last_values(self, metric: str) -> pd.Series:
        """The last value of a metric in every finished cell that has it, by (arm, size, seed)."""
        rows = self.table[self.table["metric"] == metric]
        rows = rows.sort_values("step", kind="stable").drop_duplicates(KEYS, keep="last")
        values = rows.set_index(KEYS)["value"].astype(float)
        return values[values.index.isin(pd.MultiIndex.from_frame(self.finished[KEYS]))]

    def metrics(self) -> list[str]:
        """Names of all metrics that some cell has."""
        return sorted(self.table["metric"].unique())

    def domains(self, mixture: str) -> list[str]:
        """The domains of a mixture that finished cells were evaluated on, in their order there."""
        start, end = f"{mixture}/", "/bits_per_byte"
        names = dict.fromkeys(self.table["metric"].unique())
        found = [
            n[len(start) : -len(end)] for n in names if n.startswith(start) and n.endswith(end)
        ]
        return [name for name in found if name != "all"]


def read_results(folder: Path) -> Results:
    """Reads what the cells of a sweep have left so far.

    Args:
      folder: of the sweep, with its sweep.json.

    Raises:
      GristmillError: it is no sweep's folder, or of another version; a file is damaged; or a
        cell's directory holds another run than the sweep's.
    """
    record = sweep_record.read(folder)
    rows, specs, tables, documents = [], [], [], []
    for cell in record.cells:
        state = state_of(folder, cell)
        rows.append(
            {
                **{key: getattr(cell, key) for key in (*KEYS, "directory")},
                "state": state.state,
                "step": state.step,
                **{key: getattr(cell, key) for key in ("steps", "tokens", "flops", "parameters")},
                "seconds": state.seconds,
                "failure": state.failure,
            }
        )
        directory = folder / cell.directory
        specs.append(_fields(_spec(directory, cell)))
        tables.append(_labelled(_metrics(directory, state.state == "finished"), cell))
        documents.append(_labelled(_documents(directory), cell))
    cells = pd.DataFrame(rows)
    for name, values in _differing(specs).items():
        cells[name] = values
    return Results(
        record=record,
        cells=cells,
        table=_together(tables, [*KEYS, "step", "metric", "value"]),
        documents=_together(documents, [*KEYS, "mixture", "step", *DOCUMENT_COLUMNS]),
    )


def write_results(results: Results, folder: Path) -> None:
    """Writes results.parquet and results.csv: the tidy table, with the spec fields of each cell.

    Args:
      results: of a sweep.
      folder: where to; each file appears whole or not at all.
    """
    given = {"arm", "size", "seed", "directory", "state", "step", "steps", "tokens", "flops",
             "parameters", "seconds", "failure"}  # fmt: skip
    fields = [name for name in results.cells.columns if name not in given]
    table = results.table.merge(results.cells[[*KEYS, "state", *fields]], on=KEYS)
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    arrow = arrow.replace_schema_metadata({"gristmill_sweep": results.record.fingerprint})
    with artefacts.atomic_file(folder / "results.parquet") as file:
        pq.write_table(arrow, file, compression="zstd")
    with artefacts.atomic_file(folder / "results.csv", "w") as file:
        table.to_csv(file, index=False)


# ---- one cell -----------------------------------------------------------------------------------


def _spec(directory: Path, cell: CellRecord) -> dict[str, Any]:
    """The RunSpec of a cell as JSON; {} where it was not begun."""
    path = directory / "spec.json"
    try:
        value = json.loads(path.read_bytes())
        fingerprint, run = str(value["fingerprint"]), dict(value["run"])
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (IsADirectoryError, ValueError, KeyError, TypeError):
        raise _damaged(path, directory) from None
    if fingerprint != cell.fingerprint:
        raise GristmillError(
            f"{path} is of run {fingerprint[:12]}, the sweep's cell is run "
            f"{cell.fingerprint[:12]}: delete {directory} and run the sweep again"
        )
    return run


def _metrics(directory: Path, finished: bool) -> pd.DataFrame:
    """step, metric, value of metrics.jsonl and of the evaluations that were made afterwards."""
    rows: list[tuple[int, str, float]] = []

    def add(step: Any, values: Mapping[str, Any]) -> None:
        rows.extend(
            (whole(step), name, math.nan if value is None else finite(value))
            for name, value in values.items()
            if name != "step"
        )

    path = directory / "metrics.jsonl"
    if path.is_dir():
        raise _damaged(path, directory)
    for text in path.read_bytes().splitlines(keepends=True) if path.exists() else []:
        if not text.endswith(b"\n") and not finished:
            break  # it is being written
        try:
            line = json.loads(text)
            add(line["step"], line.get("evaluation", line))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise _damaged(path, directory) from None
    for path in sorted((directory / "evaluations").glob("[!.]*.json")):
        try:
            value = json.loads(path.read_bytes())
            add(value["step"], value["values"])
        except (IsADirectoryError, ValueError, KeyError, TypeError, AttributeError):
            raise _damaged(path, directory) from None
    if finished and not rows:
        raise GristmillError(
            f"{directory / 'metrics.jsonl'} is missing or empty, though the cell is finished; "
            f"delete {directory} and run the sweep again"
        )
    table = pd.DataFrame(rows, columns=["step", "metric", "value"])
    return table.drop_duplicates(["step", "metric"], keep="last")


def _documents(directory: Path) -> pd.DataFrame:
    """The losses of documents at the last evaluation on each mixture."""
    last: dict[str, tuple[int, Path]] = {}
    for path in (directory / "evaluations").glob("[!.]*.parquet"):
        mixture, _, step = path.stem.rpartition("-")
        if mixture and step.isdigit():
            last[mixture] = max(last.get(mixture, (-1, path)), (int(step), path))
    parts = []
    for mixture, (step, path) in sorted(last.items()):
        try:
            part = pq.read_table(path, columns=DOCUMENT_COLUMNS).to_pandas()
        except (OSError, ValueError, KeyError):  # pyarrow's errors are of these kinds
            raise _damaged(path, directory) from None
        part.insert(0, "mixture", mixture)
        part.insert(1, "step", step)
        parts.append(part)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _labelled(frame: pd.DataFrame, cell: CellRecord) -> pd.DataFrame:
    """The frame with the columns arm, size and seed before its own."""
    for place, key in enumerate(KEYS):
        frame.insert(place, key, getattr(cell, key))
    return frame


def _together(frames: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    """All rows of some frames; `columns` where there are none."""
    frames = [frame for frame in frames if len(frame)]
    if not frames:
        return pd.DataFrame({name: pd.Series(dtype=TYPES.get(name, "str")) for name in columns})
    return pd.concat(frames, ignore_index=True)[columns]


# ---- the fields of specs ------------------------------------------------------------------------


def _fields(run: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a RunSpec by their Gin names, without places in the file system."""
    fields: dict[str, Any] = {}
    for name, value in run.items():
        section = value if isinstance(value, Mapping) else {name: value}
        prefix = name if isinstance(value, Mapping) else "run"
        for field, held in section.items():
            plain = held if isinstance(held, str | int | float | None) else json.dumps(held)
            fields[f"{prefix}.{field}"] = plain
    for place in ("data.modules", "init.path"):
        fields.pop(place, None)
    return fields


def _differing(specs: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """For every field in which cells that were begun differ: its value in each cell, or None."""
    begun = [spec for spec in specs if spec]
    names = dict.fromkeys(name for spec in begun for name in spec)
    return {
        name: [spec.get(name) for spec in specs]
        for name in names
        if len({json.dumps(spec.get(name)) for spec in begun}) > 1
    }


def _damaged(path: Path, directory: Path) -> GristmillError:
    return GristmillError(f"{path} is damaged; delete {directory} and run the sweep again")
