"""The result block, written as the native core writes it."""

from __future__ import annotations

import math
import mmap
from typing import Any, Final

import numpy as np

from gateway_simulation import layout
from gateway_simulation.engine.failures import EngineError
from gateway_simulation.layout import MAGIC, MAX_EVENTS, RUN, Status
from gateway_simulation.order import Order

_TEXTS: Final = {"function": 63, "reason": 255}
_EVENTS_AT_ONCE: Final = 10_000


class Block:
    """The block of one order: messages, and rows, events and records of one run after another."""

    def __init__(self, order: Order, block: mmap.mmap) -> None:
        self._order = order
        self._block = block
        n_runs, width = len(order.runs), 1 + order.n_columns
        self._rows = np.frombuffer(
            block,
            dtype="<f8",
            count=order.row_capacity * width,
            offset=layout.rows_offset(n_runs, order.event_capacity),
        ).reshape(order.row_capacity, width)
        self._events = np.frombuffer(
            block, dtype="<f8", count=order.event_capacity, offset=layout.events_offset(n_runs)
        )
        self._messages = self._rows_used = self._events_used = self._runs = 0
        self.rows = self.events = 0
        self._last_event, self._events_at_once = math.nan, 0

    @property
    def has_room(self) -> bool:
        """Whether another run surely fits."""
        order = self._order
        return (
            self._rows_used + order.run_capacity <= order.row_capacity
            and self._events_used + MAX_EVENTS <= order.event_capacity
        )

    def begin(self) -> None:
        """The next run begins."""
        self.rows = self.events = self._events_at_once = 0

    def next_row(self, time: float) -> Any:  # noqa: ANN401 - a view of one row
        """The place for a row; it counts once `keep_row` says so."""
        if self.rows >= self._order.run_capacity:
            bound = self._order.run_capacity
            raise EngineError(Status.TOO_MANY_EVENTS, time=time, bound=bound)
        return self._rows[self._rows_used + self.rows]

    def keep_row(self) -> None:
        """The row is complete."""
        self.rows += 1
        self._head(bytes(8))

    def add_event(self, time: float) -> None:
        """An event at `time`; beyond a bound they are only counted.

        Events that follow each other without time going on are endless.
        """
        self._events_at_once = self._events_at_once + 1 if time == self._last_event else 1
        self._last_event = time
        if self._events_at_once > _EVENTS_AT_ONCE:
            raise EngineError(Status.EVENT_ITERATION, time=time, bound=_EVENTS_AT_ONCE)
        if self.events < MAX_EVENTS:
            self._events[self._events_used + self.events] = time
        self.events += 1

    def add_message(self, status: int, category: bytes | None, message: bytes | None) -> None:
        """One message of the FMU; the last few are kept."""
        line = b"[%d %.50s] %s" % (status, category or b"", message or b"")
        place = layout.LOG_OFFSET + self._messages % layout.LOG_LINES * layout.LOG_LENGTH
        size = layout.LOG_LENGTH
        self._block[place : place + size] = line[: size - 1].ljust(size, b"\0")
        self._messages += 1
        self._head(bytes(8))

    def end(self, status: Status, **fields: Any) -> None:  # noqa: ANN401 - members of RUN
        """The run ended so; `fields` as far as they say something."""
        record: dict[str, Any] = {f.name: b"" if f.code.endswith("s") else 0 for f in RUN.fields}
        texts = _TEXTS.keys() & fields.keys()
        fields |= {name: str(fields[name]).encode()[: _TEXTS[name]] for name in texts}
        counts = {"rows": self.rows, "events": self.events}
        places = {"first_row": self._rows_used, "first_event": self._events_used}
        record |= {"magic": MAGIC, "status": status, "time": math.nan}
        offset = layout.RUNS_OFFSET + self._runs * RUN.size
        packed = RUN.pack(**{**record, **counts, **places, **fields})
        self._block[offset : offset + RUN.size] = packed
        self._rows_used += self.rows
        self._events_used += min(self.events, MAX_EVENTS)
        self._runs += 1

    def close(self) -> None:
        """All that could be run has ended."""
        self._head(MAGIC)

    def _head(self, magic: bytes) -> None:
        """In the order of its fields: rows and messages come by the hundred thousand."""
        rows = self._rows_used + self.rows
        layout.RESULT.form.pack_into(self._block, 0, magic, self._runs, self._messages, rows)
