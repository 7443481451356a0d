"""How far two curves are apart, with some tolerance for when something happens.

A curve is a column of values over time in which an instant may stand twice: at an event, with the
value before and the value after it. A jump that one curve makes a little later than the other
would be as large a difference as the jump itself; so each point of one curve is held against what
the other does within a window of time around it, as the tubes do with which the Modelica
Association compares results (Pfeiffer, Bausch-Gall, Otter: Proposal for a Standard Time Series
File Format in HDF5. Modelica Conference 2012).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


def departures(
    time: Numbers, values: Numbers, other_time: Numbers, other: Numbers, window: float
) -> Numbers:
    """How far each point (`time`, `values`) lies from the other curve, in the values' unit.

    Zero where the other curve takes the value within `window` seconds of the point's time. Points
    outside of the other curve's time are held against its nearest end. Shapes (n,), (n,) and (m,),
    (m,), m > 0; times never decrease.
    """
    lowest, highest = _band(time, other_time, other, window)
    return np.maximum(np.maximum(lowest - values, values - highest), 0.0)


def span(values: Numbers) -> float:
    """What a relative difference is relative to: the range, or the size of what never changes."""
    extent = float(np.ptp(values))
    return extent or float(np.abs(values).max()) or 1.0


def _band(at: Numbers, time: Numbers, values: Numbers, window: float) -> tuple[Numbers, Numbers]:
    """The least and the greatest value of the curve within `window` of each instant, shape (n,)."""
    first = np.searchsorted(time, at - window, side="left")
    last = np.searchsorted(time, at + window, side="right")
    edges = np.stack([np.interp(at + shift, time, values) for shift in (-window, window)])
    lowest, highest = edges.min(axis=0), edges.max(axis=0)
    inside = last > first
    if inside.any():
        bounds = np.stack([first[inside], last[inside]], axis=1).ravel()
        padded = np.append(values, values[-1])  # a window may end after the last point
        lowest[inside] = np.minimum(lowest[inside], np.minimum.reduceat(padded, bounds)[::2])
        highest[inside] = np.maximum(highest[inside], np.maximum.reduceat(padded, bounds)[::2])
    return lowest, highest
