"""Two curves side by side: by how much they differ, and from when on a tube doesn't hold both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from gateway_simulation.comparison import departures, span
from gateway_simulation.trajectory import Samples

_BOTH_ENDS: Final = 2


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Values over time [s], shape (n,), n > 0; an instant may stand twice: before and after.

    A `held` one keeps each value until the next, any other is straight in between.
    """

    time: Samples
    values: Samples
    unit: str | None = None
    held: bool = False

    def at(self, times: Samples, side: Literal["left", "right"]) -> Samples:
        """The values just before (left) or after (right) some times; the ends' beyond them."""
        position = np.searchsorted(self.time, times, "right" if side == "right" else "left")
        before = np.clip(position - 1, 0, len(self.time) - 1)
        after = np.clip(position, 0, len(self.time) - 1)
        if self.held:
            return self.values[before]
        row = before if side == "right" else after  # of the time itself, the last or the first one
        width = self.time[after] - self.time[before]
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.where(width > 0, (times - self.time[before]) / width, 0.0)
        between = self.values[before] + np.clip(share, 0, 1) * (
            self.values[after] - self.values[before]
        )
        return np.where(self.time[row] == times, self.values[row], between)

    def within(self, start: float, end: float) -> Curve:
        """The part from `start` to `end`, with points of its own at both.

        Of an event at its very end it has both sides only if the curve ends there.
        """
        inside = (self.time > start) & (self.time < end)
        first, last = self.at(np.array([start]), "right"), self.at(np.array([end]), "left")
        after = self.values[-1:][self.time[-1:] == end]
        return Curve(
            np.concatenate([[start], self.time[inside], [end], [end] * after.size]),
            np.concatenate([first, self.values[inside], last, after]),
            self.unit,
            self.held,
        )

    @property
    def straight(self) -> Curve:
        """The same curve with a row before each change, so that nothing is held in between."""
        if not self.held:
            return self
        time = np.repeat(self.time, _BOTH_ENDS)[1:]
        return Curve(time, np.repeat(self.values, _BOTH_ENDS)[:-1], self.unit)


@dataclass(frozen=True, slots=True)
class Parting:
    """When two curves first part [s], and what each is then."""

    time: float
    value: float
    other: float


@dataclass(frozen=True, slots=True)
class Difference:
    """By how much two curves differ over the time that both have.

    `max_abs` (first met at `max_at` [s]) and `rms`, weighted by time, compare them at each instant;
    `relative_max` and `relative_rms` are shares of the first curve's range. `departure` is what is
    left of the largest difference, as such a share, where each point may be found a little earlier
    or later: more than the tolerance and they `part`.
    """

    max_abs: float
    max_at: float
    rms: float
    relative_max: float
    relative_rms: float
    departure: float
    parts: Parting | None


def common_time(one: Curve, other: Curve) -> tuple[float, float] | None:
    """The time that both curves have [s]; None where there is none."""
    start = float(max(one.time[0], other.time[0]))
    end = float(min(one.time[-1], other.time[-1]))
    return (start, end) if start <= end else None


def difference(one: Curve, other: Curve, tolerance: float, window_s: float) -> Difference:
    """Compare over the time that both have, which is not empty.

    `tolerance` is a share of the first curve's range, `window_s` how much earlier or later a point
    of one curve may be found on the other [s].
    """
    shared = common_time(one, other)
    assert shared is not None
    one, other = (curve.within(*shared) for curve in (one, other))
    size = span(one.values)
    time = np.union1d(one.time, other.time)
    left, right = (one.at(time, side) - other.at(time, side) for side in ("left", "right"))
    apart = np.maximum(np.abs(left), np.abs(right))
    worst = int(np.argmax(apart))
    rms = _rms(time, right[:-1], left[1:]) if time.size > 1 else float(apart[0])
    departed, parts = _departure(one.straight, other.straight, tolerance * size, window_s)
    return Difference(
        max_abs=float(apart[worst]),
        max_at=float(time[worst]),
        rms=rms,
        relative_max=float(apart[worst]) / size,
        relative_rms=rms / size,
        departure=departed / size,
        parts=None if parts is None else _parting(one, other, parts),
    )


def _rms(time: Samples, begins: Samples, ends: Samples) -> float:
    """Root of the mean square of what is straight between two times, from `begins` to `ends`."""
    widths = np.diff(time)
    whole = float(widths.sum())
    if not whole:
        return float(np.abs(np.concatenate([begins, ends])).max(initial=0.0))
    squares = (begins**2 + begins * ends + ends**2) / 3
    return float(np.sqrt(max(0.0, float((squares * widths).sum()) / whole)))


def _departure(
    one: Curve, other: Curve, allowed: float, window_s: float
) -> tuple[float, float | None]:
    """The largest departure either way, and the first time at which one is not allowed."""
    there = departures(one.time, one.values, other.time, other.values, window_s)
    back = departures(other.time, other.values, one.time, one.values, window_s)
    outside = np.concatenate([one.time[there > allowed], other.time[back > allowed]])
    largest = float(max(there.max(), back.max()))
    return largest, float(outside.min()) if outside.size else None


def _parting(one: Curve, other: Curve, when: float) -> Parting:
    """What both are then: of the two sides of an event the one that is further apart."""
    at = np.array([when])
    pairs = [
        (float(one.at(at, side)[0]), float(other.at(at, side)[0])) for side in ("left", "right")
    ]
    value, against = max(pairs, key=lambda pair: abs(pair[0] - pair[1]))
    return Parting(when, value, against)
