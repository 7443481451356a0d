"""The closed-form rail pressure against an independent numerical integration."""

from __future__ import annotations

import csv
import importlib.util
import math
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp  # type: ignore[import-untyped]

from gateway_library.build import built_folder
from gateway_library.catalogue import Catalogue
from gateway_simulation.plan import RunLimits, plan
from gateway_simulation.request import SimulationRequest
from gateway_simulation.runner import Simulator

SCRIPT = Path(__file__).parents[2] / "scripts" / "simulate_fuel_rail.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("simulate_fuel_rail", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "changes",
    [{}, {"leakage": 5e-13}, {"start_pressure": 3e7}, {"stiffening": 0.0}, {"leakage": 0.0}],
    ids=str,
)
def test_it_agrees_with_a_numerical_integration(
    script: ModuleType, changes: dict[str, Any]
) -> None:
    rail = script.FuelRail(**changes)
    time = np.linspace(0, 5.3 * rail.period, 2000)

    def derivative(t: float, p: Any) -> Any:  # noqa: ANN401
        """The balance of volumes, written down anew: no piece, no exponential."""
        since = t % rail.period
        injecting = since < rail.injection_duration
        pumping = 0 <= since - rail.stroke_start < rail.stroke_duration
        q_injector = rail.injected_volume / rail.injection_duration if injecting else 0
        q_pump = rail.delivered_volume / rail.stroke_duration if pumping else 0
        modulus = rail.bulk_modulus + rail.stiffening * p
        return modulus / rail.volume * (q_pump - q_injector - rail.leakage * p)

    numerical = solve_ivp(
        derivative,
        (0, time[-1]),
        [rail.start_pressure],
        t_eval=time,
        rtol=1e-8,
        max_step=2e-5,
    )
    assert np.allclose(rail.pressure(time), numerical.y[0], rtol=5e-4)


def test_one_injection_drops_the_pressure_as_compressibility_says(script: ModuleType) -> None:
    rail = script.FuelRail(leakage=0.0)
    moduli = rail.bulk_modulus + rail.stiffening * rail.pressure(
        np.array([0.0, rail.injection_duration])
    )
    before, after = moduli
    decay = math.exp(-rail.stiffening * rail.injected_volume / rail.volume)
    assert after / before == pytest.approx(decay, rel=1e-12)


@pytest.mark.parametrize("changes", [{}, {"leakage": 5e-13}, {"stiffening": 0.0}], ids=str)
def test_the_librarys_model_agrees_where_the_closed_form_holds(
    script: ModuleType, tmp_path: Path, changes: dict[str, Any]
) -> None:
    """Injectors of constant flow, no controller, no limiting valve."""
    rail = script.FuelRail(**changes)
    model = Catalogue.load(built_folder(), tmp_path).resolve("CommonRail")
    request = SimulationRequest(
        fmu_id=model.id,
        stop_time=0.09,
        step=5e-5,
        start_values={
            "speed": rail.speed * 60,
            "injector.duration": rail.injection_duration * 1e3,
            "rail.p": rail.start_pressure / 1e5,
            "rail.V": rail.volume * 1e6,
            "fuel.K0": rail.bulk_modulus / 1e5,
            "fuel.slope": rail.stiffening,
            "leak.G": rail.leakage * 1e11,
            "firings": rail.firings_per_turn,
            "injector.q": rail.injected_volume / rail.injection_duration * 1e6,
            "injector.exponent": 0.0,
            "pump.V": rail.delivered_volume * 1e9,
            "pump.start": rail.stroke_start / rail.period,
            "pump.length": rail.stroke_duration / rail.period,
            "controlled": False,
            "pump.u_fixed": 1.0,
            "valve.G": 0.0,
        },
        outputs=["rail.p"],
        mode="co_simulation",
    )
    simulator = Simulator(timeout_s=60, memory_mb=512)
    run = simulator.run(plan(model, request, RunLimits()))
    simulator.close()
    assert len(run.time) > 1800
    assert run.column("rail.p") * 1e5 == pytest.approx(rail.pressure(run.time), rel=1e-9)


def test_the_pump_makes_up_for_what_is_taken(script: ModuleType) -> None:
    rail = script.FuelRail()
    at_firings = rail.pressure(np.arange(20) * rail.period)
    assert np.ptp(at_firings) < 0.01 * rail.target_pressure


def test_it_writes_a_table_and_a_plot(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, SCRIPT, "--stop", "0.03"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Pressure between" in done.stdout
    with (tmp_path / "data/fuel_rail_pressure.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 1501
    assert float(rows[0]["pressure_bar"]) == 1000.0
    assert float(rows[-1]["time"]) == pytest.approx(0.03)
    assert (tmp_path / "data/fuel_rail_pressure.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("arguments", [["--step", "0"], ["--stop", "nan"], ["--stop", "1e9"]])
def test_impossible_times_are_refused(script: ModuleType, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as refusal:
        script.main(arguments)
    assert refusal.value.code == 2
