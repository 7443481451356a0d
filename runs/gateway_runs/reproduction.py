"""`reproduce.py` of a result: a script that gets the same numbers with plain FMPy.

What a script needs is kept with the run's record, so that it can be had as long as the result. It
calls `simulate_fmu` where FMPy is right; where FMPy is not (docs/numerics.md) the script brings a
solver of its own for FMPy's loop.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pprint import pformat
from string import Template
from typing import Any, Final

from gateway_runs.exceptions import NotReproducibleError
from gateway_runs.records import Record
from gateway_simulation.run import CanonicalRun
from gateway_simulation.trajectory import Trajectory

MOST_INPUT_POINTS: Final = 5_000  # that a record keeps, and that a script holds

_TYPES: Final = {"co_simulation": "CoSimulation", "model_exchange": "ModelExchange"}
_FIXED_STEP: Final = {"euler", "rk4"}
_SAME: Final = "It gives the same numbers bit for bit, with the libraries named in the result."
_NEARLY: Final = """\
Inputs with different points in time are interpolated twice: the last digits may differ then."""


def kept(run: CanonicalRun, trajectory: Trajectory) -> dict[str, Any]:
    """What a script needs of a run, as JSON; without inputs that have too many points."""
    few = sum(len(signal.time) for signal in run.inputs) <= MOST_INPUT_POINTS
    return {
        "mode": run.mode,
        "solver": run.solver,
        "relative_tolerance": run.relative_tolerance,
        "step_size": run.step_size,
        "start_time": run.start_time,
        "stop_time": run.stop_time,
        "step": run.step,
        "communication_step": run.communication_step,
        "start_values": {
            start.name: start.values[0] if len(start.values) == 1 else list(start.values)
            for start in run.start_values
        },
        "inputs": [
            {"name": s.name, "time": s.time, "values": s.values, "hold": s.hold} for s in run.inputs
        ]
        if few
        else None,
        "outputs": {column.name: [column.variable.name, column.index] for column in run.columns},
        "flags": _flags(run),
        "ended_rows": None if trajectory.terminated_at is None else trajectory.rows,
    }


def script(record: Record) -> bytes:
    """The script of a run's result.

    Raises:
        NotReproducibleError: plain FMPy can't get its numbers, or too little of it was kept.

    """
    run = record.provenance.get("run")
    reason = "it is older than this feature" if run is None else _obstacle(run)
    if run is None or reason:
        raise NotReproducibleError(reason)
    in_steps = run["mode"] == "co_simulation"
    named = {
        "result_id": record.id,
        "sha256": record.model_sha256,
        "remarks": _NEARLY if _interpolates(run) else _SAME,
        "fmi_type": repr(_TYPES[run["mode"]]),
        "output_interval": repr(run["communication_step"]) if in_steps else "STEP",
        "options": pformat(_options(run), sort_dicts=False),
        **{name: repr(run[name]) for name in ("start_time", "stop_time", "step", "step_size")},
        "relative_tolerance": repr(run["relative_tolerance"]),
        "start_values": _literal(run["start_values"]),
        "outputs": _literal({name: tuple(place) for name, place in run["outputs"].items()}),
        "inputs": _literal(run["inputs"]),
        "method": repr(run["solver"]),
        "ended_rows": repr(run["ended_rows"]),
    }
    parts, imports = _parts(run)
    named["ctypes"] = "import ctypes\n" if {"fixed_step", "driven_cvode"} & set(parts) else ""
    patches = "".join(_text(part).substitute(named) for part in parts)
    return _text("main").substitute(named, imports=imports, patches=patches).encode()


def _flags(run: CanonicalRun) -> list[str]:
    """What the model's description says that changes how FMPy is to be called."""
    description, stepped = run.model.description, run.model.description.co_simulation
    found = []
    if run.shapes:
        found.append("structural_parameters")
    if any(signal.variable.dimensions for signal in run.inputs):
        found.append("array_inputs")
    if run.mode == "co_simulation" and stepped is not None:
        fmi2 = description.fmi_version == "2.0"
        if stepped.has_event_mode and not fmi2:
            found.append("event_mode")
        linear = any(not signal.hold for signal in run.inputs)
        if stepped.can_interpolate_inputs and fmi2 and linear:
            found.append("input_derivatives")
    return found


def _obstacle(run: Mapping[str, Any]) -> str:
    """Why FMPy can't; empty where it can."""
    if run["inputs"] is None:
        return f"its inputs have more than {MOST_INPUT_POINTS} points"
    if "structural_parameters" in run["flags"]:
        return "FMPy sets structural parameters outside configuration mode, which models refuse"
    if "array_inputs" in run["flags"]:
        return "FMPy can't leave elements of an array input as they are"
    return ""


def _interpolates(run: Mapping[str, Any]) -> bool:
    return any(not signal["hold"] for signal in run["inputs"])


def _options(run: Mapping[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if "event_mode" in run["flags"]:
        options |= {"use_event_mode": True, "early_return_allowed": True}
    if "input_derivatives" in run["flags"]:
        options["set_input_derivatives"] = True
    if run["solver"] in _FIXED_STEP:
        options |= {"solver": "Euler", "step_size": run["step"]}
    return options


def _parts(run: Mapping[str, Any]) -> tuple[list[str], str]:
    """What FMPy's loop is given instead of its own, and the imports that this takes."""
    parts, imports, names = [], [], {"fmpy.simulation"}
    if _interpolates(run):
        parts.append("interpolation")
    if run["solver"] in _FIXED_STEP:
        parts.append("fixed_step")
    elif run["solver"] and run["inputs"]:
        parts.append("driven_cvode")
        imports = [
            "from fmpy.sundials.libraries import sundials_cvode",
            "from fmpy.sundials.nvector_serial import NV_DATA_S as y_data",
        ]
    elif run["solver"]:
        parts.append("cvode")
    if run["solver"] == "cvode":
        names.add("fmpy.sundials")
    lines = [f"import {name}" for name in sorted(names)] if parts else []
    return parts, "".join(f"{line}\n" for line in (*lines, *imports))


def _literal(value: Any) -> str:  # noqa: ANN401  any JSON
    """As Python text; names come from the model and stay inside quotes."""
    return pformat(value, width=88, sort_dicts=False, compact=True)


def _text(name: str) -> Template:
    return Template(
        (files("gateway_runs") / "reproduce" / f"{name}.txt").read_text(encoding="utf-8")
    )
