"""Simulate on this machine by FMPy, without a gateway, a limit or a sandbox: trusted models only.

The numbers are FMPy's. What FMPy would get wrong or ignore silently is refused.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np

from fmu_gateway_sdk.exceptions import (
    LocalRunFailedError,
    LocalSimulationError,
    LocalSimulatorMissingError,
    NoLocalModelError,
    OnlyAtGatewayError,
    UnavailableLocalModeError,
    UnknownLocalVariableError,
)
from fmu_gateway_sdk.request import InputSignal, SimulateRequest
from fmu_gateway_sdk.trajectory import Trajectory

_MODES: Final = {"co_simulation": "CoSimulation", "model_exchange": "ModelExchange"}
_ME_INPUTS: Final = "input_signals of Model Exchange"  # FMPy: at output points only, wrong numbers
_HOLD: Final = "interpolation hold"
_NOT_FINITE: Final = "values that are not finite"
_ONLY_THERE: Final = ("inputs_csv", "display_units", "check_accuracy", "communication_step")


def simulate_locally(request: SimulateRequest) -> Trajectory:
    """Run the request's `fmu_path` by FMPy. KPIs are left to the gateway.

    Raises:
        LocalSimulationError: FMPy is missing, there is no file, the request asks for what only a
            gateway does, or the model fails.

    """
    path = _model_file(request)
    _refuse_what_only_a_gateway_does(request)
    if find_spec("fmpy") is None:
        raise LocalSimulatorMissingError
    return _run(path, request)


def _model_file(request: SimulateRequest) -> Path:
    path = Path(request.fmu_path or "")
    if not path.is_file():
        raise NoLocalModelError(str(request.fmu_path or request.fmu_id))
    return path


def _refuse_what_only_a_gateway_does(request: SimulateRequest) -> None:
    given = [name for name in _ONLY_THERE if getattr(request, name)]
    if given:
        raise OnlyAtGatewayError(", ".join(given))


def _run(path: Path, request: SimulateRequest) -> Trajectory:
    import fmpy  # type: ignore[import-untyped]  # noqa: PLC0415  optional, and slow

    try:
        description = fmpy.read_model_description(str(path))
        known = {variable.name: variable for variable in description.modelVariables}
        kind = _kind(description, request)
        outputs = _outputs(description, request)
        _check_names(known, [*(request.start_values or {}), *outputs, *_input_names(request)])
        recorded = fmpy.simulate_fmu(
            str(path), output=outputs, fmi_type=kind, **_settings(request, kind)
        )
    except LocalSimulationError:
        raise
    except Exception as error:  # FMPy raises whatever comes
        raise LocalRunFailedError(str(error)) from error
    return _trajectory(recorded, known)


def _kind(description: Any, request: SimulateRequest) -> str:  # noqa: ANN401  FMPy has no types
    """The mode as the gateway chooses it: Co-Simulation where both exist."""
    both = description.coSimulation is not None, description.modelExchange is not None
    kind = _MODES.get(request.mode or "") or ("CoSimulation" if both[0] else "ModelExchange")
    if not both[kind == "ModelExchange"]:
        raise UnavailableLocalModeError(kind)
    if kind == "ModelExchange" and request.input_signals:
        raise OnlyAtGatewayError(_ME_INPUTS)
    return kind


def _outputs(description: Any, request: SimulateRequest) -> list[str]:  # noqa: ANN401
    """The outputs asked for, else the declared ones, else the continuous states."""
    if request.outputs is not None:
        return list(request.outputs)
    declared = [v.name for v in description.modelVariables if v.causality == "output"]
    derivatives = [v.derivative for v in description.modelVariables if v.derivative is not None]
    return declared or [state.name for state in derivatives]


def _settings(request: SimulateRequest, kind: str) -> dict[str, Any]:
    solver = request.solver or {}
    names = {"cvode": "CVode", "euler": "Euler"}
    name = solver.get("name", "cvode")
    if kind == "ModelExchange" and name not in names:
        what = f"solver {name}"
        raise OnlyAtGatewayError(what)
    settings = {
        "start_time": request.start_time,
        "stop_time": request.stop_time,
        "output_interval": request.step,
        "start_values": dict(request.start_values or {}),
        "solver": names.get(name, "CVode"),
        "step_size": solver.get("step_size"),
        "relative_tolerance": solver.get("relative_tolerance"),
        "input": _inputs(request),
    }
    return {name: value for name, value in settings.items() if value is not None}


def _signals(request: SimulateRequest) -> list[InputSignal]:
    given = [
        signal.as_json() if isinstance(signal, InputSignal) else dict(signal)
        for signal in request.input_signals or ()
    ]
    return [
        InputSignal(
            signal["name"],
            signal["time"] if "time" in signal else signal["t"],
            signal["values"] if "values" in signal else signal["u"],
            signal.get("interpolation", "linear"),
        )
        for signal in given
    ]


def _input_names(request: SimulateRequest) -> list[str]:
    return [signal.name for signal in _signals(request)]


def _inputs(request: SimulateRequest) -> np.ndarray[Any, Any] | None:
    """All signals on the union of their times, as FMPy takes them."""
    signals = _signals(request)
    if not signals:
        return None
    if any(signal.interpolation != "linear" for signal in signals):
        raise OnlyAtGatewayError(_HOLD)
    times = np.unique(np.concatenate([np.asarray(s.time, dtype=np.float64) for s in signals]))
    table = np.zeros(
        len(times), dtype=[("time", np.float64)] + [(s.name, np.float64) for s in signals]
    )
    table["time"] = times
    for signal in signals:
        table[signal.name] = np.interp(times, signal.time, signal.values)
    return table


def _check_names(known: dict[str, Any], names: list[str]) -> None:
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UnknownLocalVariableError(unknown[0], list(known))


def _trajectory(recorded: Any, known: dict[str, Any]) -> Trajectory:  # noqa: ANN401
    series = {name: np.asarray(recorded[name], dtype=np.float64) for name in recorded.dtype.names}
    if not all(np.isfinite(values).all() for values in series.values()):
        raise LocalRunFailedError(_NOT_FINITE)
    units = {name: known[name].unit for name in series if name in known}
    return Trajectory(series.pop("time"), series, units)
