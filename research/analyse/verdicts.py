"""The verdict table of a sweep, for a terminal of 80 columns."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

from research.analyse.statistics import POWER, Difference
from research.terminal import table

WIDTH = 80


def terminal_verdicts(differences: Sequence[Difference]) -> str:
    """The differences of one or several sizes as tables with their reading below.

    Args:
      differences: the output of `statistics.compare`.

    Returns:
      Lines of at most 80 columns, without one at the end; '' for no differences.
    """
    sizes = list(dict.fromkeys(difference.size for difference in differences))
    blocks = []
    for size in sizes:
        here = [difference for difference in differences if difference.size == size]
        blocks.append(_block(here, f" at {size}" if len(sizes) > 1 else ""))
    return "\n\n".join(blocks)


def _block(differences: Sequence[Difference], where: str) -> str:
    first = differences[0]
    digits = decimals(differences)
    heading = f"{first.metric}{where}, less that of {first.baseline}: {first.better} is better"
    header = ["arm", "differs", "low", "high", "can see", "verdict", "more seeds"]
    rows = [
        [
            shorten(d.arm),
            *(signed(x, digits) for x in (d.mean, d.low, d.high)),
            "-" if math.isnan(d.minimum_detectable) else f"{d.minimum_detectable:.{digits}f}",
            d.verdict,
            more_seeds(d),
        ]
        for d in differences
    ]
    lines = [heading, table(header, rows), *notes(differences)]
    return "\n".join(line for text in lines for line in _wrapped(text))


def notes(differences: Sequence[Difference]) -> list[str]:
    """What a reader must know to read the table, a paragraph each."""
    first = differences[0]
    share = f"{first.confidence:.0%}"
    seeds = sorted({len(d.seeds) for d in differences})
    counted = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    of = f"{counted} paired seed{'s' if seeds[-1] != 1 else ''}"
    if first.documents:
        about = f"of new seeds and new documents ({of}, {first.documents} documents)"
    else:
        about = f"of new seeds ({of}), on the same evaluation data"
    paragraphs = []
    if any(not math.isnan(d.low) for d in differences):
        corrected = (
            f"; verdicts are corrected for {first.comparisons} comparisons (Holm)"
            if first.comparisons > 1
            else ""
        )
        paragraphs.append(f"low and high: {share} interval, {about}{corrected}.")
        paragraphs.append(f"can see: the difference found in {POWER:.0%} of such sweeps.")
    reasons = dict.fromkeys(d.note for d in differences if d.note)
    for reason in reasons:
        arms = [d.arm for d in differences if d.note == reason]
        paragraphs.append(f"{reason}: {', '.join(arms)}")
    paragraphs += dict.fromkeys(line for d in differences for line in d.missing)
    return paragraphs


def more_seeds(difference: Difference) -> str:
    """About how many more seeds would tell: '-' where it is told, or not known."""
    if difference.verdict != "cannot tell" or math.isnan(difference.low):
        return "-"
    if difference.seeds_needed is None:
        return "-" if difference.note else "many"
    return f"{difference.seeds_needed}"


def decimals(differences: Sequence[Difference]) -> int:
    """Digits behind the point that show two digits of the finest interval's half, 4 at most."""
    halves = [(d.high - d.low) / 2 for d in differences if d.high > d.low]
    if not halves:
        return 4
    return min(max(1 - math.floor(math.log10(min(halves))), 0), 4)


def signed(number: float, digits: int) -> str:
    """A difference with its sign, '-' for none."""
    return "-" if math.isnan(number) else f"{number:+.{digits}f}"


def shorten(name: str, width: int = 20) -> str:
    """A name of at most so many letters."""
    return name if len(name) <= width else name[: width - 1] + "…"


def _wrapped(text: str) -> list[str]:
    """Lines of a paragraph; a table stays as it is."""
    if "\n" in text:
        return text.split("\n")
    return textwrap.wrap(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False)
