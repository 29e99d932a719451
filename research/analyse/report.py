"""The report of a sweep: one HTML file that opens anywhere, with its tables beside it."""

from __future__ import annotations

import collections
import dataclasses
import io
import json
import math
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure

from research import artefacts
from research.analyse import decisions, plots
from research.analyse.results import Results, read_results, write_results
from research.analyse.statistics import (
    POWER,
    RESAMPLES,
    Difference,
    better_values,
    compare,
    compare_domains,
    metric_parts,
)
from research.analyse.verdicts import decimals, more_seeds, notes, signed
from research.errors import GristmillError
from research.terminal import human

TEMPLATE = Path(__file__).with_name("report_template.html")
PANELS = 6  # Pareto plots, at most
# what the page decides by its own style sheet, so that it can be read in the dark and in print
PAGE_COLOURS = {
    plots.INK: "currentColor",
    plots.MUTED: "var(--muted)",
    plots.GRID: "var(--line)",
    plots.PAPER: "var(--paper)",
}


@dataclasses.dataclass(frozen=True)
class Report:
    """A report that was written.

    Attributes:
      path: of the HTML file; results.parquet and results.csv lie beside it.
      differences: its verdicts, for `verdicts.terminal_verdicts`.
    """

    path: Path
    differences: list[Difference]


def write_report(
    folder: Path, metric: str | None = None, baseline: str | None = None, out: Path | None = None
) -> Report:
    """Writes the report of a sweep, finished or not.

    Args:
      folder: of the sweep.
      metric: that verdicts are about; None for the one that the sweep is about.
      baseline: the arm that others are compared with; None for the sweep's own.
      out: the HTML file; None for report.html in the sweep's folder.

    Raises:
      GristmillError: it is no sweep's folder, no cell is finished, there is no such metric or
        arm, `out` is no name of a page, or the files cannot be written.
    """
    if out is not None and out.suffix not in (".html", ".htm"):  # such as the sweep's own files
        raise GristmillError(f"--out {out}: the report is a page; name a file that ends in .html")
    results = with_baseline(read_results(folder), baseline)
    if not len(results.finished):
        raise GristmillError(
            f"{folder}: no cell is finished yet ({_states(results)}), so there is nothing to "
            f"report; run: {results.record.command}"
        )
    differences = compare(results, metric)
    if not differences:
        raise GristmillError(f"{folder}: the sweep has one arm alone, and nothing to compare it to")
    page = render(results, differences, shlex.join(_command(folder, metric, baseline, out)))
    path = out or folder / "report.html"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_results(results, path.parent)
        with artefacts.atomic_file(path, "w") as file:
            file.write(page)
    except OSError as error:
        raise GristmillError(
            f"{path}: the report cannot be written ({error.strerror}); name another file by --out"
        ) from None
    return Report(path, differences)


def with_baseline(results: Results, name: str | None) -> Results:
    """The results with another arm as the baseline; None keeps the sweep's own.

    Raises:
      GristmillError: there is no such arm.
    """
    record = results.record
    names = [arm.name for arm in record.arms]
    if name is None:
        return results
    if name not in names:
        raise GristmillError(f"the sweep has no arm {name!r}; it has {', '.join(names)}")
    arms = tuple(dataclasses.replace(arm, baseline=arm.name == name) for arm in record.arms)
    return dataclasses.replace(results, record=dataclasses.replace(record, arms=arms))


def render(results: Results, differences: Sequence[Difference], command: str) -> str:
    """The HTML of a report.

    Args:
      results: of a sweep, with at least one finished cell.
      differences: the output of `statistics.compare`.
      command: that writes this report again.
    """
    record, metric = results.record, differences[0].metric
    size = record.sizes[-1]
    decided = [d for d in differences if d.size == size]
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        record=record,
        metric=metric,
        metric_title=plots.metric_title(metric),
        better=better_values(results, metric),
        unit=plots.metric_unit(metric),
        colours=plots.arm_colours(results),
        answers=[(d, answer(d, decimals(decided))) for d in decided],
        tables=_verdict_tables(results, differences),
        power=f"{POWER:.0%}",
        resampled=f"seeds and {decided[0].documents} documents, {RESAMPLES} resamples"
        if decided[0].documents
        else "seeds",
        figures=_figures(results, differences),
        floors=[_floor_row(f) for f in _floors(results, metric)],
        accuracy=decisions.decision_accuracy(results, metric),
        arms=[(arm, _changes(arm.changes)) for arm in record.arms],
        costs=_costs(results),
        states=_states(results),
        missing=results.cells[results.cells["state"] != "finished"].to_dict("records"),
        cells=len(results.cells),
        record_cells=record.cells,
        report_command=command,
        human=human,
    )


