"""The same call through every door, by the client that a user of that door would take."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from sqlalchemy import text

from gateway_a2a import client as a2a
from gateway_storage.database import Database

DOORS = ("rest", "mcp_http", "mcp_stdio", "mcp_bridge", "a2a_jsonrpc", "a2a_rest")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the object, and whether the door called it a failure."""

    body: dict[str, Any]
    failed: bool

    @property
    def code(self) -> str | None:
        """The error code; None for a success."""
        return self.body["code"] if self.failed else None


class Door(Protocol):
    """A way in."""

    def call(self, tool: str, arguments: dict[str, Any]) -> Answer:
        """Call a tool by its name."""
        ...


@dataclass(frozen=True, slots=True)
class Where:
    """A running gateway, and the account to call it with."""

    url: str
    database: Path
    key: str
    environment: dict[str, str]

    def runs(self, account_id: str, what: str, where: str) -> list[Any]:
        """Something of the account's runs, oldest first, as the database has them."""
        url = self.environment.get("DATABASE_URL") or f"sqlite:///{self.database}"
        query = f"SELECT {what} FROM runs WHERE {where} AND account_id = :a ORDER BY created_at"  # noqa: S608
        opened = Database(url)
        try:
            with opened.read() as db:
                return list(db.execute(text(query), {"a": account_id}).scalars())
        finally:
            opened.close()


@contextmanager
def open_door(name: str, where: Where) -> Iterator[Door]:
    """A connected client of one door."""
    if name == "rest":
        headers = {"Authorization": f"Bearer {where.key}"}
        with httpx.Client(base_url=where.url, headers=headers, timeout=60) as http:
            yield Rest(http)
        return
    with start_blocking_portal() as portal:
        if name.startswith("a2a"):
            binding = {"a2a_jsonrpc": "JSONRPC", "a2a_rest": "HTTP+JSON"}[name]
            connecting = a2a.connect(where.url, where.key, binding=binding)
            with portal.wrap_async_context_manager(connecting) as agent:
                yield A2A(portal, agent)
        else:
            with portal.wrap_async_context_manager(_mcp_client(name, where)) as client:
                yield Mcp(portal, client)


@asynccontextmanager
async def _mcp_client(name: str, where: Where) -> AsyncIterator[Client]:
    if name in {"mcp_stdio", "mcp_bridge"}:
        environment = {
            **os.environ,
            **where.environment,
            "FMU_GATEWAY_DB_PATH": str(where.database),
            "FMU_GATEWAY_KEY": where.key,
        }
        command = str(Path(sys.executable).with_name("fmu-gateway"))
        there = ["--gateway", where.url] if name == "mcp_bridge" else []
        server = StdioServerParameters(command=command, args=["mcp", *there], env=environment)
        async with Client(server) as client:
            yield client
        return
    async with (
        create_mcp_http_client(headers={"Authorization": f"Bearer {where.key}"}) as http,
        Client(streamable_http_client(f"{where.url}/mcp", http_client=http)) as client,
    ):
        yield client


@dataclass(frozen=True, slots=True)
class Mcp:
    """MCP, over HTTP, stdio or the bridge."""

    portal: BlockingPortal
    client: Client

    def call(self, tool: str, arguments: dict[str, Any]) -> Answer:
        result = self.portal.call(self.client.call_tool, tool, arguments)
        assert json.loads(result.content[0].text) == result.structured_content
        return Answer(result.structured_content, result.is_error)


@dataclass(frozen=True, slots=True)
class A2A:
    """A2A, over JSON-RPC or HTTP+JSON."""

    portal: BlockingPortal
    agent: a2a.A2AAgent

    def call(self, tool: str, arguments: dict[str, Any]) -> Answer:
        task = self.portal.call(self.agent.call, tool, arguments)
        state = a2a.state(task)
        assert state in {"completed", "failed", "input_required"}
        return Answer(a2a.data(task), state != "completed")


@dataclass(frozen=True, slots=True)
class Rest:
    """The REST mirror of each tool."""

    http: httpx.Client

    def call(self, tool: str, arguments: dict[str, Any]) -> Answer:
        response = self._send(tool, dict(arguments))
        failed = response.status_code >= 400 and response.status_code != 410
        assert failed == (response.headers["content-type"] == "application/problem+json")
        return Answer(response.json(), failed)

    def _send(self, tool: str, arguments: dict[str, Any]) -> httpx.Response:
        posted = {
            "upload_fmu": "/fmus",
            "quote": "/quotes",
            "pay": "/pay",
            "simulate": "/simulate",
            "run_study": "/studies",
            "compare_results": "/compare",
        }
        if tool in posted:
            return self.http.post(posted[tool], json=arguments)
        named = {
            "describe_model": ("/fmus/", "fmu_id"),
            "get_result": ("/results/", "result_id"),
        }
        if "variables" in arguments:
            arguments["variables"] = ",".join(arguments["variables"])
        if tool in named:
            path, name = named[tool]
            return self.http.get(path + arguments.pop(name), params=arguments)
        read = {"list_library": "/library", "account": "/account"}
        return self.http.get(read[tool], params=arguments)
