"""Figures of a sweep: data frames in, matplotlib Figures out, for the report and for notebooks.

No figure needs a display or changes matplotlib's global state.  Every arm has one colour in all
figures (`arm_colours`), and every axis names its unit.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Mapping, Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from research.analyse.decisions import ParetoPoint
from research.analyse.results import KEYS, Results
from research.analyse.statistics import Difference, heat_map, metric_parts
from research.analyse.verdicts import decimals, shorten, signed
from research.terminal import human

INK, MUTED, GRID, PAPER = "#1f2a37", "#6b7786", "#dfe3e8", "#fffffe"
BASELINE = "#7b8794"
# distinguishable with any colour vision (Okabe and Ito, "Color universal design", 2008)
ARMS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c510a", "#5e3c99")
DASHES = ("-", "--", ":", "-.")  # when there are more arms than colours
# blue is better, orange is worse: told apart with any colour vision
BETTER_WORSE = LinearSegmentedColormap.from_list(
    "better_worse", ["#08519c", "#6baed6", "#f7f7f7", "#fdae6b", "#a63603"]
)
WIDTH = 7.6  # inches
STYLE = {
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.labelsize": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "svg.fonttype": "none",
    "svg.hashsalt": "gristmill",
    "text.parse_math": False,  # a name may have a dollar sign
}


def style() -> contextlib.AbstractContextManager:
    """The style of all figures, for as long as the block runs."""
    return matplotlib.rc_context(STYLE)


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Draws a figure in the style of all figures."""

    @functools.wraps(draw)
    def drawn(*args, **kwargs) -> Figure:
        with style():
            return draw(*args, **kwargs)

    return drawn


def arm_colours(results: Results) -> dict[str, str]:
    """A colour for every arm; that of the baseline is grey."""
    others = [arm.name for arm in results.record.arms if not arm.baseline]
    colours = {name: ARMS[i % len(ARMS)] for i, name in enumerate(others)}
    return {results.record.baseline.name: BASELINE, **colours}


def metric_unit(metric: str) -> str:
    """What a metric's values are measured in, 'bits per byte'."""
    kind = "loss" if metric == "loss" or metric.startswith("loss/") else metric.rpartition("/")[2]
    return "nats per token" if kind == "loss" else kind.replace("_", " ")


def metric_title(metric: str) -> str:
    """A metric's name for people: 'demo/all/bits_per_byte' -> 'bits per byte of demo'."""
    parts = metric_parts(metric)
    if parts is None:
        what, _, kind = metric.rpartition("/")
        return f"{metric_unit(kind)} of {what}" if what else metric_unit(kind)
    mixture, domain, _ = parts
    return f"{metric_unit(metric)} of {mixture if domain == 'all' else f'{mixture}: {domain}'}"


# ---- verdicts -----------------------------------------------------------------------------------


@styled
def forest(differences: Sequence[Difference], colours: Mapping[str, str]) -> Figure:
    """Differences to the baseline with their intervals; one row an arm, one panel a size.

    Args:
      differences: the output of `statistics.compare`.
      colours: by arm.
    """
    sizes = list(dict.fromkeys(d.size for d in differences))
    rows = max(sum(d.size == size for d in differences) for size in sizes)
    figure = Figure(figsize=(WIDTH, len(sizes) * (0.36 * rows + 0.55) + 0.55), layout="constrained")
    axes = figure.subplots(len(sizes), 1, sharex=True, squeeze=False)[:, 0]
    digits, first = decimals(differences), differences[0]
    for axis, size in zip(axes, sizes, strict=True):
        here = [d for d in differences if d.size == size]
        for y, d in enumerate(here):
            colour = colours[d.arm]
            axis.plot(d.by_seed, [y + 0.2] * len(d.by_seed), "o", color=colour, ms=3, alpha=0.35,
                      mew=0)  # fmt: skip
            told = d.verdict != "cannot tell"
            if not math.isnan(d.low):
                axis.plot([d.low, d.high], [y, y], color=colour, lw=2.4, solid_capstyle="round")
            if d.seeds:
                axis.plot(d.mean, y, "o", color=colour, ms=7, mew=1.6,
                          mfc=colour if told else PAPER)  # fmt: skip
            text = f"{signed(d.mean, digits)}\u2002{d.verdict}" if d.seeds else "no finished pair"
            axis.annotate(text, (1.01, y), xycoords=("axes fraction", "data"), va="center",
                          fontsize=8.5, fontweight="bold" if told else "normal")  # fmt: skip
        axis.axvline(0, color=INK, lw=0.9)
        axis.set_yticks(range(len(here)), [shorten(d.arm, 26) for d in here])
        axis.set_ylim(len(here) - 0.45, -0.55)
        axis.tick_params(axis="y", length=0)
        axis.grid(False, axis="y")
        axis.spines["left"].set_visible(False)
        if len(sizes) > 1:
            axis.set_title(size)
    limit = max((abs(v) for axis in axes for v in axis.get_xlim()), default=1)
    axes[0].set_xlim(-limit, limit)
    left, right = ("better", "worse") if first.better == "lower" else ("worse", "better")
    axes[-1].set_xlabel(
        f"← {left}\u2003difference from {shorten(first.baseline, 30)}, "
        f"{metric_unit(first.metric)}\u2003{right} →"
    )
    return figure


