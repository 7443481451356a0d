"""Which engine runs a model, and what every result says of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway_simulation import exceptions as e
from gateway_simulation import native
from gateway_simulation.model import Model
from gateway_simulation.plan import CanonicalRun, RunLimits, plan
from gateway_simulation.request import SimulationRequest
from gateway_simulation.runner import Simulator
from gateway_simulation.solvers import available_engines, shortcomings

Named = Callable[[str], Model]


def _planned(model: Model, **fields: Any) -> CanonicalRun:  # noqa: ANN401
    return plan(model, SimulationRequest(fmu_id=model.id, **fields), RunLimits())


@pytest.fixture
def coreless(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installation without the native core."""
    missing = Path("/nowhere/core.so")
    monkeypatch.setattr(native, "built_library", lambda: missing)
    native.problem.cache_clear()
    yield
    native.problem.cache_clear()


def test_the_native_core_runs_what_nobody_asked_an_engine_for(
    model_that: Named, simulator: Simulator
) -> None:
    assert native.problem() is None
    assert available_engines() == ("native", "fmpy")
    assert shortcomings() == ()
    run = _planned(model_that("driven"))
    trajectory = simulator.run(run)
    assert run.warnings == ()
    assert trajectory.engine["name"] == "native"
    assert str(trajectory.engine["version"]).endswith(f"+{native.core_version()}")
    assert str(trajectory.engine["libc"]).startswith("glibc ")
    assert trajectory.engine["solver"] == "cvode"
    assert str(trajectory.engine["sundials"]).startswith("7.")


@pytest.mark.usefixtures("coreless")
def test_without_the_core_fmpy_runs_everything_and_says_so(model_that: Named) -> None:
    run = _planned(model_that("driven"))
    assert run.engine == "fmpy"
    (warning,) = run.warnings
    assert warning.startswith("FMPy ran it: the native core can't be used here: it was not built")
    (sentence,) = shortcomings()
    assert "C compiler" in sentence
    simulator = Simulator(timeout_s=10, memory_mb=256)
    try:
        simulator.start()
        assert simulator.run(run).engine["name"] == "fmpy"
    finally:
        simulator.close()


@pytest.mark.usefixtures("coreless")
def test_asking_for_a_core_that_isnt_there_names_what_is(model_that: Named) -> None:
    with pytest.raises(e.UnavailableEngineError) as caught:
        _planned(model_that("driven"), engine="native")
    assert caught.value.details == {"engine": "native", "available": ["fmpy"]}


def test_a_core_that_cant_be_loaded_is_told_as_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    damaged = tmp_path / "core.so"
    damaged.write_bytes(b"no ELF file" * 100)
    damaged.with_name("zygote").touch()
    monkeypatch.setattr(native, "built_library", lambda: damaged)
    native.problem.cache_clear()
    native.library.cache_clear()
    try:
        assert native.problem() == "core.so: invalid ELF header"
    finally:
        monkeypatch.undo()
        native.problem.cache_clear()
        native.library.cache_clear()


def test_the_engine_is_part_of_what_is_hashed(model_that: Named) -> None:
    model = model_that("driven")
    hashes = {_planned(model, engine=name).sha256 for name in ("auto", "native", "fmpy")}
    assert len(hashes) == 2
