"""Which documents are held out for validation, decided by their root ancestors.

A document and everything rewritten from it share their roots, so they fall on the same side in
every Task.  A larger validation share holds out a superset of what a smaller one does.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable

from research.errors import GristmillError

TRAIN, VALIDATION = "train", "validation"
SPLITS = (TRAIN, VALIDATION)
SAMPLE_VALIDATION_SHARE = 0.05  # of the shipped Tasks, and what `vocab train` leaves unseen

_SALT = "held out for validation"  # one for all Tasks: never change it


def hash_unit(salt: str, id: str) -> float:
    """A number in [0, 1] that depends on the two strings alone: uniform over ids."""
    digest = hashlib.blake2b(f"{salt}\0{id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") / 2**64


def split_of(root_ids: Iterable[str], validation_share: float) -> str | None:
    """The split of a document by the ids of its root ancestors (an original is its own root).

    Returns:
      'train' or 'validation', or None where the document has roots on both sides: it may be
      neither trained on nor evaluated with.
    """
    sides = {hash_unit(_SALT, root) < validation_share for root in root_ids}
    if len(sides) != 1:
        return None
    return VALIDATION if sides.pop() else TRAIN


def check_validation_share(share: float, where: str) -> float:
    """Returns the share.

    Raises:
      GristmillError: it is not a number in [0, 1).
    """
    number = isinstance(share, int | float) and not isinstance(share, bool)
    if not number or not math.isfinite(share) or not 0 <= share < 1:
        raise GristmillError(
            f"{where}: validation share {share!r} is not at least 0 and less than 1"
        )
    return float(share)
