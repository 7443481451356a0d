"""Every call can be followed through the logs by one id, whatever door it came through."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from conftest import Running, running_gateway
from doors.clients import open_door
from doors.credit import give_credits
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from served import COMMAND
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from gateway_a2a import client as a2a

CALL = {"fmu_id": "msl:BouncingBall", "stop_time": 0.1}
FORGED = "x\n2026-01-01T00:00:00Z [error    ] all_paid"


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A gateway that trusts its neighbours on this machine as proxies."""
    environment = {"PAYMENT_OFFERS": "", "TRUSTED_PROXIES": "127.0.0.1"}
    with running_gateway(tmp_path_factory.mktemp("proxied"), environment, None) as gateway:
        yield gateway


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    with capture_logs([merge_contextvars]) as events:
        yield events


def events_of(logs: list[Any], name: str) -> list[dict[str, Any]]:
    return [event for event in list(logs) if event["event"] == name]


def answer_of(logs: list[Any], request_id: str) -> dict[str, Any]:
    """The line of that request; it may come a moment after the answer."""
    until = time.monotonic() + 10
    while True:
        for event in events_of(logs, "request_answered"):
            if event["request_id"] == request_id:
                return event
        assert time.monotonic() < until, logs
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("client", "door"),
    [
        ("rest", "rest"),
        ("mcp_http", "mcp"),
        ("a2a_jsonrpc", "a2a"),
        ("a2a_rest", "a2a"),
    ],
)
def test_a_call_and_its_run_carry_the_request_that_asked_for_them(
    free_gateway: Running, logs: list[Any], client: str, door: str
) -> None:
    where = free_gateway.account()
    with open_door(client, where) as opened:
        answers = [opened.call("simulate", {**CALL, "stop_time": stop}) for stop in (0.1, 0.2)]
    called, finished = events_of(logs, "tool_called"), events_of(logs, "run_finished")
    assert [event["run_id"] for event in finished] == [a.body["result_id"] for a in answers]
    for call, run in zip(called, finished, strict=True):
        assert (call["tool"], call["door"], call["outcome"]) == ("simulate", door, "done")
        for name in ("request_id", "tool", "door", "account_id"):
            assert run[name] == call[name]
    assert len({call["request_id"] for call in called}) == 2
    for call in called:
        assert answer_of(logs, call["request_id"])["door"] == door


def test_a_task_that_waited_for_a_payment_follows_the_request_that_brings_it(
    paid_gateway: Running, logs: list[Any]
) -> None:
    where = paid_gateway.account()
    give_credits(paid_gateway, where, 500)

    async def converse() -> None:
        async with a2a.connect(where.url, where.key, binding="JSONRPC") as agent:
            task = await agent.call("simulate", CALL)
            assert a2a.state(task) == "input_required"
            quote = a2a.data(task)["quote_id"]
            paid = await agent.call("pay", {"quote_id": quote, "offer": "credits"})
            assert a2a.state(paid) == "completed"
            token = a2a.data(paid)["payment_token"]
            done = await agent.answer(task, {"payment_token": token})
            assert a2a.state(done) == "completed"

    anyio.run(converse)
    first, second, third = (event["request_id"] for event in events_of(logs, "tool_called"))
    assert len({first, second, third}) == 3
    (run,) = events_of(logs, "run_finished")
    assert run["request_id"] == third


def test_an_answer_names_its_request_and_the_log_its_route(
    free_gateway: Running, logs: list[Any]
) -> None:
    with free_gateway.http() as http:
        given = http.get("/fmus/msl:BouncingBall").headers["X-Request-Id"]
        nowhere = http.get("/a-secret-place").headers["X-Request-Id"]
    assert re.fullmatch(r"[0-9a-f]{32}", given)
    told = answer_of(logs, given)
    assert told["route"] == "/fmus/{fmu_id}"
    assert (told["status"], told["client"]) == (200, "127.0.0.1")
    told = answer_of(logs, nowhere)
    assert (told["route"], told["status"]) == ("unmatched", 404)


