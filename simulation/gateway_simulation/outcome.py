"""What became of an order: how its process ended and the block it left, read with distrust."""

from __future__ import annotations

import math
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from gateway_simulation import exceptions as e
from gateway_simulation import layout
from gateway_simulation.layout import MAGIC, MAX_EVENTS, Quantity, Status
from gateway_simulation.order import Order
from gateway_simulation.run import CanonicalRun
from gateway_simulation.shared import SharedBlock
from gateway_simulation.trajectory import Samples, Trajectory

_LOG_LINES: Final = 20
_LINE_LENGTH: Final = 300
_NEARLY_ALL_MEMORY: Final = 0.8

_FAILURES: Final[dict[Status, tuple[type[e.RunError], str]]] = {
    Status.MODEL_FAILED: (e.ModelFailedError, "the model reported an error"),
    Status.MODEL_TERMINATED: (e.ModelTerminatedError, "the model ended the simulation early"),
    Status.EVENT_ITERATION: (e.EventIterationError, "the model's events never settle"),
    Status.STEP_REFUSED: (e.StepRefusedError, "the model keeps discarding a step"),
    Status.SOLVER_FAILED: (e.SolverFailedError, "the solver can't go on"),
    Status.NON_FINITE: (e.NonFiniteValueError, "a value became NaN or infinite"),
    Status.TOO_MANY_EVENTS: (e.TooManyEventsError, "the run has more events than fit a result"),
    Status.ENGINE_FAILED: (e.EngineFailedError, "the engine failed"),
    Status.LOAD_FAILED: (e.ModelNotLoadableError, "the model's library can't be loaded"),
    Status.INSTANTIATION_FAILED: (e.ModelNotInstantiatedError, "the model refuses to start"),
}
_BOUNDS: Final = {
    Status.EVENT_ITERATION: "iterations",
    Status.STEP_REFUSED: "step",
    Status.TOO_MANY_EVENTS: "limit",
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """How the process of an order ended, as the zygote saw it."""

    signal: int | None
    exit_status: int | None
    timed_out: bool
    peak_bytes: int
    timeout_s: float
    memory_mb: int

    @property
    def clean(self) -> bool:
        """Whether it ended by itself and without complaint."""
        return self.signal is None and self.exit_status == 0 and not self.timed_out


class Outcome:
    """The block that the process of an order left, and how it ended.

    `runs` is how many runs have an outcome; those after them were not begun, or died with the
    process.
    """

    def __init__(
        self, order: Order, evidence: Evidence, result: SharedBlock, output: SharedBlock
    ) -> None:
        self._order = order
        self._evidence = evidence
        self._result = result
        self._output = output
        head = layout.RESULT.unpack(result.read(0, layout.RESULT.size))
        self._messages = int(head["messages"])
        size = len(order.runs) * layout.RUN.size
        self._records = result.read(layout.RUNS_OFFSET, size)
        ended = 0
        while ended < len(order.runs) and self._record(ended)["magic"] == MAGIC:
            ended += 1
        complete = head["magic"] == MAGIC and evidence.clean
        lone = len(order.runs) == 1
        self.runs = 0 if lone and not complete else ended
        self.died = not complete

    def trajectory(self, run: CanonicalRun, index: int) -> Trajectory:
        """The trajectory of the run at `index`. Raises RunError for any other end."""
        if index >= self.runs:
            raise self._death()
        record = self._record(index)
        if record["status"] != Status.OK:
            raise self._failure(run, record)
        time, values, events = self._numbers(record)
        ended = float(record["time"]) if record["terminated"] else None
        statistics = {
            "steps": record["steps"],
            "rhs_evaluations": record["evaluations"],
            "events": record["events"],
        }
        if run.mode == "co_simulation":
            del statistics["rhs_evaluations"]
        return Trajectory(
            time=time,
            names=run.outputs,
            values=values,
            units={column.name: column.variable.unit for column in run.columns},
            discrete=frozenset(c.name for c in run.columns if not c.variable.continuous),
            events=events,
            statistics=statistics,
            warnings=run.warnings + _early_end(ended),
            terminated_at=ended,
        )

    def _record(self, index: int) -> dict[str, Any]:
        return layout.RUN.unpack(self._records, index * layout.RUN.size)

    def _numbers(self, record: dict[str, Any]) -> tuple[Samples, Samples, tuple[float, ...]]:
        """Time, values and events: counted, finite and in order, or not taken."""
        order = self._order
        width = 1 + order.n_columns
        rows, first = record["rows"], record["first_row"]
        events, first_event = min(record["events"], MAX_EVENTS), record["first_event"]
        if not 1 <= rows <= order.row_capacity - first:
            msg = "more rows than there is room for, or none"
            raise _invalid(msg)
        if events > order.event_capacity - first_event:
            msg = "more events than there is room for"
            raise _invalid(msg)
        rows_offset = layout.rows_offset(len(order.runs), order.event_capacity)
        block = self._floats(rows_offset, first * width, rows * width).reshape(rows, width)
        met = self._floats(layout.events_offset(len(order.runs)), first_event, events)
        time = np.ascontiguousarray(block[:, 0])
        if not (np.all(np.isfinite(block)) and np.all(np.isfinite(met))):
            msg = "values that are not finite"
            raise _invalid(msg)
        if np.any(np.diff(time) < 0) or not math.isclose(time[0], order.start, abs_tol=1e-300):
            msg = "times out of order"
            raise _invalid(msg)
        return time, np.asfortranarray(block[:, 1:]), tuple(met.tolist())

    def _floats(self, offset: int, first: int, count: int) -> Samples:
        return np.frombuffer(self._result.read(offset + 8 * first, 8 * count), dtype="<f8")

    def _death(self) -> e.RunError:
        """The process ended without saying what became of the run."""
        seen = self._evidence
        if seen.timed_out or seen.signal == signal.SIGXCPU:
            msg = f"the run took longer than {seen.timeout_s:g} s"
            return e.RunTimeoutError(msg, {"timeout_s": seen.timeout_s})
        if seen.signal == signal.SIGKILL or self._memory_was_short:
            return self._out_of_memory()
        if seen.signal is not None:
            name = signal.Signals(seen.signal).name
            msg = f"the model crashed ({name})"
            return e.ModelCrashedError(msg, {"signal": name, "log": self._log()})
        msg = "the model's code ended its process"
        details = {"exit_status": seen.exit_status, "log": self._log()}
        return e.ModelExitedError(msg, details)

    def _failure(self, run: CanonicalRun, record: dict[str, Any]) -> e.RunError:
        """The engine said why it stopped."""
        if record["status"] not in set(Status):
            return _invalid("an unknown status")
        status = Status(record["status"])
        short = status is Status.MODEL_FAILED and self._memory_was_short
        if status is Status.OUT_OF_MEMORY or short:
            return self._out_of_memory()
        kind, text = _FAILURES[status]
        time = float(record["time"])
        known = math.isfinite(time)
        details = _details(run, status, record) | ({"time": time} if known else {})
        details["log"] = self._log()
        return kind(f"{text} at {time:g} s" if known else text, details)

    def _out_of_memory(self) -> e.OutOfMemoryError:
        memory_mb = self._evidence.memory_mb
        msg = f"the run needed more than {memory_mb} MB"
        return e.OutOfMemoryError(msg, {"memory_mb": memory_mb})

    @property
    def _memory_was_short(self) -> bool:
        """Models seldom say that they got no memory: they crash. Having had nearly all tells it."""
        seen = self._evidence
        return seen.peak_bytes > _NEARLY_ALL_MEMORY * seen.memory_mb * 2**20

    def _log(self) -> list[str]:
        """The model's last messages; where it sent none, what it printed."""
        count = layout.LOG_LINES
        ring = self._result.read(layout.LOG_OFFSET, count * layout.LOG_LENGTH)
        kept = range(max(0, self._messages - count), self._messages)
        lines = [_text(ring, i % count * layout.LOG_LENGTH, layout.LOG_LENGTH) for i in kept]
        if not lines:
            printed = self._output.read(0, layout.OUTPUT_BYTES).rstrip(b"\0")
            lines = printed.decode("utf-8", "replace").splitlines()
        return [_plain(line, _LINE_LENGTH) for line in lines[-_LOG_LINES:]]


def _details(run: CanonicalRun, status: Status, record: dict[str, Any]) -> dict[str, object]:
    """What a failure's record says, as far as it says something."""
    details: dict[str, object] = {}
    for name in ("function", "reason"):
        text = _plain(_text(record[name], 0, len(record[name])), len(record[name]))
        if text:
            details[name] = text
    if record["fmi_status"]:
        details["fmi_status"] = record["fmi_status"]
    if status in _BOUNDS and math.isfinite(record["bound"]):
        details[_BOUNDS[status]] = record["bound"]
    if record["quantity"]:
        details["variable"] = _variable(run, record["quantity"], record["index"])
    return details


def _variable(run: CanonicalRun, quantity: int, index: int) -> str:
    names: Sequence[str] = run.model.description.states
    kind = "state"
    match quantity:
        case Quantity.COLUMN:
            names, kind = run.outputs, "column"
        case Quantity.TIME:
            return "time"
    name = names[index] if index < len(names) else f"{kind} {index + 1}"
    return f"der({name})" if quantity == Quantity.DERIVATIVE else name


def _early_end(when: float | None) -> tuple[str, ...]:
    return () if when is None else (f"the model itself ended the simulation at {when:g} s",)


def _text(data: bytes, offset: int, length: int) -> str:
    return data[offset : offset + length].split(b"\0", 1)[0].decode("utf-8", "replace")


def _plain(text: str, length: int) -> str:
    return "".join(c if c.isprintable() else " " for c in text[:length])


def _invalid(reason: str) -> e.InvalidResultError:
    msg = "the run left a result that contradicts itself"
    return e.InvalidResultError(msg, {"reason": reason})
