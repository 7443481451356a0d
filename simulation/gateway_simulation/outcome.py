"""What became of a run: the process's end and the block it left, read with distrust."""

from __future__ import annotations

import json
import math
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from gateway_simulation import exceptions as e
from gateway_simulation import layout
from gateway_simulation.layout import Status
from gateway_simulation.order import Order
from gateway_simulation.run import CanonicalRun
from gateway_simulation.shared import SharedBlock
from gateway_simulation.trajectory import Samples, Trajectory

_LOG_LINES: Final = 20
_LINE_LENGTH: Final = 300
_TEXT_LENGTH: Final = 500
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
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """How the process of a run ended, as the zygote saw it."""

    signal: int | None
    exit_status: int | None
    timed_out: bool
    peak_bytes: int
    timeout_s: float


def read_result(  # noqa: PLR0913, PLR0917 - all that is known of a run
    run: CanonicalRun,
    work: Order,
    evidence: Evidence,
    result: SharedBlock,
    log: SharedBlock,
    memory_mb: int,
) -> Trajectory:
    """The trajectory that the process left in `result`. Raises RunError for any other end."""
    if evidence.timed_out or evidence.signal == signal.SIGXCPU:
        msg = f"the run took longer than {evidence.timeout_s:g} s"
        raise e.RunTimeoutError(msg, {"timeout_s": evidence.timeout_s})
    magic, code, length, rows, events = layout.HEADER.unpack(result.read(0, layout.HEADER.size))
    finished = magic == layout.MAGIC and evidence.signal is None and evidence.exit_status == 0
    if not finished:
        raise _died(evidence, log, memory_mb)
    message = _message(result, length)
    if code != Status.OK:
        raise _failed(code, message, evidence, log, memory_mb)
    time, values, met = _numbers(work, result, rows, events)
    ended = message.get("terminated_at")
    terminated_at = float(ended) if isinstance(ended, (int, float)) else None
    return Trajectory(
        time=time,
        names=run.outputs,
        values=values,
        units={column.name: column.variable.unit for column in run.columns},
        discrete=frozenset(c.name for c in run.columns if not c.variable.continuous),
        events=met,
        statistics=_statistics(message),
        warnings=run.warnings + _early_end(terminated_at),
        terminated_at=terminated_at,
    )


def _died(evidence: Evidence, log: SharedBlock, memory_mb: int) -> e.RunError:
    """The process ended without saying that it was done."""
    lines = _log_lines(log)
    if evidence.signal == signal.SIGKILL or _memory_was_short(evidence, memory_mb):
        return _out_of_memory(memory_mb)
    if evidence.signal is not None:
        name = signal.Signals(evidence.signal).name
        msg = f"the model crashed ({name})"
        return e.ModelCrashedError(msg, {"signal": name, "log": lines})
    msg = "the model's code ended its process"
    return e.ModelExitedError(msg, {"exit_status": evidence.exit_status, "log": lines})


def _failed(
    code: int, message: Mapping[str, Any], evidence: Evidence, log: SharedBlock, memory_mb: int
) -> e.RunError:
    """The engine said why it stopped."""
    if code == Status.OUT_OF_MEMORY:
        return _out_of_memory(memory_mb)
    if code == Status.MODEL_FAILED and _memory_was_short(evidence, memory_mb):
        return _out_of_memory(memory_mb)
    if code not in set(_FAILURES):
        return _invalid("an unknown status")
    kind, text = _FAILURES[Status(code)]
    details = _plain(message.get("details"))
    lines = message.get("log")
    details["log"] = (
        [_line(str(line)) for line in lines[-_LOG_LINES:]]
        if isinstance(lines, list) and lines
        else _log_lines(log)
    )
    when = details.get("time")
    return kind(f"{text} at {when:g} s" if isinstance(when, float) else text, details)


def _out_of_memory(memory_mb: int) -> e.OutOfMemoryError:
    msg = f"the run needed more than {memory_mb} MB"
    return e.OutOfMemoryError(msg, {"memory_mb": memory_mb})


def _memory_was_short(evidence: Evidence, memory_mb: int) -> bool:
    """Models seldom say that they got no memory: they crash. Having had nearly all tells it."""
    return evidence.peak_bytes > _NEARLY_ALL_MEMORY * memory_mb * 2**20


def _message(result: SharedBlock, length: int) -> dict[str, Any]:
    if length > layout.MESSAGE_BYTES:
        msg = "a message longer than its place"
        raise _invalid(msg)
    try:
        message = json.loads(result.read(layout.MESSAGE_OFFSET, length))
    except ValueError as error:
        msg = "a message that is no JSON"
        raise _invalid(msg) from error
    if not isinstance(message, dict):
        msg = "a message of the wrong shape"
        raise _invalid(msg)
    return message


def _numbers(
    work: Order, result: SharedBlock, rows: int, events: int
) -> tuple[Samples, Samples, tuple[float, ...]]:
    """Time, values and events: counted, finite and in order, or not taken."""
    width = 1 + len(work.probes)
    if not 1 <= rows <= work.capacity or events > layout.MAX_EVENTS:
        msg = "more rows than there is room for, or none"
        raise _invalid(msg)
    block = np.frombuffer(result.read(layout.ROWS_OFFSET, 8 * rows * width), dtype="<f8")
    block = block.reshape(rows, width)
    met = np.frombuffer(result.read(layout.EVENTS_OFFSET, 8 * events), dtype="<f8")
    time = np.ascontiguousarray(block[:, 0])
    if not (np.all(np.isfinite(block)) and np.all(np.isfinite(met))):
        msg = "values that are not finite"
        raise _invalid(msg)
    if np.any(np.diff(time) < 0) or not math.isclose(time[0], work.start_time, abs_tol=1e-300):
        msg = "times out of order"
        raise _invalid(msg)
    values = np.asfortranarray(block[:, 1:])
    return time, values, tuple(float(t) for t in met)


def _early_end(when: float | None) -> tuple[str, ...]:
    return () if when is None else (f"the model itself ended the simulation at {when:g} s",)


def _statistics(message: Mapping[str, Any]) -> dict[str, int]:
    found = message.get("statistics")
    if not isinstance(found, dict):
        return {}
    return {str(k)[:50]: v for k, v in list(found.items())[:20] if isinstance(v, int)}


def _plain(details: object) -> dict[str, object]:
    """Details as far as they are plain: the FMU shares memory with what wrote them."""
    if not isinstance(details, dict):
        return {}
    return {
        str(name)[:50]: _line(value, _TEXT_LENGTH) if isinstance(value, str) else value
        for name, value in list(details.items())[:20]
        if value is None or isinstance(value, (str, int, float))
    }


def _log_lines(log: SharedBlock) -> list[str]:
    text = log.read(0, layout.LOG_BYTES).rstrip(b"\0").decode("utf-8", "replace")
    return [_line(line) for line in text.splitlines()[-_LOG_LINES:]]


def _line(text: str, length: int = _LINE_LENGTH) -> str:
    return "".join(c if c.isprintable() else " " for c in text[:length])


def _invalid(reason: str) -> e.InvalidResultError:
    msg = "the run left a result that contradicts itself"
    return e.InvalidResultError(msg, {"reason": reason})
