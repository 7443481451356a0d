"""Whatever a model does, its run ends by itself with its own error, and the next run works."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import pytest
from fmus import compiled
from fmus.compiled import Oddity, Version

from gateway_simulation import exceptions as e
from gateway_simulation.layout import Tier
from gateway_simulation.model import Model
from gateway_simulation.plan import CanonicalRun
from gateway_simulation.runner import Simulator
from gateway_simulation.trajectory import Trajectory

ModelThat = Callable[[str], Model]
Planner = Callable[..., CanonicalRun]


class Trap(Protocol):
    """Makes a model that does what its name says (`tests/fmus/traps.h`)."""

    def __call__(self, name: str, oddity: Oddity | None = None) -> Model: ...


class Trapped(Protocol):
    """The run of such a model."""

    def __call__(
        self, name: str, mode: str, oddity: Oddity | None = None, **fields: object
    ) -> Trajectory: ...


ME: Final = "model_exchange"
CS: Final = "co_simulation"
CS_EVENTS: Final = "co_simulation with event mode"


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """Without a sandbox: the process alone must bear all of this."""
    made = Simulator(timeout_s=20, memory_mb=512, sandbox=Tier.DEVELOPMENT)
    yield made
    made.close()


@pytest.fixture(scope="module")
def impatient() -> Iterator[Simulator]:
    made = Simulator(timeout_s=1, memory_mb=128, sandbox=Tier.DEVELOPMENT)
    yield made
    made.close()


@pytest.fixture(params=["2.0", "3.0"])
def version(request: pytest.FixtureRequest) -> Version:
    found: Version = request.param
    return found


@pytest.fixture
def trap(installed: Callable[[bytes], Model], version: Version) -> Trap:
    if not compiled.available():
        pytest.skip("no C compiler")
    return lambda name, oddity=None: installed(compiled.trap(name, version, oddity))


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        ("discards", e.StepRefusedError),
        ("never_settles", e.EventIterationError),
        ("past_event", e.EventIterationError),
        ("spins", e.RunTimeoutError),
        ("turns_nan", e.NonFiniteValueError),
        ("exits", e.ModelExitedError),
        ("crashes", e.ModelCrashedError),
        ("crashes_at_end", e.ModelCrashedError),
        ("fails", e.ModelFailedError),
        ("hogs_memory", e.OutOfMemoryError),
    ],
)
def test_each_way_to_fail_has_its_own_error(
    behaviour: str,
    error: type[e.RunError],
    model_that: ModelThat,
    planned: Planner,
    impatient: Simulator,
) -> None:
    begun = time.monotonic()
    with pytest.raises(e.RunError) as caught:
        impatient.run(planned(model_that(behaviour)))
    assert type(caught.value) is error
    assert caught.value.models_fault
    assert time.monotonic() - begun < 5


def test_nan_is_told_with_variable_and_time(
    model_that: ModelThat, planned: Planner, simulator: Simulator
) -> None:
    with pytest.raises(e.NonFiniteValueError) as caught:
        simulator.run(planned(model_that("turns_nan")))
    assert caught.value.details["variable"] == "y"
    assert caught.value.details["time"] == pytest.approx(0.5)


def test_a_models_last_words_are_in_the_details_and_only_there(
    model_that: ModelThat, planned: Planner, simulator: Simulator
) -> None:
    with pytest.raises(e.ModelFailedError) as caught:
        simulator.run(planned(model_that("fails")))
    assert caught.value.details["function"] == "fmi2DoStep"
    assert caught.value.details["time"] == pytest.approx(0.5)
    log = caught.value.details["log"]
    assert isinstance(log, list)
    assert "pressure -1.5 Pa is too low" in log[-1]
    assert "pressure" not in str(caught.value)


def test_exit_zero_is_no_success(
    model_that: ModelThat, planned: Planner, simulator: Simulator
) -> None:
    with pytest.raises(e.ModelExitedError) as caught:
        simulator.run(planned(model_that("exits")))
    assert caught.value.details["exit_status"] == 0


@pytest.mark.parametrize("behaviour", ["floods_log", "noisy"])
def test_noise_neither_stops_a_run_nor_leaves_it(
    behaviour: str,
    model_that: ModelThat,
    planned: Planner,
    simulator: Simulator,
    capfd: pytest.CaptureFixture[str],
) -> None:
    trajectory = simulator.run(planned(model_that(behaviour)))
    assert trajectory.rows == 11
    assert capfd.readouterr() == ("", "")


def test_a_models_folder_is_its_own_and_gone_afterwards(
    model_that: ModelThat, planned: Planner, simulator: Simulator
) -> None:
    before = Path.cwd()
    model = model_that("changes_folder")
    files = sorted(model.folder.rglob("*"))
    trajectory = simulator.run(planned(model))
    assert trajectory.column("y")[0] == 1
    assert Path.cwd() == before
    assert sorted(model.folder.rglob("*")) == files


def test_the_servers_environment_stays_with_the_server(
    model_that: ModelThat, planned: Planner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIPE_SECRET_KEY", "sk_test_of_ours")
    simulator = Simulator(timeout_s=10, memory_mb=256)
    try:
        trajectory = simulator.run(planned(model_that("knows_environment")))
    finally:
        simulator.close()
    assert trajectory.column("y")[-1] == 0


def test_a_process_left_behind_ends_with_its_run(
    model_that: ModelThat, planned: Planner, simulator: Simulator
) -> None:
    trajectory = simulator.run(planned(model_that("leaves_process")))
    left = int(trajectory.column("y")[-1])
    assert left > 0
    with pytest.raises(ProcessLookupError):
        os.kill(left, 0)


def test_a_model_that_ends_early_says_so(
    model_that: ModelThat, planned: Planner, simulator: Simulator
) -> None:
    trajectory = simulator.run(planned(model_that("stops_early")))
    assert trajectory.terminated_at == pytest.approx(0.5)
    assert trajectory.time[-1] == pytest.approx(0.5)
    assert any("ended the simulation at 0.5 s" in warning for warning in trajectory.warnings)


def test_a_string_output_is_refused_not_dropped(model_that: ModelThat, planned: Planner) -> None:
    with pytest.raises(e.UnsupportedOutputError) as caught:
        planned(model_that("has_text"), outputs=["y", "message"])
    assert caught.value.details == {"name": "message", "type": "string"}
    run = planned(model_that("has_text"))
    assert run.outputs == ("y", "T")
    assert run.resolved["not_recorded"] == ["message"]
    assert any("resolved.not_recorded" in warning for warning in run.warnings)


@pytest.fixture
def trapped(trap: Trap, planned: Planner, simulator: Simulator) -> Trapped:
    def run(name: str, mode: str, oddity: Oddity | None = None, **fields: object) -> Trajectory:
        model = trap(name, oddity or Oddity(has_event_mode=mode == CS_EVENTS))
        return simulator.run(planned(model, mode=CS if mode == CS_EVENTS else mode, **fields))

    return run


_NO_STEPS: Final = Oddity(renamed=(b"DoStep\0", b"DoStop\0"))
_STATUSES: Final = ("fails", "dies", "pends", "returns_77", "returns_minus_1")
_OUTSIDE: Final = (
    *("Constructor", "Instantiate", "EnterInitializationMode", "ExitInitializationMode"),
    *("Terminate", "FreeInstance"),
)
_ENDINGS: Final[list[tuple[str, str, type[e.RunError]]]] = [
    ("DoStep_discards", CS, e.StepRefusedError),
    ("DoStep_recurses", CS, e.ModelCrashedError),
    ("DoStep_signals", CS, e.ModelCrashedError),
    *((f"{where}_crashes", CS, e.ModelCrashedError) for where in (*_OUTSIDE, "DoStep")),
    *((f"{where}_exits", CS, e.ModelExitedError) for where in (*_OUTSIDE, "DoStep")),
    ("Instantiate_fails", CS, e.ModelNotInstantiatedError),
    ("EnterInitializationMode_fails", CS, e.ModelFailedError),
    ("ExitInitializationMode_fails", ME, e.ModelFailedError),
    ("Terminate_fails", CS, e.ModelFailedError),
    *((f"DoStep_{status}", CS, e.ModelFailedError) for status in _STATUSES),
    ("GetFloat64_nan", CS, e.NonFiniteValueError),
    ("GetFloat64_inf", ME, e.NonFiniteValueError),
    ("GetFloat64_returns_minus_1", ME, e.ModelFailedError),
    ("GetContinuousStates_nan", ME, e.NonFiniteValueError),
    ("GetContinuousStateDerivatives_nan", ME, e.NonFiniteValueError),
    ("GetContinuousStateDerivatives_inf", ME, e.NonFiniteValueError),
    ("GetContinuousStateDerivatives_discards", ME, e.ModelFailedError),
    ("GetContinuousStateDerivatives_returns_minus_1", ME, e.ModelFailedError),
    ("GetContinuousStateDerivatives_crashes", ME, e.ModelCrashedError),
    ("GetContinuousStateDerivatives_exits", ME, e.ModelExitedError),
    ("SetContinuousStates_discards", ME, e.ModelFailedError),
    ("GetEventIndicators_nan", ME, e.NonFiniteValueError),
    ("GetEventIndicators_fails", ME, e.ModelFailedError),
    ("GetEventIndicators_returns_minus_1", ME, e.ModelFailedError),
    ("CompletedIntegratorStep_fails", ME, e.ModelFailedError),
    ("UpdateDiscreteStates_discards", ME, e.ModelFailedError),
    ("UpdateDiscreteStates_ends_at_once", ME, e.ModelTerminatedError),
    ("Nominals_are_nan", ME, e.SolverFailedError),
    ("Nominals_are_negative", ME, e.SolverFailedError),
    ("Events_never_settle", ME, e.EventIterationError),
    ("Events_are_past", ME, e.EventIterationError),
    ("Events_are_long_past", ME, e.EventIterationError),
    ("Events_are_now", ME, e.EventIterationError),
]
_ENDINGS_OF_THREE: Final[list[tuple[str, str, type[e.RunError]]]] = [
    ("Events_never_settle", CS_EVENTS, e.EventIterationError),
    ("UpdateDiscreteStates_ends_at_once", CS_EVENTS, e.ModelTerminatedError),
    ("DoStep_stays_for_events", CS_EVENTS, e.EventIterationError),
    ("DoStep_stays_for_events", CS, e.StepRefusedError),
    ("DoStep_stays", CS_EVENTS, e.StepRefusedError),
    ("DoStep_stays", CS, e.StepRefusedError),
    ("DoStep_goes_back", CS_EVENTS, e.StepRefusedError),
    ("DoStep_gets_lost", CS, e.StepRefusedError),
    ("States_are_many", ME, e.OutOfMemoryError),
    ("States_overflow", ME, e.OutOfMemoryError),
    ("Indicators_are_many", ME, e.OutOfMemoryError),
    ("GetNumberOfContinuousStates_fails", ME, e.ModelFailedError),
]


@pytest.mark.parametrize(("name", "mode", "error"), _ENDINGS)
def test_each_trap_ends_with_its_own_error(
    name: str, mode: str, error: type[e.RunError], trapped: Trapped
) -> None:
    failed = _failure(trapped, name, mode)
    assert type(failed) is error
    assert failed.models_fault


@pytest.mark.parametrize("version", ["3.0"], indirect=True)
@pytest.mark.parametrize(("name", "mode", "error"), _ENDINGS_OF_THREE)
def test_each_trap_of_fmi_3_ends_with_its_own_error(
    name: str, mode: str, error: type[e.RunError], trapped: Trapped
) -> None:
    failed = _failure(trapped, name, mode)
    assert type(failed) is error
    assert failed.models_fault


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("GetContinuousStateDerivatives_nan", e.NonFiniteValueError),
        ("GetContinuousStateDerivatives_discards", e.ModelFailedError),
        ("GetEventIndicators_nan", e.NonFiniteValueError),
        ("States_are_many", e.OutOfMemoryError),
    ],
)
@pytest.mark.parametrize("version", ["3.0"], indirect=True)
def test_fixed_steps_end_alike(name: str, error: type[e.RunError], trapped: Trapped) -> None:
    assert type(_failure(trapped, name, ME, solver={"name": "rk4"})) is error


def test_a_failed_call_is_told_with_function_status_and_time(
    trapped: Trapped, version: Version
) -> None:
    failed = _failure(trapped, "DoStep_returns_minus_1", CS)
    assert failed.details["function"] == f"fmi{version[0]}DoStep"
    assert failed.details["fmi_status"] == -1
    assert failed.details["time"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("GetFloat64_nan", "y"),
        ("GetContinuousStates_nan", "x"),
        ("GetContinuousStateDerivatives_nan", "der(x)"),
    ],
)
def test_what_became_nan_is_named(name: str, variable: str, trapped: Trapped) -> None:
    failed = _failure(trapped, name, ME)
    assert failed.details["variable"] == variable
    assert failed.details["time"] == pytest.approx(0.5, abs=0.06)


def test_nan_among_event_indicators_names_their_function(
    trapped: Trapped, version: Version
) -> None:
    failed = _failure(trapped, "GetEventIndicators_nan", ME)
    assert failed.details["function"] == f"fmi{version[0]}GetEventIndicators"


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("CompletedIntegratorStep_ends", ME),
        ("UpdateDiscreteStates_ends", ME),
        ("DoStep_ends", CS),
    ],
)
def test_an_early_end_keeps_what_was_recorded(name: str, mode: str, trapped: Trapped) -> None:
    _assert_ended_at_half_a_second(trapped(name, mode))


def _assert_ended_at_half_a_second(trajectory: Trajectory) -> None:
    assert trajectory.terminated_at == pytest.approx(0.5)
    assert trajectory.time[-1] == trajectory.terminated_at
    assert trajectory.column("y") == pytest.approx(trajectory.time, abs=1e-6)


@pytest.mark.parametrize("version", ["3.0"], indirect=True)
def test_an_end_in_event_mode_keeps_what_was_recorded(trapped: Trapped) -> None:
    _assert_ended_at_half_a_second(trapped("UpdateDiscreteStates_ends", CS_EVENTS))


def test_an_end_beyond_the_step_is_not_believed(trapped: Trapped) -> None:
    assert trapped("DoStep_lies_about_its_end", CS).terminated_at == pytest.approx(0.6)


@pytest.mark.parametrize(
    "name",
    [
        *("DoStep_logs_percents", "DoStep_logs_nothing", "DoStep_logs_bytes", "DoStep_logs_much"),
        *("DoStep_warns", "DoStep_prints", "DoStep_closes", "DoStep_leaves_threads"),
        "Constructor_prints",
    ],
)
def test_what_a_model_says_or_leaves_changes_no_number(
    name: str, trapped: Trapped, capfd: pytest.CaptureFixture[str]
) -> None:
    trajectory = trapped(name, CS)
    assert trajectory.column("y") == pytest.approx(trajectory.time)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("version", ["3.0"], indirect=True)
def test_a_message_of_fmi_3_is_no_format(trapped: Trapped) -> None:
    assert trapped("DoStep_logs_formats", CS).rows == 11


@pytest.mark.parametrize("version", ["2.0"], indirect=True)
def test_a_hostile_format_of_fmi_2_ends_its_own_run_at_most(trapped: Trapped) -> None:
    with contextlib.suppress(e.ModelCrashedError):
        assert trapped("DoStep_logs_formats", CS).rows == 11
    assert trapped("harmless", CS).rows == 11


@pytest.mark.parametrize("what", ["fills", "erases", "forges"])
@pytest.mark.parametrize("where", ["DoStep", "Terminate", "FreeInstance"])
def test_who_writes_over_the_result_gets_its_own_wrong_numbers_at_most(
    where: str, what: str, trapped: Trapped
) -> None:
    with contextlib.suppress(e.InvalidResultError):
        trajectory = trapped(f"{where}_{what}", CS)
        assert np.isfinite(trajectory.values).all()
        assert trajectory.rows <= 11


def test_another_models_token_is_refused_with_the_models_words(trapped: Trapped) -> None:
    failed = _failure(trapped, "token", CS, Oddity(guid="{another}"))
    assert type(failed) is e.ModelNotInstantiatedError
    assert "another model's" in str(failed.details["log"])


def test_a_value_reference_that_the_library_does_not_know_fails(trapped: Trapped) -> None:
    failed = _failure(trapped, "reference", CS, Oddity(output=99))
    assert type(failed) is e.ModelFailedError
    assert str(failed.details["function"]).startswith(("fmi2Get", "fmi3Get"))


def test_a_missing_function_is_named(trapped: Trapped) -> None:
    failed = _failure(trapped, "lacks", CS, _NO_STEPS)
    assert type(failed) is e.ModelNotLoadableError
    assert "DoStep" in f"{failed.details['function']} {failed.details['reason']}"


def test_a_missing_function_that_a_run_does_not_need_is_no_matter(
    trapped: Trapped, engine: str
) -> None:
    if engine == "fmpy":
        pytest.skip("FMPy wants all functions of FMI, whatever it calls")
    assert trapped("lacks", ME, _NO_STEPS).time[-1] == 1


def test_a_missing_library_is_named_without_paths_of_the_server(trapped: Trapped) -> None:
    failed = _failure(trapped, "lacks", CS, Oddity(renamed=(b"libc.so.6", b"libc.so.9")))
    assert type(failed) is e.ModelNotLoadableError
    assert "libc.so.9" in str(failed.details["reason"])
    assert "/tmp/" not in str(failed.details)  # noqa: S108 - where the tests' models lie


@pytest.mark.parametrize("content", ["a script", "of another machine"])
def test_a_file_that_is_no_library_of_this_machine_is_not_loadable(
    content: str, trap: Trap, planned: Planner, simulator: Simulator, tmp_path: Path
) -> None:
    model = trap("harmless")
    shutil.copytree(model.folder, tmp_path, dirs_exist_ok=True)
    (file,) = tmp_path.glob("binaries/*/harmless.so")
    library = bytearray(file.read_bytes())
    library[18:20] = b"\x28\x00"  # e_machine: ARM
    file.write_bytes(library if content == "of another machine" else b"#!/bin/sh\nexit\n" * 100)
    with pytest.raises(e.ModelNotLoadableError) as caught:
        simulator.run(planned(replace(model, folder=tmp_path), mode=CS))
    assert str(tmp_path) not in str(caught.value.details)


@pytest.mark.parametrize("version", ["3.0"], indirect=True)
@pytest.mark.parametrize(
    ("name", "error"),
    [("DoStep_stops", e.RunTimeoutError), ("DoStep_kills_parent", e.RunnerLostError)],
)
def test_a_model_that_stops_or_kills_what_runs_it_loses_its_own_run_only(
    name: str, error: type[e.RunError], trap: Trap, planned: Planner, impatient: Simulator
) -> None:
    with pytest.raises(error):
        impatient.run(planned(trap(name), mode=CS))
    assert impatient.run(planned(trap("harmless"), mode=CS)).rows == 11


def _failure(
    trapped: Trapped, name: str, mode: str, oddity: Oddity | None = None, **fields: object
) -> e.RunError:
    with pytest.raises(e.RunError) as caught:
        trapped(name, mode, oddity, **fields)
    return caught.value


def test_the_next_run_works_after_all_of_this(
    model_that: ModelThat, planned: Planner, impatient: Simulator
) -> None:
    assert impatient.run(planned(model_that("driven"))).rows == 11
