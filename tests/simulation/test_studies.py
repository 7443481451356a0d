"""Studies are laid out, checked and run as one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gateway_simulation import exceptions as e
from gateway_simulation.kpis import evaluate
from gateway_simulation.model import Model
from gateway_simulation.plan import RunLimits
from gateway_simulation.runner import Simulator
from gateway_simulation.study import CanonicalStudy, plan_study
from gateway_simulation.study_request import StudyRequest
from gateway_simulation.study_run import run_study
from gateway_simulation.trajectory import Trajectory

Named = Callable[[str], Model]


def _study(model: Model, parameters: dict[str, Any], **asked: Any) -> CanonicalStudy:  # noqa: ANN401
    base = {"fmu_id": model.id, **asked.pop("base", {})}
    request = {"base": base, "parameters": parameters, **asked}
    return plan_study(model, StudyRequest.model_validate(request), RunLimits())


def test_the_table_has_what_each_run_alone_would_give(
    reference: Named, simulator: Simulator
) -> None:
    base = {"kpis": ["x0_rms", "x1_max"], "mode": "model_exchange", "stop_time": 5}
    study = _study(
        reference("fmi2/VanDerPol"), {"mu": {"min": 0.5, "max": 3, "count": 150}}, base=base
    )
    found = run_study(simulator, study, "")
    for row in (0, 71, 149):
        alone = simulator.run(study.runs([row])[0])
        figures = [evaluate(kpi, alone).value for kpi in study.first.kpis]
        assert found.values[row].tolist() == figures
    assert found.units == {"x0_rms": None, "x1_max": None}
    assert not found.failures


def test_only_what_kpis_need_is_recorded(reference: Named) -> None:
    study = _study(
        reference("fmi2/BouncingBall"), {"e": {"values": [0.5]}}, base={"kpis": ["v_max"]}
    )
    assert study.first.outputs == ("v",)


def test_rows_that_fail_at_the_ends_of_a_range_leave_the_others(
    model_that: Named, simulator: Simulator
) -> None:
    base = {"kpis": ["x_final"], "start_values": {"x": 1}, "stop_time": 10}
    study = _study(model_that("driven"), {"a": {"min": -800, "max": 1, "count": 3}}, base=base)
    found = run_study(simulator, study, "")
    assert [type(found.failures.get(row)) for row in range(3)] == [
        e.NonFiniteValueError,
        e.NonFiniteValueError,
        type(None),
    ]
    assert np.isnan(found.values[:2]).all()
    assert found.usage is not None


def test_a_figure_that_does_not_exist_is_none_and_no_failure(
    reference: Named, simulator: Simulator
) -> None:
    kpi = {"variable": "x", "statistic": "settling_time", "target": 5.0}
    study = _study(reference("fmi2/Dahlquist"), {"k": {"values": [1, 2]}}, base={"kpis": [kpi]})
    found = run_study(simulator, study, "")
    assert np.isnan(found.values).all()
    assert not found.failures


def test_accuracy_is_the_largest_of_all_rows(reference: Named, simulator: Simulator) -> None:
    base = {"kpis": ["x_final"], "mode": "model_exchange", "check_accuracy": True, "stop_time": 1}
    study = _study(reference("fmi2/Dahlquist"), {"k": {"values": [0.5, 2]}}, base=base)
    found = run_study(simulator, study, "")
    differences = []
    for run in study.runs([0, 1]):
        alone = simulator.run(run)
        assert isinstance(alone.accuracy, Trajectory)
        values = [evaluate(run.kpis[0], t).value or 0.0 for t in (alone, alone.accuracy)]
        differences.append(abs(values[0] - values[1]))
    assert found.accuracy == {"x_final": max(differences)}


def test_a_study_that_cannot_fit_is_given_up_early_and_says_what_would(
    reference: Named,
) -> None:
    short = Simulator(timeout_s=2.0, memory_mb=256)
    base = {"kpis": ["x0_rms"], "mode": "model_exchange", "stop_time": 2000, "step": 0.05}
    study = _study(
        reference("fmi2/VanDerPol"), {"mu": {"min": 1, "max": 9, "count": 5000}}, base=base
    )
    try:
        short.run(_study(reference("fmi2/Dahlquist"), {"k": {"values": [1]}}).runs([0])[0])
        with pytest.raises(e.StudyTimeoutError) as refused:
            run_study(short, study, "")
    finally:
        short.close()
    details = refused.value.details
    assert details["runs"] == 5000
    assert 0 < details["done"] < 5000  # type: ignore[operator]
    assert 1 <= details["would_fit"] < 5000  # type: ignore[operator]
    assert refused.value.models_fault


def test_a_row_that_never_ends_takes_the_studys_time_and_is_named(model_that: Named) -> None:
    short = Simulator(timeout_s=0.7, memory_mb=256)
    model = model_that("spins")
    study = _study(model, {"a": {"values": [1, 2]}}, base={"kpis": ["y_max"]})
    try:
        with pytest.raises(e.StudyTimeoutError) as refused:
            run_study(short, study, "")
    finally:
        short.close()
    assert refused.value.details["row"] in {0, 1}


def test_integers_of_a_range_are_whole_and_each_there_once(reference: Named) -> None:
    model = reference("fmi2/Feedthrough")
    grid = _study(model, {"Int32_input": {"min": 0, "max": 3, "count": 9}})
    assert grid.rows == ((0,), (1,), (2,), (3,))
    cube = _study(model, {"Int32_input": {"min": 0, "max": 3}}, design="lhs", samples=40)
    assert {value for (value,) in cube.rows} == {0, 1, 2, 3}
    assert all(isinstance(value, int) for (value,) in cube.rows)


def test_enumerations_and_booleans_are_listed_by_name(reference: Named) -> None:
    model = reference("fmi2/Feedthrough")
    study = _study(
        model,
        {
            "Boolean_input": {"values": [True, False]},
            "Enumeration_input": {"values": ["Option 1", "Option 2"]},
        },
    )
    assert set(study.rows) == {(b, o) for b in (True, False) for o in (1, 2)}
    with pytest.raises(e.WrongTypeError):
        _study(model, {"Boolean_input": {"min": 0, "max": 1}})


def test_what_changes_the_shape_of_a_result_is_no_parameter(reference: Named) -> None:
    model = reference("fmi3/StateSpace")
    with pytest.raises(e.NotSettableError):
        _study(model, {"m": {"values": [1, 2]}})
    with pytest.raises(e.WrongTypeError):
        _study(model, {"A": {"values": [1.0]}})


def test_an_input_with_a_signal_is_no_parameter(reference: Named) -> None:
    base = {"input_signals": [{"name": "Int32_input", "t": [0, 1], "u": [1, 2]}]}
    with pytest.raises(e.DuplicateNameError):
        _study(reference("fmi2/Feedthrough"), {"Int32_input": {"values": [1]}}, base=base)


def test_the_hash_is_of_what_decides_the_table(reference: Named) -> None:
    model = reference("fmi2/BouncingBall")
    base = {"kpis": ["h_max", "v_max"]}
    one = _study(model, {"e": {"values": [0.5, 0.7]}}, base=base)
    assert one.sha256 == _study(model, {"e": {"values": [0.5, 0.7]}}, base=base).sha256
    other = [
        _study(model, {"e": {"values": [0.7, 0.5]}}, base=base),
        _study(model, {"e": {"values": [0.5, 0.7]}}, base={"kpis": ["h_max"]}),
        _study(model, {"e": {"values": [0.5, 0.7]}}, base=base, objective={"kpi": "v_max"}),
        _study(model, {"e": {"values": [0.5, 0.7]}}, base={**base, "stop_time": 1}),
    ]
    assert len({one.sha256, *(study.sha256 for study in other)}) == 5
    assert one.work_units == 2 * one.first.work_units
