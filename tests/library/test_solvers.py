"""Both solvers inside Co-Simulation, on the same models."""

from __future__ import annotations

import ctypes
import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from fmpy import simulate_fmu  # type: ignore[import-untyped]
from fmpy.fmi1 import FMICallException  # type: ignore[import-untyped]
from library.physics import bouncing_ball, van_der_pol
from library.solutions import Solution
from library.test_heated_room import switching
from numpy.typing import NDArray

from gateway_library.build import build_library
from gateway_library.descriptions import header
from gateway_library.sources import models_folder, read_models
from gateway_simulation.compiler import compile_library, find_compiler, this_machine

SOLVERS = ("explicit", "stiff")
Built = Callable[[str, str], Path]
METHODS = {"explicit": "dormand_prince.c", "stiff": "radau.c"}

CARD = """
name = "{name}"
description = "For the tests"
solver = "{solver}"
versions = ["2.0"]
tags = []
literature = []
experiment = {{ start = 0.0, stop = 2.0, step = 0.5, tolerance = 1e-6 }}
verified = {{ against = "analytic", how = "in the tests" }}

[[variable]]
name = "x"
description = "The state"
causality = "output"
start = 1.0
derivative = "der(x)"

[[variable]]
name = "der(x)"
description = "Its rate of change"
"""
SWITCHED = """
[[variable]]
name = "on"
description = "A discrete variable"
type = "boolean"

[[variable]]
name = "z"
description = "Event indicator"
event_indicator = true
"""
HOSTILE = {
    "NoNumber": ("m->der_x = sqrt(-m->x);", ""),
    "BlowsUp": ("m->der_x = m->x * m->x;", ""),
    "StandsStill": ("m->der_x = -1; m->z = 1;", "m->on = 1; e->next_time = m->time;"),
}


