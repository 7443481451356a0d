"""The rows and events that the runs of an order left: counted, finite, in order and up to the end.

What isn't so is not taken: a model's code could write all of it. All runs are read and checked at
once, since a batch has thousands: each costs a slice.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gateway_simulation import layout
from gateway_simulation.instants import whole_steps
from gateway_simulation.layout import MAX_EVENTS, Ability, Mode
from gateway_simulation.order import Order
from gateway_simulation.shared import SharedBlock
from gateway_simulation.trajectory import Samples

Integers = NDArray[np.int64]

_TYPES: Final = {"I": "<u4", "i": "<i4", "Q": "<u8", "d": "<f8"}
RECORD: Final = np.dtype(
    [(f.name, _TYPES.get(f.code, f"S{f.code[:-1]}")) for f in layout.RUN.fields]
)
"""A run's record, for many at once."""

_COUNTERS: Final = ("steps", "evaluations", "events")
_MOST: Final = 2**53
"""Nobody counts further; up to it doubles, and with them JSON, tell all integers apart."""


class Recorded:
    """What the runs of `order` recorded, of which those with `records` (RECORD) have ended.

    `faults` says by a run's index why its numbers can't be taken. Runs share the memory of their
    numbers.
    """

    def __init__(self, order: Order, result: SharedBlock, records: NDArray[Any]) -> None:
        n, width = len(order.runs), 1 + order.n_columns
        rows, events = records["rows"], np.minimum(records["events"], MAX_EVENTS)
        ends = _ends(records["first_row"], rows, order.row_capacity)
        event_ends = _ends(records["first_event"], events, order.event_capacity)
        offset = layout.rows_offset(n, order.event_capacity)
        table = np.frombuffer(result.view(), "<f8", _total(ends) * width, offset)
        columns = np.array(table.reshape(-1, width).T, order="C")
        self._events = np.frombuffer(
            result.read(layout.events_offset(n), 8 * _total(event_ends)), "<f8"
        )
        self.faults = {
            **_faults_of_events(order, self._events, events, event_ends),
            **_faults_of_ends(order, columns[0], records, ends),
            **_faults_of_rows(order, columns, rows, ends),
            **dict.fromkeys(_miscounted(records), "counters that can't be"),
            **dict.fromkeys(range(event_ends.size, records.size), "events without a place"),
            **dict.fromkeys(range(ends.size, records.size), "rows without a place"),
            **dict.fromkeys(np.flatnonzero(rows == 0).tolist(), "no rows"),
        }
        self._time, self._values = columns[0], columns[1:].T
        self._rows, self._ends = rows.tolist(), ends.tolist()
        self._counts, self._event_ends = events.tolist(), event_ends.tolist()

    def numbers(self, index: int) -> tuple[Samples, Samples, tuple[float, ...]]:
        """Time, values and events of a run without fault."""
        end, last, count = self._ends[index], self._event_ends[index], self._counts[index]
        rows = slice(end - self._rows[index], end)
        events = tuple(self._events[last - count : last].tolist()) if count else ()
        return self._time[rows], self._values[rows], events


_NOT_FINITE: Final = "values that are not finite"


def _ends(first: NDArray[Any], counts: NDArray[Any], capacity: int) -> Integers:
    """Where the runs' parts end, of as many runs as have them one after another in the block."""
    bounded = np.minimum(counts, capacity).astype(np.int64)
    ends = np.cumsum(bounded)
    good = (counts <= capacity) & (first == ends - bounded) & (ends <= capacity)
    return ends if good.all() else ends[: int(good.argmin())]


def _total(ends: Integers) -> int:
    return int(ends[-1]) if ends.size else 0


def _faults_of_rows(
    order: Order, columns: Samples, rows: NDArray[Any], ends: Integers
) -> dict[int, str]:
    """What is wrong with the rows of a run, by its index."""
    rows = rows[: ends.size].astype(np.int64)
    begins = (ends - rows)[rows > 0]
    time = columns[0]
    apart = ~(np.abs(time[begins] - order.start) <= order.tolerance)
    disorder = np.concatenate((_falls(time, begins), begins[apart]))
    return {
        **dict.fromkeys(_runs_of(disorder, ends), "times out of order"),
        **dict.fromkeys(_runs_of(_not_finite(columns), ends), _NOT_FINITE),
    }


def _faults_of_ends(
    order: Order, time: Samples, records: NDArray[Any], ends: Integers
) -> dict[int, str]:
    """A run has its rows up to its end, or to where its model ended it."""
    whole = np.flatnonzero(records["rows"][: ends.size])
    early = records["terminated"][whole] != 0
    last, least = _grid(order)
    expected = np.where(early, records["time"][whole], last)
    reached = np.abs(time[ends[whole] - 1] - expected) <= order.tolerance
    short = ~reached | (~early & (records["rows"][whole] < least))
    return dict.fromkeys(whole[short].tolist(), "rows that end too early or too late")


def _grid(order: Order) -> tuple[float, int]:
    """The last time [s] that a run records, and the least rows until then.

    An FMU for Co-Simulation that can't vary its steps ends with the last one that fits.
    """
    whole = whole_steps(order.start, order.stop, order.step, order.tolerance)
    reached = order.start + whole * order.step
    if reached > order.stop or order.same_time(reached, order.stop):
        return order.stop, whole + 1
    if order.mode is Mode.CO_SIMULATION and Ability.VARIABLE_STEP not in order.abilities:
        return reached, whole + 1
    return order.stop, whole + 2


def _faults_of_events(
    order: Order, events: Samples, counts: NDArray[Any], ends: Integers
) -> dict[int, str]:
    """What is wrong with the events of a run, by its index."""
    if not events.size:
        return {}
    counts = counts[: ends.size].astype(np.int64)
    early = np.flatnonzero(~(events >= order.start - order.tolerance))
    late = np.flatnonzero(~(events <= order.stop + order.tolerance))
    places = np.concatenate((_falls(events, ends - counts), early, late))
    return dict.fromkeys(_runs_of(places, ends), "events out of order")


def _miscounted(records: NDArray[Any]) -> list[int]:
    """The runs that counted too far, or more events than they have rows of them."""
    wrong = records["events"] > records["rows"]
    for name in _COUNTERS:
        wrong |= records[name] > _MOST
    found: list[int] = np.flatnonzero(wrong).tolist()
    return found


def _falls(times: Samples, begins: Integers) -> Integers:
    """Where time goes back, other than to the next run's begin."""
    falls = np.flatnonzero(~(times[1:] >= times[:-1])) + 1
    return np.setdiff1d(falls, begins) if falls.size else falls


def _not_finite(numbers: Samples) -> Integers:
    """Where along the last axis a number isn't finite."""
    finite = np.isfinite(numbers)
    if finite.all():
        return np.empty(0, dtype=np.int64)
    return np.flatnonzero(~finite.reshape(-1, numbers.shape[-1]).all(axis=0))


def _runs_of(places: Integers, ends: Integers) -> list[int]:
    """The runs to which these places belong."""
    found: list[int] = np.searchsorted(ends, places, side="right").tolist()
    return found
