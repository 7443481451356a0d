"""Runs of one order share a process: what one does to it mustn't reach the next one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from hostile import fmu

from gateway_simulation.runner import Simulator
from gateway_simulation.trajectory import Trajectory


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    made = Simulator(timeout_s=20, memory_mb=128)
    yield made
    made.close()


SEEN_BY: Final = {
    "rounds_up": "sees_arithmetic",
    "flushes_to_zero": "sees_arithmetic",
    "changes_locale": "sees_locale",
}


@pytest.mark.parametrize("spoils", SEEN_BY)
@pytest.mark.parametrize("engine", ["native", "fmpy"])
def test_arithmetic_is_as_it_was_in_the_next_run(
    spoils: str, engine: str, library: Path, tmp_path: Path, simulator: Simulator
) -> None:
    model = fmu.install(library.read_bytes(), tmp_path / "model")
    calls = (SEEN_BY[spoils], spoils, SEEN_BY[spoils])
    found = simulator.run_all([fmu.order(model, engine, call) for call in calls])
    assert [f.column("effect")[-1] for f in found if isinstance(f, Trajectory)] == [0, 0, 0]


@pytest.mark.parametrize("engine", ["native", "fmpy"])
def test_a_run_that_dies_takes_no_other_with_it(
    engine: str, library: Path, tmp_path: Path, simulator: Simulator
) -> None:
    model = fmu.install(library.read_bytes(), tmp_path / "model")
    calls = ("nothing", "crashes", "nothing", "exits", "nothing", "forges_magic", "nothing")
    found = simulator.run_all([fmu.order(model, engine, call) for call in calls])
    assert [isinstance(f, Trajectory) for f in found[::2]] == [True] * 4
    assert not any(isinstance(f, Trajectory) for f in found[1:4:2])
