"""When a run starts, stops and records: the request's word, else the model's, else ours."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from gateway_simulation import instants
from gateway_simulation.exceptions import (
    InvalidCommunicationStepError,
    InvalidTimeError,
    TooMuchOutputError,
)
from gateway_simulation.finite import as_float
from gateway_simulation.model import DefaultExperiment
from gateway_simulation.request import SimulationRequest

DEFAULT_DURATION: Final = 1.0
DEFAULT_INTERVALS: Final = 500
_MANY_INTERVALS: Final = 10_000
_FEW_INTERVALS: Final = 1_000
_CLOSE: Final = 1e-6


@dataclass(frozen=True, slots=True)
class TimeGrid:
    """Points start, start + step, … up to stop [s], and which of these the request left open.

    `communication_step` divides `step`; it differs from it where the request or the model's
    default experiment asks for finer stepping than recording.
    """

    start: float
    stop: float
    step: float
    communication_step: float
    defaults_used: tuple[str, ...]


def resolve(request: SimulationRequest, experiment: DefaultExperiment, most: int) -> TimeGrid:
    """The time grid of `request`, of at most `most` points.

    Raises InvalidTimeError, InvalidCommunicationStepError, TooMuchOutputError.
    """
    defaults: list[str] = []
    start = _given(request.start_time, "start_time")
    if start is None:
        start = experiment.start_time or 0.0
        defaults.append("start_time")
    stop = _given(request.stop_time, "stop_time")
    if stop is None:
        stop = experiment.stop_time
        stop = start + DEFAULT_DURATION if stop is None else stop
        defaults.append("stop_time")
    duration = stop - start
    if not (math.isfinite(duration) and duration > 0 and start + duration / 2 not in {start, stop}):
        msg = f"stop_time {stop:g} is not after start_time {start:g}"
        raise InvalidTimeError(msg, {"start_time": start, "stop_time": stop})
    step = _given(request.step, "step")
    communication = _given(request.communication_step, "communication_step")
    if step is None:
        step, fine = _default_step(experiment, duration, communication)
        communication = communication or fine
        defaults.append("step")
    _check_step(start, stop, step, most)
    step = min(step, duration)
    if request.communication_step is None:
        defaults.append("communication_step")
    communication = _dividing(step, step if communication is None else communication)
    check_resolution(start, stop, "communication_step", communication)
    return TimeGrid(start, stop, step, communication, tuple(defaults))


def dividing(step: float, finer: float) -> float | None:
    """`finer`, rounded so that `step` is a whole multiple of it; None if it isn't nearly."""
    parts = step / finer
    whole = round(parts) if math.isfinite(parts) else 0
    if whole < 1 or abs(parts - whole) > _CLOSE * whole:
        return None
    return step / whole


def check_resolution(start: float, stop: float, name: str, step: float) -> None:
    """Refuse a step that doubles can't tell from none at these times: InvalidTimeError."""
    shortest = instants.shortest_step(start, stop)
    if step < shortest:
        msg = f"{name} {step:g} is too short: between these times at least {shortest:.3g} s"
        raise InvalidTimeError(
            msg,
            {"start_time": start, "stop_time": stop, "name": name, name: step, "min": shortest},
        )


def _given(value: float | None, name: str) -> float | None:
    if value is None:
        return None
    number = as_float(value)
    if not math.isfinite(number):
        msg = f"{name} is not a finite number"
        raise InvalidTimeError(msg, {"name": name})
    return number


def _default_step(
    experiment: DefaultExperiment, duration: float, communication: float | None
) -> tuple[float, float | None]:
    """Recording step, and the communication step where the model wants a finer one."""
    size = experiment.step_size
    if communication is not None and communication > 0:
        if size is not None and 0 < size < duration and dividing(size, communication):
            return size, communication
        size = communication
    if size is None or not 0 < size < duration:
        return duration / DEFAULT_INTERVALS, None
    intervals = duration / size
    if not math.isfinite(intervals):
        msg = f"the model's own step of {size:g} s is too short for {duration:g} s: give step"
        raise InvalidTimeError(msg, {"step_size": size, "duration": duration})
    if intervals <= _MANY_INTERVALS:
        return size, size
    return size * math.ceil(intervals / _FEW_INTERVALS), size


def _check_step(start: float, stop: float, step: float, most: int) -> None:
    details = {"start_time": start, "stop_time": stop, "step": step}
    if step <= 0:
        msg = f"step {step:g} is not positive"
        raise InvalidTimeError(msg, details)
    if step > (stop - start) * (1 + _CLOSE):
        msg = f"step {step:g} is longer than the simulation"
        raise InvalidTimeError(msg, details)
    intervals = (stop - start) / step
    if not intervals < most:
        asked = int(intervals) + 1 if math.isfinite(intervals) else None
        msg = f"more than {most} output points"
        raise TooMuchOutputError(msg, {"what": "output_points", "asked": asked, "limit": most})
    check_resolution(start, stop, "step", step)


def _dividing(step: float, communication: float) -> float:
    divided = dividing(step, communication) if communication > 0 else None
    if divided is None:
        msg = "step is not a whole multiple of communication_step"
        raise InvalidCommunicationStepError(
            msg, {"step": step, "communication_step": communication}
        )
    return divided
