"""HeatedRoom, a model that has what the product's first models lack, in closed form."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from fmpy import simulate_fmu  # type: ignore[import-untyped]
from fmpy.validation import validate_fmu  # type: ignore[import-untyped]

KINDS = ("CoSimulation", "ModelExchange")
VERSIONS = ("", "@fmi3")


def switching(end: float, ambient: float, band: float = 1.0) -> tuple[float, int]:
    """HeatedRoom in closed form: the temperature at `end` and how often the heater switched."""
    time, temperature, heating, switches = 0.0, 15.0, True, 1
    while True:
        limit, target = (ambient + 20, 20 + band) if heating else (ambient, 20 - band)
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
