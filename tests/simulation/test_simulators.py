"""Many threads, lost processes, shut-down: the simulator bounds, recovers and leaves nothing."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway_simulation import exceptions as e
from gateway_simulation.model import Model
from gateway_simulation.plan import CanonicalRun
from gateway_simulation.pool import MOST_WAITING_EACH
from gateway_simulation.runner import Simulator
from gateway_simulation.solvers import ENGINES

pytestmark = pytest.mark.slow

ModelThat = Callable[[str], Model]
Planner = Callable[..., CanonicalRun]


@pytest.fixture
def own() -> Iterator[Simulator]:
    made = Simulator(timeout_s=5, memory_mb=256, concurrency=4)
    yield made
    made.close()


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(child) for child in text.split()]


def _zygotes() -> list[int]:
    """Processes that this process's simulators started, whichever thread did."""
    while True:
        try:
            tasks = list(Path(f"/proc/{os.getpid()}/task").iterdir())
            children = [c for t in tasks for c in (t / "children").read_text("ascii").split()]
            commands = {int(c): Path(f"/proc/{c}/cmdline").read_bytes() for c in children}
        except (FileNotFoundError, ProcessLookupError):
            continue  # a thread or process of another test ended meanwhile: look again
        return [pid for pid, line in commands.items() if b"zygote" in line]


def test_many_threads_get_their_own_results(
    own: Simulator, model_that: ModelThat, planned: Planner
) -> None:
    model = model_that("driven")
    runs = [
        planned(model, start_values={"a": a, "x": 1}, outputs=["x"], solver={"name": "cvode"})
        for a in range(24)
    ]
    with ThreadPoolExecutor(12) as pool:
        results = list(pool.map(own.run, runs))
    for a, trajectory in enumerate(results):
        assert trajectory.column("x")[-1] == pytest.approx(math.exp(-a), abs=1e-4)


def test_waiting_for_a_core_doesnt_count_as_running(
    model_that: ModelThat, planned: Planner
) -> None:
    simulator = Simulator(timeout_s=1, memory_mb=256, concurrency=1)
    try:
        simulator.run(planned(model_that("driven")))
        with ThreadPoolExecutor(2) as pool:
            spins = pool.submit(simulator.run, planned(model_that("spins")))
            time.sleep(0.5)
            waits = pool.submit(simulator.run, planned(model_that("driven")))
            assert waits.result().rows == 11
        assert type(spins.exception()) is e.RunTimeoutError
    finally:
        simulator.close()


def test_a_run_that_took_too_long_is_told_the_time_that_its_call_was_given(
    model_that: ModelThat, planned: Planner
) -> None:
    simulator = Simulator(timeout_s=10, memory_mb=256)
    spins = planned(model_that("spins"))
    try:
        simulator.start()
        found = simulator.run_all([spins, spins], 0.3)
    finally:
        simulator.close()
    assert [type(error) for error in found] == [e.RunTimeoutError] * 2
    assert [error.details for error in found] == [{"timeout_s": 0.3}] * 2  # type: ignore[union-attr]


def test_a_wait_without_end_is_told_as_busy(model_that: ModelThat, planned: Planner) -> None:
    simulator = Simulator(timeout_s=0.5, memory_mb=256, concurrency=1)
    spinning = planned(model_that("spins"))
    try:
        simulator.run(planned(model_that("driven")))
        with ThreadPoolExecutor(40) as pool:
            begun = time.monotonic()
            errors = [pool.submit(simulator.run, spinning) for _ in range(40)]
            busy = [error for f in errors if isinstance(error := f.exception(), e.BusyError)]
            taken = time.monotonic() - begun
        assert len(busy) >= 40 - 3
        bounds = {str(error.details["bound"]) for error in busy}
        assert bounds == {"account", "wait"}
        assert all(1 <= error.details["retry_after_s"] <= 20 for error in busy)  # type: ignore[operator]
        assert not busy[0].models_fault
        assert taken < simulator.longest_s
        with pytest.raises(e.RunTimeoutError):
            simulator.run(spinning)
    finally:
        simulator.close()


def test_a_full_queue_refuses_at_once(model_that: ModelThat, planned: Planner) -> None:
    simulator = Simulator(timeout_s=3, memory_mb=256, concurrency=1)
    spinning = planned(model_that("spins"))
    refused: list[float] = []

    def run() -> None:
        begun = time.monotonic()
        try:
            simulator.run(spinning)
        except e.BusyError:
            refused.append(time.monotonic() - begun)
        except e.RunError:
            pass

    try:
        simulator.run(planned(model_that("driven")))
        with ThreadPoolExecutor(40) as pool:
            for _ in range(40):
                pool.submit(run)
            time.sleep(1)
            at_once = len(refused)
            simulator.close()
    finally:
        simulator.close()
    assert at_once == 40 - MOST_WAITING_EACH - 1


