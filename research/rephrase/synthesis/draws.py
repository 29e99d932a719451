"""Random draws that are a function of a key alone, whoever makes them and in whatever order."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")
_WORDS = struct.Struct("<8Q")


class Draws:
    """The stream of draws that belongs to a key: words of BLAKE2b over the key and a counter.

    A counter-based generator in the manner of Salmon et al., "Parallel random numbers: as easy as
    1, 2, 3" (SC 2011): item i draws from the key (…, i), so nothing has to be drawn before it.
    """

    __slots__ = ("_counter", "_key", "_words")

    def __init__(self, key: str) -> None:
        self._key, self._counter, self._words = key.encode(), 0, []

    def below(self, n: int) -> int:
        """One of 0 … n-1, each as likely as the others up to n / 2**64."""
        if not self._words:
            salt = self._counter.to_bytes(8, "little")
            digest = hashlib.blake2b(self._key, salt=salt).digest()
            self._words, self._counter = list(_WORDS.unpack(digest)), self._counter + 1
        return self._words.pop() * n >> 64

    def integer(self, low: int, high: int) -> int:
        """One of low … high, both included."""
        return low + self.below(high - low + 1)

    def multiple(self, step: int, low: int, high: int) -> int:
        """A multiple of `step` among low … high; both are multiples of it."""
        return low + step * self.below((high - low) // step + 1)

    def choice(self, values: Sequence[T]) -> T:
        """One of some values."""
        return values[self.below(len(values))]

    def several(self, values: Sequence[T], count: int) -> list[T]:
        """Different ones of some values, in random order."""
        left = list(values)
        return [left.pop(self.below(len(left))) for _ in range(count)]

    def shuffled(self, values: Sequence[T]) -> list[T]:
        """All of some values, in random order."""
        return self.several(values, len(values))