@styled
def domain_heat_map(differences: Sequence[Difference]) -> Figure:
    """Arms × domains, coloured by the difference from the baseline; verdicts are in bold.

    Args:
      differences: the output of `statistics.compare_domains`.
    """
    means, verdicts = heat_map(differences), heat_map(differences, "verdict")
    first, digits = differences[0], decimals(differences)
    sign = 1 if first.better == "lower" else -1
    names = [_domain(name, 22) for name in means.columns]
    lines = [line for name in names for line in name.split("\n")]
    slanted = max(map(len, lines)) * len(names) > 75
    height = 0.42 * len(means) + (1.6 if slanted else 0.85) + 0.12 * (len(lines) > len(names))
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axis = figure.subplots()
    values = means.to_numpy(float)
    largest = np.nanmax(np.abs(values)) if np.isfinite(values).any() else 0
    limit = float(largest) or 1.0
    image = axis.pcolormesh(
        sign * values, cmap=BETTER_WORSE, norm=TwoSlopeNorm(0, -limit, limit),
        edgecolors="white", linewidth=1.5,
    )  # fmt: skip
    for i, j in np.ndindex(*values.shape):
        told = verdicts.iat[i, j] in ("better", "worse")
        strong = abs(values[i, j]) > 0.62 * limit
        axis.text(
            j + 0.5, i + 0.5, signed(values[i, j], digits), ha="center", va="center", fontsize=8.5,
            color="#ffffff" if strong else "#0b0b0b", fontweight="bold" if told else "normal",
        )  # fmt: skip
    axis.set_xticks(np.arange(len(names)) + 0.5, names)
    if slanted:
        axis.tick_params(axis="x", rotation=30)
        for label in axis.get_xticklabels():
            label.set_ha("right")
            label.set_rotation_mode("anchor")
    axis.set_yticks(np.arange(len(means)) + 0.5, [shorten(name, 26) for name in means.index])
    axis.invert_yaxis()
    axis.grid(False)
    axis.tick_params(length=0)
    for spine in axis.spines.values():
        spine.set_visible(False)
    bar = figure.colorbar(image, ax=axis, pad=0.02, aspect=12, ticks=[-limit, 0, limit])
    bar.ax.set_yticklabels(["better", "equal", "worse"])
    bar.ax.tick_params(length=0)
    bar.outline.set_visible(False)
    return figure


def _domain(name: str, width: int) -> str:
    """A domain in lines of at most so many letters: its source, then each field that tells it from
    others of the source, or only the value of one that is long."""
    source, *fields = name.split("/")
    short = [f if len(f) <= width else f.partition("=")[2] or f for f in fields]
    return "\n".join(shorten(line, width) for line in (source, *short))


# ---- along the way ------------------------------------------------------------------------------


