"""One loaded FMU, FMI 2.0 or 3.0, behind one set of calls. FMPy does the talking.

FMPy is untyped; this module is where its objects are `Any`.
"""

from __future__ import annotations

import ctypes
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fmpy import fmi2  # type: ignore[import-untyped]
from fmpy.fmi1 import FMICallException  # type: ignore[import-untyped]
from fmpy.logging import addLoggerProxy  # type: ignore[import-untyped]

from gateway_simulation.engine.failures import EngineError
from gateway_simulation.engine.prototypes import fmu_class
from gateway_simulation.layout import Status
from gateway_simulation.order import Order

_DISCARD: Final = 2
_LOG_LINES: Final = 30
_LOG_LENGTH: Final = 300
_LOG_MOST: Final = 2_000
_C_TYPES: Final[dict[str, Any]] = {
    "Float32": ctypes.c_float,
    "Float64": ctypes.c_double,
    "Int8": ctypes.c_int8,
    "UInt8": ctypes.c_uint8,
    "Int16": ctypes.c_int16,
    "UInt16": ctypes.c_uint16,
    "Int32": ctypes.c_int32,
    "UInt32": ctypes.c_uint32,
    "Int64": ctypes.c_int64,
    "UInt64": ctypes.c_uint64,
    "Real": ctypes.c_double,
    "Integer": ctypes.c_int,
}


@dataclass(frozen=True, slots=True)
class EventUpdate:
    """What an event iteration found."""

    again: bool
    terminate: bool
    next_event_time: float | None


@dataclass(frozen=True, slots=True)
class StepResult:
    """How far a communication step came."""

    reached: float
    terminate: bool = False
    discarded: bool = False


class Log:
    """The last lines of an FMU's log. After many lines it only counts: a flood costs no time."""

    def __init__(self) -> None:
        self.lines: deque[str] = deque(maxlen=_LOG_LINES)
        self._count = 0

    def add(self, status: int, category: bytes | None, message: bytes | None) -> None:
        """One message of the FMU."""
        self._count += 1
        if self._count > _LOG_MOST:
            return
        text = (message or b"")[: 2 * _LOG_LENGTH].decode("utf-8", "replace")
        label = (category or b"")[:50].decode("utf-8", "replace")
        self.lines.append(f"[{status} {label}] {text}"[:_LOG_LENGTH])


class Values:
    """Some variables of one FMI type, with buffers of their own to get and set them."""

    def __init__(  # noqa: PLR0913 - what one C call takes
        self,
        component: Any,  # noqa: ANN401
        functions: tuple[Callable[..., Any], Callable[..., Any]],
        c_type: Any,  # noqa: ANN401
        references: Sequence[int],
        count: int,
        *,
        sized: bool,
    ) -> None:
        self._component = component
        self._get, self._set = functions
        self._n = len(references)
        self._references = (ctypes.c_uint32 * self._n)(*references)
        self.buffer = (c_type * count)()
        self._tail = (self.buffer, count) if sized else (self.buffer,)

    def get(self) -> Any:  # noqa: ANN401 - a ctypes array of numbers
        """Read into the buffer and return it."""
        self._get(self._component, self._references, self._n, *self._tail)
        return self.buffer

    def set(self) -> None:
        """Write what the buffer holds."""
        self._set(self._component, self._references, self._n, *self._tail)


