"""The wrapper keeps to the standard, also where an importer does not."""

from __future__ import annotations

import ctypes
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fmpy  # type: ignore[import-untyped]
import pytest
from fmpy import extract, read_model_description
from fmpy.fmi1 import FMICallException  # type: ignore[import-untyped]
from fmpy.simulation import instantiate_fmu  # type: ignore[import-untyped]

from gateway_library import sources
from gateway_simulation.compiler import FLAGS, system_compiler

VERSIONS = ("", "@fmi3")
H, DER_H, V, G, E, RESTING = 1, 2, 3, 5, 6, 8  # value references of BouncingBall


@contextmanager
def instance(fmu: Path, folder: Path, kind: str, *, guid: str | None = None) -> Iterator[Any]:
    """An instance through FMPy; `guid` in place of the right one."""
    target = folder / fmu.stem
    extract(str(fmu), unzipdir=str(target))
    description = read_model_description(str(target))
    if guid is not None:
        description.guid = guid
    model = instantiate_fmu(str(target), description, fmi_type=kind)
    try:
        yield model
    finally:
        model.freeInstance()


@pytest.fixture(params=VERSIONS)
def ball(request: pytest.FixtureRequest, built: Path, tmp_path: Path) -> Iterator[Any]:
    """BouncingBall for Co-Simulation."""
    with instance(built / f"BouncingBall{request.param}.fmu", tmp_path, "CoSimulation") as model:
        yield model


@pytest.fixture(params=VERSIONS)
def exchanged(request: pytest.FixtureRequest, built: Path, tmp_path: Path) -> Iterator[Any]:
    """BouncingBall for Model Exchange."""
    with instance(built / f"BouncingBall{request.param}.fmu", tmp_path, "ModelExchange") as model:
        yield model


def is_fmi3(model: Any) -> bool:  # noqa: ANN401
    return type(model).__name__.startswith("FMU3")


def get(model: Any, *references: int) -> list[float]:  # noqa: ANN401
    found = model.getFloat64(references) if is_fmi3(model) else model.getReal(references)
    return list(found)


def put(model: Any, reference: int, value: float) -> None:  # noqa: ANN401
    (model.setFloat64 if is_fmi3(model) else model.setReal)([reference], [value])


def initialize(model: Any, stop: float = 3.0) -> None:  # noqa: ANN401
    if is_fmi3(model):
        model.enterInitializationMode(startTime=0.0, stopTime=stop)
    else:
        model.setupExperiment(startTime=0.0, stopTime=stop)
        model.enterInitializationMode()
    model.exitInitializationMode()


def step(model: Any, time: float, size: float) -> None:  # noqa: ANN401
    model.doStep(currentCommunicationPoint=time, communicationStepSize=size)


@pytest.mark.parametrize("kind", ["CoSimulation", "ModelExchange"])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_description_of_another_build_is_refused(
    built: Path, tmp_path: Path, version: str, kind: str
) -> None:
    fmu = built / f"BouncingBall{version}.fmu"
    with (
        pytest.raises(Exception, match="Failed to instantiate"),
        instance(fmu, tmp_path, kind, guid="{00000000-0000-0000-0000-000000000000}"),
    ):
        pass


def test_reset_restores_start_values_time_and_settings(ball: Any) -> None:  # noqa: ANN401
    initialize(ball)
    step(ball, 0.0, 1.0)
    first = get(ball, H, V)
    put(ball, E, 0.2)
    step(ball, 1.0, 1.0)
    ball.reset()
    assert get(ball, H, V, E) == [1.0, 0.0, 0.7]
    initialize(ball)
    step(ball, 0.0, 1.0)
    assert get(ball, H, V) == first


def test_a_fixed_parameter_counts_only_before_the_start(ball: Any) -> None:  # noqa: ANN401
    put(ball, G, -1.0)
    initialize(ball)
    assert get(ball, G) == [-1.0]
    with pytest.raises(FMICallException):
        put(ball, G, -2.0)
    assert get(ball, G) == [-1.0]