@styled
def learning_curves(
    results: Results,
    colours: Mapping[str, str],
    metrics: Sequence[str],
    size: str | None = None,
) -> Figure:
    """Metrics against tokens: the mean over seeds of every arm, and each seed faintly.

    Args:
      results: of a sweep, finished or not.
      colours: by arm.
      metrics: one panel each, those that no cell has left out.
      size: None for the largest.
    """
    size = size or results.record.sizes[-1]
    known = set(results.table["metric"])
    metrics = [metric for metric in metrics if metric in known]
    figure = Figure(figsize=(WIDTH, 3.3), layout="constrained")
    axes = figure.subplots(1, max(1, len(metrics)), squeeze=False)[0]
    for axis, metric in zip(axes, metrics, strict=False):
        curves = _curves(results, metric, size)
        steps = {at for _, curve in curves for at in curve.index}
        axis.set_title(_titled(metric))
        axis.set_ylabel(metric_unit(metric))
        if len(steps) == 1:
            _one_step(axis, curves, colours, steps.pop())
            continue
        for name, curve in curves:
            colour, line = colours[name], _dash(colours, name)
            for seed in curve.columns:
                one = curve[seed].dropna()
                axis.plot(one.index, one, line, color=colour, lw=0.8, alpha=0.3)
            mean = curve.mean(axis=1)[curve.notna().sum(axis=1) == curve.shape[1]]
            marker = "o" if len(mean) < 20 else None
            axis.plot(mean.index, mean, line, color=colour, lw=1.9, marker=marker, ms=3.2,
                      label=shorten(name, 26))  # fmt: skip
        _focus(axis)
        axis.set_xlabel("training tokens")
        axis.xaxis.set_major_locator(MaxNLocator(5))
        axis.xaxis.set_major_formatter(FuncFormatter(lambda x, _: human(x) if x else "0"))
    _legend(figure, axes[-1])
    return figure


def _titled(metric: str) -> str:
    """The title of a panel of two, whose vertical axis names the unit."""
    if metric == "loss":
        return "training loss"
    parts = metric_parts(metric)
    told = parts[1] if parts and parts[1] != "all" else metric_title(metric)
    return f"held out: {shorten(told, 30)}"


def _curves(results: Results, metric: str, size: str) -> list[tuple[str, pd.DataFrame]]:
    """For every arm: values by training tokens (rows) and seed (columns)."""
    rows = results.table
    rows = rows[(rows["metric"] == metric) & (rows["size"] == size)]
    rows = rows.merge(results.cells[[*KEYS, "steps", "tokens"]], on=KEYS)
    rows = rows.assign(at=rows["step"] * rows["tokens"] / rows["steps"])
    return [
        (arm.name, here.pivot_table(index="at", columns="seed", values="value"))
        for arm in results.record.arms
        if len(here := rows[(rows["arm"] == arm.name) & rows["value"].notna()])
    ]


def _one_step(
    axis: Axes, curves: Sequence[tuple[str, pd.DataFrame]], colours: Mapping[str, str], at: float
) -> None:
    """What was measured once, at the end: the arms side by side."""
    for place, (name, curve) in enumerate(curves):
        values = curve.to_numpy().ravel()
        axis.plot([place] * len(values), values, "o", color=colours[name], ms=3.5, alpha=0.4, mew=0)
        axis.plot(place, values.mean(), "_", color=colours[name], ms=22, mew=2.4,
                  label=shorten(name, 26))  # fmt: skip
    axis.set_xlim(-0.7, len(curves) - 0.3)
    axis.set_xticks([])
    axis.margins(y=0.15)
    axis.set_xlabel(f"after {human(at)} training tokens")


def _focus(axis: Axes) -> None:
    """Lets the first, high values of falling curves leave the panel, so that the ends can be told
    apart: from the 85th percentile up, where that is more than three spreads above the middle."""
    lines = [np.asarray(line.get_ydata(), float) for line in axis.lines]
    values = np.concatenate([np.empty(0), *lines])
    values = values[np.isfinite(values)]
    if len(values) < 20:
        return
    low, middle, high = np.percentile(values, [0, 50, 85])
    if values.max() - high > 3 * (high - middle) > 0:
        axis.set_ylim(low - 0.06 * (high - low), high + 0.5 * (high - low))


# ---- trade-offs and sizes -----------------------------------------------------------------------


