"""Held-out documents: by root ancestor, nested, the same in every Task."""

from __future__ import annotations

import math

import pytest

from research.corpora.document import Document
from research.errors import GristmillError
from research.registry.splits import check_validation_share, split_of

IDS = [f"page-{number}" for number in range(20_000)]


def held_out(share: float) -> set[str]:
    return {id for id in IDS if split_of([id], share) == "validation"}


def test_shares_are_kept_and_nested() -> None:
    nothing, small, large = held_out(0), held_out(0.05), held_out(0.2)
    assert not nothing and small < large
    for found, share in ((small, 0.05), (large, 0.2)):
        assert abs(len(found) - share * len(IDS)) < 4 * math.sqrt(share * len(IDS))


def test_a_rewrite_falls_where_its_page_does() -> None:
    for id in IDS[:2000]:
        page = Document("text", id, "web")
        rewrite = page.derive("rewritten", f"{id}/qa", "rewrites").derive("again", "x", "rewrites")
        assert split_of(rewrite.root_ids, 0.3) == split_of(page.root_ids, 0.3)


def test_a_document_with_roots_on_both_sides_is_in_neither() -> None:
    share = 0.3
    inside, outside = sorted(held_out(share)), sorted(set(IDS) - held_out(share))
    assert split_of([inside[0], outside[0]], share) is None
    assert split_of(inside[:2], share) == "validation"
    assert split_of(outside[:2], share) == "train"


@pytest.mark.parametrize("share", [1, -0.1, float("nan"), "0.1", None, True])
def test_shares_that_are_none(share: object) -> None:
    with pytest.raises(GristmillError, match="Task x: validation share"):
        check_validation_share(share, "Task x")
