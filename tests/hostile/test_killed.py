"""Processes killed from outside: the simulator answers on, and believes no run that wasn't."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hostile import fmu
from hostile.processes import children, lives, zygotes

from gateway_simulation import exceptions as e
from gateway_simulation.layout import Tier
from gateway_simulation.model import Model
from gateway_simulation.plan import CanonicalRun
from gateway_simulation.runner import Simulator
from gateway_simulation.trajectory import Trajectory

LOAD_S = 2.0
ASKERS = 4
GONE_S = 2.0
ANSWERS = (
    e.RunnerLostError,
    e.ModelCrashedError,
    e.BusyError,
    e.SandboxUnavailableError,  # the child that tries out a new zygote's jail was killed
)


@pytest.fixture(scope="module")
def model(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Model:
    return fmu.install(library.read_bytes(), tmp_path_factory.mktemp("model") / "model")


@pytest.fixture(params=Tier, ids=lambda tier: tier.name.lower())
def simulator(request: pytest.FixtureRequest) -> Iterator[Simulator]:
    made = Simulator(timeout_s=20, memory_mb=128, sandbox=request.param, concurrency=2)
    try:
        made.start()
    except e.SandboxUnavailableError as error:
        pytest.skip(str(error))
    yield made
    made.close()


@pytest.fixture
def zygote(simulator: Simulator) -> Callable[[], int | None]:
    """The simulator's zygote, while there is one. Other simulators of this process have theirs."""
    del simulator
    newest = max(zygotes())
    others = set(zygotes()) - {newest}
    return lambda: next(iter(sorted(set(zygotes()) - others)), None)


def order(model: Model, attack: str = "nothing") -> CanonicalRun:
    return fmu.order(model, "native", attack)


def outcome(simulator: Simulator, run: CanonicalRun, timeout_s: float = 20) -> object:
    """A trajectory, or the error instead."""
    try:
        return simulator.run_all([run], timeout_s)[0]
    except e.RunError as error:
        return error


def begun(zygote: Callable[[], int | None]) -> tuple[int, int]:
    """The zygote and the child of a run that is under way."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        parent = zygote()
        running = children(parent) if parent else []
        if parent and running:
            return parent, running[0]
        time.sleep(0.002)
    pytest.fail("no run began")


def ended(process: int) -> bool:
    """Whether it ends within a moment; otherwise it is ended here."""
    until = time.monotonic() + GONE_S
    while (living := lives(process)) and time.monotonic() < until:
        time.sleep(0.005)
    if living:
        os.kill(process, signal.SIGKILL)
    return not living


def test_a_killed_child_is_no_result(
    simulator: Simulator, zygote: Callable[[], int | None], model: Model
) -> None:
    with ThreadPoolExecutor() as pool:
        run = pool.submit(outcome, simulator, order(model, "sleeps"))
        parent, child = begun(zygote)
        os.kill(child, signal.SIGKILL)
        assert isinstance(run.result(), e.RunError)
    assert zygote() == parent
    assert isinstance(outcome(simulator, order(model)), Trajectory)


@pytest.mark.parametrize("after_s", [0.1, 0.001, *[0.0] * 4])
def test_a_run_ends_with_its_killed_zygote(
    after_s: float, simulator: Simulator, zygote: Callable[[], int | None], model: Model
) -> None:
    with ThreadPoolExecutor() as pool:
        run = pool.submit(outcome, simulator, order(model, "sleeps"))
        parent, child = begun(zygote)
        time.sleep(after_s)
        os.kill(parent, signal.SIGKILL)
        assert isinstance(run.result(), e.RunnerLostError)
    assert ended(child)
    assert isinstance(outcome(simulator, order(model)), Trajectory)


def test_a_stopped_zygote_is_replaced(
    simulator: Simulator, zygote: Callable[[], int | None], model: Model
) -> None:
    stopped = zygote()
    assert stopped
    os.kill(stopped, signal.SIGSTOP)
    assert isinstance(outcome(simulator, order(model), 0.2), e.RunnerLostError)
    assert ended(stopped)
    assert isinstance(outcome(simulator, order(model)), Trajectory)


def test_under_load_every_answer_is_whole_or_an_error(
    simulator: Simulator, zygote: Callable[[], int | None], model: Model
) -> None:
    run = order(model)
    expected = outcome(simulator, run)
    assert isinstance(expected, Trajectory)
    until = time.monotonic() + LOAD_S
    killer = threading.Thread(target=_kill_until, args=(until, zygote))
    killer.start()
    with ThreadPoolExecutor(ASKERS) as pool:
        asked = [pool.submit(_ask_until, simulator, run, until) for _ in range(ASKERS)]
        answers = [answer for future in asked for answer in future.result()]
    killer.join()
    whole = [a for a in answers if isinstance(a, Trajectory)]
    assert whole
    assert all(a.time.tobytes() == expected.time.tobytes() for a in whole)
    assert all(a.values.tobytes() == expected.values.tobytes() for a in whole)
    assert {type(a) for a in answers if not isinstance(a, Trajectory)} <= set(ANSWERS)
    outcome(simulator, run)  # the zygote may have been the last to be killed
    assert isinstance(outcome(simulator, run), Trajectory)


def _ask_until(simulator: Simulator, run: CanonicalRun, until: float) -> list[object]:
    answers = []
    while time.monotonic() < until:
        answers.append(outcome(simulator, run))
    return answers


def _kill_until(until: float, zygote: Callable[[], int | None]) -> None:
    """Now a child, now a zygote, of whatever is there."""
    chance = random.Random(1)  # noqa: S311 - no secret
    while time.monotonic() < until:
        time.sleep(chance.uniform(0.005, 0.05))
        parent = zygote()
        if parent is None:
            continue
        running = children(parent)
        aim = parent if chance.random() < 0.1 or not running else running[0]
        try:
            os.kill(aim, signal.SIGKILL)
        except ProcessLookupError:
            continue


def test_nothing_remains_of_killed_zygotes(model: Model) -> None:
    before = set(zygotes())
    simulator = Simulator(timeout_s=5, memory_mb=128, sandbox=Tier.DEVELOPMENT)
    folders = set()
    for _ in range(3):
        assert isinstance(outcome(simulator, order(model)), Trajectory)
        (process,) = set(zygotes()) - before
        folders.add(Path(f"/proc/{process}/cwd").resolve())
        os.kill(process, signal.SIGKILL)
        assert ended(process)
    simulator.close()
    assert set(zygotes()) == before
    assert not any(folder.exists() for folder in folders)
