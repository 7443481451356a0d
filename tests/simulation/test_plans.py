"""Every mistake in a request is found before anything is loaded, and told with what would work."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway_simulation import exceptions as e
from gateway_simulation.canonical import canonical_json, sha256_of
from gateway_simulation.model import Model
from gateway_simulation.plan import CanonicalRun, RunLimits, plan
from gateway_simulation.request import SimulationRequest
from gateway_simulation.solvers import ENGINES

ModelThat = Callable[[str], Model]
Planner = Callable[..., CanonicalRun]

RAMP = {"name": "u", "t": [0, 1], "u": [0, 1]}


def _signal(**change: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"input_signals": [{**RAMP, **change}]}


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"outputs": ["z"]}, e.UnknownVariableError),
        ({"outputs": ["y", "y"]}, e.DuplicateNameError),
        ({"outputs": []}, e.UnsupportedOutputError),
        ({"start_values": {"z": 1}}, e.UnknownVariableError),
        ({"start_values": {"y": 1}}, e.NotSettableError),
        ({"start_values": {"der(x)": 1}}, e.NotSettableError),
        ({"start_values": {"a": "one"}}, e.WrongTypeError),
        ({"start_values": {"a": True}}, e.WrongTypeError),
        ({"start_values": {"a": [1]}}, e.WrongTypeError),
        ({"start_values": {"a": math.nan}}, e.WrongTypeError),
        ({"start_values": {"a": -math.inf}}, e.WrongTypeError),
        ({"start_values": {"a": 10**400}}, e.WrongTypeError),
        ({"start_values": {"u": 101}}, e.OutOfRangeError),
        (_signal(name="z"), e.UnknownVariableError),
        (_signal(name="y"), e.NotSettableError),
        (_signal(t=[0, 1, 2]), e.InvalidInputSignalError),
        (_signal(t=[], u=[]), e.InvalidInputSignalError),
        (_signal(t=[1, 0]), e.InvalidInputSignalError),
        (_signal(t=[0, 0]), e.InvalidInputSignalError),
        (_signal(t=[0, math.nan]), e.InvalidInputSignalError),
        (_signal(u=[0, math.nan]), e.WrongTypeError),
        (_signal(u=[0, 200]), e.OutOfRangeError),
        ({"input_signals": [RAMP, RAMP]}, e.DuplicateNameError),
        ({"input_signals": [RAMP], "start_values": {"u": 1}}, e.DuplicateNameError),
        ({"input_signals": [RAMP], "inputs_csv": "t,u\n0,1"}, e.DuplicateNameError),
        ({"inputs_csv": ""}, e.InvalidInputSignalError),
        ({"inputs_csv": "u,t\n1,2"}, e.InvalidInputSignalError),
        ({"inputs_csv": "t,u\n"}, e.InvalidInputSignalError),
        ({"inputs_csv": "t,u\n0"}, e.InvalidInputSignalError),
        ({"inputs_csv": "t,u\n0,one"}, e.InvalidInputSignalError),
        ({"inputs_csv": 't,u\n0,"1'}, e.InvalidInputSignalError),
        ({"stop_time": 0}, e.InvalidTimeError),
        ({"start_time": 2}, e.InvalidTimeError),
        ({"start_time": math.nan}, e.InvalidTimeError),
        ({"stop_time": math.inf}, e.InvalidTimeError),
        ({"start_time": 1e300, "stop_time": math.nextafter(1e300, math.inf)}, e.InvalidTimeError),
        ({"step": 0}, e.InvalidTimeError),
        ({"step": -0.1}, e.InvalidTimeError),
        ({"step": 2}, e.InvalidTimeError),
        ({"step": math.nan}, e.InvalidTimeError),
        ({"step": 1e-6}, e.TooMuchOutputError),
        ({"step": 5e-324}, e.TooMuchOutputError),
        ({"kpis": ["y_maxx"]}, e.UnknownKpiError),
        ({"kpis": ["max"]}, e.UnknownKpiError),
        ({"kpis": ["z_max"]}, e.UnknownKpiError),
        ({"kpis": ["y_max", "y_max"]}, e.DuplicateNameError),
        ({"kpis": ["y_time_above"]}, e.InvalidKpiError),
        ({"kpis": ["y_time_above:high"]}, e.InvalidKpiError),
        ({"kpis": ["y_max:3"]}, e.InvalidKpiError),
        ({"kpis": ["y_steady_state_error"]}, e.InvalidKpiError),
        ({"kpis": ["y_max"] * 500}, e.TooMuchOutputError),
        ({"kpis": [{"variable": "y", "statistic": "max", "from": 2, "to": 1}]}, e.InvalidKpiError),
        ({"kpis": [{"variable": "y", "statistic": "max", "from": 99}]}, e.InvalidKpiError),
        ({"kpis": [{"variable": "y", "statistic": "max", "to": -1}]}, e.InvalidKpiError),
        ({"kpis": [{"variable": "y", "statistic": "rms", "band": 2}]}, e.InvalidKpiError),
        ({"mode": "co_simulation"}, e.UnavailableModeError),
        ({"solver": {"name": "cvode", "step_size": 0.1}}, e.InvalidSolverError),
        ({"solver": {"name": "rk4", "relative_tolerance": 1e-3}}, e.InvalidSolverError),
        ({"solver": {"name": "rk4", "step_size": 0.03}}, e.InvalidSolverError),
        ({"solver": {"name": "rk4", "step_size": 0}}, e.InvalidSolverError),
        ({"solver": {"name": "euler", "step_size": 1e-9}}, e.TooMuchOutputError),
        ({"solver": {"relative_tolerance": 0}}, e.InvalidSolverError),
        ({"solver": {"relative_tolerance": math.nan}}, e.InvalidSolverError),
        ({"communication_step": 0.03}, e.InvalidCommunicationStepError),
        ({"communication_step": 0.5, "step": 0.1}, e.InvalidCommunicationStepError),
        ({"communication_step": 0, "step": 0.1}, e.InvalidCommunicationStepError),
        ({"communication_step": -1, "step": 0.1}, e.InvalidCommunicationStepError),
        ({"display_units": {"y": "kg"}}, e.UnknownDisplayUnitError),
        ({"display_units": {"z": "m"}}, e.UnknownVariableError),
        ({"engine": "fortran"}, e.UnavailableEngineError),
    ],
)  # fmt: skip
def test_each_mistake_has_its_own_error(
    fields: dict[str, Any], error: type[e.RequestError], model_that: ModelThat, planned: Planner
) -> None:
    if "communication_step" in fields and "step" not in fields:
        fields = {"step": 0.1, **fields}
    with pytest.raises(e.RequestError) as caught:
        planned(model_that("driven"), **fields)
    assert type(caught.value) is error
    assert not caught.value.models_fault
    canonical_json(caught.value.details)


@pytest.mark.parametrize(
    ("start_values", "error"),
    [
        ({"colour": "blue"}, e.WrongTypeError),
        ({"colour": 2}, e.WrongTypeError),
        ({"on": "yes"}, e.WrongTypeError),
        ({"on": 2}, e.WrongTypeError),
        ({"n": 1.5}, e.WrongTypeError),
        ({"n": 10}, e.OutOfRangeError),
        ({"n": 2**40}, e.OutOfRangeError),
        ({"label": 1}, e.WrongTypeError),
        ({"label": "a\0b"}, e.WrongTypeError),
    ],
)
def test_types_are_checked(
    start_values: dict[str, Any],
    error: type[e.RequestError],
    model_that: ModelThat,
    planned: Planner,
) -> None:
    with pytest.raises(error):
        planned(model_that("has_text"), start_values=start_values)


def test_values_of_all_types_are_understood(model_that: ModelThat, planned: Planner) -> None:
    asked = {"colour": "green", "on": "true", "n": 3.0, "label": "hello"}
    run = planned(model_that("has_text"), start_values=asked)
    assert {s.name: s.values for s in run.start_values} == {
        "colour": (3,),
        "on": (True,),
        "n": (3,),
        "label": ("hello",),
    }


def test_the_nearest_names_come_with_the_error(model_that: ModelThat, planned: Planner) -> None:
    with pytest.raises(e.UnknownVariableError) as caught:
        planned(model_that("has_text"), start_values={"color": "red"})
    assert caught.value.nearest[0] == "colour"
    with pytest.raises(e.UnknownKpiError) as kpi:
        planned(model_that("driven"), kpis=["y_peek_to_peak"])
    nearest = kpi.value.details["nearest"]
    assert isinstance(nearest, list)
    assert nearest[0] == "y_peak_to_peak"
    with pytest.raises(e.UnknownDisplayUnitError) as unit:
        planned(model_that("driven"), display_units={"y": "degC"})
    known = unit.value.details["known"]
    assert isinstance(known, list)
    assert {"cm", "km", "mm"} <= set(known)


def test_a_million_points_are_refused_but_a_finer_limit_holds_too(
    model_that: ModelThat, planned: Planner
) -> None:
    with pytest.raises(e.TooMuchOutputError) as caught:
        planned(model_that("driven"), stop_time=10, step=1e-5)
    assert caught.value.details == {"what": "output_points", "asked": 1_000_000, "limit": 200_000}
    model = model_that("driven")
    request = SimulationRequest(fmu_id="x", outputs=["x", "y"], step=0.001)
    with pytest.raises(e.TooMuchOutputError):
        plan(model, request, RunLimits(output_values=1500))
    with pytest.raises(e.TooMuchOutputError):
        plan(model, request, RunLimits(outputs=1))
    with pytest.raises(e.TooMuchOutputError):
        plan(
            model,
            SimulationRequest(fmu_id="x", inputs_csv="t,u\n0,1\n1,2"),
            RunLimits(input_points=1),
        )


def test_unknown_fields_and_wrong_shapes_are_refused() -> None:
    for wrong in ({"stop": 1}, {"step": True}, {"outputs": "y"}, {"solver": {"name": "lsoda"}}):
        with pytest.raises(ValidationError):
            SimulationRequest.model_validate({"fmu_id": "x", **wrong})


def test_only_engines_that_are_known_are_advertised() -> None:
    schema = SimulationRequest.model_json_schema()
    assert schema["properties"]["engine"]["enum"] == ["auto", *ENGINES]


def test_absent_fields_come_from_the_default_experiment_and_are_named(
    model_that: ModelThat, planned: Planner
) -> None:
    run = planned(model_that("driven"))
    assert (run.start_time, run.stop_time, run.step) == (0.0, 1.0, 0.1)
    assert run.resolved["mode"] == "model_exchange"
    assert run.resolved["relative_tolerance"] == 1e-6
    assert set(run.defaults_used) == {
        "start_time", "stop_time", "step", "outputs", "mode", "solver", "relative_tolerance",
    }  # fmt: skip


def test_auto_prefers_co_simulation_unless_a_solver_is_named(
    reference: ModelThat, planned: Planner
) -> None:
    model = reference("fmi2/BouncingBall")
    assert planned(model).mode == "co_simulation"
    assert planned(model, solver={"relative_tolerance": 1e-4}).mode == "co_simulation"
    assert planned(model, solver={"name": "cvode"}).mode == "model_exchange"


def test_the_contracts_example_is_understood(reference: ModelThat, planned: Planner) -> None:
    run = planned(
        reference("fmi2/BouncingBall"),
        start_time=0.0,
        stop_time=3.0,
        step=0.01,
        start_values={"e": 0.7},
        outputs=["h", "v"],
        kpis=["h_max", "v_rms"],
        mode="auto",
        solver={"name": "cvode", "relative_tolerance": 1e-6},
        display_units={"v": "km/h"},
        communication_step=0.001,
        engine="auto",
        check_accuracy=False,
    )
    assert run.resolved["mode"] == "model_exchange"
    assert run.work_units == 301 * (1 + 2 + 2)


def test_a_model_without_outputs_gives_its_states_and_says_so(
    model_that: ModelThat, planned: Planner
) -> None:
    model = model_that("driven")
    silent = tuple(
        replace(v, causality="local") if v.causality == "output" else v
        for v in model.description.variables
    )
    run = planned(replace(model, description=replace(model.description, variables=silent)))
    assert run.outputs == ("x",)
    assert any("states" in warning for warning in run.warnings)


def test_what_a_kpi_needs_is_recorded_too(model_that: ModelThat, planned: Planner) -> None:
    run = planned(model_that("driven"), outputs=["u"], kpis=["x_max"])
    assert run.outputs == ("u", "x")


def test_equal_requests_have_equal_hashes_and_others_dont(
    model_that: ModelThat, planned: Planner
) -> None:
    model = model_that("driven")
    plain = planned(model, stop_time=1, start_values={"a": 2, "x": 0})
    same = [
        planned(model, stop_time=1.0, start_values={"x": -0.0, "a": 2.0}),
        planned(model, start_values={"a": 2, "x": 0}, kpis=["y_max"], display_units={"y": "cm"}),
        planned(model, start_values={"a": 2, "x": 0}, mode="model_exchange"),
    ]
    other = [
        planned(model, stop_time=2, start_values={"a": 2, "x": 0}),
        planned(model, start_values={"a": 3, "x": 0}),
        planned(model, start_values={"a": 2, "x": 0}, check_accuracy=True),
        planned(model, start_values={"a": 2, "x": 0}, outputs=["x"]),
        planned(model, start_values={"a": 2, "x": 0}, **_signal()),
    ]
    assert {run.sha256 for run in same} == {plain.sha256}
    assert len({run.sha256 for run in other} | {plain.sha256}) == 6


def test_a_library_models_source_hash_stands_for_it(
    model_that: ModelThat, planned: Planner
) -> None:
    model = model_that("driven")
    builds = [replace(model, sha256=digit * 64, source_sha256="5" * 64) for digit in "12"]
    assert len({planned(build).sha256 for build in builds}) == 1


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
))  # fmt: skip
def test_canonical_json_doesnt_depend_on_the_order_of_keys(value: Any) -> None:  # noqa: ANN401
    def turned(item: Any) -> Any:  # noqa: ANN401
        if isinstance(item, dict):
            return {key: turned(item[key]) for key in reversed(item)}
        return [turned(one) for one in item] if isinstance(item, list) else item

    assert sha256_of(turned(value)) == sha256_of(value)


def test_canonical_json_refuses_what_json_doesnt_know() -> None:
    for number in (math.nan, math.inf):
        with pytest.raises(ValueError, match="JSON"):
            canonical_json([number])
    assert canonical_json({"b": -0.0, "a": 1.0}) == b'{"a":1.0,"b":0.0}'


def test_planning_and_hashing_a_small_run_takes_little(
    model_that: ModelThat, planned: Planner
) -> None:
    model = model_that("driven")
    begun = time.perf_counter()
    for _ in range(20):
        assert planned(model, kpis=["y_max"]).sha256
    assert (time.perf_counter() - begun) / 20 < 0.02