def test_a_tunable_parameter_may_change_between_steps(ball: Any) -> None:  # noqa: ANN401
    initialize(ball)
    step(ball, 0.0, 0.4)
    put(ball, E, 0.0)
    step(ball, 0.4, 0.1)
    assert get(ball, H, V) == [0.0, 0.0]


def test_states_are_no_parameters(ball: Any) -> None:  # noqa: ANN401
    put(ball, H, 2.0)
    initialize(ball)
    with pytest.raises(FMICallException):
        put(ball, H, 1.0)
    assert get(ball, H) == [2.0]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_must_be_finite(ball: Any, value: float) -> None:  # noqa: ANN401
    with pytest.raises(FMICallException):
        put(ball, H, value)
    assert get(ball, H) == [1.0]


@pytest.mark.parametrize("reference", [0, DER_H, RESTING, 99, 2**32 - 1])
def test_what_cannot_be_set_is_refused(ball: Any, reference: int) -> None:  # noqa: ANN401
    with pytest.raises(FMICallException):
        put(ball, reference, 1.0)


@pytest.mark.parametrize(
    ("time", "size"), [(0.0, 3.1), (0.5, 0.1), (0.0, -0.1), (0.0, math.nan), (0.0, math.inf)]
)
def test_a_step_that_makes_no_sense_is_refused(
    ball: Any,  # noqa: ANN401
    time: float,
    size: float,
) -> None:
    initialize(ball)
    with pytest.raises(FMICallException):
        step(ball, time, size)


def test_calls_out_of_order_are_refused(ball: Any) -> None:  # noqa: ANN401
    with pytest.raises(FMICallException):
        step(ball, 0.0, 0.1)
    with pytest.raises(FMICallException):
        ball.exitInitializationMode()
    initialize(ball)
    with pytest.raises(FMICallException):
        ball.enterInitializationMode()


def test_a_saved_state_brings_the_same_future(ball: Any) -> None:  # noqa: ANN401
    initialize(ball)
    step(ball, 0.0, 0.7)
    state = ball.getFMUState()
    step(ball, 0.7, 0.8)
    future = get(ball, H, V)
    frozen = ball.serializeFMUState(state)
    ball.setFMUState(state)
    step(ball, 0.7, 0.8)
    assert get(ball, H, V) == future
    thawed = ball.deserializeFMUState(frozen)
    ball.setFMUState(thawed)
    assert ball.serializeFMUState(thawed) == frozen
    step(ball, 0.7, 0.8)
    assert get(ball, H, V) == future
    ball.freeFMUState(state)
    ball.freeFMUState(thawed)


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b"x" + b[1:], lambda _: b"0"])
def test_a_damaged_state_is_refused(ball: Any, damage: Any) -> None:  # noqa: ANN401
    initialize(ball)
    state = ball.getFMUState()
    frozen = ball.serializeFMUState(state)
    with pytest.raises(FMICallException):
        ball.deserializeFMUState(damage(frozen))
    ball.freeFMUState(state)


def test_directional_derivatives_are_an_error_not_a_number(ball: Any) -> None:  # noqa: ANN401
    initialize(ball)
    with pytest.raises(FMICallException):
        ball.getDirectionalDerivative([DER_H], [V], [1.0])


def test_the_floor_is_an_event_and_the_ball_leaves_it(exchanged: Any) -> None:  # noqa: ANN401
    initialize(exchanged)
    update = exchanged.updateDiscreteStates if is_fmi3(exchanged) else exchanged.newDiscreteStates
    update()
    exchanged.enterContinuousTimeMode()
    x = (ctypes.c_double * 2)(0.0, -3.0)
    z = (ctypes.c_double * 1)()
    exchanged.setTime(0.4)
    exchanged.setContinuousStates(x, 2)
    exchanged.enterEventMode()
    needs_update, terminate, _, states_changed, next_defined, _ = update()
    assert (needs_update, terminate, states_changed, next_defined) == (False, False, True, False)
    exchanged.enterContinuousTimeMode()
    exchanged.getContinuousStates(x, 2)
    exchanged.getEventIndicators(z, 1)
    assert list(x) == pytest.approx([0.0, 2.1])
    assert z[0] > 0


