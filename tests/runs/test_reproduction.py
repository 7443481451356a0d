"""`reproduce.py` gets a result's numbers with nothing but FMPy and the model's file."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference_fmus
from fmus import compiled

from gateway_library.build import built_folder
from gateway_runs import reproduction
from gateway_runs.exceptions import NotReproducibleError
from gateway_runs.records import Record
from gateway_runs.results import csv
from gateway_simulation.archive import Limits, extract, inspect, load
from gateway_simulation.plan import CanonicalRun, RunLimits, plan
from gateway_simulation.request import SimulationRequest
from gateway_simulation.runner import Simulator
from gateway_simulation.trajectory import Trajectory

pytestmark = pytest.mark.slow

CS, ME = {"mode": "co_simulation"}, {"mode": "model_exchange"}
RAMP = {"name": "u", "t": [0, 0.7, 1.45, 3], "u": [0, 1, -1, 2]}
STEPS = {"name": "u", "t": [0, 0.73, 1.5], "u": [0, 1, -1], "interpolation": "hold"}


@dataclass(frozen=True)
class Reproduced:
    """A run of ours, and what its script printed and wrote."""

    run: CanonicalRun
    ours: Trajectory
    header: list[str]
    theirs: Any
    text: str


Reproduce = Callable[..., Reproduced]


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    made = Simulator(timeout_s=20, memory_mb=512)
    yield made
    made.close()


@pytest.fixture(scope="module")
def reproduce(simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Reproduce:
    def made(data: bytes, **asked: Any) -> Reproduced:  # noqa: ANN401
        folder = tmp_path_factory.mktemp("reproduced")
        run = _planned(data, folder / "model", **asked)
        (folder / "model.fmu").write_bytes(data)
        ours = simulator.run(run)
        text = reproduction.script(_record(run, ours)).decode()
        (folder / "reproduce.py").write_text(text, encoding="utf-8")
        done = _script(folder, "model.fmu", "out.csv")
        assert done.returncode == 0, done.stdout + done.stderr
        lines = (folder / "out.csv").read_text(encoding="utf-8").splitlines()
        theirs = np.array([[float(cell) for cell in line.split(",")] for line in lines[1:]])
        return Reproduced(run, ours, lines[0].split(","), theirs, text)

    return made


def _planned(data: bytes, folder: Path, **asked: Any) -> CanonicalRun:  # noqa: ANN401
    inspection = inspect(data, Limits())
    extract(data, inspection, folder, Limits())
    model = load("fmu_test", inspection.sha256, folder)
    request = SimulationRequest.model_validate({"fmu_id": model.id, **asked})
    return plan(model, request, RunLimits())


def _record(run: CanonicalRun, ours: Trajectory) -> Record:
    """As it comes back out of the database."""
    made = json.loads(json.dumps({"run": reproduction.kept(run, ours)}))
    now = datetime.now(UTC)
    return Record("res_0123", run.model.id, run.model.sha256, run.sha256, now, made)


def _script(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "reproduce.py", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def _distance(found: Reproduced) -> float:
    """The largest difference of any value, relative to its column's range; rows are the same."""
    ours = np.column_stack([found.ours.time, found.ours.values])
    assert found.header == ["time", *found.ours.names]
    assert found.theirs.shape == ours.shape, (found.theirs.shape, ours.shape)
    assert np.allclose(found.theirs[:, 0], ours[:, 0], rtol=1e-12, atol=1e-12)
    span = np.ptp(ours, axis=0)
    return float((np.abs(found.theirs - ours) / np.where(span > 0, span, 1)).max())


def _reference(name: str) -> bytes:
    return (reference_fmus.required_folder() / "reference" / f"{name}.fmu").read_bytes()


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("fmi2/BouncingBall", {**CS, "start_values": {"e": 0.8}}),
        ("fmi2/BouncingBall", {**ME, "start_values": {"e": 0.8}}),
        ("fmi3/BouncingBall", {**ME, "solver": {"relative_tolerance": 1e-8}}),
        ("fmi2/VanDerPol", {**ME, "step": 0.25, "start_values": {"mu": 3}}),
        ("fmi3/VanDerPol", {**CS, "stop_time": 3.1}),
        ("fmi3/Stair", CS),
        ("fmi2/Dahlquist", {**CS, "step": 0.3, "communication_step": 0.1, "stop_time": 3}),
        ("fmi2/Dahlquist", {**ME, "solver": {"name": "euler", "step_size": 0.05}, "step": 0.1}),
        ("fmi2/VanDerPol", {**ME, "solver": {"name": "rk4", "step_size": 0.05}, "step": 0.1}),
        ("fmi2/BouncingBall", {**ME, "solver": {"name": "rk4", "step_size": 0.005}}),
        ("fmi3/StateSpace", {**ME, "stop_time": 2}),
    ],
)
def test_the_script_gets_the_same_bits(
    reproduce: Reproduce, name: str, asked: dict[str, Any]
) -> None:
    found = reproduce(_reference(name), **asked)
    assert _distance(found) <= 1e-15


