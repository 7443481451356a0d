"""A ball's bounces: state events, at the instants of the closed form and in any number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fmpy import simulate_fmu  # type: ignore[import-untyped]
from library.physics.bouncing_ball import DEFAULTS, SOLUTION, bounce_times

KINDS = ("CoSimulation", "ModelExchange")


@pytest.mark.parametrize("step", [0.5, 3.0])
def test_a_long_communication_step_doesnt_cost_a_bounce(built: Path, step: float) -> None:
    run = simulate_fmu(
        str(built / "BouncingBall.fmu"), fmi_type="CoSimulation", output_interval=step
    )
    expected = SOLUTION.exact(run["time"], DEFAULTS)
    assert run["h"] == pytest.approx(expected["h"], abs=1e-12)
    assert run["v"] == pytest.approx(expected["v"], abs=1e-12)


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
    risen = np.flatnonzero(np.diff(run["v"]) > DEFAULTS["v_min"] / 2)
    found = run["time"][risen + 1]
    assert found == pytest.approx(bounce_times(), abs=tolerance)


@pytest.mark.parametrize("kind", KINDS)
def test_the_ball_comes_to_rest_on_the_floor(built: Path, kind: str) -> None:
    run = simulate_fmu(
        str(built / "BouncingBall.fmu"), fmi_type=kind, stop_time=5.0, output=["h", "v", "resting"]
    )
    later = run["time"] > bounce_times()[-1] + 0.01
    assert not run["h"][later].any()
    assert not run["v"][later].any()
    assert run["resting"][later].all()
    assert not run["resting"][run["time"] < bounce_times()[-1] - 0.01].any()


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
