"""Arrays and structural parameters of the wrapper: StateSpace through FMPy, and beside the
Reference FMU of that name."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fmpy.fmi1 import FMICallException  # type: ignore[import-untyped]
from library.test_fmi import initialize, instance
from reference_fmus import required_folder

from gateway_library.catalogue import Catalogue
from gateway_simulation.archive import Limits, extract, inspect, load
from gateway_simulation.exceptions import OutOfRangeError, WrongTypeError
from gateway_simulation.model import Model
from gateway_simulation.plan import RunLimits, plan
from gateway_simulation.request import InputSignal, SimulationRequest, Solver
from gateway_simulation.runner import Simulator
from gateway_simulation.trajectory import Trajectory

M, N, R, A, B, C, D, X0, U, Y, X, DER_X = range(1, 13)  # value references


@pytest.fixture(params=["CoSimulation", "ModelExchange"])
def model(request: pytest.FixtureRequest, built: Path, tmp_path: Path) -> Iterator[Any]:
    with instance(built / "StateSpace@fmi3.fmu", tmp_path, request.param) as made:
        yield made


def resize(model: Any, **sizes: int) -> None:  # noqa: ANN401
    model.enterConfigurationMode()
    for name, size in sizes.items():
        model.setUInt64([{"m": M, "n": N, "r": R}[name]], [size])
    model.exitConfigurationMode()


def values(model: Any, reference: int, count: int) -> list[float]:  # noqa: ANN401
    return list(model.getFloat64([reference], nValues=count))


def test_elements_stand_row_by_row(model: Any) -> None:  # noqa: ANN401
    assert values(model, A, 9) == [-1, 0, 0, 1, -1, 0, 0, 1, -1]
    model.setFloat64([A, X0], [*range(9), 7, 8, 9])
    assert values(model, A, 9) == list(range(9))
    initialize(model)
    assert values(model, X, 3) == [7, 8, 9]
    assert values(model, DER_X, 3) == [0 * 7 + 1 * 8 + 2 * 9 + 1, 3 * 7 + 4 * 8 + 45, 6 * 7 + 128]


def test_an_array_that_grows_keeps_its_elements_and_has_zeros_beside_them(model: Any) -> None:  # noqa: ANN401
    model.setFloat64([A], list(range(1, 10)))
    resize(model, n=4)
    assert values(model, A, 16) == [1, 2, 3, 0, 4, 5, 6, 0, 7, 8, 9, 0, 0, 0, 0, 0]
    resize(model, n=2)
    assert values(model, A, 4) == [1, 2, 4, 5]
    resize(model, n=3, m=1)
    assert values(model, A, 9) == [1, 2, 0, 4, 5, 0, 0, 0, 0]
    assert values(model, B, 3) == [1, 0, 0]


def test_reset_restores_the_sizes(model: Any) -> None:  # noqa: ANN401
    resize(model, n=1, m=5, r=2)
    model.reset()
    assert list(model.getUInt64([M, N, R])) == [3, 3, 3]
    assert values(model, A, 9) == [-1, 0, 0, 1, -1, 0, 0, 1, -1]


def test_a_saved_state_holds_the_sizes(model: Any) -> None:  # noqa: ANN401
    resize(model, n=2)
    state = model.getFMUState()
    resize(model, n=5)
    model.setFMUState(state)
    assert list(model.getUInt64([N])) == [2]
    assert values(model, A, 4) == [-1, 0, 1, -1]
    model.freeFMUState(state)


@pytest.mark.parametrize("n", [0, 1, 3, 20])
def test_the_states_are_as_many_as_their_parameter_says(
    built: Path, tmp_path: Path, n: int
) -> None:
    with instance(built / "StateSpace@fmi3.fmu", tmp_path, "ModelExchange") as model:
        resize(model, n=n)
        initialize(model)
        assert model.getNumberOfContinuousStates() == n
        found = (ctypes.c_double * n)()
        model.getNominalsOfContinuousStates(found, n)
        assert list(found) == [1.0] * n
        with pytest.raises(FMICallException):
            model.getContinuousStates(found, n + 1)


@pytest.mark.parametrize(("reference", "size"), [(N, 21), (M, 2**64 - 1), (A, 3), (99, 3)])
def test_a_size_that_there_is_no_room_for_is_refused(
    model: Any,  # noqa: ANN401
    reference: int,
    size: int,
) -> None:
    model.enterConfigurationMode()
    with pytest.raises(FMICallException):
        model.setUInt64([reference], [size])
    model.exitConfigurationMode()
    assert list(model.getUInt64([M, N, R])) == [3, 3, 3]
    assert values(model, A, 9) == [-1, 0, 0, 1, -1, 0, 0, 1, -1]


def test_sizes_change_in_configuration_mode_only_and_nothing_else_does_there(model: Any) -> None:  # noqa: ANN401
    with pytest.raises(FMICallException):
        model.setUInt64([N], [2])
    model.enterConfigurationMode()
    with pytest.raises(FMICallException):
        model.setFloat64([X0], [1, 2, 3])
    model.exitConfigurationMode()
    initialize(model)
    for call in (model.enterConfigurationMode, lambda: model.setUInt64([N], [2])):
        with pytest.raises(FMICallException):
            call()


@pytest.mark.parametrize("count", [1, 8, 10])
def test_an_array_is_set_as_a_whole(model: Any, count: int) -> None:  # noqa: ANN401
    with pytest.raises(FMICallException):
        model.setFloat64([A], [5.0] * count)
    with pytest.raises(FMICallException):
        values(model, A, count)
    assert values(model, A, 9) == [-1, 0, 0, 1, -1, 0, 0, 1, -1]


def test_a_model_without_arrays_has_no_configuration_mode(built: Path, tmp_path: Path) -> None:
    with (
        instance(built / "BouncingBall@fmi3.fmu", tmp_path, "CoSimulation") as ball,
        pytest.raises(FMICallException),
    ):
        ball.enterConfigurationMode()


def run(model: Model, simulator: Simulator, values: dict[str, Any], **more: Any) -> Trajectory:  # noqa: ANN401
    wanted = {"stop_time": 5.0, "step": 0.05, "outputs": ["x", "y"], **more}
    request = SimulationRequest(fmu_id=model.id, start_values=values, **wanted)
    return simulator.run(plan(model, request, RunLimits()))


@pytest.fixture
def reference(tmp_path: Path) -> Model:
    """The Reference FMU, which also has m, n, r, A, B, C, D, x0, u, y and x."""
    data = (required_folder() / "reference/fmi3/StateSpace.fmu").read_bytes()
    inspection = inspect(data, Limits())
    extract(data, inspection, tmp_path / "reference", Limits())
    return load("fmu_test", inspection.sha256, tmp_path / "reference")


@pytest.mark.parametrize("engine", ["native", "fmpy"])
def test_it_computes_what_the_reference_fmu_does(
    catalogue: Catalogue, simulator: Simulator, reference: Model, engine: str
) -> None:
    """At sizes and x0 as they are: the Reference FMU loses elements of a B that is not square, and
    begins at 0 whatever x0 is."""
    matrices = {
        "A": [[-1, 2, 0.5], [-2, -1, 0], [0, 0.25, -3]],
        "B": [[1, 0, 2], [0.5, -1, 0], [0, 3, 1]],
        "C": [[1, 2, 3], [0, -1, 1], [4, 0, 0]],
        "D": [[0, 0.1, 0], [0, 0, 0.2], [0.3, 0, 0]],
        "u": [1, -2, 0.5],
    }
    how: dict[str, Any] = {
        "mode": "model_exchange",
        "engine": engine,
        "solver": Solver(relative_tolerance=1e-9),
    }
    found = run(catalogue.resolve("StateSpace"), simulator, matrices, **how)
    expected = run(reference, simulator, matrices, **how)
    assert found.names == expected.names
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-6, atol=1e-7)


def test_a_signal_for_one_element_leaves_the_others_at_their_start_values(
    catalogue: Catalogue, simulator: Simulator
) -> None:
    held = InputSignal(name="u[2]", time=[0], values=[1], interpolation="hold")
    found = run(
        catalogue.resolve("StateSpace"),
        simulator,
        {"A": (-np.eye(3)).tolist()},
        input_signals=[held],
    )
    np.testing.assert_allclose(found.column("y[2]"), 1 - np.exp(-found.time), atol=1e-6)
    np.testing.assert_allclose(found.column("y[1]"), 1 - np.exp(-found.time), atol=1e-6)
    assert not found.column("y[3]").any()


@pytest.mark.parametrize("sizes", [{"m": 0}, {"r": 0}])
def test_a_system_may_lack_inputs_or_outputs(
    catalogue: Catalogue, simulator: Simulator, sizes: dict[str, int]
) -> None:
    found = run(
        catalogue.resolve("StateSpace"),
        simulator,
        {
            **sizes,
            "x0": [1, 0, 0],
            **({"B": [], "D": [], "u": []} if "m" in sizes else {"C": [], "D": [], "u": [0, 0, 0]}),
        },
        outputs=["x"],
    )
    np.testing.assert_allclose(found.column("x[1]"), np.exp(-found.time), atol=1e-8)


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"n": 21}, OutOfRangeError),
        ({"n": -1}, OutOfRangeError),
        ({"n": 2, "A": [[1, 2, 3]] * 3}, WrongTypeError),
        ({"A": 1.0}, WrongTypeError),
        ({"x0": ["a", 0, 0]}, WrongTypeError),
    ],
)
def test_values_that_do_not_fit_are_refused_before_a_run(
    catalogue: Catalogue, simulator: Simulator, values: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        run(catalogue.resolve("StateSpace"), simulator, values)