def test_a_trusted_proxys_id_and_client_are_taken_over(proxied: Running, logs: list[Any]) -> None:
    headers = {"X-Request-Id": "edge:0123-abcd", "X-Forwarded-For": "198.51.100.7"}
    answer = httpx.post(f"{proxied.url}/keys", headers=headers)
    assert answer.headers["X-Request-Id"] == "edge:0123-abcd"
    assert answer_of(logs, "edge:0123-abcd")["client"] == "198.51.100.7"


@pytest.mark.parametrize("given", ["short", "x" * 129, "white space", FORGED.replace("\n", " ")])
def test_an_id_that_is_not_well_formed_is_replaced(proxied: Running, given: str) -> None:
    answer = httpx.post(f"{proxied.url}/keys", headers={"X-Request-Id": given})
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["X-Request-Id"])


def test_a_strangers_id_is_replaced(free_gateway: Running) -> None:
    headers = {"X-Request-Id": "edge:0123-abcd", "X-Forwarded-For": "198.51.100.7"}
    answer = httpx.post(f"{free_gateway.url}/keys", headers=headers)
    assert answer.headers["X-Request-Id"] != "edge:0123-abcd"


def test_probes_leave_no_lines(free_gateway: Running, logs: list[Any]) -> None:
    probes = {
        httpx.get(f"{free_gateway.url}{path}").headers["X-Request-Id"]
        for path in ("/health", "/ready")
    }
    answer_of(logs, httpx.get(f"{free_gateway.url}/fmus").headers["X-Request-Id"])
    assert not probes & {event["request_id"] for event in events_of(logs, "request_answered")}


def test_a_failed_call_is_logged_by_its_code_without_what_was_sent(
    free_gateway: Running, logs: list[Any]
) -> None:
    with free_gateway.http() as http:
        http.post("/simulate", json={"fmu_id": "msl:BouncingBall", "start_values": {FORGED: 1}})
        http.get(f"/fmus/{FORGED}".replace("\n", "%0A"))
    first, second = events_of(logs, "tool_called")
    assert (first["outcome"], second["outcome"]) == ("unknown_variable", "unknown_model")
    assert "all_paid" not in str(logs)


def test_a_raw_upload_counts_as_a_call_of_its_tool(free_gateway: Running, logs: list[Any]) -> None:
    with free_gateway.http() as http:
        http.post("/fmus", content=b"no FMU")
        address = http.post("/fmus", json={}).json()["upload_url"]
    assert httpx.put(address, content=b"no FMU").is_client_error
    called = [(event["tool"], event["outcome"]) for event in events_of(logs, "tool_called")]
    assert called == [
        ("upload_fmu", "not_a_zip"),
        ("upload_fmu", "done"),
        ("upload_fmu", "not_a_zip"),
    ]


@pytest.mark.slow
def test_over_stdio_a_call_has_an_id_of_its_own(free_gateway: Running, tmp_path: Path) -> None:
    where, written = free_gateway.account(), tmp_path / "stderr"
    environment = {
        **os.environ,
        "FMU_GATEWAY_DB_PATH": str(where.database),
        "FMU_GATEWAY_KEY": where.key,
        "LOG_FORMAT": "json",
    }
    params = StdioServerParameters(command=COMMAND, args=["mcp"], env=environment)

    async def converse() -> None:
        with written.open("w") as errors:
            async with Client(stdio_client(params, errlog=errors)) as client:
                await client.call_tool("list_library", {})

    anyio.run(converse)
    lines = [json.loads(line) for line in written.read_text(encoding="utf-8").splitlines()]
    (event,) = events_of(lines, "tool_called")
    assert (event["door"], event["tool"]) == ("stdio", "list_library")
    assert re.fullmatch(r"[0-9a-f]{32}", event["request_id"])
