"""Bounds that take longer to reach."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hostile import fmu

from gateway_simulation import exceptions as e
from gateway_simulation.runner import Simulator

TIMEOUT_S = 3.0


@pytest.mark.xfail(reason="a run that is out of CPU time is said to be out of memory", strict=False)
def test_a_run_that_is_out_of_cpu_time_timed_out(library: Path, tmp_path: Path) -> None:
    model = fmu.install(library.read_bytes(), tmp_path / "model")
    simulator = Simulator(timeout_s=TIMEOUT_S, memory_mb=128)
    try:
        simulator.start()
        begun = time.monotonic()
        with pytest.raises(e.RunTimeoutError):
            simulator.run(fmu.order(model, "native", "spins_in_threads"))
        assert time.monotonic() - begun < TIMEOUT_S + 2
    finally:
        simulator.close()
