"""Learning rates at the steps that matter."""

from __future__ import annotations

import numpy as np
import pytest

from research.errors import GristmillError
from research.train.schedules import LearningRate


def shares(steps: int, **fields) -> np.ndarray:
    return np.asarray(LearningRate(peak=1.0, **fields).share(np.arange(steps), steps))


def test_cosine() -> None:
    found = shares(101, warmup_steps=10, kind="cosine", final=0.1)
    np.testing.assert_allclose(found[:10], np.arange(1, 11) / 10, rtol=1e-6)
    np.testing.assert_allclose(found[[10, 55, 100]], [1.0, 0.55, 0.1], rtol=1e-5)
    assert (np.diff(found[10:]) < 0).all()


def test_linear_ends_at_its_final_share() -> None:
    found = shares(21, warmup_steps=0, kind="linear", final=0.0)
    np.testing.assert_allclose(found, np.linspace(1, 0, 21), atol=1e-6)


def test_wsd_holds_and_then_falls_as_one_minus_a_root() -> None:
    found = shares(100, warmup_steps=5, kind="wsd", decay_steps=21, final=0.0)
    np.testing.assert_allclose(found[5:80], 1, rtol=1e-6)
    np.testing.assert_allclose(found[[84, 99]], [1 - np.sqrt(0.25), 0], atol=1e-6)


def test_constant_after_warming_up_again_from_a_share() -> None:
    found = shares(10, warmup_steps=4, kind="constant", initial=0.2)
    np.testing.assert_allclose(found, [0.4, 0.6, 0.8, 1, 1, 1, 1, 1, 1, 1], rtol=1e-6)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"peak": 0.0, "warmup_steps": 0}, "learning_rate.peak"),
        ({"peak": 1.0, "warmup_steps": -1}, "learning_rate.warmup_steps"),
        ({"peak": 1.0, "warmup_steps": 1, "final": 2.0}, "learning_rate.final"),
        ({"peak": 1.0, "warmup_steps": 1, "kind": "wsd"}, "learning_rate.decay_steps"),
        ({"peak": 1.0, "warmup_steps": 1, "decay_steps": 3}, "learning_rate.decay_steps"),
    ],
)
def test_bad_numbers_are_refused(fields: dict, message: str) -> None:
    with pytest.raises(GristmillError, match=message):
        LearningRate(**fields)


def test_a_schedule_longer_than_the_run_is_refused() -> None:
    with pytest.raises(GristmillError, match="the run has 10"):
        LearningRate(1.0, 8, "wsd", decay_steps=3).check(10)
