"""One loaded FMU, FMI 2.0 or 3.0, behind one set of calls. FMPy does the talking.

FMPy is untyped; this module is where its objects are `Any`.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fmpy import fmi2  # type: ignore[import-untyped]
from fmpy.fmi1 import FMICallException  # type: ignore[import-untyped]
from fmpy.logging import addLoggerProxy  # type: ignore[import-untyped]

from gateway_simulation.engine.arithmetic import restore
from gateway_simulation.engine.block import Block
from gateway_simulation.engine.failures import EngineError
from gateway_simulation.engine.prototypes import FMI3, fmu_class
from gateway_simulation.layout import Ability, Mode, Quantity, Status, Type
from gateway_simulation.order import Order

_DISCARD: Final = 2
_EVENT_ITERATIONS: Final = 10_000
_MOST_STATES: Final = 2**24
_C_TYPES: Final[dict[Type, Any]] = {
    Type.FLOAT64: ctypes.c_double,
    Type.FLOAT32: ctypes.c_float,
    Type.INT8: ctypes.c_int8,
    Type.UINT8: ctypes.c_uint8,
    Type.INT16: ctypes.c_int16,
    Type.UINT16: ctypes.c_uint16,
    Type.INT32: ctypes.c_int32,
    Type.UINT32: ctypes.c_uint32,
    Type.INT64: ctypes.c_int64,
    Type.UINT64: ctypes.c_uint64,
    Type.BOOLEAN: ctypes.c_bool,
}
_FMI3_NAMES: Final = {kind: kind.name.capitalize().replace("Uint", "UInt") for kind in _C_TYPES}
_FMI2_NAMES: Final = {Type.FLOAT64: "Real", Type.INT32: "Integer", Type.BOOLEAN: "Boolean"}


@dataclass(frozen=True, slots=True)
class StepResult:
    """How far a communication step came."""

    reached: float
    terminate: bool = False
    event: bool = False


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

    def __init__(self, order: Order, block: Block) -> None:
        self._three = order.fmi == FMI3
        self._raw: Any = _load(order, block)
        self.time = order.start

    def values(self, kind: Type, references: Sequence[int], count: int) -> Values:
        """Access to variables of one type, `count` elements in all."""
        name = (_FMI3_NAMES if self._three else _FMI2_NAMES)[kind]
        fmi2_boolean = kind is Type.BOOLEAN and not self._three
        c_type = ctypes.c_int if fmi2_boolean else _C_TYPES[kind]
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
            enter(tolerance=tolerance, startTime=order.start, stopTime=order.stop)
        else:
            enter()

    def set_up(self, order: Order, tolerance: float | None) -> None:
        """Tell an FMI 2.0 FMU the experiment, which FMI 3.0 does on entering initialization."""
        if not self._three:
            self._guard(self._raw.setupExperiment)(
                tolerance=tolerance, startTime=order.start, stopTime=order.stop
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
        states, indicators = order.n_states, order.n_indicators
        if self._three:
            states = self._guard(self._raw.getNumberOfContinuousStates)()
            indicators = self._guard(self._raw.getNumberOfEventIndicators)()
        if max(states, indicators) > _MOST_STATES:
            raise EngineError(Status.OUT_OF_MEMORY)
        return states, indicators

    def enter_event_mode(self) -> None:
        """Enter event mode."""
        self._guard(self._raw.enterEventMode)()

    def enter_continuous_time_mode(self) -> None:
        """Enter continuous-time mode."""
        self._guard(self._raw.enterContinuousTimeMode)()

    def settle(self, time: float) -> float:
        """Iterate in event mode until the discrete states settle; when the next time event is.

        Infinity if none is announced. Raises EngineError, also where the model ends the simulation.
        """
        name = "updateDiscreteStates" if self._three else "newDiscreteStates"
        update = self._guard(getattr(self._raw, name))
        for _ in range(_EVENT_ITERATIONS):
            again, terminate, _, _, defined, when = update()
            if terminate:
                raise EngineError(Status.MODEL_TERMINATED, time=time)
            if not again:
                return math.inf if not defined or math.isnan(when) else float(when)
        raise EngineError(Status.EVENT_ITERATION, time=time, bound=_EVENT_ITERATIONS)

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
            "get_x": self._finite_states(self._guard(raw.getContinuousStates)),
            "set_x": self._guard(raw.setContinuousStates),
            "get_dx": self._guard(derivatives),
            "get_z": self._numbers(self._guard(raw.getEventIndicators)),
            "get_nominals": self._guard(raw.getNominalsOfContinuousStates),
            "set_time": self.set_time,
        }

    def _finite_states(self, get: Callable[..., Any]) -> Callable[[Any, int], None]:
        def get_finite(x: Any, n: int) -> None:  # noqa: ANN401
            get(x, n)
            for i, value in enumerate(x[:n]):
                if not math.isfinite(value):
                    quantity = Quantity.STATE
                    raise EngineError(Status.NON_FINITE, quantity=quantity, index=i, time=self.time)

        return get_finite

    def _numbers(self, get: Callable[..., Any]) -> Callable[[Any, int], None]:
        """Event indicators: a NaN has no sign to change, and its event would be missed."""
        function = f"fmi{FMI3 if self._three else 2}GetEventIndicators"

        def get_numbers(z: Any, n: int) -> None:  # noqa: ANN401
            get(z, n)
            if any(map(math.isnan, z[:n])):
                raise EngineError(Status.NON_FINITE, function=function, time=self.time)

        return get_numbers

    # Co-Simulation

    def enter_step_mode(self) -> None:
        """Enter step mode, where event mode is used (FMI 3.0)."""
        self._guard(self._raw.enterStepMode)()

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
        self.time = time + step
        return StepResult(time + step)

    def _do_step_three(self, time: float, step: float) -> StepResult:
        try:
            event, terminate, early, last = self._raw.doStep(time, step)
        except FMICallException as error:
            if error.status != _DISCARD:
                raise self._failed(error) from error
            return StepResult(time)
        self.time = float(last) if early else time + step
        return StepResult(self.time, bool(terminate), bool(event))

    def _discarded(self, time: float) -> StepResult:
        """What an FMI 2.0 FMU says after it discarded a step; some can't even say that."""
        try:
            terminate = bool(self._raw.getBooleanStatus(fmi2.fmi2Terminated))
            last = float(self._raw.getRealStatus(fmi2.fmi2LastSuccessfulTime))
        except FMICallException:
            return StepResult(time)
        return StepResult(max(time, last), terminate)

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


