"""Clutches that stick and slip: what their modes tell, and that nothing creeps where they hold."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fmpy import simulate_fmu  # type: ignore[import-untyped]

KINDS = ("CoSimulation", "ModelExchange")
_EXAMPLES = "Modelica.Mechanics.Rotational.Examples"


def run(built: Path, name: str, outputs: list[str], **options: Any) -> Any:  # noqa: ANN401
    return simulate_fmu(str(built / f"{_EXAMPLES}.{name}.fmu"), output=outputs, **options)


def test_a_clutch_is_stuck_for_a_moment_while_it_starts_to_slide(built: Path) -> None:
    names = ["clutch1.mode", "clutch1.startForward", "clutch1.startBackward"]
    found = run(built, "CoupledClutches", names, fmi_type="ModelExchange")
    told = zip(*(found[name].astype(int) for name in names), strict=True)
    # as published: it slides, holds, gives way backward twice, and is opened at 1.25 s
    assert [state for state, _ in itertools.groupby(told)][-8:] == [
        (-1, 0, 0),
        (0, 0, 0),
        (0, 0, 1),
        (-1, 0, 0),
        (0, 0, 0),
        (0, 0, 1),
        (-1, 0, 0),
        (2, 0, 0),
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_a_stuck_clutch_does_not_creep(built: Path, kind: str) -> None:
    names = ["clutch2.mode", "clutch2.w_rel", "clutch2.phi_rel"]
    found = run(built, "CoupledClutches", names, fmi_type=kind, stop_time=100.0)
    stuck = (found["clutch2.mode"] == 0) & (found["time"] > 1.0)
    assert stuck[found["time"] > 1.0].all()
    assert not found["clutch2.w_rel"][stuck].any()
    assert np.ptp(found["clutch2.phi_rel"][stuck]) < 1e-15


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("values", [{}, {"oneWayClutch.w_rel": 0.0}, {"oneWayClutch.fn_max": 0.0}])
def test_a_freewheel_never_turns_back(built: Path, kind: str, values: dict[str, float]) -> None:
    names = ["oneWayClutch.w_rel", "oneWayClutch.stuck"]
    found = run(built, "OneWayClutch", names, fmi_type=kind, start_values=values)
    assert found["oneWayClutch.w_rel"].min() > -1e-9
    assert set(found["oneWayClutch.stuck"]) == {0, 1}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "values",
    [
        {f"clutch{k}.fn_max": 0.0 for k in (1, 2, 3)},
        {f"clutch{k}.mu_pos[1,2]": 0.0 for k in (1, 2, 3)},
        {"sin1.amplitude": 0.0, "J1.w": 0.0, "clutch1.w_rel": 0.0},
    ],
)
def test_momentum_is_kept_where_clutches_transmit_nothing(
    built: Path, kind: str, values: dict[str, float]
) -> None:
    names = ["J2.w", "J3.w", "J4.w"]
    found = run(built, "CoupledClutches", names, fmi_type=kind, start_values=values)
    assert all(not found[name].any() for name in names)
