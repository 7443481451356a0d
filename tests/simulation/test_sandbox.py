"""Each run is confined before it loads a model, and every result says how well."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from hostile.processes import zygotes

from gateway_simulation import exceptions as e
from gateway_simulation import native
from gateway_simulation.layout import Tier
from gateway_simulation.model import Model
from gateway_simulation.plan import CanonicalRun
from gateway_simulation.runner import Simulator
from gateway_simulation.worker import Worker

Named = Callable[[str], Model]
Planner = Callable[..., CanonicalRun]

_AS_ANOTHER = """
import os
from gateway_simulation import native
from gateway_simulation.worker import Worker
native.problem(), native.sundials_folder()
os.setgid(65534); os.setuid(65534)
if not os.access(native.built_zygote(), os.X_OK):
    print("UNREACHABLE")
else:
    worker = Worker("native", None)
    print(worker.tier.name)
    worker.close()
"""


@pytest.fixture(params=[Tier.STRONG, Tier.STANDARD], ids=lambda tier: tier.name.lower())
def confined(request: pytest.FixtureRequest) -> Iterator[Simulator]:
    made = Simulator(timeout_s=10, memory_mb=256, sandbox=request.param)
    try:
        made.start()
    except e.SandboxUnavailableError as error:
        if request.param is Tier.STANDARD or os.environ.get("STRONG_SANDBOX_REQUIRED") == "1":
            raise
        pytest.skip(str(error))
    yield made
    made.close()


def test_every_result_names_its_tier(
    model_that: Named, planned: Planner, confined: Simulator
) -> None:
    trajectory = confined.run(planned(model_that("driven")))
    assert trajectory.engine["sandbox"] == confined.tier.name.lower()
    assert trajectory.rows == 11


def test_confined_and_unconfined_runs_give_the_same_bytes(
    reference: Named, planned: Planner, confined: Simulator, simulator: Simulator
) -> None:
    run = planned(reference("fmi2/BouncingBall"), mode="model_exchange")
    assert confined.run(run).values.tobytes() == simulator.run(run).values.tobytes()


def test_a_model_can_start_no_process(
    model_that: Named, planned: Planner, confined: Simulator
) -> None:
    trajectory = confined.run(planned(model_that("leaves_process")))
    assert trajectory.column("y")[-1] <= 0


def test_without_a_sandbox_every_result_shouts(model_that: Named, planned: Planner) -> None:
    simulator = Simulator(timeout_s=10, memory_mb=256, sandbox=Tier.DEVELOPMENT)
    try:
        trajectory = simulator.run(planned(model_that("driven")))
    finally:
        simulator.close()
    assert trajectory.engine["sandbox"] == "development"
    assert trajectory.warnings[-1].startswith("NO SANDBOX")


@pytest.mark.skipif(os.geteuid() != 0, reason="the tests' user is an ordinary one")
def test_an_ordinary_user_gets_a_sandbox_too() -> None:
    command = [sys.executable, "-c", _AS_ANOTHER]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.stdout.strip() == "UNREACHABLE":
        pytest.skip("an ordinary user can't reach this installation")
    assert done.stdout.strip() in {"STRONG", "STANDARD"}, done.stderr


def test_a_tier_that_nobody_knows_is_refused() -> None:
    with pytest.raises(e.SandboxUnavailableError, match="unknown tier"):
        Worker("native", 7)  # type: ignore[arg-type]


@pytest.fixture
def coreless(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation without a native core."""
    monkeypatch.setattr(native, "built_library", lambda: Path("/nowhere/core.so"))
    monkeypatch.setattr("gateway_simulation.worker._BOOT", _CORELESS)


@pytest.mark.parametrize("wanted", [None, Tier.STANDARD, Tier.STRONG])
def test_without_the_core_there_is_no_sandbox_and_nothing_is_run(
    wanted: Tier | None, model_that: Named, planned: Planner, coreless: None
) -> None:
    del coreless
    run = planned(model_that("driven"), engine="fmpy")
    simulator = Simulator(timeout_s=10, memory_mb=256, sandbox=wanted)
    try:
        with pytest.raises(
            e.SandboxUnavailableError, match="part of the native core, and it was not built"
        ):
            simulator.run(run)
    finally:
        simulator.close()


def test_without_the_core_models_are_run_where_that_was_asked_for(
    model_that: Named, planned: Planner, coreless: None
) -> None:
    del coreless
    simulator = Simulator(timeout_s=10, memory_mb=256, sandbox=Tier.DEVELOPMENT)
    try:
        trajectory = simulator.run(planned(model_that("driven"), engine="fmpy"))
    finally:
        simulator.close()
    assert trajectory.engine["sandbox"] == "development"
    assert trajectory.warnings[-1].startswith("NO SANDBOX")


def test_a_process_that_cannot_be_confined_is_no_fault_of_the_model(
    model_that: Named, planned: Planner, tmp_path: Path
) -> None:
    """Its folder is gone, so that it can't be entered."""
    run = planned(model_that("driven"))
    simulator = Simulator(timeout_s=10, memory_mb=256, sandbox=Tier.DEVELOPMENT)
    try:
        assert simulator.run(run).rows == 11
        with pytest.MonkeyPatch.context() as patch, pytest.raises(e.RunnerLostError) as caught:
            patch.setattr(Worker, "folder", lambda _: nullcontext(tmp_path / "gone"))
            simulator.run(run)
        assert simulator.run(run).rows == 11
    finally:
        simulator.close()
    assert not caught.value.models_fault


def test_a_run_for_which_there_is_no_process_takes_no_other_with_it(
    model_that: Named, planned: Planner
) -> None:
    before = set(zygotes())
    simulator = Simulator(timeout_s=10, memory_mb=256, sandbox=Tier.DEVELOPMENT)
    try:
        simulator.run(planned(model_that("driven")))
        (zygote,) = set(zygotes()) - before
        limits = resource.prlimit(zygote, resource.RLIMIT_NOFILE)
        taken = {int(path.name) for path in Path(f"/proc/{zygote}/fd").iterdir()}
        free = [number for number in range(64) if number not in taken]
        few = free[4]  # enough for those that come with an order
        resource.prlimit(zygote, resource.RLIMIT_NOFILE, (few, limits[1]))
        with pytest.raises(e.RunnerLostError):
            simulator.run(planned(model_that("driven")))
        resource.prlimit(zygote, resource.RLIMIT_NOFILE, limits)
        assert simulator.run(planned(model_that("driven"))).rows == 11
        assert set(zygotes()) - before == {zygote}
    finally:
        simulator.close()


def test_a_worker_that_is_gone_has_no_folder_to_give() -> None:
    worker = Worker("native", Tier.DEVELOPMENT)
    worker.close()
    with pytest.raises(e.RunnerLostError), worker.folder():
        pass


_CORELESS = """
import sys; sys.path.append(sys.argv[3])
from pathlib import Path
from gateway_simulation import native
native.built_library = lambda: Path("/nowhere/core.so")
from gateway_simulation.engine.zygote import main; main(*map(int, sys.argv[1:3]))
"""
