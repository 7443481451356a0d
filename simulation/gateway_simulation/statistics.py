"""Numbers made of signals. All are weighted by time: where the solver put its points plays no part.

A signal is `t` [s], shape (n,), never decreasing (at an event the same time stands twice), and `y`,
same shape, linear between points or held until the next.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from gateway_simulation.trajectory import Samples

SETTLING_BAND: Final = 0.02
"""Of the step from first value to target: the 2 % of control engineering's textbooks."""

_RISE: Final = (0.1, 0.9)
_SPECTRUM_POINTS: Final = (512, 65_536)


@dataclass(frozen=True, slots=True)
class Signal:
    """One output within the KPI's window, and what the KPI says about it."""

    t: Samples
    y: Samples
    held: bool
    target: float | None = None
    band: float = SETTLING_BAND
    threshold: float | None = None

    @property
    def duration(self) -> float:
        """Length of the window [s]."""
        return float(self.t[-1] - self.t[0])

    @property
    def aim(self) -> float:
        """The target, by default the final value."""
        return float(self.y[-1]) if self.target is None else self.target


@dataclass(frozen=True, slots=True)
class Statistic:
    """One way to make a number of a signal, and the unit of that number.

    `compute` gives None where the number doesn't exist, such as the settling time of a signal that
    never settles. `unit`: `same`, `difference` (an offset such as degC's drops out), `integral`, or
    a unit spelt out after `is:`.
    """

    compute: Callable[[Signal], float | None]
    unit: str = "same"
    needs: Literal["target", "threshold"] | None = None


def integral(s: Signal) -> float:
    """Integral over time, by the trapezoidal rule, or of the held values."""
    return float(np.sum(np.diff(s.t) * (s.y[:-1] if s.held else (s.y[:-1] + s.y[1:]) / 2)))


def mean(s: Signal) -> float:
    """Time average; of a window without length, the last value."""
    return integral(s) / s.duration if s.duration > 0 else float(s.y[-1])


def rms(s: Signal) -> float:
    """Root mean square, exact on each segment: (a²+ab+b²)/3."""
    return _root_mean_square(s, 0.0)


def std(s: Signal) -> float:
    """Standard deviation over time, around the time average."""
    return _root_mean_square(s, mean(s))


def settling_time(s: Signal) -> float | None:
    """Time from the window's start until the signal stays within the band around its aim [s]."""
    width = s.band * abs(s.aim - float(s.y[0]))
    away = np.abs(s.y - s.aim)
    outside = np.flatnonzero(away > width)
    if outside.size == 0:
        return 0.0
    last = int(outside[-1])
    if last == s.y.size - 1:
        return None
    if s.held:
        return float(s.t[last + 1] - s.t[0])
    reached = (away[last] - width) / (away[last] - away[last + 1])
    if (s.y[last] - s.aim) * (s.y[last + 1] - s.aim) < 0:  # jumps across the band's middle
        reached = (away[last] - width) / (away[last] + away[last + 1])
    return float(s.t[last] + reached * (s.t[last + 1] - s.t[last]) - s.t[0])


def rise_time(s: Signal) -> float | None:
    """Time from 10 % to 90 % of the step from first value to aim [s]."""
    step = s.aim - float(s.y[0])
    if step == 0:
        return None
    progress = (s.y - s.y[0]) / step
    reached = [_first_reach(s, progress, level) for level in _RISE]
    if reached[0] is None or reached[1] is None:
        return None
    return reached[1] - reached[0]


def overshoot(s: Signal) -> float | None:
    """How far the signal passes its aim, in per cent of the step from first value to aim."""
    step = s.aim - float(s.y[0])
    if step == 0:
        return None
    return max(0.0, float(np.max((s.y - s.aim) / step)) * 100)


def steady_state_error(s: Signal) -> float:
    """Target less final value."""
    return s.aim - float(s.y[-1])


def zero_crossings(s: Signal) -> float:
    """How often the sign changes; touching zero doesn't count."""
    signs = np.sign(s.y)
    signs = signs[signs != 0]
    return float(np.count_nonzero(signs[1:] != signs[:-1]))