@pytest.mark.parametrize("signal", [RAMP, STEPS], ids=["linear", "held"])
def test_inputs_are_inside_the_right_hand_side(
    reproduce: Reproduce, signal: dict[str, Any]
) -> None:
    """FMPy's own loop is off by 0.1 here."""
    found = reproduce(compiled.fmu("driven"), **ME, stop_time=2, step=0.5, input_signals=[signal])
    assert _distance(found) < 1e-12


@pytest.mark.parametrize("solver", ["euler", "rk4"])
def test_fixed_steps_see_the_inputs_within(reproduce: Reproduce, solver: str) -> None:
    asked = {"solver": {"name": solver, "step_size": 0.1}, "input_signals": [RAMP]}
    found = reproduce(compiled.fmu("driven"), **ME, stop_time=2, step=0.5, **asked)
    assert _distance(found) < 1e-12


@pytest.mark.parametrize("name", ["fmi2/Feedthrough", "fmi3/Feedthrough"])
def test_integers_booleans_and_enumerations_come_along(reproduce: Reproduce, name: str) -> None:
    asked = {
        "start_values": {"Enumeration_input": 2, "Float64_fixed_parameter": 2.5},
        "input_signals": [
            {"name": "Int32_input", "t": [0, 1], "u": [1, 3]},
            {"name": "Boolean_input", "t": [0, 1.5], "u": [False, True]},
            {"name": "Float64_continuous_input", "t": [0, 2], "u": [0, 4]},
        ],
    }
    assert _distance(reproduce(_reference(name), **CS, **asked)) < 1e-12


@pytest.mark.parametrize("mode", [CS, ME])
def test_library_models_are_reproduced_from_their_built_file(
    reproduce: Reproduce, mode: dict[str, Any]
) -> None:
    data = (built_folder() / "BouncingBall.fmu").read_bytes()
    assert _distance(reproduce(data, **mode, stop_time=3.0)) <= 1e-15


def test_another_model_is_refused_by_its_hash(reproduce: Reproduce, tmp_path: Path) -> None:
    found = reproduce(_reference("fmi2/Dahlquist"))
    (tmp_path / "reproduce.py").write_text(found.text, encoding="utf-8")
    (tmp_path / "other.fmu").write_bytes(_reference("fmi2/Stair"))
    done = _script(tmp_path, "other.fmu")
    assert done.returncode == 1
    assert "another model" in done.stderr
    assert _script(tmp_path).stderr.startswith("usage")


def test_what_plain_fmpy_cannot_do_is_said_at_once(simulator: Simulator, tmp_path: Path) -> None:
    shaped = _planned(_reference("fmi3/StateSpace"), tmp_path / "a", start_values={"m": 1})
    driven = _planned(
        _reference("fmi3/StateSpace"),
        tmp_path / "b",
        input_signals=[{"name": "u[1]", "t": [0, 1], "u": [0, 1]}],
    )
    long = _planned(
        compiled.fmu("driven"),
        tmp_path / "c",
        input_signals=[{"name": "u", "t": list(range(6000)), "u": [0] * 6000}],
        stop_time=2,
    )
    for run, reason in ((shaped, "structural"), (driven, "array"), (long, "5000 points")):
        with pytest.raises(NotReproducibleError) as refused:
            reproduction.script(_record(run, simulator.run(run)))
        assert reason in str(refused.value.details["reason"])


def test_an_array_without_elements_is_kept_as_one(simulator: Simulator, tmp_path: Path) -> None:
    run = _planned(
        _reference("fmi3/StateSpace"),
        tmp_path,
        start_values={"m": 0, "B": [], "D": [], "u": []},
    )
    assert reproduction.kept(run, simulator.run(run))["start_values"]["B"] == []


def test_names_of_a_model_stay_data_in_the_script() -> None:
    wild = 'a"""\nimport os\nos.abort()\n$sha256'
    made = {
        "mode": "model_exchange",
        "solver": "cvode",
        "relative_tolerance": 1e-6,
        "step_size": None,
        "start_time": 0.0,
        "stop_time": 1.0,
        "step": 0.1,
        "communication_step": None,
        "start_values": {wild: wild},
        "inputs": [{"name": wild, "time": [0.0], "values": [1.0], "hold": True}],
        "outputs": {wild: [wild, 0]},
        "flags": [],
        "ended_rows": None,
    }
    record = Record("res_1", "fmu_1", "0" * 64, "1" * 64, datetime.now(UTC), {"run": made})
    tree = ast.parse(reproduction.script(record))
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert "os" not in imported


def test_the_csv_of_the_script_is_the_gateways(reproduce: Reproduce) -> None:
    found = reproduce(_reference("fmi2/Dahlquist"))
    assert csv(found.ours).decode().splitlines()[0].split(",") == found.header
