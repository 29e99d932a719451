"""What commands print: tables, numbers with units, progress bars."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tqdm import tqdm


def human(number: float, unit: str = "") -> str:
    """A number with a decimal prefix and at most three digits: 1234567 -> '1.23M'."""
    for limit, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= limit:
            return f"{number / limit:.3g}{prefix}{unit}"
    return f"{number:.4g}{unit}"


def parse_count(text: str) -> int:
    """Inverse of `human`, for options such as `--tokens 50M` (argparse reports a ValueError)."""
    scale = {"k": 10**3, "m": 10**6, "g": 10**9, "b": 10**9, "t": 10**12}
    suffix = text[-1:].lower()
    value = float(text[:-1]) * scale[suffix] if suffix in scale else float(text)
    if value != int(value) or value <= 0:
        raise ValueError(text)
    return int(value)


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Columns aligned by spaces; numbers and quantities to the right, words to the left."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    numeric = [all(row[i][:1].isdigit() or row[i] in ("", "-") for row in cells)
               for i in range(len(header))]  # fmt: skip

    def line(row: Sequence[str]) -> str:
        aligned = (
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        )
        return "  ".join(aligned).rstrip()

    return "\n".join([line(header), *map(line, cells)])


def progress(iterable: Iterable | None = None, **options: Any) -> tqdm:
    """A progress bar on standard error, silent where that is not a terminal."""
    return tqdm(iterable, **{"disable": None, "dynamic_ncols": True, **options})
