"""Laws that are known are found again, within intervals that cover."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from research.analyse import scaling
from research.analyse.scaling import fit_chinchilla, fit_repeated, scaling_points
from research.bench.calibration import simulated_sweep
from research.errors import GristmillError

from .simulated import SMALL

TRUE = {"E": 1.8, "A": 480.0, "B": 2000.0, "alpha": 0.35, "beta": 0.37}


def grid(sizes: int, horizons: int) -> tuple[np.ndarray, np.ndarray]:
    n, d = np.meshgrid(np.geomspace(1e6, 1e9, sizes), np.geomspace(2e7, 2e10, horizons))
    return n.ravel(), d.ravel()


def law(n: np.ndarray, d: np.ndarray) -> np.ndarray:
    return TRUE["E"] + TRUE["A"] / n ** TRUE["alpha"] + TRUE["B"] / d ** TRUE["beta"]


def worth(all_: np.ndarray, base: np.ndarray, scale: float) -> np.ndarray:
    return base + base * scale * (1 - np.exp(-(all_ / base - 1) / scale))


def test_a_law_without_noise_is_found_exactly() -> None:
    n, d = grid(4, 4)
    found = fit_chinchilla(n, d, law(n, d), resamples=5)
    for name, value in TRUE.items():
        assert found.parameters[name].estimate == pytest.approx(value, rel=1e-3)
    far = found.predict(1e11, 1e12)
    assert far.estimate == pytest.approx(float(law(np.array(1e11), np.array(1e12))), rel=1e-4)


def test_intervals_cover_at_the_nominal_rate() -> None:
    """Of 24 laws × 6 numbers at most 14 lie outside of their 95% intervals: 7 are to be expected,
    and those of one law go together."""
    rng = np.random.default_rng(0)
    n, d = grid(5, 5)
    outside = 0
    for number in range(24):
        y = law(n, d) * np.exp(0.003 * rng.standard_normal(len(n)))
        found = fit_chinchilla(n, d, y, resamples=60, seed=number)
        for name, value in TRUE.items():
            outside += not found.parameters[name].low <= value <= found.parameters[name].high
        far = found.predict(1e10, 2e11)
        outside += not far.low <= law(np.array(1e10), np.array(2e11)) <= far.high
    assert outside <= 14


def test_an_outlier_hardly_moves_the_law() -> None:
    n, d = grid(5, 5)
    y = law(n, d)
    y[7] *= 1.3  # a run that went wrong
    found = fit_chinchilla(n, d, y, resamples=5)
    assert found.parameters["E"].estimate == pytest.approx(TRUE["E"], rel=0.02)
    assert np.argmax(found.residuals) == 7


@pytest.mark.parametrize("start", [(-9, 9, 9, 3.0, 0.01), (0.5, -14, -14, 0.01, 3.0)])
def test_a_bad_start_does_not_diverge(start: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaling, "_starts", lambda y, count: [np.array(start, float)])
    n, d = grid(4, 4)
    found = fit_chinchilla(n, d, law(n, d), resamples=5)
    values = [interval.estimate for interval in found.parameters.values()]
    assert np.isfinite(values).all() and 0 < values[0] <= law(n, d).min()


def test_repeated_tokens_are_worth_what_was_planted() -> None:
    n, unique = grid(4, 4)
    epochs = np.array([1, 1, 2, 4, 8, 16, 40])
    n, unique = np.repeat(n, 7), np.repeat(unique, 7)
    tokens = unique * np.tile(epochs, 16)
    ratio = TRUE["alpha"] * TRUE["A"] / (TRUE["beta"] * TRUE["B"])
    best = (ratio * unique ** TRUE["beta"]) ** (1 / TRUE["alpha"])
    y = law(worth(n, np.minimum(n, best), 5.3), worth(tokens, unique, 15.4))
    y *= np.exp(0.001 * np.random.default_rng(0).standard_normal(len(y)))
    found = fit_repeated(n, tokens, unique, y, resamples=10)
    assert found.parameters["R_D"].estimate == pytest.approx(15.4, rel=0.1)
    assert found.parameters["R_N"].estimate == pytest.approx(5.3, rel=0.25)
    assert found.parameters["R_D"].low < 15.4 < found.parameters["R_D"].high
    once, often = found.predict(1e8, 1e9), found.predict(1e8, 1e10, unique=1e9)
    assert often.estimate < once.estimate
    assert often.estimate > found.predict(1e8, 1e10).estimate  # new tokens are worth more


def test_without_excess_parameters_their_worth_is_left_open() -> None:
    n, unique = grid(4, 4)
    n, unique = np.repeat(n, 3), np.repeat(1e3 * unique, 3)
    tokens = unique * np.tile([1, 3, 9], 16)
    found = fit_repeated(n, tokens, unique, law(n, worth(tokens, unique, 15.4)), resamples=5)
    assert found.parameters["R_D"].estimate == pytest.approx(15.4, rel=0.05)
    assert math.isnan(found.parameters["R_N"].estimate)
    assert math.isfinite(found.predict(1e8, 1e12, unique=1e11).estimate)


def test_points_that_leave_the_law_open_are_refused() -> None:
    n, d = grid(5, 5)
    y = law(n, d)
    with pytest.raises(GristmillError, match="at least 7 runs"):
        fit_chinchilla(n[:6], d[:6], y[:6])
    with pytest.raises(GristmillError, match="1 sizes"):
        fit_chinchilla(np.full(25, 1e8), d, y)
    with pytest.raises(GristmillError, match="positive and finite"):
        fit_chinchilla(n, d, np.where(n == n[0], math.nan, y))
    with pytest.raises(GristmillError, match="one loss for every run"):
        fit_chinchilla(n, d, y[1:])
    with pytest.raises(GristmillError, match="epochs above 1"):
        fit_repeated(n, d, d, y)


def test_the_points_of_an_arm_are_its_finished_cells() -> None:
    results = simulated_sweep(SMALL, ("natural", "a"), (0, 1), np.random.default_rng(0))
    cells = results.cells.copy()
    cells.loc[0, "state"] = "running"
    points = scaling_points(dataclasses.replace(results, cells=cells), "natural")
    assert list(points["seed"]) == [1] and list(points["parameters"]) == [1]
    assert points["loss"][0] == results.last_values(results.record.metric)["natural", "one", 1]
