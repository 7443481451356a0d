"""One simulator for all tests, and ways to get models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import reference_fmus
from fmus import compiled

from gateway_simulation.archive import Limits, extract, inspect, load
from gateway_simulation.model import Model
from gateway_simulation.plan import CanonicalRun, RunLimits, plan
from gateway_simulation.request import SimulationRequest
from gateway_simulation.runner import Simulator
from gateway_simulation.solvers import ENGINES

Planner = Callable[..., CanonicalRun]


@pytest.fixture(scope="session")
def simulator() -> Iterator[Simulator]:
    made = Simulator(timeout_s=20, memory_mb=512)
    yield made
    made.close()


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bytes], Model]:
    """An archive, inspected, extracted and loaded as the model store does it."""
    store = tmp_path_factory.mktemp("models")
    models: dict[str, Model] = {}

    def install(data: bytes) -> Model:
        inspection = inspect(data, Limits())
        if inspection.sha256 not in models:
            folder = store / inspection.sha256
            extract(data, inspection, folder, Limits())
            models[inspection.sha256] = load("fmu_test", inspection.sha256, folder)
        return models[inspection.sha256]

    return install


@pytest.fixture(scope="session")
def model_that(installed: Callable[[bytes], Model]) -> Callable[[str], Model]:
    """One of our own FMUs, by its behaviour."""
    if not compiled.available():
        pytest.skip("no C compiler")
    return lambda behaviour: installed(compiled.fmu(behaviour))


@pytest.fixture(scope="session")
def references() -> Path:
    return reference_fmus.required_folder()


@pytest.fixture(scope="session")
def reference(references: Path, installed: Callable[[bytes], Model]) -> Callable[[str], Model]:
    """A Reference FMU by its path without ending: `fmi2/BouncingBall`."""

    def get(name: str) -> Model:
        path = f"reference/{name}.fmu" if name.startswith("fmi") else f"{name}.fmu"
        return installed((references / path).read_bytes())

    return get


@pytest.fixture(scope="session", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Each engine in turn: whatever is true of a run is true of both."""
    found: str = request.param
    return found


@pytest.fixture(scope="session")
def planned(engine: str) -> Planner:
    def make(model: Model, **fields: Any) -> CanonicalRun:  # noqa: ANN401
        request = SimulationRequest.model_validate({"fmu_id": model.id, "engine": engine, **fields})
        return plan(model, request, RunLimits())

    return make
