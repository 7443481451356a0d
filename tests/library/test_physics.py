"""Every model computes what its equations say, in both FMI versions and both kinds."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fmpy import simulate_fmu  # type: ignore[import-untyped]
from fmpy.validation import validate_fmu  # type: ignore[import-untyped]
from numpy.typing import NDArray
from scipy.integrate import solve_ivp  # type: ignore[import-untyped]

from gateway_library.catalogue import Catalogue

Numbers = NDArray[np.float64]
Values = Mapping[str, float]
Exact = Callable[[Numbers, Values], dict[str, Numbers]]

VERSIONS = ("", "@fmi3")
KINDS = ("CoSimulation", "ModelExchange")
BOUNCE: Values = {"h": 1.0, "v": 0.0, "g": -9.81, "e": 0.7, "v_min": 0.1}


def flights(p: Values) -> list[tuple[float, float, float]]:
    """(start, height, speed) of each flight of a ball dropped at rest, in closed form."""
    speed = math.sqrt(-2 * p["g"] * p["h"])
    time = speed / -p["g"]
    found = [(0.0, p["h"], 0.0)]
    while (speed := p["e"] * speed) > p["v_min"]:
        found.append((time, 0.0, speed))
        time += 2 * speed / -p["g"]
    return [*found, (time, 0.0, math.nan)]


def bounce_times(p: Values) -> Numbers:
    return np.array([start for start, _, _ in flights(p)[1:]])


def bouncing(time: Numbers, p: Values) -> dict[str, Numbers]:
    h, v = np.zeros_like(time), np.zeros_like(time)
    known = flights(p)
    for (start, height, speed), (end, _, _) in itertools.pairwise(known):
        now = (time >= start) & (time < end)
        t = time[now] - start
        h[now] = height + speed * t + p["g"] * t**2 / 2
        v[now] = speed + p["g"] * t
    return {"h": h, "v": v}


def decaying(time: Numbers, p: Values) -> dict[str, Numbers]:
    return {"x": p["x"] * np.exp(-p["k"] * time)}


def oscillating(time: Numbers, p: Values) -> dict[str, Numbers]:
    def slope(_: float, x: Numbers) -> list[float]:
        return [x[1], p["mu"] * (1 - x[0] ** 2) * x[1] - x[0]]

    end = float(time[-1])
    start = [p["x0"], p["x1"]]
    independent = solve_ivp(
        slope, (0, end), start, method="DOP853", rtol=1e-13, atol=1e-13, t_eval=time
    )
    return {"x0": independent.y[0], "x1": independent.y[1]}


REFERENCES: dict[str, tuple[Exact, Values]] = {
    "BouncingBall": (bouncing, BOUNCE),
    "Dahlquist": (decaying, {"x": 1.0, "k": 1.0}),
    "VanDerPol": (oscillating, {"x0": 2.0, "x1": 0.0, "mu": 1.0}),
}
OTHER_VALUES: dict[str, Values] = {
    "BouncingBall": {"h": 3.0, "g": -1.62, "e": 0.9, "v_min": 0.5},
    "Dahlquist": {"x": -2.0, "k": 0.25},
    "VanDerPol": {"x0": 0.5, "x1": -1.0, "mu": 5.0},
}


def deviation(fmu: Path, kind: str, values: Values, **options: Any) -> float:  # noqa: ANN401
    """The largest difference from the reference, away from the instants of a bounce."""
    name = fmu.stem.partition("@")[0]
    exact, defaults = REFERENCES[name]
    run = simulate_fmu(str(fmu), fmi_type=kind, start_values=dict(values), **options)
    time = np.asarray(run["time"])
    expected = exact(np.unique(np.clip(time, 0, None)), {**defaults, **values})
    last = len(time) - 1 - np.unique(time[::-1], return_index=True)[1]
    calm = np.ones(len(last), dtype=bool)
    if name == "BouncingBall":
        times = bounce_times({**defaults, **values})
        calm = np.abs(time[last][:, None] - times).min(axis=1) > 1e-6
    return max(
        float(np.abs(run[variable][last] - wanted)[calm].max())
        for variable, wanted in expected.items()
    )


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", REFERENCES)
def test_fmpy_finds_nothing_to_complain_about(built: Path, name: str, version: str) -> None:
    assert validate_fmu(str(built / f"{name}{version}.fmu")) == []


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", REFERENCES)
def test_co_simulation_holds_the_error_that_its_card_claims(
    built: Path, tmp_path: Path, name: str, version: str
) -> None:
    card = Catalogue.load(built, tmp_path).card(name + version)
    assert card.error is not None
    assert deviation(card.path, "CoSimulation", {}) < card.error


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", REFERENCES)
def test_model_exchange_agrees_as_well_as_the_solver_is_asked_to(
    built: Path, name: str, version: str
) -> None:
    fmu = built / f"{name}{version}.fmu"
    assert deviation(fmu, "ModelExchange", {}, relative_tolerance=1e-10) < 1e-6


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", REFERENCES)
def test_parameters_and_start_values_count(built: Path, name: str, version: str, kind: str) -> None:
    fmu = built / f"{name}{version}.fmu"
    assert deviation(fmu, kind, OTHER_VALUES[name], relative_tolerance=1e-10) < 1e-5


@pytest.mark.parametrize("step", [0.5, 3.0])
def test_a_long_communication_step_doesnt_cost_a_bounce(built: Path, step: float) -> None:
    assert deviation(built / "BouncingBall.fmu", "CoSimulation", {}, output_interval=step) < 1e-12


@pytest.mark.parametrize(
    ("file", "options", "tolerance"),
    [
        (
            "BouncingBall@fmi3.fmu",
            {"fmi_type": "CoSimulation", "use_event_mode": True, "early_return_allowed": True},
            1e-12,
        ),
        ("BouncingBall.fmu", {"fmi_type": "ModelExchange", "relative_tolerance": 1e-10}, 1e-8),
        ("BouncingBall@fmi3.fmu", {"fmi_type": "ModelExchange", "relative_tolerance": 1e-10}, 1e-8),
    ],
)
def test_bounces_happen_when_the_closed_form_says(
    built: Path, file: str, options: dict[str, Any], tolerance: float
) -> None:
    run = simulate_fmu(str(built / file), record_events=True, **options)
    risen = np.flatnonzero(np.diff(run["v"]) > BOUNCE["v_min"] / 2)
    found = run["time"][risen + 1]
    assert found == pytest.approx(bounce_times(BOUNCE), abs=tolerance)


@pytest.mark.parametrize("kind", KINDS)
def test_the_ball_comes_to_rest_on_the_floor(built: Path, kind: str) -> None:
    run = simulate_fmu(
        str(built / "BouncingBall.fmu"), fmi_type=kind, stop_time=5.0, output=["h", "v", "resting"]
    )
    later = run["time"] > bounce_times(BOUNCE)[-1] + 0.01
    assert not run["h"][later].any()
    assert not run["v"][later].any()
    assert run["resting"][later].all()
    assert not run["resting"][run["time"] < bounce_times(BOUNCE)[-1] - 0.01].any()


@pytest.mark.parametrize("e", [0.0, 0.99, 1.0])
def test_extreme_restitution_ends(built: Path, e: float) -> None:
    run = simulate_fmu(
        str(built / "BouncingBall.fmu"),
        fmi_type="CoSimulation",
        start_values={"e": e, "v_min": 0.0},
        stop_time=20.0,
        timeout=20.0,
    )
    assert run["time"][-1] == pytest.approx(20.0)
    assert run["h"].min() >= 0
    assert run["h"].max() <= 1 + 1e-12


def test_a_ball_that_bounces_infinitely_often_comes_to_rest(built: Path) -> None:
    run = simulate_fmu(
        str(built / "BouncingBall.fmu"), fmi_type="CoSimulation", start_values={"v_min": 0.0}
    )
    assert run["v"][-1] == 0


def test_a_stiff_oscillator_stays_on_its_limit_cycle(built: Path) -> None:
    run = simulate_fmu(
        str(built / "VanDerPol.fmu"), fmi_type="CoSimulation", start_values={"mu": 1000.0}
    )
    assert np.isfinite(run["x1"]).all()
    assert 1.9 < run["x0"][-1] < 2.0


def switching(end: float, ambient: float) -> tuple[float, int]:
    """HeatedRoom in closed form: the temperature at `end` and how often the heater switched."""
    time, temperature, heating, switches = 0.0, 15.0, True, 1
    while True:
        limit, target = (ambient + 20, 21.0) if heating else (ambient, 19.0)
        lasts = math.log((temperature - limit) / (target - limit))
        if time + lasts > end:
            return limit + (temperature - limit) * math.exp(time - end), switches
        time, temperature, heating, switches = time + lasts, target, not heating, switches + 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("version", VERSIONS)
def test_inputs_time_events_integers_and_booleans_work(room: Path, version: str, kind: str) -> None:
    fmu = room / f"HeatedRoom{version}.fmu"
    assert validate_fmu(str(fmu)) == []
    run = simulate_fmu(
        str(fmu),
        fmi_type=kind,
        relative_tolerance=1e-10,
        start_values={"first_day": 7, "ambient": 5.0},
        output=["room.T", "switches", "day", "heating"],
    )
    temperature, switches = switching(10.0, 5.0)
    assert run["room.T"][-1] == pytest.approx(temperature, abs=1e-6)
    assert run["switches"][-1] == switches
    assert [int(run["day"][run["time"] < t][-1]) for t in (3.95, 7.95, 9.99)] == [7, 8, 9]
    assert set(run["heating"]) == {0, 1}
