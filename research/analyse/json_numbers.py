"""Numbers of JSON files that someone may have edited."""

from __future__ import annotations

import sys
from typing import Any


def whole(value: Any) -> int:
    """A count, a step or a seed.

    Raises:
      ValueError: it is no whole number from 0 that 64 bits hold.
    """
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError
    return value


def finite(value: Any) -> float:
    """A measured value.

    Raises:
      ValueError: it is no number, not finite, or too large for a float.
    """
    if type(value) not in (int, float) or not abs(value) <= sys.float_info.max:
        raise ValueError
    return float(value)
