"""MCP over HTTP with clients that go away, keep sessions, want others' things, or send rubbish."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from conftest import Running, running_gateway
from doors.clients import Where
from doors.mcp_clients import talking
from fmus import compiled

from gateway_server import mcp_sessions

RUN: dict[str, Any] = {"fmu_id": "msl:BouncingBall", "stop_time": 1.0}
BOTH = "application/json, text/event-stream"
OLD = "2025-11-25"
NEW = "2026-07-28"
DEADLINE_S = 12


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def asked(method: str, number: int = 1, **params: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


class Raw:
    """A client that writes each request itself, of one account and revision."""

    def __init__(self, gateway: Running, revision: str, where: Where | None = None) -> None:
        self.where = where or gateway.account()
        self._revision = revision
        self.session: str | None = None

    def headers(self, body: dict[str, Any] | None = None) -> dict[str, str]:
        found = {"Authorization": f"Bearer {self.where.key}", "Accept": BOTH}
        found["MCP-Protocol-Version"] = self._revision
        if self._revision == NEW and body is not None:
            found["Mcp-Method"] = body["method"]
            named = body["params"].get("name") or body["params"].get("uri")
            if named:
                found["Mcp-Name"] = named
        return found | ({"Mcp-Session-Id": self.session} if self.session else {})

    def body(self, body: dict[str, Any]) -> dict[str, Any]:
        if self._revision != NEW:
            return body
        meta = {
            "io.modelcontextprotocol/protocolVersion": NEW,
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        return {**body, "params": {**body["params"], "_meta": meta}}

    def post(self, body: dict[str, Any], **headers: str) -> httpx.Response:
        return httpx.post(
            f"{self.where.url}/mcp",
            json=self.body(body),
            headers=self.headers(body) | headers,
            timeout=60,
        )

    def open(self) -> httpx.Response:
        """Shake hands; the session is kept if one is given."""
        info = {"name": "raw", "version": "1"}
        params: dict[str, Any] = {"protocolVersion": OLD, "capabilities": {}, "clientInfo": info}
        answer = self.post(asked("initialize", **params))
        self.session = answer.headers.get("mcp-session-id")
        return answer

    def begin(self, arguments: dict[str, Any]) -> None:
        """Send a call of simulate, wait until it runs, and leave without its answer."""
        body = asked("tools/call", 7, name="simulate", arguments=arguments)

        async def leave() -> None:
            async with httpx.AsyncClient(timeout=60) as http, anyio.create_task_group() as calls:
                calls.start_soon(send, http)
                await anyio.to_thread.run_sync(until, lambda: self.runs("running") == 1)
                calls.cancel_scope.cancel()

        async def send(http: httpx.AsyncClient) -> None:
            await http.post(
                f"{self.where.url}/mcp", json=self.body(body), headers=self.headers(body)
            )

        anyio.run(leave)

    def runs(self, state: str) -> int:
        """Of the account's upload."""
        return len(self.where.runs(self.account_id, "id", f"state = '{state}'"))

    def codes(self) -> set[str]:
        """How its runs failed."""
        return set(self.where.runs(self.account_id, "failure_code", "failure_code IS NOT NULL"))

    @cached_property
    def account_id(self) -> str:
        headers = {"Authorization": f"Bearer {self.where.key}"}
        return str(httpx.get(f"{self.where.url}/account", headers=headers).json()["account_id"])


def spinning(gateway: Running, client: Raw) -> str:
    """A model of that account's that never comes to its end."""
    with gateway.http(client.where) as http:
        return str(http.post("/fmus", files={"file": compiled.fmu("spins")}).json()["id"])


def test_a_client_of_an_old_revision_that_goes_away_stops_nothing(
    tmp_path: Path,
) -> None:
    environment = {"PAYMENT_OFFERS": "", "SIMULATION_TIMEOUT_S": "1"}
    with running_gateway(tmp_path, environment, None) as gateway:
        client = Raw(gateway, OLD)
        fmu_id = spinning(gateway, client)
        for opens in (False, True):
            if opens:
                client.open()
            client.begin({"fmu_id": fmu_id})
            until(lambda: client.runs("running") == 0)
        assert client.runs("failed") == 2
        assert client.codes() == {"timeout"}


def test_since_2026_a_closed_stream_cancels_its_call(free_gateway: Running) -> None:
    client = Raw(free_gateway, NEW)
    fmu_id = spinning(free_gateway, client)
    client.begin({"fmu_id": fmu_id})
    until(lambda: client.runs("running") == 0)
    assert client.codes() == {"run_cancelled"}


