"""What a benchmark reports: a table for the eye, then one JSON object a line."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence

from research.terminal import table


@dataclasses.dataclass(frozen=True)
class Figure:
    """One measured number, beside an anchor's where there is one.

    Attributes:
      bench: name of the benchmark.
      figure: what was measured.
      value: the number.
      unit: its unit.
      anchor: what it is compared with, or None.
      anchor_value: the anchor's number, in the same unit.
      ratio: value / anchor_value, of paired rounds where there are several.
    """

    bench: str
    figure: str
    value: float
    unit: str
    anchor: str | None = None
    anchor_value: float | None = None
    ratio: float | None = None


def report(figures: Sequence[Figure]) -> str:
    """The table and the JSON lines of some figures."""

    def cell(value: float | str | None) -> str:
        return "-" if value is None else f"{value:,.4g}" if isinstance(value, float) else str(value)

    names = [field.name for field in dataclasses.fields(Figure)]
    rows = [[cell(value) for value in dataclasses.astuple(figure)] for figure in figures]
    lines = [json.dumps(dataclasses.asdict(figure)) for figure in figures]
    return "\n".join([table(names, rows), "", *lines])
