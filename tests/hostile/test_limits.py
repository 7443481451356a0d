"""Bounds that take longer to reach."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hostile import fmu

from gateway_simulation import exceptions as e
from gateway_simulation.layout import Tier
from gateway_simulation.runner import Simulator

TIMEOUT_S = 3.0


@pytest.mark.parametrize(
    "tier", [Tier.STRONG, Tier.DEVELOPMENT], ids=lambda tier: tier.name.lower()
)
@pytest.mark.parametrize("engine", ["native", "fmpy"])
def test_a_run_that_is_out_of_processor_time_timed_out(
    engine: str, tier: Tier, library: Path, tmp_path: Path
) -> None:
    """Its process takes the time of several runs at once, where there are several cores."""
    model = fmu.install(library.read_bytes(), tmp_path / "model")
    simulator = Simulator(timeout_s=TIMEOUT_S, memory_mb=256, sandbox=tier)
    run = fmu.order(model, engine, "spins_in_threads")
    try:
        simulator.run(fmu.order(model, engine))
        begun = time.monotonic()
        with pytest.raises(e.RunTimeoutError) as caught:
            simulator.run(run)
        assert time.monotonic() - begun < TIMEOUT_S + 2
        assert caught.value.details == {"timeout_s": TIMEOUT_S}
    except e.SandboxUnavailableError as error:
        pytest.skip(str(error))
    finally:
        simulator.close()
