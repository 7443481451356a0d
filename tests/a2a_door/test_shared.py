"""Two gateways on one database: a task may be begun at one and go on at the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import httpx
import pytest
from a2a_door.conftest import Held, new_account
from a2a_door.receiver import receiving
from a2a_door.requirements import holds
from a2a_door.wire import Failed, Wire, answer, data_of, message, state_of
from conftest import running_gateway

from gateway_a2a import progress, push

RUN: Final[dict[str, Any]] = {"fmu_id": "msl:BouncingBall", "stop_time": 1.0}


@pytest.fixture(scope="module")
def gateways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, ...]]:
    folder, free = tmp_path_factory.mktemp("shared"), {"PAYMENT_OFFERS": ""}
    with (
        running_gateway(folder, free, None) as one,
        running_gateway(folder, free, None) as other,
        httpx.Client(base_url=one.url, timeout=30) as first,
        httpx.Client(base_url=other.url, timeout=30) as second,
    ):
        yield first, second


@pytest.fixture
def doors(gateways: tuple[httpx.Client, ...]) -> tuple[Wire, Wire]:
    """The same account at both."""
    one = new_account(gateways[0], "JSONRPC")
    return one, replace(one, http=gateways[1], binding="HTTP+JSON")


@holds("shared")
def test_a_task_that_asks_at_one_is_answered_at_the_other(doors: tuple[Wire, Wire]) -> None:
    one, other = doors
    task = one.run("run_study", {})
    task = other.send(answer(task, {"parameters": {"e": {"values": [0.5, 0.7]}}}))
    task = one.send(answer(task, {"base": RUN | {"kpis": ["h_max"]}}))
    assert state_of(task) == "COMPLETED"
    assert len(data_of(task)["rows"]) == 2
    assert one.get(task) == other.get(task) == task
    with pytest.raises(Failed) as refused:
        other.send(answer(task, {}))
    assert refused.value.reason == "UNSUPPORTED_OPERATION"
    assert [t["id"] for t in other.call("ListTasks", {})["tasks"]] == [task["id"]]


@holds("shared", "subscribe-first", "subscribe-end")
def test_a_task_at_one_is_followed_at_the_other(doors: tuple[Wire, Wire], held: Held) -> None:
    one, other = doors
    task = one.run("simulate", RUN, returnImmediately=True)
    assert held.begun.acquire(timeout=20)
    with other.stream("SubscribeToTask", {"id": task["id"]}) as events:
        assert state_of(next(events)["task"]) in {"SUBMITTED", "WORKING"}
        held.go.set()
        told = list(events)
    done = other.get(task)
    artifacts = [e["artifactUpdate"]["artifact"] for e in told if "artifactUpdate" in e]
    assert artifacts == done["artifacts"]
    assert told[-1]["statusUpdate"]["status"] == done["status"]
    assert state_of(done) == "COMPLETED"


@holds("shared", "cancel-answers")
def test_a_task_at_one_is_cancelled_at_the_other(
    doors: tuple[Wire, Wire], held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "EVERY_S", 0.02)
    one, other = doors
    with one.stream("SendStreamingMessage", {"message": message(_call())}) as events:
        task = next(events)["task"]
        assert held.begun.acquire(timeout=20)
        assert state_of(other.call("CancelTask", {"id": task["id"]})) == "CANCELED"
        assert state_of(list(events)[-1].popitem()[1]) == "CANCELED"
    held.go.set()
    assert state_of(one.get(task)) == state_of(other.get(task)) == "CANCELED"


@holds("shared", "push-delivery")
def test_who_configures_at_one_hears_of_what_happens_at_the_other(
    doors: tuple[Wire, Wire], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ours(url: str) -> bool:
        return url.startswith(("http://localhost:", "http://127.0.0.1:", "http://[::1]:"))

    monkeypatch.setattr(push, "validate_push_notification_url", ours)
    monkeypatch.setattr(push, "PAUSES_S", (0.0, 0.01))
    one, other = doors
    task = one.run("simulate", {})
    with receiving() as receiver:
        config = {"taskId": task["id"], "url": receiver.url}
        one.call("CreateTaskPushNotificationConfig", config)
        other.send(answer(task, RUN))
        receiver.until_told("COMPLETED")
    assert receiver.states[-2:] == ["WORKING", "COMPLETED"]


def _call() -> dict[str, Any]:
    return {"skill": "simulate", "arguments": RUN}
