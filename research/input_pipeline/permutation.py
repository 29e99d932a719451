"""Keyed permutations that no library's shuffle can change."""

from __future__ import annotations

import hashlib
import json

import numpy as np

_CHUNK = 1 << 20


def permutation(n: int, *key: int | str) -> np.ndarray:
    """A permutation of range(n) that is a pure function of `n` and `key`.

    Raw bits of Philox (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011) are
    sorted with the index in their low bits: the keys are then unique, so any sorting algorithm
    gives the same order, and the sort is in place (8 bytes of scratch an item, freed on return).

    Args:
      n: how many items, below 2**32.
      key: what the permutation depends on; hashed, so that neighbouring seeds are unrelated.

    Returns:
      uint32 [n].
    """
    if not 0 <= n < 2**32:
        raise ValueError(f"a permutation of {n} items is not supported")
    digest = hashlib.blake2b(json.dumps(key).encode(), digest_size=16).digest()
    bits_N = np.random.Philox(key=int.from_bytes(digest, "little")).random_raw(n)
    mask = np.uint64((1 << max(1, (n - 1).bit_length())) - 1)
    bits_N &= ~mask
    for start in range(0, n, _CHUNK):
        stop = min(start + _CHUNK, n)
        bits_N[start:stop] |= np.arange(start, stop, dtype=np.uint64)
    bits_N.sort()
    bits_N &= mask
    return bits_N.astype(np.uint32)
