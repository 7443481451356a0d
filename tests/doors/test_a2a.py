"""The A2A door by the official client: files, and tasks that go on once they are paid."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import anyio
import httpx
import pytest
from a2a.helpers import new_text_message
from a2a.types.a2a_pb2 import CancelTaskRequest, ListTasksRequest, Role, Task
from conftest import Running
from doors.clients import A2A, Where, open_door
from doors.credit import give_credits
from fmus import compiled

from gateway_a2a import client as a2a

RUN: dict[str, Any] = {"fmu_id": "msl:BouncingBall", "stop_time": 1.0}


@pytest.fixture(scope="module", params=["a2a_jsonrpc", "a2a_rest"])
def door(request: pytest.FixtureRequest, free_gateway: Running) -> Iterator[A2A]:
    with open_door(request.param, free_gateway.account()) as opened:
        assert isinstance(opened, A2A)
        yield opened


def say(door: A2A, text: str) -> Task:
    return door.portal.call(door.agent.send, new_text_message(text, role=Role.ROLE_USER))


def test_a_result_comes_as_file_artifacts(door: A2A) -> None:
    result_id = door.call("simulate", RUN).body["result_id"]
    for form, start in (("csv", b"time,h,v\n"), ("png", b"\x89PNG")):
        asked = {"result_id": result_id, "format": form}
        task = door.portal.call(door.agent.call, "get_result", asked)
        assert a2a.files(task)[f"{result_id}.{form}"].startswith(start)


def test_a_task_that_asks_for_money_continues_with_the_token(paid_gateway: Running) -> None:
    where = paid_gateway.account()
    with open_door("a2a_jsonrpc", where) as door, paid_gateway.http(where) as http:
        assert isinstance(door, A2A)
        task = door.portal.call(door.agent.call, "simulate", RUN)
        assert a2a.state(task) == "input_required"
        session_id = a2a.data(task)["session_id"]
        assert paid_gateway.stripe is not None
        url = f"{paid_gateway.stripe.base_url}/control/sessions/{session_id}/complete"
        httpx.post(url, json={"payment_status": "paid"}).raise_for_status()
        token = http.get(f"/payments/checkout/{session_id}").json()["payment_token"]
        done = door.portal.call(door.agent.answer, task, {"payment_token": token})
    assert a2a.state(done) == "completed"
    assert done.id == task.id


def test_a_continuation_that_is_no_object_is_not_understood(paid_gateway: Running) -> None:
    with open_door("a2a_jsonrpc", paid_gateway.account()) as door:
        assert isinstance(door, A2A)
        task = door.portal.call(door.agent.call, "simulate", RUN)
        again = door.portal.call(door.agent.answer, task, {"arguments": 5})
        assert a2a.data(again)["code"] == "not_understood"
        again = door.portal.call(door.agent.answer, task, {})
    assert a2a.data(again)["code"] == "payment_required"  # the call is not forgotten


@pytest.mark.parametrize("text", ["[" * 100_000, r'{"skill": "\ud800", "arguments": {}}'])
def test_hostile_text_is_answered_in_our_words(door: A2A, text: str) -> None:
    assert a2a.data(say(door, text))["code"] in {"not_understood", "unknown_tool"}


def test_a_cancelled_task_ends_its_run_and_nothing_is_charged(paid_gateway: Running) -> None:
    where = paid_gateway.account()
    give_credits(paid_gateway, where, 1000)
    with open_door("a2a_jsonrpc", where) as door:
        assert isinstance(door, A2A)

        async def cancel() -> tuple[Task, str]:
            agent = door.agent
            added = await agent.call("upload_fmu", {}, file=compiled.fmu("spins"))
            quoted = a2a.data(await agent.call("quote", {"fmu_id": a2a.data(added)["id"]}))
            paid = {"quote_id": quoted["quote_id"], "offer": "credits"}
            token = a2a.data(await agent.call("pay", paid))["payment_token"]
            async with anyio.create_task_group() as calls:
                calls.start_soon(agent.call, "simulate", {"payment_token": token})
                task_id = await _working(agent)
                request = CancelTaskRequest(id=task_id)
                return await agent._client.cancel_task(request), token  # noqa: SLF001
            raise AssertionError

        task, token = door.portal.call(cancel)
        assert a2a.state(task) == "canceled"
    assert _unspent(paid_gateway, where, token)


def _unspent(gateway: Running, where: Where, token: str) -> bool:
    """Whether the token pays for another run before that one could have ended by itself."""
    until = time.monotonic() + 10
    body = {"payment_token": token, "fmu_id": "msl:VanDerPol"}
    with gateway.http(where) as http:
        while time.monotonic() < until:
            answer = http.post("/simulate", json=body)
            if answer.status_code != 409:
                return answer.is_success
            time.sleep(0.02)
    return False


async def _working(agent: a2a.A2AAgent) -> str:
    """The task that runs something, as soon as there is one."""
    with anyio.fail_after(10):
        while True:
            listed = await agent._client.list_tasks(ListTasksRequest())  # noqa: SLF001
            for task in listed.tasks:
                if a2a.state(task) == "working":
                    return str(task.id)
            await anyio.sleep(0.01)