# ---- words --------------------------------------------------------------------------------------


def answer(d: Difference, digits: int) -> str:
    """One sentence on an arm, to stand behind its name."""
    unit, what = plots.metric_unit(d.metric), plots.metric_title(d.metric)
    if not d.seeds:
        return f"has no finished pair with {d.baseline} yet."
    size = f"{abs(d.mean):.{digits}f} {unit}"
    direction = "lower" if d.mean < 0 else "higher"
    seeds = f"{len(d.seeds)} paired seed{'s' if len(d.seeds) > 1 else ''}"
    if math.isnan(d.low):
        return (
            f"cannot be told from {d.baseline}: {size} {direction} in the only seed that both "
            "have. One seed gives no interval; run at least three."
        )
    interval = (
        f"{d.confidence:.0%} interval {signed(d.low, digits)} to {signed(d.high, digits)}; {seeds}"
    )
    if d.verdict != "cannot tell":
        return f"is {d.verdict} than {d.baseline}: {what} is {size} {direction} ({interval})."
    more = "no practical number of more seeds" if d.seeds_needed is None else (
        f"about {d.seeds_needed} more seed{'s' if d.seeds_needed != 1 else ''}"
    )  # fmt: skip
    return (
        f"cannot be told from {d.baseline}: {size} {direction} ({interval}). This sweep finds "
        f"differences from {d.minimum_detectable:.{digits}f}; {more} would settle one of the "
        "size seen."
    )


def _states(results: Results) -> str:
    """'7 of 9 cells are finished, 1 failed, 1 waiting'."""
    counts = collections.Counter(results.cells["state"])
    finished = counts.pop("finished", 0)
    others = [f"{count} {state}" for state, count in sorted(counts.items())]
    return ", ".join([f"{finished} of {len(results.cells)} cells are finished", *others])


def _command(folder: Path, metric: str | None, baseline: str | None, out: Path | None) -> list[str]:
    options = {"--metric": metric, "--baseline": baseline, "--out": out}
    given = [[name, str(value)] for name, value in options.items() if value is not None]
    return ["gristmill", "report", str(folder), *(part for pair in given for part in pair)]


def _changes(changes: Any) -> list[str]:
    return [f"{name} = {json.dumps(v, ensure_ascii=False)}" for name, v in changes.items()]


# ---- tables -------------------------------------------------------------------------------------


def _verdict_tables(results: Results, differences: Sequence[Difference]) -> list[dict[str, Any]]:
    """A table of verdicts for every size, the largest first."""
    tables = []
    values = results.last_values(differences[0].metric)
    for size in reversed(results.record.sizes):
        here = [d for d in differences if d.size == size]
        digits = decimals(here)
        rows = []
        for d in here:
            told = d.verdict != "cannot tell"
            more = {"-": "", "many": "many more seeds"}.get(
                more_seeds(d), f"about {more_seeds(d)} more"
            )
            detectable = d.minimum_detectable
            rows.append(
                {
                    "d": d,
                    "mean": signed(d.mean, digits),
                    "low": signed(d.low, digits),
                    "high": signed(d.high, digits),
                    "detectable": "-" if math.isnan(detectable) else f"{detectable:.{digits}f}",
                    "p": _p_value(d.p_holm),
                    "verdict": d.verdict,
                    "more": "" if told else more,
                    "values": f"{d.arm_value:.4f}" if d.seeds else "-",
                }
            )
        own = [
            value for (arm, at, _), value in values.items() if (arm, at) == (here[0].baseline, size)
        ]
        tables.append(
            {
                "size": size,
                "rows": rows,
                "notes": _notes(here),
                "confidence": f"{here[0].confidence:.0%}",
                "baseline": f"{sum(own) / len(own):.4f}" if own else "-",
            }
        )
    return tables


def _notes(differences: Sequence[Difference]) -> list[str]:
    """The notes of the terminal's table, by the names of the report's columns."""
    columns = {"low and high:": "Interval:", "can see:": "Smallest detectable:"}
    elsewhere = {line for d in differences for line in d.missing}  # a section of the report
    lines = [line for line in notes(differences) if line not in elsewhere]
    for there, here in columns.items():
        lines = [line.replace(there, here, 1) for line in lines]
    return lines


def _p_value(p: float) -> str:
    if math.isnan(p):
        return "-"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _floors(results: Results, metric: str) -> list[decisions.NoiseFloor]:
    """The noise floors of the report's metric and of all that could decide in its place."""
    floors = decisions.noise_floors(results)
    if all(floor.metric != metric for floor in floors):
        floors = decisions.noise_floors(results, metrics=[metric]) + floors
    return floors