class Fmu:
    """A loaded and instantiated FMU. Failing calls raise EngineError with the call's name."""

    def __init__(self, order: Order, log: Log) -> None:
        self._three = order.fmi_version != "2.0"
        self._raw: Any = _load(order, log)
        self.time = order.start_time

    def values(self, fmi_type: str, references: Sequence[int], count: int) -> Values:
        """Access to variables of one type, `count` elements in all."""
        name = fmi_type
        if fmi_type == "Enumeration":
            name = "Int64" if self._three else "Integer"
        c_type = _C_TYPES.get(name)
        if name == "Boolean":
            c_type = ctypes.c_bool if self._three else ctypes.c_int
        prefix = "fmi3" if self._three else "fmi2"
        functions = (
            self._guard(getattr(self._raw, f"{prefix}Get{name}")),
            self._guard(getattr(self._raw, f"{prefix}Set{name}")),
        )
        return Values(self._raw.component, functions, c_type, references, count, sized=self._three)

    def set_strings(self, reference: int, values: Sequence[str]) -> None:
        """Set a String variable."""
        self._guard(self._raw.setString)([reference], list(values))

    def configure(self, change: Callable[[], None]) -> None:
        """Run `change` in configuration mode, where structural parameters are set (FMI 3.0)."""
        self._guard(self._raw.enterConfigurationMode)()
        change()
        self._guard(self._raw.exitConfigurationMode)()

    def enter_initialization(self, order: Order, tolerance: float | None) -> None:
        """Enter initialization mode; `set_up` came before in FMI 2.0."""
        enter = self._guard(self._raw.enterInitializationMode)
        if self._three:
            enter(tolerance=tolerance, startTime=order.start_time, stopTime=order.stop_time)
        else:
            enter()

    def set_up(self, order: Order, tolerance: float | None) -> None:
        """Tell an FMI 2.0 FMU the experiment, which FMI 3.0 does on entering initialization."""
        if not self._three:
            self._guard(self._raw.setupExperiment)(
                tolerance=tolerance, startTime=order.start_time, stopTime=order.stop_time
            )

    def exit_initialization(self) -> None:
        """Leave initialization mode."""
        self._guard(self._raw.exitInitializationMode)()

    def terminate(self) -> None:
        """End the simulation."""
        self._guard(self._raw.terminate)()

    def free(self) -> None:
        """Free the instance; the library stays until the process ends."""
        free = self._raw.fmi3FreeInstance if self._three else self._raw.fmi2FreeInstance
        self._guard(free)(self._raw.component)

    # Model Exchange

    def counts(self, order: Order) -> tuple[int, int]:
        """Continuous states and event indicators, which structural parameters may have changed."""
        if not self._three:
            return order.n_states, order.n_event_indicators
        states = self._guard(self._raw.getNumberOfContinuousStates)()
        return states, self._guard(self._raw.getNumberOfEventIndicators)()

    def enter_event_mode(self) -> None:
        """Enter event mode."""
        self._guard(self._raw.enterEventMode)()

    def enter_continuous_time_mode(self) -> None:
        """Enter continuous-time mode."""
        self._guard(self._raw.enterContinuousTimeMode)()

    def update_discrete_states(self) -> EventUpdate:
        """One event iteration."""
        name = "updateDiscreteStates" if self._three else "newDiscreteStates"
        again, terminate, _, _, defined, when = self._guard(getattr(self._raw, name))()
        return EventUpdate(bool(again), bool(terminate), float(when) if defined else None)

    def completed_step(self) -> tuple[bool, bool]:
        """Tell the FMU that a step is accepted; whether it wants event mode, or to terminate."""
        event, terminate = self._guard(self._raw.completedIntegratorStep)()
        return bool(event), bool(terminate)

    def set_time(self, time: float) -> None:
        """Set the independent variable."""
        self.time = time
        self._guard(self._raw.setTime)(time)

    def solver_calls(self) -> dict[str, Callable[..., Any]]:
        """The calls a solver makes, by the names that FMPy's solvers give them."""
        raw = self._raw
        derivatives = raw.getContinuousStateDerivatives if self._three else raw.getDerivatives
        return {
            "get_x": self._guard(raw.getContinuousStates),
            "set_x": self._guard(raw.setContinuousStates),
            "get_dx": self._guard(derivatives),
            "get_z": self._guard(raw.getEventIndicators),
            "get_nominals": self._guard(raw.getNominalsOfContinuousStates),
            "set_time": self.set_time,
        }

    # Co-Simulation

    def set_input_derivatives(self, references: Sequence[int], slopes: Sequence[float]) -> None:
        """First derivatives of continuous inputs (FMI 2.0 §4.2.1)."""
        order = [1] * len(references)
        self._guard(self._raw.setRealInputDerivatives)(references, order, slopes)

    def do_step(self, time: float, step: float) -> StepResult:
        """One communication step."""
        self.time = time
        if self._three:
            return self._do_step_three(time, step)
        try:
            self._raw.doStep(time, step)
        except FMICallException as error:
            if error.status != _DISCARD:
                raise self._failed(error) from error
            return self._discarded(time)
        return StepResult(time + step)

    def _do_step_three(self, time: float, step: float) -> StepResult:
        try:
            _, terminate, early, last = self._raw.doStep(time, step)
        except FMICallException as error:
            if error.status != _DISCARD:
                raise self._failed(error) from error
            return StepResult(time, discarded=True)
        return StepResult(float(last) if early else time + step, bool(terminate))

    def _discarded(self, time: float) -> StepResult:
        """What an FMI 2.0 FMU says after it discarded a step; some can't even say that."""
        try:
            terminate = bool(self._raw.getBooleanStatus(fmi2.fmi2Terminated))
            last = float(self._raw.getRealStatus(fmi2.fmi2LastSuccessfulTime))
        except FMICallException:
            return StepResult(time, discarded=True)
        return StepResult(max(time, last), terminate, discarded=True)

    def _guard(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*args: Any, **named: Any) -> Any:  # noqa: ANN401
            try:
                return call(*args, **named)
            except FMICallException as error:
                raise self._failed(error) from error

        return guarded

    def _failed(self, error: Any) -> EngineError:  # noqa: ANN401
        return EngineError(
            Status.MODEL_FAILED,
            function=str(error.function),
            fmi_status=int(error.status),
            time=self.time,
        )


def _load(order: Order, log: Log) -> Any:  # noqa: ANN401
    """Load the shared library and instantiate the model."""
    kind = fmu_class(order.fmi_version, order.mode)
    try:
        raw = kind(
            guid=order.guid,
            unzipDirectory=order.folder,
            modelIdentifier=order.model_identifier,
            instanceName=order.model_identifier,
        )
    except Exception as error:  # FMPy raises plain Exceptions here
        raise EngineError(
            Status.MODEL_FAILED, function="load", reason=str(error)[:500], time=order.start_time
        ) from error
    try:
        if order.fmi_version == "2.0":
            raw.instantiate(callbacks=_callbacks(log))
        else:
            raw.instantiate(logMessage=lambda _, status, *rest: log.add(status, *rest))
    except EngineError:
        raise
    except Exception as error:
        raise EngineError(
            Status.MODEL_FAILED, function="instantiate", time=order.start_time
        ) from error
    return raw


def _callbacks(log: Log) -> Any:  # noqa: ANN401
    """FMI 2.0 callbacks; a proxy in C formats the variadic messages."""
    callbacks = fmi2.fmi2CallbackFunctions()
    callbacks.logger = fmi2.fmi2CallbackLoggerTYPE(
        lambda _, _name, status, category, message: log.add(status, category, message)
    )
    callbacks.allocateMemory = fmi2.defaultCallbacks.allocateMemory
    callbacks.freeMemory = fmi2.defaultCallbacks.freeMemory
    addLoggerProxy(ctypes.byref(callbacks))
    return callbacks
