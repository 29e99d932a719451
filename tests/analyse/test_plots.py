"""Figures show the numbers of the sweep, in one colour an arm."""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from research.analyse import decisions, plots
from research.analyse.documents import document_differences
from research.analyse.results import Results, read_results
from research.analyse.statistics import compare, compare_domains, heat_map
from research.errors import GristmillError

METRIC = "demo/all/bits_per_byte"


@pytest.fixture(scope="module")
def results(finished: Path) -> Results:
    return read_results(finished)


def test_curves_are_the_means_of_their_seeds_with_each_seed_behind(results: Results) -> None:
    figure = plots.learning_curves(results, plots.arm_colours(results), [METRIC, "loss"])
    held_out, training = figure.axes
    assert held_out.get_ylabel() == "bits per byte" and training.get_ylabel() == "nats per token"
    means = [line for line in held_out.lines if not line.get_label().startswith("_")]
    assert [line.get_label() for line in means] == ["natural", "stratified", "no_code"]
    assert len(held_out.lines) == 3 * (3 + 1)
    for line in means:
        last = results.last_values(METRIC)[line.get_label()]
        assert line.get_ydata()[-1] == pytest.approx(last.mean())
        assert line.get_xdata()[-1] == results.cells["tokens"].max()


def test_an_arm_has_one_colour_in_every_figure(results: Results) -> None:
    colours = plots.arm_colours(results)
    assert len(set(colours.values())) == 3
    curves = plots.learning_curves(results, colours, ["loss"])
    by_label = {line.get_label(): to_hex(line.get_color()) for line in curves.axes[0].lines}
    assert {name: by_label[name] for name in colours} == colours
    points = decisions.pareto(results, "demo/code_sample/bits_per_byte")
    pareto = plots.pareto({"demo/code_sample/bits_per_byte": points}, METRIC, colours)
    by_label = {line.get_label(): to_hex(line.get_color()) for line in pareto.axes[0].lines}
    assert {name: by_label[name] for name in colours} == colours


def test_the_forest_has_every_interval_and_zero_in_its_middle(results: Results) -> None:
    differences = compare(results)
    (axis,) = plots.forest(differences, plots.arm_colours(results)).axes
    spans = [tuple(line.get_xdata()) for line in axis.lines]
    for difference in differences:
        assert (difference.low, difference.high) in spans
        assert any(text.get_text().endswith(difference.verdict) for text in axis.texts)
    low, high = axis.get_xlim()
    assert low == -high and high >= max(d.high for d in differences)


def test_the_heat_map_colours_by_better_and_worse(results: Results) -> None:
    differences = compare_domains(results)
    figure = plots.domain_heat_map(differences)
    mesh = figure.axes[0].collections[0]
    np.testing.assert_allclose(mesh.get_array().ravel(), heat_map(differences).to_numpy().ravel())
    assert mesh.norm(0.0) == 0.5
    code = next(d for d in differences if (d.arm, d.domain) == ("no_code", "code_sample"))
    red, _, blue, _ = mesh.cmap(mesh.norm(code.mean))
    assert code.mean > 0 and red > blue  # without code, code is predicted worse
    assert len(figure.axes[0].texts) == len(differences)


def test_sizes_lie_over_their_parameters(two_sizes: Path) -> None:
    results = read_results(two_sizes)
    axis = plots.sizes(results, METRIC, plots.arm_colours(results)).axes[0]
    means = {line.get_label(): line for line in axis.lines}
    assert list(means["no_code"].get_xdata()) == sorted(set(results.cells["parameters"]))
    assert [t.get_text().split("\n")[0] for t in axis.get_xticklabels()] == ["small", "large"]


def test_figures_leave_matplotlib_as_it_was_and_draw_any_name(results: Results) -> None:
    before = dict(matplotlib.rcParams)
    table = document_differences(results, "no_code")
    table["domain"] = "$\\frac{<&"
    figure = plots.document_differences(table, "bits per byte")
    assert isinstance(figure, Figure)
    with plots.style():
        figure.savefig(io.StringIO(), format="svg")
    assert dict(matplotlib.rcParams) == before


def test_documents_differ_as_their_domains_do(results: Results) -> None:
    table = document_differences(results, "no_code")
    assert len(table) == len(results.documents) / 9
    for d in compare_domains(results):
        if d.arm == "no_code":
            here = table[table["domain"] == d.domain]
            assert np.average(here["difference"], weights=here["bytes"]) == pytest.approx(d.mean)
    with pytest.raises(GristmillError, match="'no' and natural share no finished seed"):
        document_differences(results, "no")
