"""Numbers of a request that no float holds, or that JSON doesn't know."""

from __future__ import annotations

import math


def as_float(value: float) -> float:
    """`value` as a float; infinite where it is an integer too large for one."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def plain(value: float | None) -> float | str | None:
    """`value` as error details may hold it: text where it isn't finite (inf, nan)."""
    if value is None:
        return None
    number = as_float(value)
    return value if math.isfinite(number) else str(number)