def dominant_frequency(s: Signal) -> float | None:
    """Frequency of the largest peak in the spectrum [Hz]; None for a constant.

    The signal is resampled uniformly, its mean removed, weighted by a Hann window; the peak is
    placed by a parabola through the logarithms of three bins.
    """
    least, most = _SPECTRUM_POINTS
    n = int(np.clip(s.t.size, least, most))
    if s.duration <= 0:
        return None
    grid = np.linspace(s.t[0], s.t[-1], n)
    y = _sampled(s, grid)
    y = (y - y.mean()) * np.hanning(n)
    power = np.abs(np.fft.rfft(y))
    peak = int(np.argmax(power[1:])) + 1
    if power[peak] <= 1e-12 * max(1.0, float(np.max(np.abs(s.y)))) * n:
        return None
    shift = 0.0
    if 1 < peak < power.size - 1 and np.all(power[peak - 1 : peak + 2] > 0):
        a, b, c = np.log(power[peak - 1 : peak + 2])
        shift = float((a - c) / (2 * (a - 2 * b + c)))
    return (peak + shift) * (n - 1) / (n * s.duration)


def time_above(s: Signal) -> float:
    """How long the signal is above the threshold [s], exact on each segment."""
    return _time_beyond(s, 1.0)


def time_below(s: Signal) -> float:
    """How long the signal is below the threshold [s], exact on each segment."""
    return _time_beyond(s, -1.0)


BUILT_IN: Final[dict[str, Statistic]] = {
    "min": Statistic(lambda s: float(s.y.min())),
    "max": Statistic(lambda s: float(s.y.max())),
    "mean": Statistic(mean),
    "rms": Statistic(rms),
    "final": Statistic(lambda s: float(s.y[-1])),
    "std": Statistic(std, "difference"),
    "peak_to_peak": Statistic(lambda s: float(np.ptp(s.y)), "difference"),
    "integral": Statistic(integral, "integral"),
    "settling_time": Statistic(settling_time, "is:s"),
    "rise_time": Statistic(rise_time, "is:s"),
    "overshoot": Statistic(overshoot, "is:%"),
    "steady_state_error": Statistic(steady_state_error, "difference", needs="target"),
    "zero_crossings": Statistic(zero_crossings, "is:1"),
    "dominant_frequency": Statistic(dominant_frequency, "is:Hz"),
    "time_above": Statistic(time_above, "is:s", needs="threshold"),
    "time_below": Statistic(time_below, "is:s", needs="threshold"),
}


def _root_mean_square(s: Signal, origin: float) -> float:
    y = s.y - origin
    if s.duration <= 0:
        return abs(float(y[-1]))
    a, b = y[:-1], y[1:]
    squares = a * a if s.held else (a * a + a * b + b * b) / 3
    return float(np.sqrt(np.sum(np.diff(s.t) * squares) / s.duration))


def _first_reach(s: Signal, progress: Samples, level: float) -> float | None:
    reached = np.flatnonzero(progress >= level)
    if reached.size == 0:
        return None
    i = int(reached[0])
    if i == 0 or s.held:
        return float(s.t[i])
    part = (level - progress[i - 1]) / (progress[i] - progress[i - 1])
    return float(s.t[i - 1] + part * (s.t[i] - s.t[i - 1]))


def _sampled(s: Signal, grid: Samples) -> Samples:
    if s.held:
        held: Samples = s.y[np.clip(np.searchsorted(s.t, grid, side="right") - 1, 0, None)]
        return held
    return np.interp(grid, s.t, s.y)


def _time_beyond(s: Signal, sign: float) -> float:
    y = sign * (s.y - (s.threshold or 0.0))
    a, b, dt = y[:-1], y[1:], np.diff(s.t)
    if s.held:
        return float(np.sum(dt[a > 0]))
    span = np.abs(a) + np.abs(b)
    crossing = np.divide(np.maximum(a, 0) + np.maximum(b, 0), span, where=span > 0, out=0 * span)
    return float(np.sum(dt * crossing))
