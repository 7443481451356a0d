"""A state without a start value begins where the parameters say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fmpy import read_model_description, simulate_fmu  # type: ignore[import-untyped]

PID = "Modelica.Blocks.Examples.PID_Controller"
DRIVE = "Modelica.Clocked.Examples.SimpleControlledDrive.Continuous"

each_version = pytest.mark.parametrize("version", ["", "@fmi3"])
each_kind = pytest.mark.parametrize("kind", ["CoSimulation", "ModelExchange"])


@each_kind
@each_version
def test_a_drive_begins_in_the_steady_state_of_its_load(
    built: Path, version: str, kind: str
) -> None:
    fmu = str(built / f"{PID}{version}.fmu")
    outputs = ["spring.phi_rel", "PI.y", "inertia1.w"]
    load = {"loadTorque.tau_constant": -6.0, "spring.c": 500.0}
    run = simulate_fmu(fmu, fmi_type=kind, start_values=load, stop_time=0.4, output=outputs)
    assert np.ptp(run["spring.phi_rel"]) < 1e-12
    assert run["spring.phi_rel"][0] == pytest.approx(-6.0 / 500.0)
    assert run["PI.y"] == pytest.approx(np.full(len(run), 6.0))
    assert np.abs(run["inertia1.w"]).max() < 1e-12


@each_kind
@each_version
def test_a_controller_begins_with_the_output_that_it_was_given(
    built: Path, version: str, kind: str
) -> None:
    fmu = str(built / f"{DRIVE}{version}.fmu")
    start = {"PI.y_start": 30.0, "ramp.offset": 2.0, "load.w": 0.5}
    run = simulate_fmu(fmu, fmi_type=kind, start_values=start, stop_time=0.1, output=["PI.y"])
    assert run["PI.y"][0] == pytest.approx(30.0)


@each_version
def test_such_a_state_offers_no_start_value_to_set(built: Path, version: str) -> None:
    fmu = str(built / f"{PID}{version}.fmu")
    description = read_model_description(fmu)
    state = next(v for v in description.modelVariables if v.name == "PI.I.y")
    unknowns = [u.variable.name for u in description.initialUnknowns if u.variable]
    assert (state.initial, state.start) == ("calculated", None)
    assert "PI.I.y" in unknowns
    assert "inertia1.phi" not in unknowns