def _floor_row(floor: decisions.NoiseFloor) -> dict[str, Any]:
    digits = 5 if floor.noise < 0.001 else 4
    gain = floor.unpaired_noise / floor.noise if floor.noise else math.nan
    return {
        "floor": floor,
        "signal": f"{floor.signal:.{digits}f}",
        "noise": f"{floor.noise:.{digits}f}",
        "unpaired": f"{floor.unpaired_noise:.{digits}f}",
        "gain": "-" if math.isnan(gain) else f"{gain:.1f}",
        "ratio": f"{floor.ratio:.1f}" if math.isfinite(floor.ratio) else "-",
    }


def _costs(results: Results) -> list[dict[str, Any]]:
    """What the arms have cost so far; a branch costs what lies behind its branching off."""
    cells = results.cells.assign(first=[cell.first_step for cell in results.record.cells])
    own = (cells["step"] - cells["first"]) / cells["steps"]
    total = cells["step"] / cells["steps"].where(cells["steps"] > 0)
    seconds = cells["seconds"].where(
        cells["state"] != "finished", cells["seconds"] * (own / total).fillna(0)
    )
    spent = pd.DataFrame(
        {
            "arm": cells["arm"],
            "finished": cells["state"] == "finished",
            "cells": 1,
            "tokens": cells["tokens"] * own,
            "flops": cells["flops"] * own,
            "hours": seconds / 3600,
        }
    )
    arms = spent.groupby("arm", sort=False).sum()
    arms.loc["all arms"] = arms.sum()
    return [
        {
            "arm": name,
            "cells": f"{int(row.finished)} of {int(row.cells)}",
            "tokens": human(row.tokens),
            "flops": human(row.flops),
            "hours": f"{row.hours:.2f}" if row.hours >= 0.1 else f"{row.hours * 60:.1f} min",
            "total": name == "all arms",
        }
        for name, row in zip(arms.index, arms.itertuples(), strict=True)
    ]


# ---- figures ------------------------------------------------------------------------------------


def _figures(results: Results, differences: Sequence[Difference]) -> dict[str, Markup]:
    """The figures that there is something to show in, as inline SVG by name."""
    record, colours = results.record, plots.arm_colours(results)
    metric = differences[0].metric
    found = {}
    if any(d.seeds for d in differences):
        found["forest"] = plots.forest(differences, colours)
    found["curves"] = plots.learning_curves(results, colours, [metric, "loss"])
    domains = compare_domains(results, mixture=_mixture(results, metric))
    if any(d.seeds for d in domains):
        found["domains"] = plots.domain_heat_map(domains)
    if panels := _trade_offs(results, metric):
        found["pareto"] = plots.pareto(panels, _general(results, metric), colours)
    if len(record.sizes) > 1:
        found["sizes"] = plots.sizes(results, metric, colours)
    return {name: inline(figure, name) for name, figure in found.items()}


def _mixture(results: Results, metric: str) -> str | None:
    """The mixture whose domains are shown: the metric's own, else the first evaluated one."""
    for name in (metric, results.record.metric, *results.metrics()):
        parts = metric_parts(name)
        if parts is not None and results.domains(parts[0]):
            return parts[0]
    return None


def _general(results: Results, metric: str) -> str:
    """The loss that targets are weighed against: of all domains of the mixture together."""
    mixture = _mixture(results, metric)
    return metric if mixture is None else f"{mixture}/all/bits_per_byte"


def _trade_offs(results: Results, metric: str) -> dict[str, list[decisions.ParetoPoint]]:
    """Points by target: the metric itself against the general loss, or every domain against it."""
    general = _general(results, metric)
    mixture = _mixture(results, metric)
    targets = [metric]
    if metric == general and mixture is not None:
        domains = [f"{mixture}/{domain}/bits_per_byte" for domain in results.domains(mixture)]
        telling = [floor.metric for floor in decisions.noise_floors(results, metrics=domains)]
        targets = sorted((telling or domains)[:PANELS], key=domains.index)
    elif metric == general:
        return {}
    panels = {target: decisions.pareto(results, target, general) for target in targets}
    return {target: points for target, points in panels.items() if len(points) > 1}


def inline(figure: Figure, name: str) -> Markup:
    """A figure as SVG to stand in an HTML page, in the page's fonts and colours.

    Args:
      figure: of `plots`.
      name: makes its ids unique in the page.
    """
    buffer = io.StringIO()
    with plots.style():
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'href="#', f'href="#{name}-', text)
    text = re.sub(r"url\(#", f"url(#{name}-", text)
    text = re.sub(r"(font: [^;\"]*?px) [^;\"]*", r"\1 var(--sans)", text)
    for colour, by_page in PAGE_COLOURS.items():
        text = text.replace(colour, by_page)
    return Markup(text)
