"""Which way of solving a request means: engine, mode, and for Model Exchange the solver."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

from gateway_simulation import native
from gateway_simulation.exceptions import (
    InvalidSolverError,
    UnavailableEngineError,
    UnavailableModeError,
)
from gateway_simulation.finite import as_float, plain
from gateway_simulation.model import Kind, ModelDescription
from gateway_simulation.request import SimulationRequest
from gateway_simulation.run import Engine, SolverName
from gateway_simulation.timegrid import TimeGrid, check_resolution, dividing

ENGINES: Final[tuple[Engine, ...]] = ("native", "fmpy")
DEFAULT_TOLERANCE: Final = 1e-6
_TOLERANCES: Final = (1e-14, 0.1)


@dataclass(frozen=True, slots=True)
class Solving:
    """How the run is solved; `relative_tolerance` of None leaves it to the model."""

    mode: Kind
    solver: SolverName | None
    relative_tolerance: float | None
    step_size: float | None
    defaults_used: tuple[str, ...]
    warnings: tuple[str, ...]
    engine: Engine = "native"


def resolve(description: ModelDescription, request: SimulationRequest, grid: TimeGrid) -> Solving:
    """Engine, mode, solver and tolerance of `request`.

    Raises UnavailableEngineError, UnavailableModeError, InvalidSolverError, InvalidTimeError.
    """
    engine, told = _engine(request.engine)
    mode = _mode(description, request)
    tolerance = _tolerance(request.solver.relative_tolerance)
    if mode == "co_simulation":
        solving = _co_simulation(description, request, tolerance)
    else:
        solving = _model_exchange(description, request, grid, tolerance)
    return replace(solving, engine=engine, warnings=solving.warnings + told)


def available_engines() -> tuple[Engine, ...]:
    """What can run models here; `auto` takes the first."""
    return ENGINES if native.problem() is None else ("fmpy",)


def shortcomings() -> tuple[str, ...]:
    """What this installation lacks, a sentence each that says what to do."""
    problem = native.problem()
    found = []
    if problem is not None:
        found.append(
            f"FMPy runs all models, more slowly, since the native core can't be used: {problem}. "
            "Install the gateway again with a C compiler, or after `pip install ziglang`."
        )
    if not cvode_available():
        found.append(
            "There is no SUNDIALS for this machine: Model Exchange has euler and rk4 only."
        )
    return tuple(found)


def cvode_available() -> bool:
    """Whether there is SUNDIALS for this machine."""
    return native.sundials_folder() is not None


def _engine(asked: str) -> tuple[Engine, tuple[str, ...]]:
    """The engine asked for; where `auto` had to take FMPy, a sentence that says why."""
    available = available_engines()
    if asked == "auto":
        return available[0], _why_fmpy()
    for engine in available:
        if engine == asked:
            return engine, ()
    msg = "this engine is not part of this installation"
    raise UnavailableEngineError(msg, {"engine": asked, "available": list(available)})


def _why_fmpy() -> tuple[str, ...]:
    problem = native.problem()
    return (f"FMPy ran it: the native core can't be used here: {problem}",) if problem else ()


def _mode(description: ModelDescription, request: SimulationRequest) -> Kind:
    """The mode asked for; `auto` means Co-Simulation, unless a solver is named."""
    kinds = description.kinds
    names_solver = request.solver.name is not None or request.solver.step_size is not None
    if request.mode == "auto":
        wanted: Kind = "model_exchange" if names_solver else kinds[0]
    else:
        wanted = request.mode
    if names_solver and (wanted == "co_simulation" or wanted not in kinds):
        msg = "a solver can be chosen for Model Exchange only: this model brings its own"
        raise InvalidSolverError(
            msg, {"solver": request.solver.name, "mode": request.mode, "kinds": list(kinds)}
        )
    if wanted not in kinds:
        msg = f"the model doesn't offer {wanted}"
        raise UnavailableModeError(msg, {"mode": wanted, "kinds": list(kinds)})
    return wanted


def _co_simulation(
    description: ModelDescription, request: SimulationRequest, tolerance: float | None
) -> Solving:
    default = description.default_experiment.tolerance
    used = () if request.solver.relative_tolerance is not None else ("relative_tolerance",)
    chosen = tolerance if tolerance is not None else _valid(default)
    return Solving("co_simulation", None, chosen, None, ("mode",) * _auto(request) + used, ())


def _model_exchange(
    description: ModelDescription,
    request: SimulationRequest,
    grid: TimeGrid,
    tolerance: float | None,
) -> Solving:
    name, warnings = request.solver.name, []
    used = ["mode"] * _auto(request)
    if name is None:
        used.append("solver")
        name = "cvode" if cvode_available() and request.solver.step_size is None else "rk4"
    if name == "cvode" and not cvode_available():
        msg = "cvode is not available on this machine"
        raise InvalidSolverError(msg, {"solver": name, "available": ["euler", "rk4"]})
    if request.communication_step is not None:
        warnings.append("communication_step has no meaning for model_exchange")
    if name == "cvode":
        if request.solver.step_size is not None:
            msg = "cvode chooses its own steps: step_size is for euler and rk4"
            raise InvalidSolverError(msg, {"solver": name, "mode": "model_exchange"})
        if tolerance is None:
            used.append("relative_tolerance")
            tolerance = _valid(description.default_experiment.tolerance) or DEFAULT_TOLERANCE
        return Solving("model_exchange", name, tolerance, None, tuple(used), tuple(warnings))
    if tolerance is not None:
        msg = f"{name} has a fixed step and no tolerance: give step_size instead"
        raise InvalidSolverError(msg, {"solver": name, "mode": "model_exchange"})
    if request.solver.step_size is None:
        used.append("step_size")
    size = _step_size(request, grid)
    if description.n_event_indicators:
        warnings.append(f"{name} finds state events only to within its step of {size:g} s")
    return Solving("model_exchange", name, None, size, tuple(used), tuple(warnings))


def _auto(request: SimulationRequest) -> int:
    return int(request.mode == "auto")


def _step_size(request: SimulationRequest, grid: TimeGrid) -> float:
    asked = request.solver.step_size
    if asked is None:
        return grid.step
    number = as_float(asked)
    size = dividing(grid.step, number) if math.isfinite(number) and number > 0 else None
    if size is None:
        msg = "step is not a whole multiple of the solver's step_size"
        raise InvalidSolverError(msg, {"step": grid.step, "step_size": plain(asked)})
    check_resolution(grid.start, grid.stop, "step_size", size)
    return size


def _tolerance(asked: float | None) -> float | None:
    if asked is None:
        return None
    low, high = _TOLERANCES
    if not low <= asked <= high:
        msg = f"relative_tolerance must be from {low:g} to {high:g}"
        raise InvalidSolverError(msg, {"relative_tolerance": plain(asked), "min": low, "max": high})
    return float(asked)


def _valid(default: float | None) -> float | None:
    """The model's own tolerance, if it is a sensible one."""
    low, high = _TOLERANCES
    return default if default is not None and low <= default <= high else None
