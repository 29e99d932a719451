"""What commands print: tables, numbers with units, progress bars."""

from __future__ import annotations

import argparse
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
    """Inverse of `human`, the type of options such as `--tokens 50M`."""
    scale = {"k": 10**3, "m": 10**6, "g": 10**9, "b": 10**9, "t": 10**12}
    factor = scale.get(text[-1:].lower(), 1)
    try:
        value = float(text[:-1] if factor > 1 else text) * factor
        if value >= 1 and value == int(value):
            return int(value)
    except (ValueError, OverflowError):
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least 1, as 8192 or 50M")


def parse_seed(text: str) -> int:
    """The type of options such as `--seed 7`: what all generators of random numbers take."""
    if text.isdecimal() and len(text) <= 10 and int(text) < 2**31:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text[:40]!r} is no whole number from 0 to {2**31 - 1}")


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
