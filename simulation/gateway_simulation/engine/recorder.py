"""Rows of a result, written straight into the shared block."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from gateway_simulation.engine.failures import EngineError
from gateway_simulation.engine.fmu import Fmu, Values
from gateway_simulation.layout import MAX_EVENTS, Status
from gateway_simulation.order import Order


class Recorder:
    """Records the columns of `order` into `rows`, shape (capacity, 1 + columns)."""

    def __init__(
        self,
        fmu: Fmu,
        order: Order,
        rows: NDArray[np.float64],
        events: NDArray[np.float64],
    ) -> None:
        self.count = 0
        self.events_met = 0
        self._rows = rows
        self._events = events
        self._names = [probe.name for probe in order.probes]
        self._groups = _groups(fmu, order)

    def record(self, time: float) -> None:
        """One row at `time`. Raises EngineError for a value that isn't finite."""
        if self.count >= len(self._rows):
            raise EngineError(Status.TOO_MANY_EVENTS, time=time, limit=len(self._rows))
        row = self._rows[self.count]
        row[0] = time
        for values, elements, columns in self._groups:
            row[columns] = np.asarray(values.get())[elements]
        if not math.isfinite(float(row.sum())):
            self._check(row, time)
        self.count += 1

    def event(self, time: float) -> None:
        """Note an event at `time`; beyond a bound they are only counted."""
        if self.events_met < MAX_EVENTS:
            self._events[self.events_met] = time
        self.events_met += 1

    def _check(self, row: NDArray[np.float64], time: float) -> None:
        """Large values may sum to infinity and be fine one by one."""
        bad = np.flatnonzero(~np.isfinite(row))
        if bad.size:
            column = int(bad[0])
            name = "time" if column == 0 else self._names[column - 1]
            raise EngineError(
                Status.NON_FINITE, variable=name, time=time if math.isfinite(time) else None
            )


_Group = tuple[Values, NDArray[np.intp], NDArray[np.intp]]


def _groups(fmu: Fmu, order: Order) -> list[_Group]:
    """For each type: one call for all its variables, and which elements go into which columns."""
    groups: list[_Group] = []
    for fmi_type in dict.fromkeys(probe.fmi_type for probe in order.probes):
        offsets: dict[int, int] = {}
        count = 0
        elements, columns = [], []
        for column, probe in enumerate(order.probes, start=1):
            if probe.fmi_type != fmi_type:
                continue
            if probe.reference not in offsets:
                offsets[probe.reference] = count
                count += probe.size
            elements.append(offsets[probe.reference] + probe.index)
            columns.append(column)
        values = fmu.values(fmi_type, list(offsets), count)
        groups.append((values, np.array(elements), np.array(columns)))
    return groups