@styled
def pareto(
    panels: Mapping[str, Sequence[ParetoPoint]], general: str, colours: Mapping[str, str]
) -> Figure:
    """Target against general metrics: arms nobody beats in both are joined by a line.

    Args:
      panels: points by target metric, one panel each; the output of `decisions.pareto`.
      general: the metric of the vertical axes.
      colours: by arm.
    """
    across = min(3, len(panels))
    down = -(-len(panels) // across)
    figure = Figure(figsize=(WIDTH, 2.55 * down + 0.35), layout="constrained")
    axes = figure.subplots(down, across, squeeze=False)
    for axis in axes.flat[len(panels) :]:
        axis.set_visible(False)
    for axis, (target, points) in zip(axes.flat, panels.items(), strict=False):
        front = sorted((p.target, p.general) for p in points if p.on_front)
        axis.plot(*zip(*front, strict=True), color=MUTED, lw=1, alpha=0.7, zorder=1)
        for point in points:
            colour = colours[point.arm]
            axis.plot(point.target, point.general, "o", ms=8, color=colour, mew=1.6,
                      mfc=colour if point.on_front else PAPER, ls="none")  # fmt: skip
        axis.margins(0.16)
        parts = metric_parts(target)
        axis.set_title(_domain(parts[1] if parts else metric_title(target), 26))
        axis.set_xlabel(metric_unit(target))
        axis.xaxis.set_major_locator(MaxNLocator(4))
        axis.yaxis.set_major_locator(MaxNLocator(5))
    for row in axes:
        row[0].set_ylabel(f"{metric_unit(general)}, {_whole(general)}")
    for arm in dict.fromkeys(point.arm for points in panels.values() for point in points):
        axes.flat[0].plot([], [], "o", ms=8, color=colours[arm], label=shorten(arm, 26))
    _legend(figure, axes.flat[0])
    return figure


def _whole(metric: str) -> str:
    parts = metric_parts(metric)
    if parts is None:
        return shorten(metric, 20)
    return "all together" if parts[1] == "all" else shorten(parts[1], 20)


@styled
def sizes(results: Results, metric: str, colours: Mapping[str, str]) -> Figure:
    """The last values of a metric against parameters: means over seeds, and each seed faintly.

    Args:
      results: of a sweep of several sizes.
      metric: to show.
      colours: by arm.
    """
    figure = Figure(figsize=(WIDTH, 3.3), layout="constrained")
    axis = figure.subplots()
    values = results.last_values(metric).rename("value").reset_index()
    rows = values.merge(results.cells[[*KEYS, "parameters"]], on=KEYS)
    for arm in results.record.arms:
        here = rows[(rows["arm"] == arm.name) & np.isfinite(rows["value"])]
        if not len(here):
            continue
        colour = colours[arm.name]
        axis.plot(here["parameters"], here["value"], "o", color=colour, ms=3.5, alpha=0.3, mew=0)
        mean = here.groupby("parameters")["value"].mean()
        axis.plot(mean.index, mean, _dash(colours, arm.name), color=colour, lw=1.9, marker="o",
                  ms=5, label=shorten(arm.name, 26))  # fmt: skip
    axis.set_xscale("log")
    ticks = rows.groupby("size")["parameters"].min().sort_values()
    axis.set_xticks(list(ticks), [f"{size}\n{human(n)}" for size, n in ticks.items()])
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.tick_params(axis="x", which="minor", length=0)
    axis.margins(x=0.12)
    axis.set_xlabel("parameters")
    axis.set_ylabel(metric_unit(metric))
    _legend(figure, axis)
    return figure


@styled
def document_differences(table: pd.DataFrame, unit: str) -> Figure:
    """How the documents of every domain differ between two arms: their spread and their middle.

    Args:
      table: a row for every document, with the columns domain and difference.
      unit: of the differences.
    """
    groups = [(name, group["difference"].to_numpy()) for name, group in table.groupby("domain")]
    groups.sort(key=lambda pair: float(np.median(pair[1])))
    figure = Figure(figsize=(WIDTH, 0.42 * len(groups) + 0.8), layout="constrained")
    axis = figure.subplots()
    rng = np.random.default_rng(0)  # spreads points up and down, so that they can be seen
    for y, (_, values) in enumerate(groups):
        spread = y + rng.uniform(-0.24, 0.24, len(values))
        axis.plot(values, spread, "o", ms=3, color=ARMS[0], alpha=0.4, mew=0)
        middle = float(np.median(values))
        axis.plot([middle] * 2, [y - 0.33, y + 0.33], color=INK, lw=1.8)
    axis.axvline(0, color=INK, lw=0.9)
    axis.set_yticks(range(len(groups)), [f"{shorten(n, 26)} ({len(v)})" for n, v in groups])
    axis.invert_yaxis()
    axis.grid(False, axis="y")
    axis.tick_params(axis="y", length=0)
    axis.spines["left"].set_visible(False)
    axis.set_xlabel(f"difference of a document, {unit}")
    return figure


def _dash(colours: Mapping[str, str], arm: str) -> str:
    """A line style, that tells apart the arms that share a colour."""
    same = [name for name, colour in colours.items() if colour == colours[arm]]
    return DASHES[same.index(arm) % len(DASHES)]


def _legend(figure: Figure, axis: Axes) -> None:
    """The arms in a row above all panels."""
    handles, labels = axis.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside upper left", ncols=min(len(labels), 5),
                      frameon=False, fontsize=8.5, handlelength=1.6, columnspacing=1.4)  # fmt: skip
