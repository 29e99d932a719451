"""The mixture plan: shares exact to a row, the past independent of the future, caps kept."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from research.errors import GristmillError
from research.input_pipeline.mixture_plan import MixturePlan, Schedule

SHARE = st.one_of(st.just(0.0), st.floats(1e-5, 1), st.sampled_from([1e-5, 0.5, 1.0]))
STEPS = 300


@st.composite
def schedules(draw: st.DrawFn, kind: str, points: int) -> Schedule:
    sources = [f"s{i}" for i in range(draw(st.integers(1, 16)))]
    shares = st.lists(SHARE, min_size=len(sources), max_size=len(sources)).filter(any)
    steps = draw(st.sets(st.integers(1, STEPS), min_size=points - 1, max_size=points - 1))
    table = tuple((s, dict(zip(sources, draw(shares), strict=True))) for s in [0, *sorted(steps)])
    return Schedule(table, kind)


def totals(plan: MixturePlan) -> np.ndarray:
    """Rows of each source before every step, [S+1, D]."""
    return np.array([plan.totals(step) for step in range(plan.steps + 1)])


def target(schedule: Schedule, batch: int) -> np.ndarray:
    shares = np.array(list(schedule.shares(STEPS)))
    return np.concatenate([np.zeros((1, shares.shape[1])), np.cumsum(shares * batch, 0)])


@given(st.one_of(schedules("step", 1), schedules("linear", 3)), st.sampled_from([1, 3, 8, 512]))
@settings(max_examples=60, deadline=None)
def test_every_source_is_within_a_row_of_its_share(schedule: Schedule, batch: int) -> None:
    plan = MixturePlan(schedule, STEPS, batch, {}, "error")
    rows = totals(plan)
    assert (np.diff(rows.sum(1)) == batch).all()
    assert (np.diff(rows, axis=0) >= 0).all()
    error = np.abs(rows - target(schedule, batch)).max()
    assert error <= 1
    assert error == pytest.approx(plan.largest_error, abs=1e-6)


@given(schedules("step", 4), st.sampled_from([3, 8, 512]))
@settings(max_examples=30, deadline=None)
def test_a_plan_tells_how_far_it_strays(schedule: Schedule, batch: int) -> None:
    """Sudden changes of share may cost a fraction of a row more, and the plan says how much."""
    plan = MixturePlan(schedule, STEPS, batch, {}, "error")
    error = np.abs(totals(plan) - target(schedule, batch)).max()
    assert error <= 1.5
    assert error == pytest.approx(plan.largest_error, abs=1e-6)


@pytest.mark.parametrize("kind", ["step", "linear"])
def test_the_future_does_not_change_the_past(kind: str) -> None:
    start = ((0, {"a": 0.7, "b": 0.3}), (100, {"a": 0.5, "b": 0.5}))
    one = Schedule((*start, (200, {"a": 1.0})), kind)
    other = Schedule((*start, (150, {"b": 0.2, "aa": 0.8}), (170, {"aa": 1.0})), kind)
    one, other = (MixturePlan(s, 300, 7, {"b": 10_000}, "error") for s in (one, other))
    assert other.sources == ["a", "b", "aa"]  # the newcomer comes last
    for step in range(100):
        for mine, theirs in zip(one.rows(step, 5), other.rows(step, 5), strict=True):
            assert (mine == theirs).all()
    identity = {"a": "fa", "b": "fb", "aa": "faa"}
    assert one.prefix_hash(100, identity, 0) == other.prefix_hash(100, identity, 0)
    assert one.prefix_hash(250, identity, 0) != other.prefix_hash(250, identity, 0)
    assert one.prefix_hash(100, {**identity, "b": "changed"}, 0) != one.prefix_hash(
        100, identity, 0
    )


def test_every_row_of_a_source_is_used_in_turn() -> None:
    plan = MixturePlan(Schedule.constant({"a": 0.3, "b": 0.7}), 50, 8, {}, "error")
    seen: dict[int, list[int]] = {0: [], 1: []}
    for step in range(50):
        for source, row in zip(*plan.rows(step, 0), strict=True):
            seen[int(source)].append(int(row))
    for rows in seen.values():
        assert sorted(rows) == list(range(len(rows)))


def test_a_cap_gives_its_share_to_the_others() -> None:
    shares = {"a": 0.5, "b": 0.3, "c": 0.2}
    plan = MixturePlan(Schedule.constant(shares), 100, 10, {"a": 203}, "redistribute")
    rows = totals(plan)
    assert plan.exhausted == {"a": 40}
    assert rows[-1].tolist() == [203, 478, 319]
    after = np.arange(101 - 41) * 10.0  # from step 41 on b and c share the batch 3 : 2
    assert np.abs(rows[41:, 1] - rows[41, 1] - 0.6 * after).max() <= 2
    assert (rows[:, 0] <= 203).all() and rows[41, 0] == 203

    stopped = MixturePlan(Schedule.constant(shares), 100, 10, {"a": 203}, "stop")
    assert stopped.steps == 40
    assert (totals(stopped) == rows[:41]).all()
    with pytest.raises(GristmillError, match="source a reaches its cap of 203 rows at step 40"):
        MixturePlan(Schedule.constant(shares), 100, 10, {"a": 203}, "error")


def test_caps_that_are_too_tight_are_refused() -> None:
    with pytest.raises(GristmillError, match=r"suffice for 40 of 100 steps.*at most 400 rows"):
        shares = Schedule.constant({"a": 0.5, "b": 0.5})
        MixturePlan(shares, 100, 10, {"a": 203, "b": 203}, "redistribute")


@pytest.mark.parametrize(
    ("points", "fault"),
    [
        (((0, {"a": 0.0, "b": 0.0}),), "step 0: the shares sum to 0"),
        (((0, {"a": math.nan}),), "share of a is nan"),
        (((0, {"a": 1.0}), (5, {"b": -1.0})), "step 5: the share of b is -1.0"),
        (((3, {"a": 1.0}),), "must rise from 0"),
        (((0, {"a": 1.0}), (9, {"a": 1.0}), (9, {"a": 1.0})), "must rise from 0"),
        ((), "must rise from 0"),
    ],
)
def test_bad_schedules_are_refused(points: tuple, fault: str) -> None:
    with pytest.raises(GristmillError, match=fault):
        Schedule(points)
