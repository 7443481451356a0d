"""The solver inside Co-Simulation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from fmpy import simulate_fmu  # type: ignore[import-untyped]


def test_a_stiff_oscillator_stays_on_its_limit_cycle(built: Path) -> None:
    run = simulate_fmu(
        str(built / "VanDerPol.fmu"), fmi_type="CoSimulation", start_values={"mu": 1000.0}
    )
    assert np.isfinite(run["x1"]).all()
    assert 1.9 < run["x0"][-1] < 2.0
