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
from gateway_simulation.foreign import readable
from gateway_simulation.layout import MAGIC, Quantity, Status
from gateway_simulation.order import Order
from gateway_simulation.recorded import RECORD, Recorded
from gateway_simulation.run import CanonicalRun
from gateway_simulation.shared import SharedBlock
from gateway_simulation.trajectory import Trajectory

_UNCONFINED: Final = "NO SANDBOX: SANDBOX_OVERRIDE=development let the model do what it liked"
_LOG_LINES: Final = 20
_LINE_LENGTH: Final = 300
_NEARLY_ALL_MEMORY: Final = 0.8
_MUCH_PROCESSOR_TIME: Final = 0.5
_COUNTS: Final = ("steps", "evaluations", "events")

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
    cpu_s: float
    cpu_limit_s: int
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
        self,
        run: CanonicalRun,
        order: Order,
        evidence: Evidence,
        result: SharedBlock,
        output: SharedBlock,
    ) -> None:
        """Take `run` for any of the order's: they differ in their start values only."""
        self._run = run
        self._evidence = evidence
        self._result = result
        self._output = output
        head = layout.RESULT.unpack(result.read(0, layout.RESULT.size))
        self._messages = int(head["messages"])
        size = len(order.runs) * layout.RUN.size
        self._data = result.read(layout.RUNS_OFFSET, size)
        records = np.frombuffer(self._data, dtype=RECORD)
        unended = np.flatnonzero(records["magic"] != MAGIC)
        ended = int(unended[0]) if unended.size else len(order.runs)
        complete = head["magic"] == MAGIC and evidence.clean
        lone = len(order.runs) == 1
        self.runs = 0 if lone and not complete else ended
        self.died = not complete
        records = records[: self.runs]
        self._recorded = Recorded(order, result, records)
        self._good = ((records["status"] == Status.OK) & (records["terminated"] == 0)).tolist()
        self._counts = list(zip(*(records[name].tolist() for name in _COUNTS), strict=True))
        self._names = run.outputs
        self._units = {column.name: column.variable.unit for column in run.columns}
        self._discrete = frozenset(c.name for c in run.columns if not c.variable.continuous)
        self._in_steps = run.mode == "co_simulation"

    def trajectory(self, index: int, wall_ms: float, engine: dict[str, str | None]) -> Trajectory:
        """The trajectory of the run at `index`. Raises RunError for any other end."""
        if index >= self.runs:
            raise self._death()
        ended = None if self._good[index] else self._end(index)
        if index in self._recorded.faults:
            raise _invalid(self._recorded.faults[index])
        time, values, events = self._recorded.numbers(index)
        steps, evaluations, met = self._counts[index]
        return Trajectory(
            time=time,
            names=self._names,
            values=values,
            units=self._units,
            discrete=self._discrete,
            events=events,
            statistics={"steps": steps, "events": met}
            if self._in_steps
            else {"steps": steps, "rhs_evaluations": evaluations, "events": met},
            wall_ms=wall_ms,
            engine=engine,
            warnings=self._run.warnings + _early_end(ended) + _shout(engine),
            terminated_at=ended,
        )

    def _end(self, index: int) -> float | None:
        """When the model ended the run by itself, if so. Raises RunError for a run that failed."""
        record = layout.RUN.unpack(self._data, index * layout.RUN.size)
        if record["status"] != Status.OK:
            raise self._failure(record)
        return float(record["time"]) if record["terminated"] else None

    def _death(self) -> e.RunError:
        """The process ended without saying what became of the run."""
        seen = self._evidence
        if not self.died:
            msg = "a run that never ended"
            return _invalid(msg)
        if self._time_was_over:
            msg = f"the run took longer than {seen.timeout_s:g} s"
            return e.RunTimeoutError(msg, {"timeout_s": seen.timeout_s})
        if self._memory_was_short:
            return self._out_of_memory()
        if seen.signal == signal.SIGSYS:
            msg = "the model's code made a system call that is forbidden"
            return e.ForbiddenCallError(msg, {"log": self._log()})
        if seen.signal is not None:
            name = _signal_name(seen.signal)
            msg = f"the model crashed ({name})"
            return e.ModelCrashedError(msg, {"signal": name, "log": self._log()})
        msg = "the model's code ended its process"
        details = {"exit_status": seen.exit_status, "log": self._log()}
        return e.ModelExitedError(msg, details)

    def _failure(self, record: dict[str, Any]) -> e.RunError:
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
        details = _details(self._run, status, record) | ({"time": time} if known else {})
        details["log"] = self._log()
        return kind(f"{text} at {time:g} s" if known else text, details)

    def _out_of_memory(self) -> e.OutOfMemoryError:
        memory_mb = self._evidence.memory_mb
        msg = f"the run needed more than {memory_mb} MB"
        return e.OutOfMemoryError(msg, {"memory_mb": memory_mb})

    @property
    def _time_was_over(self) -> bool:
        """On the wall, or of processors: SIGXCPU says so, but not to all, and some ignore it.

        Those are killed without a reason given, once the kernel has sampled too much; the time that
        it tells afterwards differs from that.
        """
        seen = self._evidence
        much = seen.cpu_s > _MUCH_PROCESSOR_TIME * seen.cpu_limit_s
        killed = seen.signal == signal.SIGKILL and much and not self._memory_was_short
        return seen.timed_out or seen.signal == signal.SIGXCPU or killed

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
        return [readable(line, _LINE_LENGTH) for line in lines[-_LOG_LINES:]]


def _details(run: CanonicalRun, status: Status, record: dict[str, Any]) -> dict[str, object]:
    """What a failure's record says, as far as it says something."""
    details: dict[str, object] = {}
    for name in ("function", "reason"):
        said = _text(record[name], 0, len(record[name])).replace(f"{run.model.folder}/", "")
        text = readable(said, len(record[name]))
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


def _shout(engine: dict[str, str | None]) -> tuple[str, ...]:
    return (_UNCONFINED,) if engine["sandbox"] == "development" else ()


def _early_end(when: float | None) -> tuple[str, ...]:
    return () if when is None else (f"the model itself ended the simulation at {when:g} s",)


def _signal_name(number: int) -> str:
    """Such as SIGSEGV; most real-time signals have none."""
    known = number in {one.value for one in signal.Signals}
    return signal.Signals(number).name if known else f"signal {number}"


def _text(data: bytes, offset: int, length: int) -> str:
    return data[offset : offset + length].split(b"\0", 1)[0].decode("utf-8", "replace")


def _invalid(reason: str) -> e.InvalidResultError:
    msg = "the run left a result that contradicts itself"
    return e.InvalidResultError(msg, {"reason": reason})