def test_an_old_clients_cancellation_ends_only_its_own_sessions_call(
    free_gateway: Running,
) -> None:
    mine, other = Raw(free_gateway, OLD), Raw(free_gateway, OLD)
    fmu_id = spinning(free_gateway, mine)
    mine.open()
    other.open()
    mine.begin({"fmu_id": fmu_id})
    told = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}}
    stranger = Raw(free_gateway, OLD)
    stranger.session = mine.session
    assert stranger.post(told).status_code == 404
    assert other.post(told).status_code == 202
    other.session = None
    assert other.post(told).status_code == 202
    assert mine.runs("running") == 1
    assert mine.post(told).status_code == 202
    until(lambda: mine.runs("running") == 0)
    assert mine.codes() == {"run_cancelled"}


def test_sessions_are_bounded_for_each_account_and_in_all(
    free_gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mcp_sessions, "MOST_EACH", 2)
    clients = [Raw(free_gateway, OLD)]
    clients += [Raw(free_gateway, OLD, clients[0].where) for _ in range(2)]
    assert [client.open().status_code for client in clients] == [200] * 3
    assert [client.session is not None for client in clients] == [True, True, False]
    for client in clients:  # without a session everything else goes on
        answer = client.post(asked("tools/call", name="simulate", arguments=RUN))
        assert '"status":"done"' in answer.text.replace("\\", "")
    assert Raw(free_gateway, OLD).open().headers["mcp-session-id"]
    monkeypatch.setattr(mcp_sessions, "MOST", 0)
    assert "mcp-session-id" not in Raw(free_gateway, OLD).open().headers
    ended = httpx.delete(f"{free_gateway.url}/mcp", headers=clients[0].headers())
    assert ended.status_code == 200
    monkeypatch.undo()
    monkeypatch.setattr(mcp_sessions, "MOST_EACH", 2)
    assert clients[2].open().headers["mcp-session-id"]
    assert clients[0].post(asked("tools/list")).status_code == 404


def test_without_sessions_each_request_stands_alone(tmp_path: Path) -> None:
    with running_gateway(
        tmp_path, {"PAYMENT_OFFERS": "", "MCP_SESSIONS": "false"}, None
    ) as gateway:
        client = Raw(gateway, OLD)
        assert "mcp-session-id" not in client.open().headers
        client.session = "of another gateway"
        assert client.post(asked("tools/list")).status_code == 200
        with talking("http", "legacy", gateway.account()) as talk:
            assert talk.call("simulate", RUN)["status"] == "done"


@pytest.fixture(scope="module", params=[OLD, NEW])
def raw(request: pytest.FixtureRequest, free_gateway: Running) -> Raw:
    client = Raw(free_gateway, request.param)
    if request.param == OLD:
        client.open()
    return client


def test_arguments_of_ten_megabytes_are_read_and_refused_by_the_tool(raw: Raw) -> None:
    arguments = {"fmu_id": "x" * 10_000_000}
    answer = raw.post(asked("tools/call", name="simulate", arguments=arguments))
    assert answer.status_code == 200
    assert "invalid_input" in answer.text
    assert len(answer.content) < 10_000


def test_more_than_any_request_may_have_is_refused_unread(raw: Raw) -> None:
    arguments = {"fmu_id": "x" * 17_000_000}
    answer = raw.post(asked("tools/call", name="simulate", arguments=arguments))
    assert answer.status_code == 413
    assert answer.json()["code"] == "too_large"


@pytest.mark.parametrize("name", ["пружина 泵 \u202e", "\ud7ff", "a" * 5000, "../../etc/passwd"])
def test_names_in_any_script_are_looked_up_and_not_found(raw: Raw, name: str) -> None:
    answer = raw.post(asked("tools/call", name="describe_model", arguments={"fmu_id": name}))
    told = answer.text
    assert answer.status_code == 200
    assert "unknown_model" in told or "invalid_input" in told
    assert "Traceback" not in told


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "text/plain"}, 400),
        ({"Accept": "text/html"}, 406),
        ({"MCP-Protocol-Version": "1999-01-01"}, 400),
    ],
)
def test_wrong_headers_get_their_status(raw: Raw, headers: dict[str, str], status: int) -> None:
    answer = raw.post(asked("tools/list"), **headers)
    assert answer.status_code == status
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b'{"jsonrpc": "2.0"}', b"\xff\xfe"])
def test_rubbish_is_a_protocol_error_without_a_leak(raw: Raw, text: bytes) -> None:
    headers = raw.headers() | {"content-type": "application/json"}
    answer = httpx.post(f"{raw.where.url}/mcp", content=text, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] in {-32700, -32600, -32602}
    assert "Traceback" not in answer.text
