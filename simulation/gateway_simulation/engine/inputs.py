"""Inputs applied to an FMU: linear ones at any time, held ones changed at events only."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from gateway_simulation.engine.fmu import Fmu, Values
from gateway_simulation.layout import Type
from gateway_simulation.order import InputGroup, Order, Signal

_LARGEST: Final = {Type.INT64: 2**63 - 1, Type.UINT64: 2**64 - 1}


class Inputs:
    """All inputs of a run.

    `apply_linear` may be called at any time, also within a right-hand side. `apply_held` moves the
    held ones on to a time; between such calls they stay, so that no solver ever looks past a jump.
    A point less than `tolerance` [s] ahead has come already: what differs is rounding.
    """

    def __init__(self, fmu: Fmu, order: Order) -> None:
        self._groups = [_Group(fmu, group, order.tolerance) for group in order.inputs]
        self._linear = [group for group in self._groups if group.linear]
        signals = [signal for group in order.inputs for signal in group.signals]
        self._jumps = _times(s for s in signals if s.hold)
        self._kinks = _times(s for s in signals if not s.hold)
        self._sloped = [
            (group.references[signal.element], signal)
            for group in order.inputs
            for signal in group.signals
            if not (signal.hold or group.is_array)
        ]
        self._fmu = fmu
        self._tolerance = order.tolerance

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
        for reference, signal in self._sloped:
            slope = _slope(signal, time + self._tolerance)
            self._fmu.set_input_derivatives([reference], [slope])

    def next_jump(self, time: float) -> float:
        """When a held input next changes after `time`; infinity if never."""
        return _next(self._jumps, time + self._tolerance)

    def next_kink(self, time: float) -> float:
        """When any input next changes its value or slope after `time`; infinity if never."""
        after = time + self._tolerance
        return min(_next(self._kinks, after), _next(self._jumps, after))


class _Group:
    """Inputs set by one call: scalars of one type, or the elements of one array."""

    def __init__(self, fmu: Fmu, group: InputGroup, tolerance: float) -> None:
        self._values: Values = fmu.values(group.type, group.references, group.n_values)
        self._array = group.is_array
        self._tolerance = tolerance
        self.linear = [
            (s.element, np.array(s.time), np.array(s.values)) for s in group.signals if not s.hold
        ]
        self._held = [signal for signal in group.signals if signal.hold]
        self._type = group.type
        self._whole = group.type not in {Type.FLOAT64, Type.FLOAT32}

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
        for signal in self._held:
            value = signal.values[max(_position(signal.time, time + self._tolerance), 0)]
            self._values.buffer[signal.element] = self._integer(value) if self._whole else value

    def _integer(self, value: float) -> int:
        """The largest integers of 64 bits are rounded to floats just beyond them."""
        return min(int(value), _LARGEST.get(self._type, int(value)))


def _times(signals: Iterable[Signal]) -> list[float]:
    return sorted({t for signal in signals for t in signal.time})


def _next(times: Sequence[float], time: float) -> float:
    i = bisect_right(times, time)
    return times[i] if i < len(times) else math.inf


def _position(times: Sequence[float], time: float) -> int:
    """Index of the last of `times` that has come by `time`."""
    return bisect_right(times, time) - 1


def _slope(signal: Signal, time: float) -> float:
    i = _position(signal.time, time)
    if i < 0 or i + 1 >= len(signal.time):
        return 0.0
    return (signal.values[i + 1] - signal.values[i]) / (signal.time[i + 1] - signal.time[i])
