"""The numbers that come out of the gateway are those that FMPy computes by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fmpy  # type: ignore[import-untyped]
import numpy as np
import pytest
import reference_fmus
from conftest import Running

CASES: dict[str, dict[str, Any]] = {
    "reference/fmi2/BouncingBall.fmu": {"stop_time": 3.0, "step": 0.01},
    "reference/fmi2/VanDerPol.fmu": {"stop_time": 20.0, "step": 0.01},
    "reference/fmi3/VanDerPol.fmu": {"stop_time": 20.0, "step": 0.01},
    "reference/fmi2/Dahlquist.fmu": {"stop_time": 10.0, "step": 0.1, "start_values": {"k": 2.0}},
    "CoupledClutches_CS_linux64.fmu": {"stop_time": 1.0, "step": 0.01},  # FMPy steps past 1.4
}


@pytest.fixture(scope="module")
def models() -> Path:
    return reference_fmus.required_folder()


@pytest.mark.parametrize("name", CASES)
def test_an_uploaded_model_gives_fmpys_own_trajectory(
    free_gateway: Running, models: Path, name: str
) -> None:
    request = CASES[name]
    with free_gateway.http() as http, (models / name).open("rb") as file:
        stored = http.post("/fmus", files={"file": file}).json()
        asked = {"fmu_id": stored["id"], "mode": "co_simulation", "points": "all", **request}
        answer = http.post("/simulate", json=asked).json()
    series = answer["series"]
    expected = fmpy.simulate_fmu(
        models / name,
        fmi_type="CoSimulation",
        stop_time=request["stop_time"],
        output_interval=request["step"],
        start_values=request.get("start_values", {}),
    )
    common = min(len(series["time"]), len(expected["time"]))
    assert common >= len(expected["time"]) - 1  # the last step may fall to rounding in FMPy
    for column in [name for name in series if name != "time"]:
        assert np.array_equal(series[column][:common], expected[column][:common]), column
