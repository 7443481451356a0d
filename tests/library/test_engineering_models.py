"""What the engineering models do beyond their default experiments: inputs, limits, extremes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from gateway_library.catalogue import Catalogue
from gateway_library.sources import models_folder, read_models
from gateway_library.verification import Mode
from gateway_simulation.plan import RunLimits, plan
from gateway_simulation.request import InputSignal, SimulationRequest
from gateway_simulation.runner import Simulator
from gateway_simulation.trajectory import Trajectory

NAMES = ("HeatPumpRoom", "LithiumCell", "ScavengePump", "CommonRail")
MODELS = {model.name: model for model in read_models(models_folder())}

Run = Callable[..., Trajectory]

each_kind = pytest.mark.parametrize("mode", ["co_simulation", "model_exchange"])


@pytest.fixture
def run(catalogue: Catalogue, simulator: Simulator) -> Run:
    def simulated(name: str, **asked: Any) -> Trajectory:  # noqa: ANN401
        request = SimulationRequest(fmu_id=name, **asked)
        return simulator.run(plan(catalogue.resolve(name), request, RunLimits()))

    return simulated


def held(name: str, time: list[float], values: list[float]) -> InputSignal:
    return InputSignal(name=name, time=time, values=values, interpolation="hold")


def bounds(name: str) -> Iterator[tuple[str, float]]:
    """Each documented bound of what may be set."""
    for variable in MODELS[name].variables:
        for bound in (variable.min, variable.max):
            if bound is not None and variable.start is not None:
                yield variable.name, bound


@pytest.mark.parametrize("name", NAMES)
def test_every_documented_bound_of_a_value_gives_finite_numbers(run: Run, name: str) -> None:
    for variable, bound in bounds(name):
        found: Trajectory = run(name, start_values={variable: bound}, mode="co_simulation")
        for column in found.names:
            assert np.isfinite(found.column(column)).all(), (variable, bound, column)


@each_kind
def test_an_empty_cell_may_be_charged_and_a_charged_one_is_drawn_from_again(
    run: Run,
    mode: Mode,
) -> None:
    current = held("I", [0, 300, 600, 900], [0.85, -0.85, 0.0, 0.85])
    found: Trajectory = run(
        "LithiumCell",
        input_signals=[current],
        start_values={"SOC": 0.1},
        stop_time=1000.0,
        mode=mode,
    )

    def at(time: float, name: str) -> float:
        return float(found.column(name)[np.searchsorted(found.time, time)])

    assert [at(t, "i") for t in (100, 290, 450, 750, 950)] == [0.85, 0, -0.85, 0, 0.85]
    assert [at(t, "discharge_blocked") for t in (100, 290, 450, 750, 950)] == [0, 1, 0, 0, 0]


@each_kind
def test_a_sump_is_flooded_until_its_level_has_clearly_fallen(run: Run, mode: Mode) -> None:
    aeration = held("aeration", [0, 20], [0.7, 0.1])
    found: Trajectory = run("ScavengePump", input_signals=[aeration], step=1e-3, mode=mode)
    level, flooded = found.column("sump.V"), found.column("flooded") > 0
    assert level[flooded].min() == pytest.approx(0.9, abs=1e-3)
    assert level[~flooded].max() == pytest.approx(1.0, abs=1e-3)
    assert np.count_nonzero(np.diff(flooded.astype(int))) == 2


@each_kind
def test_injections_keep_to_the_crankshaft_while_its_speed_changes(run: Run, mode: Mode) -> None:
    speed = held("speed", [0, 0.1, 0.2], [1000.0, 4100.0, 0.0])
    found: Trajectory = run("CommonRail", input_signals=[speed], mode=mode)
    turns = (1000 * 0.1 + 4100 * 0.1) / 60
    assert found.column("crank")[-1] == pytest.approx(turns)
    assert found.column("shots")[-1] == np.floor(2 * turns) + 1


@each_kind
@pytest.mark.parametrize("band", [0.5, 2.0])
def test_the_room_stays_within_the_thermostats_band(run: Run, mode: Mode, band: float) -> None:
    found: Trajectory = run("HeatPumpRoom", start_values={"band": band}, mode=mode)
    reached = found.time > found.time[np.argmax(found.column("room.T") >= 21 - band / 2)]
    room = found.column("room.T")[reached]
    assert 21 - band / 2 - 1e-6 <= room.min()
    assert room.max() <= 21 + band / 2 + 1e-6
    starts = np.count_nonzero(np.diff(found.column("heatPump.on")) > 0)
    assert found.column("heatPump.starts")[-1] == starts + 1