@pytest.fixture(params=SOLVERS)
def solver(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def solved_by(room_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A model's FMU, built with one of the solvers."""
    built: dict[tuple[str, str], Path] = {}
    for solver in SOLVERS:
        ours, room = (tmp_path_factory.mktemp(solver) for _ in range(2))
        shutil.copy(models_folder() / "units.toml", ours)
        shutil.copy(room_models / "units.toml", room)
        for name in ("BouncingBall", "Dahlquist", "Stair", "VanDerPol"):
            _copy(models_folder() / name, ours, solver)
        _copy(room_models / "HeatedRoom", room, solver)
        for name, (equations, event) in HOSTILE.items():
            _write(ours / name, CARD.format(name=name, solver=solver), equations, event)
        for models in (ours, room):
            out = build_library(models, models / "out").folder
            built |= {(solver, fmu.stem): fmu for fmu in out.glob("*.fmu")}
    return lambda solver, name: built[solver, name]


def _copy(model: Path, models: Path, solver: str) -> None:
    card = shutil.copytree(model, models / model.name) / "model.toml"
    card.write_text(f'solver = "{solver}"\nversions = ["2.0"]\n{card.read_text()}')


def _write(model: Path, card: str, equations: str, event: str) -> None:
    model.mkdir()
    (model / "model.toml").write_text(card + (SWITCHED if event else ""))
    (model / "model.c").write_text(_physics(equations, event))


def _physics(equations: str, event: str) -> str:
    text = '#include <math.h>\n#include "model.h"\n'
    text += f"void equations(Variables *m)\n{{\n    {equations}\n}}\n"
    return text + (f"void event(Variables *m, Event *e)\n{{\n    {event}\n}}\n" if event else "")


@pytest.fixture(scope="session")
def attempts(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], ctypes.CDLL]:
    """VanDerPol's sources as a library with one more function: a single step of the method."""
    known = {name: _probe(name, tmp_path_factory.mktemp(name)) for name in SOLVERS}
    return known.__getitem__


def _probe(solver: str, folder: Path) -> ctypes.CDLL:
    (model,) = (m for m in read_models(models_folder()) if m.name == "VanDerPol")
    fmi = models_folder().parent / "fmi"
    units = ("instance.c", "solver.c", METHODS[solver])
    for path in (
        fmi / name
        for name in ("declared.h", "instance.h", "method.h", "model.h", "state.h", *units)
    ):
        shutil.copy(path, folder)
    shutil.copy(model.folder / "model.c", folder)
    (folder / "description.h").write_text(header(model, "0" * 64))
    (folder / "probe.c").write_text("""
        #include "method.h"
        EXPORT double probe(double h, double x[2])
        {
            Variables m = {.mu = 1};
            const Point p = {.x = {2, 0.5}};
            double error = attempt(&m, &p, h, 1e-10);
            x[0] = m.x0;
            x[1] = m.x1;
            return error;
        }
        EXPORT double double_below(void) { return DOUBLE_BELOW; }""")
    name = f"probe{this_machine().suffix}"
    compile_library(find_compiler(), folder, [*units, "model.c", "probe.c"], name)
    library = ctypes.CDLL(str(folder / name))
    library.probe.restype = library.double_below.restype = ctypes.c_double
    return library


def _step(library: ctypes.CDLL, h: float) -> tuple[float, NDArray[np.float64]]:
    x = (ctypes.c_double * 2)()
    return library.probe(ctypes.c_double(h), x), np.array(x)


def test_one_step_is_of_order_five(attempts: Callable[[str], ctypes.CDLL], solver: str) -> None:
    steps = np.array([0.08, 0.04, 0.02])
    start = {"x0": 2.0, "x1": 0.5, "mu": 1.0}
    errors = []
    for h in steps:
        exact = van_der_pol.SOLUTION.exact(np.array([0.0, h]), start)
        _, found = _step(attempts(solver), float(h))
        errors.append(abs(found - [exact["x0"][-1], exact["x1"][-1]]).max())
    orders = np.log2(np.array(errors)[:-1] / np.array(errors)[1:]) - 1
    assert (orders > 4.7).all(), (errors, orders)


def test_the_estimate_shrinks_as_the_step_loop_expects(
    attempts: Callable[[str], ctypes.CDLL], solver: str
) -> None:
    one, other = (_step(attempts(solver), h)[0] for h in (0.04, 0.02))
    assert other / one == pytest.approx(2 * attempts(solver).double_below(), rel=0.35)


def _deviation(fmu: Path, solution: Solution, **options: object) -> float:
    run = simulate_fmu(str(fmu), fmi_type="CoSimulation", **options)
    expected = solution.exact(run["time"], solution.defaults)
    return max(float(abs(run[name] - wanted).max()) for name, wanted in expected.items())


def test_an_oscillator_is_followed(solved_by: Built, solver: str) -> None:
    fmu = solved_by(solver, "VanDerPol")
    assert _deviation(fmu, van_der_pol.SOLUTION) < 1e-8


def test_a_finer_tolerance_makes_a_smaller_error(solved_by: Built, solver: str) -> None:
    fmu = solved_by(solver, "VanDerPol")
    coarse = _deviation(fmu, van_der_pol.SOLUTION, relative_tolerance=1e-10)
    fine = _deviation(fmu, van_der_pol.SOLUTION, relative_tolerance=1e-12)
    assert fine < coarse / 3


@pytest.mark.parametrize("interval", [0.01, 3.0])
def test_every_bounce_is_found(solved_by: Built, solver: str, interval: float) -> None:
    fmu = solved_by(solver, "BouncingBall")
    assert _deviation(fmu, bouncing_ball.SOLUTION, output_interval=interval) < 1e-10


def test_thousands_of_events_come_to_the_same_end_as_in_closed_form(
    solved_by: Built, solver: str
) -> None:
    run = simulate_fmu(
        str(solved_by(solver, "HeatedRoom")),
        fmi_type="CoSimulation",
        start_values={"ambient": 5.0, "band": 0.002},
        output=["room.T", "switches"],
        output_interval=10.0,
    )
    temperature, switches = switching(10.0, 5.0, band=0.002)
    assert switches > 5000
    assert abs(run["switches"][-1] - switches) <= 1
    assert run["room.T"][-1] == pytest.approx(temperature, abs=2 * 0.002)


def test_a_model_without_states_needs_no_method_but_has_one(solved_by: Built, solver: str) -> None:
    run = simulate_fmu(str(solved_by(solver, "Stair")), fmi_type="CoSimulation", stop_time=8.5)
    assert list(run["counter"][[0, -1]]) == [1, 9]


@pytest.mark.parametrize("k", [1e3, 1e9, 1e15])
def test_the_stiff_solver_steps_over_what_has_decayed(solved_by: Built, k: float) -> None:
    run = simulate_fmu(
        str(solved_by("stiff", "Dahlquist")),
        fmi_type="CoSimulation",
        start_values={"k": k},
        timeout=5.0,
    )
    assert abs(run["x"][1:]).max() < 1e-10


def test_the_stiff_solver_follows_a_relaxation_oscillation(
    solved_by: Built,
) -> None:
    run = simulate_fmu(
        str(solved_by("stiff", "VanDerPol")),
        fmi_type="CoSimulation",
        start_values={"mu": 1e6},
        stop_time=1.0e6,
        output_interval=1e4,
        timeout=5.0,
    )
    # On the slow branch, log(x) - x^2 / 2 - t / mu is constant but for terms of order 1 / mu^2.
    # The bound is wide since x1 is some 1e-6 there, a millionth of its nominal value.
    slow = run["x0"] > 1.05
    x, t = run["x0"][slow], run["time"][slow]
    assert len(t) > 70
    invariant = np.log(x) - x**2 / 2 - t / 1e6
    assert abs(invariant - (math.log(2) - 2)).max() < 1e-6
    assert run["x0"][-1] < -1


def test_robertsons_reaction_is_followed_to_its_end(built: Path) -> None:
    run = simulate_fmu(
        str(built / "Robertson.fmu"),
        fmi_type="CoSimulation",
        stop_time=1e11,
        output_interval=1e9,
        timeout=5.0,
    )
    # Mazzia, Magherini: Test Set for Initial Value Problem Solvers, problem ROBER
    assert run["A"][-1] == pytest.approx(0.2083340149701255e-07, rel=1e-4)
    assert run["B"][-1] == pytest.approx(0.8333360770334713e-13, rel=1e-4)
    assert run["C"][-1] == pytest.approx(0.9999999791665050, abs=1e-11)


def test_an_explicit_solver_on_a_stiff_model_stays_right(solved_by: Built) -> None:
    run = simulate_fmu(
        str(solved_by("explicit", "VanDerPol")),
        fmi_type="CoSimulation",
        start_values={"mu": 1000.0},
    )
    assert np.isfinite(run["x1"]).all()
    assert 1.9 < run["x0"][-1] < 2.0


def test_an_explicit_solver_gives_up_on_what_it_cannot_finish(
    solved_by: Built, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(FMICallException):
        simulate_fmu(
            str(solved_by("explicit", "Dahlquist")),
            fmi_type="CoSimulation",
            start_values={"k": 1e9},
            output_interval=10.0,
        )
    assert "too many steps" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("NoNumber", "not finite or smooth"),
        ("BlowsUp", "not finite or smooth"),
        ("StandsStill", "too many events"),
    ],
)
def test_what_has_no_solution_ends_with_a_reason(
    solved_by: Built,
    solver: str,
    name: str,
    complaint: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(FMICallException):
        simulate_fmu(str(solved_by(solver, name)), fmi_type="CoSimulation")
    assert complaint in capfd.readouterr().out


def test_the_same_run_gives_the_same_bytes(solved_by: Built, solver: str) -> None:
    def runs() -> Iterator[bytes]:
        for name in ("VanDerPol", "HeatedRoom"):
            run = simulate_fmu(str(solved_by(solver, name)), fmi_type="CoSimulation")
            yield run.tobytes()

    assert list(runs()) == list(runs())
