"""What is kept of tasks: by account, within bounds, on both databases, beyond a gateway's life."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import anyio
import httpx
import pytest
from a2a.server.cluster.task_store import ConcurrentTaskModificationError, StoredTask
from a2a.server.cluster.version import TaskVersion
from a2a.server.context import ServerCallContext
from a2a.types.a2a_pb2 import (
    Artifact,
    ListTasksRequest,
    Part,
    Task,
    TaskPushNotificationConfig,
    TaskState,
    TaskStatus,
    TaskStatusUpdateEvent,
)
from a2a.utils.errors import InternalError
from a2a_door.conftest import new_account
from a2a_door.requirements import holds
from a2a_door.wire import answer, data_of, state_of
from conftest import running_gateway
from google.protobuf.json_format import MessageToDict
from postgres import fresh_database
from sqlalchemy import func, insert, select, text

from gateway_a2a import task_rows
from gateway_a2a.push import AT_ONCE_EACH, Notifier
from gateway_a2a.push_configs import PushConfigs
from gateway_a2a.task_rows import PushConfigRow, TaskRow
from gateway_a2a.tasks import StoredTasks
from gateway_a2a.upkeep import KEPT, SILENT, Upkeep
from gateway_payments.accounts import AccountRow
from gateway_storage.database import Database
from gateway_storage.migrate import migrate

ADA, EVE = (ServerCallContext(state={"owner": name}) for name in ("ada", "eve"))
WORKING: Final = TaskState.TASK_STATE_WORKING
COMPLETED: Final = TaskState.TASK_STATE_COMPLETED
CANCELED: Final = TaskState.TASK_STATE_CANCELED
START: Final = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Kept:
    """A store with a clock that the test turns."""

    database: Database
    now: datetime = START
    told: list[TaskStatusUpdateEvent] = field(default_factory=list)

    @property
    def tasks(self) -> StoredTasks:
        return StoredTasks(self.database, lambda: self.now)

    async def save(
        self, task: Task, context: ServerCallContext = ADA, was: TaskVersion = TaskVersion.MISSING
    ) -> TaskVersion:
        return await self.tasks.save(task, event=None, prev=None, prev_version=was, context=context)

    async def ids(self, context: ServerCallContext = ADA) -> list[str]:
        listed = await self.tasks.list(ListTasksRequest(page_size=100), context)
        return [task.id for task in listed.tasks]

    async def keep_up(self) -> None:
        configs = PushConfigs(self.database, lambda: self.now)
        push = Notifier(configs)
        upkeep = Upkeep(self.database, lambda: self.now, self.tasks, push)
        await upkeep.once()
        await push.aclose()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kept]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/gateway.sqlite3"
    else:
        url = fresh_database(request.getfixturevalue("postgres_url"))
    database = Database(url)
    migrate(database)
    with database.write() as db:
        for name in ("ada", "eve"):
            db.execute(insert(AccountRow).values(id=name, created_at=START))
    yield Kept(database)
    database.close()


def task(number: int, state: Any = COMPLETED, size: int = 0) -> Task:  # noqa: ANN401
    status = TaskStatus(state=state)
    status.timestamp.FromDatetime(START + timedelta(seconds=number))
    artifacts = [Artifact(artifact_id="a", parts=[Part(text="x" * size)])] if size else []
    return Task(id=f"task{number}", context_id="c", status=status, artifacts=artifacts)


def stored(found: StoredTask | None) -> Task:
    assert found is not None
    return found.task


@holds("survives", "scope")
def test_a_task_is_its_accounts_alone_and_as_it_was_saved(kept: Kept) -> None:
    async def use() -> None:
        await kept.save(task(1, size=10))
        assert stored(await kept.tasks.get("task1", ADA)) == task(1, size=10)
        assert await kept.tasks.get("task1", EVE) is None
        await kept.tasks.delete("task1", EVE)
        assert await kept.ids() == ["task1"]
        assert await kept.ids(EVE) == []
        await kept.tasks.delete("task1", ADA)
        assert await kept.ids() == []

    anyio.run(use)


@holds("shared")
def test_of_two_who_write_from_the_same_version_one_is_told(kept: Kept) -> None:
    async def use() -> None:
        first = await kept.save(task(1, WORKING))
        second = await kept.save(task(1, WORKING, size=1), was=first)
        assert second.is_after(first)
        for was in (first, TaskVersion.MISSING):
            with pytest.raises(ConcurrentTaskModificationError):
                await kept.save(task(1), was=was)
        with pytest.raises(ConcurrentTaskModificationError):
            await kept.save(task(2), was=first)
        assert stored(await kept.tasks.get("task1", ADA)).artifacts

    anyio.run(use)


@holds("shared", "cancel-answers")
def test_cancelling_needs_no_version_but_a_task_that_has_not_ended(kept: Kept) -> None:
    async def use() -> None:
        first = await kept.save(task(1, WORKING))
        await kept.save(task(1, WORKING), was=first)
        last = await kept.save(task(1, CANCELED), was=first)
        found = await kept.tasks.get("task1", ADA)
        assert found == StoredTask(task(1, CANCELED), last)
        for gone in (task(1, CANCELED), task(2, CANCELED)):
            with pytest.raises(ConcurrentTaskModificationError):
                await kept.save(gone, was=last)

    anyio.run(use)


@holds("shared", "send-terminal")
@pytest.mark.parametrize("end", [COMPLETED, CANCELED])
def test_a_task_that_has_ended_stays_as_it_is(kept: Kept, end: Any) -> None:  # noqa: ANN401
    async def use() -> None:
        first = await kept.save(task(1, WORKING))
        last = await kept.save(task(1, end), was=first)
        with pytest.raises(ConcurrentTaskModificationError):
            await kept.save(task(1, WORKING), was=last)
        assert stored(await kept.tasks.get("task1", ADA)).status.state == end

    anyio.run(use)


@holds("bounded")
def test_the_oldest_tasks_go_when_an_account_has_too_many(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_rows, "MOST_TASKS", 3)

    async def fill() -> None:
        await kept.save(task(0, WORKING))
        await kept.save(Task(id="hers", status=task(0).status), EVE)
        for number in range(1, 6):
            await kept.save(task(number))
        assert await kept.ids() == ["task5", "task4", "task0"]  # what is at work stays
        assert await kept.ids(EVE) == ["hers"]

    anyio.run(fill)


@holds("bounded")
def test_the_oldest_tasks_go_when_an_accounts_are_too_large(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_rows, "MOST_BYTES", 10_000)

    async def fill() -> None:
        for number in range(1, 5):
            await kept.save(task(number, size=4_000))
        assert await kept.ids() == ["task4", "task3"]
        await kept.save(task(5, size=50_000))
        assert await kept.ids() == ["task5"]

    anyio.run(fill)


@holds("survives", "push-create")
def test_tasks_and_configurations_are_forgotten_when_nobody_needs_them(kept: Kept) -> None:
    config = TaskPushNotificationConfig(url="https://example.com", id="one")

    async def use() -> int:
        await kept.save(task(1))
        await PushConfigs(kept.database, lambda: kept.now).set_info("task1", config, ADA)
        kept.now += KEPT - timedelta(seconds=1)
        await kept.keep_up()
        assert await kept.ids() == ["task1"]
        kept.now += timedelta(seconds=2)
        await kept.keep_up()
        assert await kept.ids() == []
        with kept.database.read() as db:
            return db.execute(select(func.count()).select_from(PushConfigRow)).scalar_one()

    assert anyio.run(use) == 0


@holds("survives", "push-create")
def test_a_configuration_lives_as_long_as_its_task(kept: Kept) -> None:
    config = TaskPushNotificationConfig(url="https://example.com", id="one")
    waiting = TaskState.TASK_STATE_INPUT_REQUIRED

    async def use() -> list[int]:
        configs = PushConfigs(kept.database, lambda: kept.now)
        version = await kept.save(task(1, waiting))
        await configs.set_info("task1", config, ADA)
        await configs.set_info("never made", config, ADA)
        kept.now += KEPT - timedelta(seconds=1)
        await kept.save(task(1, waiting, size=1), was=version)  # somebody answered, not enough
        kept.now += timedelta(seconds=2)
        await kept.keep_up()
        names = ("task1", "never made")
        return [len(await configs.get_info_for_dispatch(name)) for name in names]

    assert anyio.run(use) == [1, 0]


@holds("push-bounded")
def test_dead_addresses_of_one_account_silence_no_others(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = TaskPushNotificationConfig(url="https://example.com", id="one")
    event = TaskStatusUpdateEvent(status=TaskStatus(state=COMPLETED))
    posted: list[str] = []

    async def use() -> None:
        heard = anyio.Event()

        async def post(_: Notifier, config: TaskPushNotificationConfig, *__: object) -> bool:
            posted.append(config.task_id)
            if config.task_id == "eves":
                heard.set()
            else:
                await anyio.sleep_forever()
            return True

        monkeypatch.setattr(Notifier, "_post", post)
        configs = PushConfigs(kept.database, lambda: kept.now)
        await configs.set_info("eves", config, EVE)
        push = Notifier(configs)
        for number in range(60):
            await configs.set_info(f"adas{number}", config, ADA)
            for _ in range(20):
                await push.send_notification(f"adas{number}", event)
        await push.send_notification("eves", event)
        with anyio.fail_after(20):
            await heard.wait()
        await push.aclose()

    anyio.run(use)
    assert len(posted) == AT_ONCE_EACH + 1


@holds("survives")
def test_a_task_whose_gateway_is_gone_fails_and_says_so(kept: Kept) -> None:
    async def use() -> Task:
        await kept.save(task(1, WORKING))
        await kept.save(task(2, TaskState.TASK_STATE_INPUT_REQUIRED))
        kept.now += SILENT - timedelta(seconds=1)
        await kept.keep_up()
        assert stored(await kept.tasks.get("task1", ADA)).status.state == WORKING
        kept.now += timedelta(seconds=2)
        await kept.keep_up()
        waiting = stored(await kept.tasks.get("task2", ADA))
        assert waiting.status.state == TaskState.TASK_STATE_INPUT_REQUIRED
        return stored(await kept.tasks.get("task1", ADA))

    lost = anyio.run(use)
    assert lost.status.state == TaskState.TASK_STATE_FAILED
    told = MessageToDict(lost.status.message.parts[0].data)
    assert told["code"] == "task_lost"
    assert "reuse" in told["remedy"]


@holds("unhurt")
def test_a_database_that_fails_is_not_quoted_to_callers(kept: Kept) -> None:
    with kept.database.write() as db:
        db.execute(text(f"DROP TABLE {TaskRow.__tablename__}"))
    with pytest.raises(InternalError) as told:
        anyio.run(kept.ids)
    assert str(told.value) == "Internal error"


@holds("survives")
def test_a_task_that_asks_goes_on_after_a_restart(tmp_path: Path) -> None:
    free = {"PAYMENT_OFFERS": ""}
    with running_gateway(tmp_path, free, None) as gateway:  # noqa: SIM117  one after the other
        with httpx.Client(base_url=gateway.url, timeout=30) as http:
            before = new_account(http, "JSONRPC")
            asking = before.run("simulate", {"stop_time": 1.0})
    with running_gateway(tmp_path, free, None) as gateway:  # noqa: SIM117
        with httpx.Client(base_url=gateway.url, timeout=30) as http:
            after = type(before)(http, "HTTP+JSON", before.key)
            assert after.get(asking) == asking
            done = after.send(answer(asking, {"fmu_id": "msl:BouncingBall"}))
    assert state_of(done) == "COMPLETED"
    assert data_of(done)["status"] == "done"
