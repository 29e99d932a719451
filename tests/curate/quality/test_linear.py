"""Features, training and calibration: against plain readings, and on text whose truth is known."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from research.curate.quality import metrics
from research.curate.quality.features import Bags, occurrences, text_products
from research.curate.quality.linear import (
    UNKNOWN,
    Head,
    Training,
    bag_products,
    calibrate,
    fit,
)

TEXTS = ["Die Katze, die Katze: 12 und 13!", "", "naïve Ünïcode 猫 cat", "...", "one", "a b " * 900]


def test_a_text_is_the_average_of_its_ngrams() -> None:
    bags = Bags.of(pa.array(TEXTS), 12)
    sizes = np.diff(bags.ends, prepend=0)
    # 'die katze die katze 0 und 0': 4 words and 5 pairs differ; Han characters stand alone
    assert sizes.tolist() == [9, 0, 7, 0, 1, 4]
    first = bags.shares[:9] * 13
    np.testing.assert_allclose(np.sort(first)[-4:], [2, 2, 2, 2], rtol=1e-6)
    weights = np.random.default_rng(0).normal(size=(1 << 12, 3)).astype(np.float32)
    streamed = text_products(pa.array(TEXTS), weights)
    np.testing.assert_allclose(streamed, bag_products(bags, weights), atol=1e-5)
    chosen = bags.select(np.array([5, 0]))
    np.testing.assert_allclose(bag_products(chosen, weights), streamed[[5, 0]], atol=1e-5)
    joined = Bags.join([bags, chosen])
    np.testing.assert_allclose(bag_products(joined, weights)[[6, 7]], streamed[[5, 0]], atol=1e-5)


def test_the_words_of_a_bucket_are_found_again() -> None:
    column = pa.array(TEXTS)
    bucket = int(Bags.of(pa.array(["katze"]), 20).buckets[0])
    wanted = np.zeros(1 << 20, bool)
    wanted[bucket] = True
    buckets, words = occurrences(column, wanted)
    assert words == ["Katze", "Katze"] and set(buckets) == {bucket}


def rated_texts(number: int) -> tuple[list[str], np.ndarray]:
    """Texts of 40 words whose level 0 to 4 is how many of every eight are 'good'."""
    random = np.random.default_rng(number)
    levels = random.integers(0, 5, number)
    filler = [f"w{i}" for i in range(50)]
    texts = []
    for level in levels:
        words = random.choice(filler, 40).tolist()
        for i in range(40):
            if random.random() < (level + random.normal() / 3) / 8:
                words[i] = "good"
        texts.append(" ".join(words).translate(str.maketrans("0123456789", "abcdefghij")))
    return texts, levels


def test_an_ordinal_head_learns_levels_and_is_calibrated() -> None:
    heads = (Head("level", 5), Head("high"))
    texts, levels = rated_texts(900)
    labels = np.stack([levels, levels >= 3], 1).astype(np.int8)
    labels[:50, 1] = UNKNOWN
    bags, ones = Bags.of(pa.array(texts), 16), np.ones(900, np.float32)
    training = Training(seed=3, bits=16)
    model = fit(bags.select(np.arange(600)), labels[:600], ones[:600], heads, training)
    again = fit(bags.select(np.arange(600)), labels[:600], ones[:600], heads, training)
    assert model.weights.tobytes() == again.weights.tobytes()
    other = fit(bags.select(np.arange(600)), labels[:600], ones[:600], heads, Training(4, 16))
    assert model.weights.tobytes() != other.weights.tobytes()
    held = bags.select(np.arange(600, 800))
    calibrated = calibrate(model, held, labels[600:800], ones[600:800])
    above = calibrated.above(bag_products(held, calibrated.weights))
    assert (np.diff(above[:, 0], axis=1) <= 0).all()  # P(y > k) falls with k
    shares = [(levels[600:800] > k).mean() for k in range(4)]
    np.testing.assert_allclose(above[:, 0].mean(0), shares, atol=0.02)
    test = bags.select(np.arange(800, 900))
    values = calibrated.values(bag_products(test, calibrated.weights))
    said = np.clip(np.round(values[:, 0]), 0, 4).astype(int)
    assert metrics.weighted_kappa(said, levels[800:], 5) > 0.8
    assert metrics.area_under_curve(values[:, 1], levels[800:] >= 3) > 0.9


def test_metrics_by_hand() -> None:
    scores, positive = np.array([0.9, 0.8, 0.8, 0.1]), np.array([True, True, False, False])
    assert metrics.area_under_curve(scores, positive) == pytest.approx(3.5 / 4)
    ones = np.ones(4)
    # bins 0.8 and 0.9: 1.6 said, 1 true; 0.9 said, 1 true; bin 0.1: 0.1 said, 0 true
    assert metrics.calibration_error(scores, positive, ones) == pytest.approx((0.6 + 0.1 + 0.1) / 4)
    assert metrics.reliability(scores, positive, ones)[1] == pytest.approx((0.8, 0.5, 2))
    assert metrics.weighted_kappa(np.array([0, 1, 2]), np.array([0, 1, 2]), 3) == 1
    assert metrics.weighted_kappa(np.array([0, 2]), np.array([2, 0]), 3) == -1
