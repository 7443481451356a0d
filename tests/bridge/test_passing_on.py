"""What goes over the bridge unchanged: payments, their receipts, progress, questions, cancels."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from bridge.bridged import bridge, parameters
from bridge.recorder import QUESTION, RECEIPT, REQUIREMENT, Recorder, recording
from doors.clients import Mcp
from mcp import Client
from mcp.client.context import ClientRequestContext
from mcp_types import ElicitRequestParams, ElicitResult

PAYMENT = {"x402Version": 2, "payload": {"signature": "0x" + "ab" * 65}}


@pytest.fixture(scope="module", params=["auto", "legacy"])
def passing(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Recorder, Mcp]]:
    folder = tmp_path_factory.mktemp("passing") / "work"
    folder.mkdir()
    with recording() as recorder, bridge(recorder.url, folder, key="k", mode=request.param) as door:
        yield recorder, door


def test_a_payment_requirement_arrives_as_it_was_sent(passing: tuple[Recorder, Mcp]) -> None:
    _, door = passing
    result = door.portal.call(door.client.call_tool, "pay_first", {})
    assert result.is_error
    assert result.structured_content == REQUIREMENT
    assert [block.text for block in result.content] == ['as it is: {"a" :1}']


def test_a_payment_goes_there_and_its_receipt_comes_back(passing: tuple[Recorder, Mcp]) -> None:
    recorder, door = passing

    async def pay() -> dict[str, object]:
        meta: Any = {"x402/payment": PAYMENT, "example.org/trace": ["ü", 1]}
        result = await door.client.call_tool("pay_first", {}, meta=meta)
        return dict(result.meta or {})

    assert door.portal.call(pay)["x402/payment-response"] == RECEIPT
    sent = recorder.metas[-1]
    assert sent["x402/payment"] == PAYMENT
    assert sent["example.org/trace"] == ["ü", 1]


def test_progress_arrives_in_order(passing: tuple[Recorder, Mcp]) -> None:
    _, door = passing
    seen = []

    async def heard(progress: float, total: float | None, message: str | None) -> None:
        seen.append((progress, total, message))

    async def count() -> None:
        await door.client.call_tool("count", {}, progress_callback=heard)

    door.portal.call(count)
    assert seen == [(n, 3, f"step {n}") for n in (1, 2, 3)]


def test_a_cancelled_call_is_cancelled_there_and_the_bridge_goes_on(
    passing: tuple[Recorder, Mcp],
) -> None:
    recorder, door = passing
    recorder.began.clear()
    recorder.cancelled.clear()

    async def give_up() -> None:
        with anyio.move_on_after(10) as scope:
            async with anyio.create_task_group() as calls:
                calls.start_soon(door.client.call_tool, "wait", {})
                await anyio.to_thread.run_sync(recorder.began.wait, 10)
                calls.cancel_scope.cancel()
        assert not scope.cancelled_caught

    door.portal.call(give_up)
    assert recorder.cancelled.wait(10)
    assert not door.portal.call(door.client.call_tool, "count", {}).is_error


def test_other_calls_go_on_while_one_waits(passing: tuple[Recorder, Mcp]) -> None:
    recorder, door = passing
    recorder.began.clear()

    async def both() -> float:
        async with anyio.create_task_group() as calls:
            calls.start_soon(door.client.call_tool, "wait", {})
            await anyio.to_thread.run_sync(recorder.began.wait, 10)
            started = time.monotonic()
            await door.client.call_tool("count", {})
            calls.cancel_scope.cancel()
            return time.monotonic() - started
        raise AssertionError

    assert door.portal.call(both) < 10


def test_tools_and_prompts_are_listed_as_they_are(passing: tuple[Recorder, Mcp]) -> None:
    _, door = passing
    tools = door.portal.call(door.client.list_tools).tools
    assert [tool.meta for tool in tools] == [{"n": tool.name} for tool in tools]
    assert tools[0].input_schema["x-later"] == {"kept": True}
    assert [p.name for p in door.portal.call(door.client.list_prompts).prompts] == ["why"]
    assert door.client.server_capabilities.resources is None


def test_a_question_of_the_gateway_reaches_who_can_answer_it(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    asked = []

    async def answer(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        del context
        asked.append(params)
        return ElicitResult(action="accept")

    async def ask(url: str, *, can: bool) -> str:
        server = parameters(url, folder, key="k")
        async with Client(server, elicitation_callback=answer if can else None) as client:
            result = await client.call_tool("ask", {})
            text: str = result.content[0].text  # type: ignore[union-attr]
            return text

    with recording() as recorder:
        assert anyio.run(lambda: ask(recorder.url, can=True)) == "thanks"
        assert anyio.run(lambda: ask(recorder.url, can=False)) == "can't ask"
        ((response, state),) = recorder.answers
    assert (response.action, state) == ("accept", "sealed")
    assert [params.message for params in asked] == [QUESTION.params.message]
