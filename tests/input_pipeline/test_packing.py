"""Both packers, on the lengths of the real samples: what is in which row, and how often."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from research.input_pipeline.loader import open_caches
from research.input_pipeline.packing import PADDING, BestFitPacker, ConcatPacker, Packer, Pieces
from research.input_pipeline.permutation import permutation
from research.registry.specs import load_mixture

LENGTH, EPOCHS = 1024, 3


@pytest.fixture(scope="module", params=["web", "wiki", "code", "math", "docs", "tiny"])
def offsets(request: pytest.FixtureRequest, demo_root: Path) -> np.ndarray:
    """Where documents begin: every real sample, and a source smaller than a row."""
    if request.param == "tiny":
        return np.array([0, 3, 3, 10, 60])  # one document without tokens
    caches = open_caches(demo_root, load_mixture(demo_root, "demo"), "train")
    return caches[f"{request.param}_sample"].offsets


def uses_of_tokens(pieces: Pieces, offsets: np.ndarray) -> np.ndarray:
    """How often each token of the source is in the pieces."""
    real = pieces.document != PADDING
    first = offsets[pieces.document[real]] + pieces.offset[real]
    change = np.zeros(offsets[-1] + 1, np.int64)
    np.add.at(change, first, 1)
    np.add.at(change, first + pieces.length[real], -1)
    return change.cumsum()[:-1]


@pytest.mark.parametrize("make", [ConcatPacker, BestFitPacker])
def test_every_token_once_an_epoch(make: type[Packer], offsets: np.ndarray) -> None:
    packer = make(offsets, LENGTH, 0, "source", EPOCHS)
    rows = packer.rows_in(EPOCHS)
    pieces = packer.pieces(np.arange(rows))
    assert (uses_of_tokens(pieces, offsets) == EPOCHS).all()
    assert (np.bincount(pieces.row, pieces.length, rows) == LENGTH).all()
    if make is BestFitPacker:
        first = packer.pieces(np.arange(packer.rows_in(1)))
        assert (uses_of_tokens(first, offsets) == 1).all()
    else:  # rows run on over the end of an epoch: padding is less than a row in the whole run
        assert pieces.length[pieces.document == PADDING].sum() < LENGTH


@pytest.mark.parametrize("make", [ConcatPacker, BestFitPacker])
def test_rows_are_random_access(make: type[Packer], offsets: np.ndarray) -> None:
    rows = make(offsets, LENGTH, 0, "source", EPOCHS).rows_in(EPOCHS)
    whole = make(offsets, LENGTH, 0, "source", EPOCHS).pieces(np.arange(rows))
    asked = np.random.default_rng(0).integers(0, rows, 40)
    some = make(offsets, LENGTH, 0, "source", EPOCHS).pieces(asked)
    for number, row in enumerate(asked):
        for field in ("document", "offset", "length"):
            expected = getattr(whole, field)[whole.row == row]
            assert (getattr(some, field)[some.row == number] == expected).all()


def test_best_fit_keeps_documents_whole(offsets: np.ndarray) -> None:
    packer = BestFitPacker(offsets, LENGTH, 0, "source", None)
    pieces = packer.pieces(np.arange(packer.rows_in(1)))
    real = pieces.document != PADDING
    sizes = np.diff(offsets)[pieces.document[real]]
    assert (pieces.length[real] == np.minimum(sizes, LENGTH))[sizes <= LENGTH].all()
    if offsets[-1] > 100 * LENGTH:
        assert pieces.length[~real].sum() <= 0.02 * packer.rows_in(1) * LENGTH


@pytest.mark.parametrize("make", [ConcatPacker, BestFitPacker])
def test_epochs_and_seeds_have_their_own_order(make: type[Packer], offsets: np.ndarray) -> None:
    if len(offsets) < 50:  # too few documents to tell orders apart
        return
    packer = make(offsets, LENGTH, 0, "source", None)
    rows = packer.rows_in(1)
    first = packer.pieces(np.arange(4)).document.tolist()
    assert first != packer.pieces(np.arange(rows, rows + 4)).document.tolist()
    assert first != make(offsets, LENGTH, 1, "source", None).pieces(np.arange(4)).document.tolist()
    assert first != make(offsets, LENGTH, 0, "other", None).pieces(np.arange(4)).document.tolist()


def test_permutation_is_frozen() -> None:
    """The order of every run ever made hangs on these bits: they may not change."""
    assert permutation(8, "documents", 0, "web", 0).tolist() == [7, 5, 6, 3, 0, 2, 4, 1]
    digest = hashlib.sha256(permutation(100_000, "rows", 7, "web", 3).astype("<u4").tobytes())
    assert digest.hexdigest() == (
        "2740dca5449cfe2d9a0445e65d229ffdd5e89a5b4c452b6060f0a2b1688117b6"
    )
    for n in (0, 1, 2, 1023, 1024, 1025):
        assert sorted(permutation(n, n)) == list(range(n))
