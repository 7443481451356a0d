"""/health says that the process lives; /ready whether it can work, in bounded time."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import httpx
import pytest
from conftest import Running, running_gateway
from sqlalchemy import text

from gateway_server import readiness
from gateway_server.readiness import ReadinessProbe

ALL_WELL = {"database": "ok", "storage": "ok", "sandbox": "ok", "disk": "ok"}


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setattr(readiness, "_KEPT_S", 0.0)
    with running_gateway(tmp_path, {"PAYMENT_OFFERS": ""}, None) as running:
        httpx.get(f"{running.url}/health").raise_for_status()  # it has started
        yield running


def no_folder_for_blobs(gateway: Running, _: pytest.MonkeyPatch) -> None:
    folder = gateway.database.with_suffix(".storage")
    shutil.rmtree(folder, ignore_errors=True)
    folder.write_text("a file where a folder should be")


def another_version_moved_the_database_on(gateway: Running, _: pytest.MonkeyPatch) -> None:
    with gateway.embedded.gateway.database.write() as db:
        db.execute(text("UPDATE alembic_version SET version_num = '9999'"))


def no_process_to_run_models(gateway: Running, _: pytest.MonkeyPatch) -> None:
    gateway.embedded.gateway.simulator.close()


def hardly_any_room(_: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "FREE_BYTES", 2**80)


def test_a_whole_gateway_is_ready(gateway: Running) -> None:
    answer = httpx.get(f"{gateway.url}/ready")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ready", "checks": ALL_WELL}
    kept = gateway.database.with_suffix(".storage") / "probe"
    assert list(kept.iterdir()) == [], "what was written to try it is gone"


@pytest.mark.parametrize(
    ("broken", "part"),
    [
        (no_folder_for_blobs, "storage"),
        (another_version_moved_the_database_on, "database"),
        (no_process_to_run_models, "sandbox"),
        (hardly_any_room, "disk"),
    ],
)
def test_what_fails_is_named_and_nothing_more_while_health_is_fine(
    gateway: Running,
    monkeypatch: pytest.MonkeyPatch,
    broken: Callable[[Running, pytest.MonkeyPatch], None],
    part: str,
) -> None:
    broken(gateway, monkeypatch)
    answer = httpx.get(f"{gateway.url}/ready")
    assert answer.status_code == 503
    assert answer.json() == {"status": "unavailable", "checks": {**ALL_WELL, part: "failing"}}
    assert httpx.get(f"{gateway.url}/health").json()["status"] == "ok"


def test_a_check_that_hangs_bounds_the_answer_and_is_not_begun_again() -> None:
    released, begun = threading.Event(), []

    def hangs() -> None:
        begun.append(1)
        released.wait(30)

    async def look_twice() -> None:
        probe = ReadinessProbe({"slow": hangs, "quick": lambda: None}, patience_s=0.05)
        for _ in range(2):
            assert (await probe.look()).parts == {"slow": False, "quick": True}
            probe._found = None  # noqa: SLF001  time has passed
        released.set()
        while probe._hanging:  # noqa: SLF001, ASYNC110  a thread's doing
            await anyio.sleep(0.01)
        assert len(begun) == 1
        assert (await probe.look()).ready

    anyio.run(look_twice)


def test_many_who_ask_at_once_cost_one_check() -> None:
    begun: list[int] = []

    async def crowd() -> None:
        probe = ReadinessProbe({"part": lambda: begun.append(1)})
        async with anyio.create_task_group() as group:
            for _ in range(50):
                group.start_soon(probe.look)

    anyio.run(crowd)
    assert len(begun) == 1


def test_health_waits_for_no_database_and_no_process(gateway: Running) -> None:
    system = gateway.embedded.gateway
    with system.simulator._lock, system.database.write():  # noqa: SLF001  both are held elsewhere
        answer = httpx.get(f"{gateway.url}/health", timeout=5).json()
    assert answer["status"] == "ok"
    assert re.fullmatch(r"strong|standard", answer["sandbox"])
