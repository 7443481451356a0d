"""A trajectory in few words: extremes of each output, and a few rows that keep its shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from gateway_simulation.trajectory import Trajectory

_FIRST_AND_LAST: Final = 2


@dataclass(frozen=True, slots=True)
class OutputSummary:
    """One output: first and last value, extremes and when they were first met [s]."""

    unit: str | None
    start: float
    end: float
    min: float
    min_at: float
    max: float
    max_at: float


def summarise(trajectory: Trajectory) -> dict[str, OutputSummary]:
    """The summary of each output, in the trajectory's order and units."""
    values, time = trajectory.values, trajectory.time
    lowest, highest = np.argmin(values, axis=0), np.argmax(values, axis=0)
    return {
        name: OutputSummary(
            unit=trajectory.units[name],
            start=float(values[0, i]),
            end=float(values[-1, i]),
            min=float(values[lowest[i], i]),
            min_at=float(time[lowest[i]]),
            max=float(values[highest[i], i]),
            max_at=float(time[highest[i]]),
        )
        for i, name in enumerate(trajectory.names)
    }


def downsample(trajectory: Trajectory, points: int) -> Trajectory:
    """At most `points` rows of the trajectory that keep the outputs' shapes.

    Largest triangle three buckets (Steinarsson 2013), over all outputs at once so that they share
    the rows: the area is summed over outputs scaled to their range. The first and last row and,
    as far as they fit, each output's extremes are kept. Units, events and the rest stay as they
    are. `points` below 2 gives 2.
    """
    rows = trajectory.rows
    points = max(points, _FIRST_AND_LAST)
    if rows <= points:
        return trajectory
    chosen = _rows(trajectory, points)
    return Trajectory(
        time=trajectory.time[chosen],
        names=trajectory.names,
        values=trajectory.values[chosen],
        units=trajectory.units,
        discrete=trajectory.discrete,
        events=trajectory.events,
        statistics=trajectory.statistics,
        wall_ms=trajectory.wall_ms,
        engine=trajectory.engine,
        warnings=trajectory.warnings,
        terminated_at=trajectory.terminated_at,
    )


def _rows(trajectory: Trajectory, points: int) -> list[int]:
    rows = trajectory.rows
    if points == _FIRST_AND_LAST:
        return [0, rows - 1]
    time, values = _scaled(trajectory)
    extremes = np.zeros(rows, dtype=bool)
    extremes[np.argmin(values, axis=0)] = True
    extremes[np.argmax(values, axis=0)] = True
    edges = np.linspace(1, rows - 1, points - 1).astype(int)
    chosen = [0]
    for low, high, end in zip(edges[:-1], edges[1:], [*edges[2:], rows], strict=True):
        ahead_t, ahead_y = time[high:end].mean(), values[high:end].mean(axis=0)
        t0, y0 = time[chosen[-1]], values[chosen[-1]]
        area = np.abs(
            (t0 - ahead_t) * (values[low:high] - y0) - (t0 - time[low:high, None]) * (ahead_y - y0)
        ).sum(axis=1)
        area[extremes[low:high]] += np.inf
        chosen.append(int(low + np.argmax(area)))
    chosen.append(rows - 1)
    return chosen


def _scaled(trajectory: Trajectory) -> tuple[np.ndarray, np.ndarray]:
    """Time and values scaled to [0, 1], so that no output weighs more for its unit."""
    span = np.ptp(trajectory.values, axis=0)
    values = (trajectory.values - trajectory.values.min(axis=0)) / np.where(span > 0, span, 1.0)
    return trajectory.time / (trajectory.time[-1] or 1.0), values