def test_an_event_ends_a_step_only_where_the_importer_asked_for_it(
    built: Path, tmp_path: Path
) -> None:
    with instance(built / "BouncingBall@fmi3.fmu", tmp_path, "CoSimulation") as model:
        initialize(model)
        needed, terminate, early, reached = model.doStep(0.0, 1.0)
        assert (needed, terminate, early, reached) == (False, False, False, 1.0)


def test_a_refusal_says_why(ball: Any, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: ANN401
    initialize(ball)
    with pytest.raises(FMICallException):
        put(ball, G, -2.0)
    assert "value reference 5 cannot be set now" in capsys.readouterr().out


@pytest.mark.skipif(sys.platform != "linux", reason="nm and ELF")
@pytest.mark.parametrize("version", VERSIONS)
def test_a_library_exports_the_standards_functions_and_needs_only_libc_and_libm(
    built: Path, tmp_path: Path, version: str
) -> None:
    extract(str(built / f"BouncingBall{version}.fmu"), unzipdir=str(tmp_path))
    (library,) = tmp_path.glob("binaries/*/*.so")
    prefix = "fmi3" if version else "fmi2"
    headers = Path(fmpy.__file__).parent / "c-code"
    text = (headers / f"{prefix}Functions.h").read_text()
    standard = set(re.findall(rf"{prefix}FullName\(({prefix}\w+)\)", text))
    standard -= {"fmi2SetXXX", "fmi3SetXXX"}
    nm = subprocess.run(
        ["nm", "-D", "--defined-only", library], capture_output=True, text=True, check=True
    )
    exported = {line.split()[-1] for line in nm.stdout.splitlines()}
    assert {name for name in exported if not name.startswith("_")} == standard
    readelf = subprocess.run(["readelf", "-d", library], capture_output=True, text=True, check=True)
    needed = re.findall(r"NEEDED.*\[(.*)\]", readelf.stdout)
    assert set(needed) <= {"libc.so.6", "libm.so.6"}


def test_our_declarations_are_the_standards(built: Path, tmp_path: Path) -> None:
    compiler = system_compiler()
    if compiler is None:
        pytest.skip("needs a C compiler")
    for version in ("2.0", "3.0"):
        prefix = f"fmi{version[0]}"
        extract(
            str(built / f"BouncingBall{'@fmi3' if prefix == 'fmi3' else ''}.fmu"),
            unzipdir=str(tmp_path / prefix),
        )
        folder = tmp_path / prefix / "sources"
        # the official headers in place of ours: any difference is a compiler error
        (folder / f"{prefix}_types.h").write_text(f'#include "{prefix}Functions.h"\n')
        headers = Path(fmpy.__file__).parent / "c-code"
        command = [*compiler, *FLAGS, "-Werror", "-Wpedantic", f"-I{headers}", "-c", f"{prefix}.c"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_the_wrapper_compiles_without_a_warning(room_models: Path, tmp_path: Path) -> None:
    compiler = system_compiler()
    if compiler is None:
        pytest.skip("needs a C compiler")
    from gateway_library.descriptions import header  # noqa: PLC0415  only here

    (model,) = sources.read_models(room_models)
    for version in sources.FMI_VERSIONS:
        folder = tmp_path / version
        folder.mkdir()
        fmi = Path(sources.__file__).with_name("fmi")
        for path in (*model.files(version), fmi / "radau.c"):
            shutil.copy(path, folder)
        (folder / "description.h").write_text(header(model, "0" * 64))
        units = [path.name for path in folder.glob("*.c")]
        command = [*compiler, *FLAGS, "-Werror", "-Wpedantic", "-Wshadow", "-c", *units]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
