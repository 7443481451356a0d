"""Inputs applied to an FMU: linear ones at any time, held ones changed at events only."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence

import numpy as np

from gateway_simulation.engine.fmu import Fmu, Values
from gateway_simulation.order import Drive


class Inputs:
    """All inputs of a run.

    `apply_linear` may be called at any time, also within a right-hand side. `apply_held` moves the
    held ones on to a time; between such calls they stay, so that no solver ever looks past a jump.
    A point less than `tolerance` [s] ahead has come already: what differs is rounding.
    """

    def __init__(self, fmu: Fmu, drives: Sequence[Drive], tolerance: float) -> None:
        groups: dict[tuple[str, object], list[Drive]] = {}
        for drive in drives:
            key = drive.reference if drive.size > 1 else ("hold" if drive.hold else "linear")
            groups.setdefault((drive.fmi_type, key), []).append(drive)
        self._groups = [_Group(fmu, group, tolerance) for group in groups.values()]
        self._linear = [group for group in self._groups if group.linear]
        self._jumps = _times(d for d in drives if d.hold)
        self._kinks = _times(d for d in drives if not d.hold)
        self._derivatives = [d for d in drives if not d.hold and d.size == 1]
        self._fmu = fmu
        self._tolerance = tolerance

    def start(self, time: float) -> None:
        """Set everything for the first time; elements of arrays not driven keep their start."""
        for group in self._groups:
            group.start(time)

    def apply_linear(self, time: float) -> None:
        """Set the linear inputs to their values at `time`."""
        for group in self._linear:
            group.apply(time)

    def apply_held(self, time: float) -> None:
        """Set the held inputs to their values at `time`, after a jump there."""
        for group in self._groups:
            group.hold(time)

    def apply_derivatives(self, time: float) -> None:
        """Set the slopes of the linear inputs from `time` on."""
        if self._derivatives:
            slopes = [_slope(drive, time + self._tolerance) for drive in self._derivatives]
            self._fmu.set_input_derivatives([d.reference for d in self._derivatives], slopes)

    def next_jump(self, time: float) -> float:
        """When a held input next changes after `time`; infinity if never."""
        return _next(self._jumps, time + self._tolerance)

    def next_kink(self, time: float) -> float:
        """When any input next changes its value or slope after `time`; infinity if never."""
        after = time + self._tolerance
        return min(_next(self._kinks, after), _next(self._jumps, after))


class _Group:
    """Inputs set by one call: scalars of one type, or the elements of one array."""

    def __init__(self, fmu: Fmu, drives: Sequence[Drive], tolerance: float) -> None:
        array = drives[0].size > 1
        references = [drives[0].reference] if array else [d.reference for d in drives]
        count = drives[0].size if array else len(drives)
        self._values: Values = fmu.values(drives[0].fmi_type, references, count)
        self._array = array
        self._tolerance = tolerance
        placed = [(d.index if array else i, d) for i, d in enumerate(drives)]
        self.linear = [(i, np.array(d.time), np.array(d.values)) for i, d in placed if not d.hold]
        self._held = [(i, d) for i, d in placed if d.hold]
        self._whole = drives[0].fmi_type not in {"Real", "Float32", "Float64"}

    def start(self, time: float) -> None:
        if self._array:
            self._values.get()
        self._place_held(time)
        self.apply(time)

    def apply(self, time: float) -> None:
        for i, times, values in self.linear:
            self._values.buffer[i] = float(np.interp(time, times, values))
        self._values.set()

    def hold(self, time: float) -> None:
        if self._held:
            self._place_held(time)
            self._values.set()

    def _place_held(self, time: float) -> None:
        for i, drive in self._held:
            value = drive.values[max(_position(drive.time, time + self._tolerance), 0)]
            self._values.buffer[i] = int(value) if self._whole else value


def _times(drives: object) -> list[float]:
    return sorted({t for drive in drives for t in drive.time})  # type: ignore[attr-defined]


def _next(times: Sequence[float], time: float) -> float:
    i = bisect_right(times, time)
    return times[i] if i < len(times) else math.inf


def _position(times: Sequence[float], time: float) -> int:
    """Index of the last of `times` that has come by `time`."""
    return bisect_right(times, time) - 1


def _slope(drive: Drive, time: float) -> float:
    i = _position(drive.time, time)
    if i < 0 or i + 1 >= len(drive.time):
        return 0.0
    return (drive.values[i + 1] - drive.values[i]) / (drive.time[i + 1] - drive.time[i])
