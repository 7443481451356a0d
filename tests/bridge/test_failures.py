"""Gateways that are down, restart, refuse the key, are old, or are none: told with a remedy."""

from __future__ import annotations

import json
import stat
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from bridge.bridged import bridge, told
from conftest import Running
from mcp.shared.exceptions import MCPError
from served import COMMAND, free_port, served

from fmu_gateway_sdk.keys import KeyStore

RUN: dict[str, Any] = {"fmu_id": "msl:BouncingBall", "stop_time": 0.1}


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def test_without_a_gateway_each_call_says_what_to_do(work: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with bridge(url, work) as door:
        answer = door.call("simulate", RUN)
        with pytest.raises(MCPError) as refused:
            door.portal.call(door.client.list_tools)
    assert answer.code == "gateway_unreachable"
    assert url in answer.body["message"]
    assert "repeat the call when the gateway is up" in answer.body["remedy"]
    assert refused.value.data["code"] == "gateway_unreachable"
    assert answer.body["remedy"] in refused.value.message


@pytest.mark.slow
def test_a_gateway_that_comes_later_and_restarts_is_found_again(work: Path, tmp_path: Path) -> None:
    port = free_port()
    serve = (COMMAND, "serve", "--port", str(port))
    with bridge(f"http://127.0.0.1:{port}", work) as door:
        assert door.call("simulate", RUN).code == "gateway_unreachable"
        for _ in range(2):
            with served(tmp_path, serve):
                assert not door.call("simulate", RUN).failed
            assert door.call("simulate", RUN).code == "gateway_unreachable"


@pytest.mark.parametrize("begun", [False, True])
def test_a_connection_that_breaks_says_that_the_call_may_have_been_carried_out(
    work: Path, *, begun: bool
) -> None:
    with handshake_only(breaks=True, begun=begun) as url, bridge(url, work, key="k") as door:
        for _ in range(2):
            answer = door.call("old", {})
            assert answer.code == "connection_lost"
            assert "idempotency_key" in answer.body["remedy"]
        assert door.portal.call(door.client.list_tools).tools


def test_a_key_that_the_gateway_does_not_know_is_named_with_where_it_came_from(
    free_gateway: Running, work: Path
) -> None:
    with bridge(free_gateway.url, work, key="no-such-key") as door:
        given = door.call("account", {})
        for tool, arguments in (("get_result", {"result_id": "res_0", "save_to": "a.csv"}),):
            assert door.call(tool, arguments).code == "unauthorized"
    store = KeyStore(work.parent / "config" / "fmu-gateway" / "keys")
    store.keep(free_gateway.url, "of-another-life")
    with bridge(free_gateway.url, work) as door:
        kept = door.call("account", {})
    assert (given.code, kept.code) == ("unauthorized", "unauthorized")
    assert "FMU_GATEWAY_KEY" in given.body["remedy"]
    assert kept.body["details"]["kept"] == str(store.path(free_gateway.url))


def test_a_key_is_made_once_and_kept_where_the_other_programs_keep_it(
    free_gateway: Running, work: Path
) -> None:
    store = KeyStore(work.parent / "config" / "fmu-gateway" / "keys")
    with bridge(f"{free_gateway.url}/", work) as door:
        result_id = told(door, "simulate", RUN)["result_id"]
    key = store.find(free_gateway.url)
    assert stat.S_IMODE(store.path(free_gateway.url).stat().st_mode) == 0o600
    with httpx.Client(headers={"Authorization": f"Bearer {key}"}) as http:
        assert http.get(f"{free_gateway.url}/results/{result_id}").is_success
    with bridge(free_gateway.url, work) as door:
        assert not door.call("get_result", {"result_id": result_id}).failed


def test_a_gateway_of_the_handshake_era_is_spoken_to_in_its_way(work: Path) -> None:
    with handshake_only() as url, bridge(url, work, key="k") as door:
        tools = door.portal.call(door.client.list_tools).tools
        answer = door.portal.call(door.client.call_tool, "old", {})
    assert [tool.name for tool in tools] == ["old"]
    assert answer.content[0].text == "2025-11-25"


@pytest.mark.parametrize("status", [200, 302, 404, 502])
def test_what_is_no_gateway_is_told_as_such(work: Path, status: int) -> None:
    with (
        answering(lambda _: (status, "text/html", b"<html>")) as url,
        bridge(url, work, key="k") as door,
    ):
        for arguments in ({"path": "x.fmu"}, {}):
            (work / "x.fmu").write_bytes(b"x")
            assert door.call("upload_fmu", arguments).code == "not_a_gateway", arguments


def test_an_address_that_is_none_stops_the_start(work: Path) -> None:
    done = subprocess.run(
        [COMMAND, "mcp", "--gateway", "gateway.example"],
        cwd=work,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "http://" in done.stderr


@contextmanager
def answering(answer: Any) -> Iterator[str]:  # noqa: ANN401
    """A web server that says `answer(request)`: status, type, body; None breaks off there."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            told = answer(body)
            if told is not None:
                status, kind, data = told
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", "99" if data is None else str(len(data)))
                self.end_headers()
                self.wfile.write(data or b"")

        do_GET = do_POST  # noqa: N815  the server's own names

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def handshake_only(*, breaks: bool = False, begun: bool = False) -> Iterator[str]:
    """A gateway that knows nothing newer than 2025-11-25, answering by hand.

    `breaks`: at a call the connection does, after an answer has `begun` or before.
    """
    version = "2025-11-25"
    results = {
        "initialize": {
            "protocolVersion": version,
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "old", "version": "0"},
        },
        "tools/list": {"tools": [{"name": "old", "inputSchema": {"type": "object"}}]},
        "tools/call": {"content": [{"type": "text", "text": version}]},
    }

    def answer(body: bytes) -> tuple[int, str, bytes | None] | None:
        if not body:
            return 405, "text/plain", b""
        message = json.loads(body)
        if "id" not in message:
            return 202, "text/plain", b""
        told: dict[str, Any] = {"jsonrpc": "2.0", "id": message["id"]}
        if breaks and message["method"] == "tools/call":
            return (200, "text/event-stream", None) if begun else None
        if message["method"] in results:
            told["result"] = results[message["method"]]
        else:
            told["error"] = {"code": -32601, "message": "Method not found"}
        return 200, "application/json", json.dumps(told).encode()

    with answering(answer) as url:
        yield url
