"""What every answer carries, and how connections end that mean no good."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import Running, running_gateway
from starlette.types import Message, Receive, Scope, Send
from structlog.testing import capture_logs

from gateway_server import bodies, connections
from gateway_server.bodies import LimitedBodies

ALWAYS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
A2A = {"jsonrpc": "2.0", "id": 1, "method": "GetTask", "params": {"id": "none"}}
SSE = {"Accept": "text/event-stream"}
JSON_OR_SSE = {"Accept": "application/json, text/event-stream"}
BOUNCING = {"fmu_id": "msl:BouncingBall"}

ANSWERS: dict[str, Callable[[httpx.Client], httpx.Response]] = {
    "JSON": lambda http: http.get("/library"),
    "a problem": lambda http: http.get("/fmus/none"),
    "an unknown address": lambda http: http.get("/nowhere"),
    "a wrong method": lambda http: http.delete("/health"),
    "no key": lambda http: http.get("/account", headers={"Authorization": ""}),
    "a page": lambda http: http.get("/payments/cancelled"),
    "the documentation": lambda http: http.get("/docs"),
    "the schema": lambda http: http.get("/openapi.json"),
    "text": lambda http: http.get("/llms.txt"),
    "events": lambda http: http.post("/simulate", json=BOUNCING, headers=SSE),
    "MCP": lambda http: http.post("/mcp", json=PING, headers=JSON_OR_SSE),
    "MCP without a key": lambda http: http.post("/mcp", headers={"Authorization": ""}),
    "A2A": lambda http: http.post("/a2a/", json=A2A),
    "the agent card": lambda http: http.get("/.well-known/agent-card.json"),
    "too large": lambda http: http.post("/quotes", content=b" " * (bodies.BODY_LIMIT + 1)),
    "preflight": lambda http: http.options(
        "/simulate",
        headers={"Origin": "https://app.example", "Access-Control-Request-Method": "POST"},
    ),
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    environment = {
        "PAYMENT_OFFERS": "",
        "CORS_ORIGINS": "https://app.example",
        "TRUSTED_PROXIES": "127.0.0.1",
    }
    with running_gateway(tmp_path_factory.mktemp("hygiene"), environment, None) as running:
        yield running


@pytest.mark.parametrize("kind", ANSWERS)
def test_every_kind_of_answer_carries_the_headers_that_bound_a_browser(
    gateway: Running, kind: str
) -> None:
    with gateway.http() as http:
        headers = ANSWERS[kind](http).headers
    assert {name: headers[name] for name in ALWAYS} == ALWAYS
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "cache-control" in headers
    assert "x-request-id" in headers
    assert "server" not in headers
    assert "strict-transport-security" not in headers


def test_behind_https_browsers_are_told_to_stay_there(gateway: Running) -> None:
    answer = httpx.get(f"{gateway.url}/health", headers={"X-Forwarded-Proto": "https"})
    assert answer.headers["strict-transport-security"] == "max-age=31536000"


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [("https://app.example", True), ("https://app.example.evil.example", False), ("null", False)],
)
def test_only_pages_of_the_origins_set_may_read_answers(
    gateway: Running, origin: str, *, allowed: bool
) -> None:
    asking = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    preflight = httpx.options(f"{gateway.url}/simulate", headers=asking)
    answer = httpx.get(f"{gateway.url}/health", headers={"Origin": origin})
    for told in (preflight, answer):
        assert told.headers.get("access-control-allow-origin") == (origin if allowed else None)
        assert "access-control-allow-credentials" not in told.headers
    assert preflight.is_success == allowed


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", ""])
def test_another_hosts_name_gets_nothing_from_mcp(gateway: Running, host: str) -> None:
    with gateway.http() as http:
        answer = http.post("/mcp", json=PING, headers={**JSON_OR_SSE, "Host": host})
    assert answer.status_code == 421


def test_where_all_pages_may_call_they_may_call_mcp_too(tmp_path: Path) -> None:
    headers = {**JSON_OR_SSE, "Origin": "https://any.example"}
    environment = {"CORS_ORIGINS": "*", "PAYMENT_OFFERS": ""}
    with running_gateway(tmp_path, environment, None) as gateway, gateway.http() as http:
        answer = http.post("/mcp", json=PING, headers=headers)
        rebound = http.post("/mcp", json=PING, headers={**headers, "Host": "evil.example"})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert rebound.status_code == 421


def test_a_bug_shows_nothing_of_itself(gateway: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> Any:  # noqa: ANN401
        message = "the secret of /home/operator"
        raise RuntimeError(message)

    monkeypatch.setattr(type(gateway.embedded.gateway.catalogue), "resolve", broken)
    with gateway.http() as http, capture_logs() as logs:
        answer = http.get("/fmus/msl:BouncingBall")
    assert "unexpected_error" in [event["event"] for event in logs]
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert not re.search(r"secret|Traceback|RuntimeError|\.py", answer.text)


@contextmanager
def connected(gateway: Running) -> Iterator[socket.socket]:
    host, port = gateway.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as sock:
        yield sock


def all_of(sock: socket.socket) -> bytes:
    """What comes until the other side closes."""
    received = b""
    try:
        while part := sock.recv(65536):
            received += part
    except ConnectionResetError:
        pass
    return received


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: ",
        b"GET /health HTTP/1.1\r\nHost: x\r\n\r\nGET /hea",  # a second one that doesn't come
    ],
)
def test_who_never_ends_a_request_is_hung_up_on(
    gateway: Running, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(connections, "HEADERS_S", 0.2)
    with connected(gateway) as sock:
        sock.sendall(sent)
        received = all_of(sock)  # returns once the gateway hangs up
    assert received.count(b"HTTP/1.1 ") == sent.count(b"\r\n\r\n")


def test_a_request_under_way_is_not_hung_up_on(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEADERS_S", 0.05)
    long = {**BOUNCING, "stop_time": 2e3, "step": 1.0, "solver": {"name": "rk4", "step_size": 1e-3}}
    with gateway.http() as http:
        for _ in range(2):
            answer = http.post("/simulate", json={**long, "mode": "model_exchange"})
            assert answer.status_code == 200, answer.text
            assert answer.json()["wall_ms"] > 50, "longer than headers may take"


def test_a_body_that_dribbles_is_refused(gateway: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "PATIENCE_S", 0.2)
    key = httpx.post(f"{gateway.url}/keys").json()["key"]
    head = (
        f"POST /quotes HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
        "Content-Length: 1000\r\n\r\n{"
    )
    with connected(gateway) as sock:
        sock.sendall(head.encode())
        received = all_of(sock)
    assert received.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"too_slow"' in received


async def _broken_off() -> list[Message]:
    """What is sent to whose body is still coming when the server has waited long enough."""
    sent: list[Message] = []
    waiting = asyncio.Event()

    async def reads(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, send
        await receive()

    async def nothing_comes() -> Message:
        waiting.set()
        return await asyncio.Future()

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "path": "/fmus", "headers": []}
    task = asyncio.create_task(LimitedBodies(reads, 1000)(scope, nothing_comes, send))
    await waiting.wait()
    task.cancel()
    await task
    return sent


def test_an_upload_that_the_servers_end_breaks_off_is_told_to_come_again() -> None:
    start, body = asyncio.run(_broken_off())
    assert start["status"] == 503
    assert (b"retry-after", b"5") in start["headers"]
    assert json.loads(body["body"])["code"] == "shutting_down"


@pytest.mark.parametrize(
    "announced",
    [f"Content-Length: {bodies.BODY_LIMIT + 1}", "Content-Length: 99999999999999999999"],
)
def test_a_body_announced_as_too_large_is_refused_unread(gateway: Running, announced: str) -> None:
    with connected(gateway) as sock:
        sock.sendall(f"POST /quotes HTTP/1.1\r\nHost: x\r\n{announced}\r\n\r\n".encode())
        received = all_of(sock)
    assert received.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in received.lower()


def test_a_body_in_chunks_without_end_is_cut_off(gateway: Running) -> None:
    key = httpx.post(f"{gateway.url}/keys").json()["key"]
    head = (
        f"POST /quotes HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
        "Transfer-Encoding: chunked\r\n\r\n"
    )
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    sent = 0
    with connected(gateway) as sock:
        sock.sendall(head.encode())
        try:
            for _ in range(200):
                sock.sendall(chunk)
                sent += len(chunk)
        except OSError:
            pass
        received = all_of(sock)
    assert sent < 4 * bodies.BODY_LIMIT
    assert received == b"" or received.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "framing",
    [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: +5",
        "Content-Length: 0x5",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding : chunked",
        "X-Folded: a\r\n Transfer-Encoding: chunked\r\nContent-Length: nonsense",
        "X-Nul: a\0b",
    ],
)
def test_ambiguous_framing_is_refused_and_nothing_behind_it_is_answered(
    gateway: Running, framing: str
) -> None:
    smuggled = "GET /llms.txt HTTP/1.1\r\nHost: x\r\n\r\n"
    with connected(gateway) as sock:
        sock.sendall(
            f"POST /quotes HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n0\r\n\r\n{smuggled}".encode()
        )
        received = all_of(sock)
    assert re.match(rb"HTTP/1\.1 (4\d\d|501) ", received), received[:200]
    assert received.count(b"HTTP/1.1 ") == 1
    assert b"simulate" not in received


def test_headers_without_end_are_refused(gateway: Running) -> None:
    with connected(gateway) as sock:
        sock.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n")
        try:
            for _ in range(64):
                sock.sendall(b"X-More: " + b"a" * 65536)
        except OSError:
            pass
        received = all_of(sock)
    assert received == b"" or received.startswith(b"HTTP/1.1 400 ")


def test_nobody_upgrades_to_a_websocket(gateway: Running) -> None:
    head = (
        "GET /mcp HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    with connected(gateway) as sock:
        sock.sendall(head.encode())
        assert all_of(sock).startswith(b"HTTP/1.1 401 ")


def test_secrets_are_compared_in_constant_time() -> None:
    """Each place where a secret meets what somebody sent: hashed before, or `compare_digest`."""
    root = Path(__file__).parents[2]
    for path in ("agent_server/gateway_server/probes.py", "payments/gateway_payments/tokens.py"):
        assert "compare_digest" in (root / path).read_text(encoding="utf-8"), path
    for path in ("payments/gateway_payments/accounts.py", "library/gateway_library/tickets.py"):
        assert "sha256" in (root / path).read_text(encoding="utf-8"), path
