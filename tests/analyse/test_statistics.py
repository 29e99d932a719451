"""Intervals cover, verdicts are paired, corrected and honest about what is missing."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest

from research.analyse.decisions import decision_accuracy, noise_floors, pareto
from research.analyse.intervals import (
    Sampling,
    document_freedom,
    holm,
    resampled_ratios,
    sampling,
)
from research.analyse.results import Results
from research.analyse.statistics import compare, compare_domains, heat_map
from research.analyse.verdicts import terminal_verdicts
from research.bench.calibration import assembled, planted, simulated_sweep
from research.errors import GristmillError

from .simulated import SMALL


def simulated(arms: int = 2, seeds: int = 3, seed: int = 0) -> Results:
    names = ("natural", "a", "b", "c", "d")[:arms]
    return simulated_sweep(SMALL, names, range(seeds), np.random.default_rng(seed))


# ---- intervals ----------------------------------------------------------------------------------


def test_without_documents_the_interval_is_students() -> None:
    found = sampling(np.array([1.0, 2.0, 4.0]), None, 0.0)
    mean, error = 7 / 3, math.sqrt(7 / 3 / 3)
    assert found.quantile(0.975) == pytest.approx(mean + 4.302653 * error, rel=1e-5)
    assert found.quantile(0.025) == pytest.approx(mean - 4.302653 * error, rel=1e-5)
    assert found.p_value == pytest.approx(0.1181, abs=1e-4)  # of a t test
    assert found.minimum_detectable(0.05) == pytest.approx((4.302653 + 1.060660) * error, rel=1e-5)


@pytest.mark.parametrize("seeds", [2, 3, 8])
@pytest.mark.parametrize(
    ("seed_sd", "document_sd", "both_sd"),
    [(0.01, 0.0, 0.001), (0.001, 0.05, 0.001), (0.003, 0.03, 0.03)],
    ids=["seeds vary", "documents vary", "all vary"],
)
def test_intervals_cover(seeds: int, seed_sd: float, document_sd: float, both_sd: float) -> None:
    """Over 250 sweeps of 46 documents of uneven sizes, the 95% interval covers in 95% of them;
    0.917 is 2.4 standard errors below.  It may cover more: with two sources of doubt of equal
    size, one of them known badly, no exact interval exists."""
    rng = np.random.default_rng(seeds)
    strata = np.repeat([0, 1], [6, 40])
    covered, plain = 0, 0
    for _ in range(250):
        size = 1000 * np.exp(rng.standard_normal(46))
        level = 2 + 0.3 * rng.standard_normal(46) + 0.05 * rng.standard_normal((seeds, 1))
        change = document_sd * rng.standard_normal(46) + seed_sd * rng.standard_normal((seeds, 1))
        change = change + both_sd * rng.standard_normal((seeds, 46))
        totals = np.concatenate([level, level + change]) * size
        ratios = resampled_ratios(totals, size, strata, 200, rng)
        whole = totals.sum(axis=1) / size.sum()
        differences, replicates = (
            whole[seeds:] - whole[:seeds],
            ratios[:, seeds:] - ratios[:, :seeds],
        )
        found = sampling(differences, replicates, document_freedom(size, strata))
        covered += found.quantile(0.025) <= 0 <= found.quantile(0.975)
        # what this is instead of: seeds drawn with replacement, at the same documents
        drawn = differences[rng.integers(0, seeds, (200, seeds))].mean(axis=1)
        plain += np.quantile(drawn, 0.025) <= 0 <= np.quantile(drawn, 0.975)
    assert covered / 250 > 0.917
    if seeds < 8 and not document_sd:
        assert plain / 250 < 0.9


def test_documents_move_the_ratio_as_the_delta_method_says() -> None:
    rng = np.random.default_rng(0)
    size = rng.integers(100, 5000, 400).astype(float)
    totals = 2.0 * size + 300 * rng.standard_normal(400)
    ratios = resampled_ratios(totals[None], size, np.zeros(400, int), 4000, rng)[:, 0]
    whole = totals.sum() / size.sum()
    expected = math.sqrt(((totals - whole * size) ** 2).sum() * 400 / 399) / size.sum()
    assert ratios.mean() == pytest.approx(whole, rel=1e-3)
    assert ratios.std() == pytest.approx(expected, rel=0.05)


def test_a_group_of_one_document_is_always_there() -> None:
    ratios = resampled_ratios(
        np.array([[6.0]]), np.array([3.0]), np.array([0]), 5, np.random.default_rng(0)
    )
    assert (ratios == 2).all() and document_freedom(np.array([3.0]), np.array([0])) == 0


def test_equal_documents_have_one_degree_of_freedom_less_than_they_are() -> None:
    assert document_freedom(np.full(9, 7.0), np.zeros(9, int)) == pytest.approx(8)


def test_holm_of_a_known_example() -> None:
    # 0.005 × 4, 0.01 × 3, 0.03 × 2, and no less than the one before
    assert holm([0.01, 0.04, math.nan, 0.03, 0.005]) == pytest.approx(
        [0.03, 0.06, math.nan, 0.06, 0.02], nan_ok=True
    )


def test_the_seeds_needed_find_the_difference() -> None:
    rng = np.random.default_rng(1)
    found = Sampling(estimate=1.0, centres=np.array([1.0]), scale=2 / math.sqrt(4), freedom=3)
    seeds = found.seeds_needed(0.05)
    assert seeds == 34  # as tables of the power of a paired t test have it, for d = 0.5
    detected = 0
    for _ in range(500):
        drawn = 1.0 + 2 * rng.standard_normal(seeds)
        detected += sampling(drawn, None, 0.0).p_value <= 0.05
    assert detected / 500 == pytest.approx(0.8, abs=0.05)
    hidden = Sampling(1.0, 1.0 + rng.standard_normal(500), 0.1, 3)
    assert hidden.seeds_needed(0.05) is None  # more seeds do not replace documents


# ---- differences --------------------------------------------------------------------------------


def test_swapping_the_arms_flips_the_signs() -> None:
    results = planted(simulated(), "a", 0.05)
    swapped = assembled(("a", "natural"), (0, 1, 2), results.documents)
    (there,), (back,) = compare(results), compare(swapped)
    assert (there.verdict, back.verdict) == ("worse", "better")
    assert back.mean == pytest.approx(-there.mean, rel=1e-9)
    assert back.low == pytest.approx(-there.high, rel=0.02)  # the documents are drawn alike
    assert back.p_value == pytest.approx(there.p_value, rel=0.05)


def test_what_both_arms_share_cancels() -> None:
    results = simulated()
    shifted = planted(planted(results, "a", 0.7), "natural", 0.7)
    (before,), (after,) = compare(results), compare(shifted)
    for name in ("mean", "low", "high", "p_value", "minimum_detectable"):
        assert getattr(after, name) == pytest.approx(getattr(before, name), rel=1e-6)
    assert after.noise < SMALL.shared / 5  # the seeds' own level is not in the difference


def test_the_promised_difference_is_found_and_falls_with_seeds() -> None:
    few, many = (compare(simulated(seeds=n))[0] for n in (3, 8))
    assert many.minimum_detectable < few.minimum_detectable
    (found,) = compare(planted(simulated(seeds=8), "a", 3 * many.minimum_detectable))
    assert found.verdict == "worse" and found.seeds_needed == 0
    assert found.low > 0 and found.documents == 38


def test_arms_that_are_equal_to_the_bit_do_not_differ() -> None:
    results = simulated(arms=1)
    copy = results.documents.assign(arm="same")
    both = assembled(("natural", "same"), (0, 1, 2), results.documents.merge(copy, how="outer"))
    (found,) = compare(both)
    assert (found.mean, found.low, found.high, found.p_value) == (0, 0, 0, 1)
    assert found.verdict == "cannot tell" and terminal_verdicts([found])


def test_verdicts_are_corrected_for_the_arms() -> None:
    results = simulated(arms=5)
    found = compare(results)
    assert [d.arm for d in found] == ["a", "b", "c", "d"] and found[0].comparisons == 4
    assert [d.p_holm for d in found] == pytest.approx(holm([d.p_value for d in found]))
    documents = results.documents[results.documents["arm"].isin(["natural", "a"])]
    alone = assembled(("natural", "a"), (0, 1, 2), documents)
    assert compare(alone)[0].minimum_detectable < found[0].minimum_detectable


def test_one_seed_has_no_interval() -> None:
    (found,) = compare(simulated(seeds=1))
    assert math.isnan(found.low) and math.isnan(found.p_value) and not math.isnan(found.mean)
    assert found.verdict == "cannot tell" and "one seed" in found.note
    assert "one seed: no interval over seeds" in terminal_verdicts([found])


def test_a_value_that_is_not_finite_drops_its_pair() -> None:
    results = simulated()
    documents = results.documents.copy()
    documents.loc[(documents["arm"] == "a") & (documents["seed"] == 1), "nll"] = math.nan
    (found,) = compare(assembled(("natural", "a"), (0, 1, 2), documents))
    assert found.seeds == (0, 2) and math.isfinite(found.low)
    assert found.missing == ("seed 1: a diverged: demo/all/bits_per_byte is not finite",)


def test_where_documents_hide_the_difference_seeds_are_not_asked_for() -> None:
    parts = dataclasses.replace(SMALL, document=0.5, seed=1e-4, source=1e-4)
    rng = np.random.default_rng(0)
    (found,) = compare(simulated_sweep(parts, ("natural", "a"), range(4), rng))
    assert found.verdict == "cannot tell" and found.seeds_needed is None
    assert "more documents would tell" in terminal_verdicts([found])


def test_cells_that_were_never_declared_are_not_missed() -> None:
    results = simulated(arms=3)
    kept = [(c.arm, c.seed) not in {("a", 2), ("b", 0), ("b", 1), ("b", 2)}
            for c in results.record.cells]  # fmt: skip
    cells = tuple(c for c, keep in zip(results.record.cells, kept, strict=True) if keep)
    record = dataclasses.replace(results.record, cells=cells)
    (found,) = compare(dataclasses.replace(results, record=record, cells=results.cells[kept]))
    assert (found.arm, found.seeds, found.missing) == ("a", (0, 1), ())


def test_a_metric_that_runs_lack_is_one_line() -> None:
    with pytest.raises(GristmillError) as error:
        compare(simulated(), metric="demo/all/bits_per_bite")
    text = str(error.value)
    assert "natural/seed0" in text and "demo/all/bits_per_byte" in text and "\n" not in text
    with pytest.raises(GristmillError, match="no size 'huge'"):
        compare(simulated(), size="huge")


def test_different_documents_are_refused() -> None:
    results = simulated()
    documents = results.documents
    fewer = documents.drop(documents[(documents["arm"] == "a")].index[:1])
    with pytest.raises(GristmillError, match="different documents"):
        compare(dataclasses.replace(results, documents=fewer))


def test_higher_accuracies_are_better() -> None:
    results = simulated()
    accuracy = results.table.assign(metric="addition/exact_match")
    accuracy["value"] = 0.5 + 0.4 * (accuracy["arm"] == "a") + 0.01 * accuracy["seed"]
    accuracy.loc[accuracy.index[-1], "value"] += 0.001
    record = dataclasses.replace(results.record, metric="addition/exact_match", better="higher")
    (found,) = compare(dataclasses.replace(results, record=record, table=accuracy))
    assert found.verdict == "better" and found.documents == 0 and found.mean > 0.4
    assert "of new seeds (3 paired seeds), on the same" in terminal_verdicts([found])


def test_domains_differ_each_for_itself() -> None:
    results = simulated(arms=3)
    documents = results.documents.copy()
    here = (documents["arm"] == "a") & (documents["domain"] == "wiki")
    documents.loc[here, "nll"] -= 0.5 * math.log(2) * documents.loc[here, "bytes"]
    changed = assembled(("natural", "a", "b"), (0, 1, 2), documents)
    tables = [changed.table.assign(metric=f"demo/{d}/bits_per_byte") for d in ("web", "wiki")]
    changed = dataclasses.replace(changed, table=pd.concat(tables, ignore_index=True))
    found = compare_domains(changed)
    assert found[0].comparisons == 4 and [d.domain for d in found] == ["web", "wiki"] * 2
    assert heat_map(found).loc["a", "wiki"] == pytest.approx(-0.5, abs=0.03)
    verdicts = heat_map(found, "verdict")
    assert verdicts.loc["a", "wiki"] == "better" and verdicts.loc["b", "wiki"] == "cannot tell"


def test_the_table_fits_a_terminal() -> None:
    text = terminal_verdicts(compare(planted(simulated(arms=5), "b", -0.1)))
    assert max(map(len, text.splitlines())) <= 80
    assert " better " in text and "cannot tell" in text and "Holm" in text


# ---- which metrics and sizes decide -------------------------------------------------------------


def test_noise_is_of_pairs() -> None:
    (floor,) = noise_floors(planted(simulated(seeds=8), "a", 0.2))
    assert floor.signal == pytest.approx(0.2, abs=0.02) and floor.arms == 2 and floor.seeds == 8
    assert floor.unpaired_noise > 3 * floor.noise  # the seeds' own level is in the unpaired one
    assert floor.ratio == pytest.approx(floor.signal / floor.noise)


def test_a_smaller_size_decides_as_often_as_it_ranks_alike() -> None:
    results = simulated(arms=3, seeds=2)
    levels = {
        "one": {"natural": (1.0, 1.0), "a": (2.0, 2.0), "b": (3.0, 3.0)},
        # by means: a < natural < b: one of three pairs is ranked differently
        "two": {"natural": (1.5, 1.5), "a": (1.0, 1.2), "b": (3.0, 1.1)},
    }
    rows = [
        {"arm": arm, "size": size, "seed": seed, "step": 1, "metric": results.record.metric,
         "value": values[seed]}
        for size, of_arm in levels.items() for arm, values in of_arm.items() for seed in (0, 1)
    ]  # fmt: skip
    record = dataclasses.replace(results.record, sizes=("two", "one"))
    cells = results.cells.merge(results.cells[["arm", "seed"]].assign(size="two"), how="outer")
    cells["state"] = "finished"
    table = pd.DataFrame(rows)
    (found,) = decision_accuracy(
        dataclasses.replace(results, record=record, cells=cells, table=table)
    )
    assert (found.small, found.large, found.pairs) == ("two", "one", 3)
    assert found.accuracy == pytest.approx(2 / 3)
    assert found.one_seed_accuracy == pytest.approx((2 / 3 + 0) / 2)


def test_the_front_has_no_arm_that_another_beats() -> None:
    results = simulated(arms=3, seeds=2)
    target = {"natural": 2.0, "a": 1.0, "b": 1.5}
    general = {"natural": 1.0, "a": 2.0, "b": 2.5}
    tables = [
        results.table.assign(metric=name, value=results.table["arm"].map(values))
        for name, values in (("demo/web/bits_per_byte", target), (results.record.metric, general))
    ]
    table = pd.concat(tables, ignore_index=True)
    points = pareto(dataclasses.replace(results, table=table), "demo/web/bits_per_byte")
    assert {p.arm: p.on_front for p in points} == {"natural": True, "a": True, "b": False}