def _load(order: Order, block: Block) -> Any:  # noqa: ANN401
    """Load the shared library and instantiate the model."""
    kind = fmu_class(order.fmi, order.mode)
    try:
        raw = kind(
            guid=order.token,
            unzipDirectory=order.folder,
            modelIdentifier=order.identifier,
            instanceName=order.identifier,
            libraryPath=order.library,
        )
    except Exception as error:  # FMPy raises plain Exceptions here
        raise EngineError(
            Status.LOAD_FAILED, function="load", reason=str(error), time=order.start
        ) from error
    restore()  # a library may change things as it is loaded
    try:
        raw.instantiate(**_instance_options(order, block))
    except EngineError:
        raise
    except Exception as error:
        raise EngineError(
            Status.INSTANTIATION_FAILED, function="instantiate", time=order.start
        ) from error
    return raw


def _instance_options(order: Order, block: Block) -> dict[str, Any]:
    if order.fmi != FMI3:
        return {"callbacks": _callbacks(block)}
    options: dict[str, Any] = {
        "logMessage": lambda _, status, *rest: block.add_message(status, *rest)
    }
    if order.mode is Mode.CO_SIMULATION:
        events = Ability.EVENT_MODE in order.abilities
        options |= {"eventModeUsed": events, "earlyReturnAllowed": events}
    return options


def _callbacks(block: Block) -> Any:  # noqa: ANN401
    """FMI 2.0 callbacks; a proxy in C formats the variadic messages."""
    callbacks = fmi2.fmi2CallbackFunctions()
    callbacks.logger = fmi2.fmi2CallbackLoggerTYPE(
        lambda _, _name, status, category, message: block.add_message(status, category, message)
    )
    callbacks.allocateMemory = fmi2.defaultCallbacks.allocateMemory
    callbacks.freeMemory = fmi2.defaultCallbacks.freeMemory
    addLoggerProxy(ctypes.byref(callbacks))
    return callbacks
