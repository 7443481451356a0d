"""Bounds that take longer to reach."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hostile import fmu

from gateway_simulation import exceptions as e
from gateway_simulation import runner
from gateway_simulation.layout import Tier
from gateway_simulation.runner import Simulator

TIMEOUT_S = 60
PROCESSOR_S = 1


@pytest.mark.parametrize("call", ["spins_in_threads", "spins_deaf"])
@pytest.mark.parametrize("tier", Tier, ids=lambda tier: tier.name.lower())
@pytest.mark.parametrize("engine", ["native", "fmpy"])
def test_a_run_that_is_out_of_processor_time_timed_out(
    engine: str, tier: Tier, call: str, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long before its deadline, which a busy machine would else meet first."""
    monkeypatch.setattr(runner, "_CPU_GRACE_S", PROCESSOR_S + 1 - TIMEOUT_S)
    model = fmu.install(library.read_bytes(), library.parent / f"model-{engine}-{tier}-{call}")
    simulator = Simulator(timeout_s=TIMEOUT_S, memory_mb=256, sandbox=tier)
    try:
        simulator.start()
        begun = time.monotonic()
        with pytest.raises(e.RunTimeoutError) as caught:
            simulator.run(fmu.order(model, engine, call))
        assert time.monotonic() - begun < TIMEOUT_S / 2
        assert caught.value.details == {"timeout_s": TIMEOUT_S}
    except e.SandboxUnavailableError as error:
        pytest.skip(str(error))
    finally:
        simulator.close()
