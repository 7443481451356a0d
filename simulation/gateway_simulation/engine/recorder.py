"""Rows of a result, written straight into the shared block."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from gateway_simulation.engine.block import Block
from gateway_simulation.engine.failures import EngineError
from gateway_simulation.engine.fmu import Fmu, Values
from gateway_simulation.layout import Quantity, Status
from gateway_simulation.order import Order


class Recorder:
    """Records the columns of `order` into `block`."""

    def __init__(self, fmu: Fmu, order: Order, block: Block) -> None:
        self._block = block
        self._groups: list[tuple[Values, NDArray[np.intp], NDArray[np.intp]]] = [
            (
                fmu.values(group.type, group.references, group.n_values),
                np.array(group.elements),
                np.array(group.columns),
            )
            for group in order.outputs
        ]

    @property
    def count(self) -> int:
        """Rows so far."""
        return self._block.rows

    def record(self, time: float) -> None:
        """One row at `time`. Raises EngineError for a value that isn't finite."""
        row = self._block.next_row(time)
        row[0] = time
        for values, elements, columns in self._groups:
            row[columns] = np.asarray(values.get())[elements]
        if not math.isfinite(float(row.sum())):
            _check(row, time)
        self._block.keep_row()

    def event(self, time: float) -> None:
        """Note an event at `time`."""
        self._block.add_event(time)


def _check(row: NDArray[np.float64], time: float) -> None:
    """Large values may sum to infinity and be fine one by one."""
    bad = np.flatnonzero(~np.isfinite(row))
    if bad.size:
        column = int(bad[0])
        quantity = Quantity.COLUMN if column else Quantity.TIME
        raise EngineError(Status.NON_FINITE, quantity=quantity, index=max(column - 1, 0), time=time)