def test_a_killed_zygote_fails_its_runs_and_is_started_again(
    own: Simulator, model_that: ModelThat, planned: Planner
) -> None:
    before = set(_zygotes())
    own.run(planned(model_that("driven")))
    (zygote,) = set(_zygotes()) - before
    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(own.run, planned(model_that("spins"))) for _ in range(2)]
        while len(_children(zygote)) < 2:
            time.sleep(0.01)
        orphans = _children(zygote)
        os.kill(zygote, signal.SIGKILL)
        errors = [future.exception() for future in running]
    assert [type(error) for error in errors] == [e.RunnerLostError] * 2
    assert not any(isinstance(error, e.RunError) and error.models_fault for error in errors)
    assert own.run(planned(model_that("driven"))).rows == 11
    assert _gone(orphans)


def test_a_stopped_zygote_is_given_up(model_that: ModelThat, planned: Planner) -> None:
    before = set(_zygotes())
    simulator = Simulator(timeout_s=0.2, memory_mb=256)
    try:
        simulator.run(planned(model_that("driven")))
        (zygote,) = set(_zygotes()) - before
        os.kill(zygote, signal.SIGSTOP)
        with pytest.raises(e.RunnerLostError):
            simulator.run(planned(model_that("driven")))
    finally:
        simulator.close()
    assert not _alive(zygote)


def test_closing_leaves_nothing_behind(model_that: ModelThat, planned: Planner) -> None:
    before = set(_zygotes())
    simulator = Simulator(timeout_s=20, memory_mb=256)
    simulator.run(planned(model_that("driven")))
    (zygote,) = set(_zygotes()) - before
    home = Path(f"/proc/{zygote}/cwd").readlink()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(simulator.run, planned(model_that("spins")))
        while not _children(zygote):
            time.sleep(0.01)
        orphans = _children(zygote)
        simulator.close()
        assert isinstance(running.exception(), e.SimulatorClosedError)
    assert not any(_alive(pid) for pid in (zygote, *orphans))
    assert not home.exists()
    with pytest.raises(e.SimulatorClosedError):
        simulator.run(planned(model_that("driven")))
    simulator.close()


def test_two_hundred_runs_leave_no_process_thread_descriptor_or_folder(
    own: Simulator, model_that: ModelThat, planned: Planner
) -> None:
    before = set(_zygotes())
    run = planned(model_that("driven"))
    own.run(run)
    (zygote,) = set(_zygotes()) - before
    held = _settled(zygote)
    for _ in range(200):
        own.run(run)
    now = _settled(zygote)
    for what in ("threads", "descriptors"):  # others' may end meanwhile
        assert now.pop(what) <= held.pop(what)  # type: ignore[operator]
    assert now == held


@pytest.mark.parametrize("engine", ENGINES)
def test_the_zygote_ends_with_a_server_that_was_killed(engine: str, tmp_path: Path) -> None:
    script = tmp_path / "server.py"
    script.write_text(
        "import time\n"
        "from gateway_simulation.worker import Worker\n"
        f"print(Worker({engine!r}, None)._process.pid, flush=True)\n"
        "time.sleep(60)\n",
        encoding="utf-8",
    )
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        zygote = int(server.stdout.readline())
        server.kill()
    assert _gone([zygote])


def test_the_server_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "import gateway_simulation.runner, gateway_simulation.plan, gateway_simulation.archive\n"
        "import gateway_simulation.kpis, gateway_simulation.summary, gateway_simulation.units\n"
        "heavy = {'fmpy', 'scipy', 'pyarrow', 'matplotlib', 'lxml'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def _settled(zygote: int) -> dict[str, object]:
    """What is held once the zygote has put away what it answered with: it tells first."""
    time.sleep(0.2)
    return _held(zygote)


def _held(zygote: int) -> dict[str, object]:
    """What this process and its zygote hold that a run might have left."""
    home = Path(f"/proc/{zygote}/cwd").resolve()
    return {
        "zygotes": set(_zygotes()),
        "children": _children(zygote),
        "threads": threading.active_count(),
        "descriptors": _descriptors(os.getpid()),
        "descriptors of the zygote": _descriptors(zygote),
        "folders": sorted(home.iterdir()),
    }


def _descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def _gone(pids: list[int]) -> bool:
    """Whether all of them end within a moment: the kernel tells them of their parent's death."""
    deadline = time.monotonic() + 5
    while any(map(_alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not any(map(_alive, pids))


def _alive(pid: int) -> bool:
    """Whether a process runs; one that ended and waits to be reaped doesn't."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in {"Z", "X"}
