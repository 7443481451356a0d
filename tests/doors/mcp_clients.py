"""A gateway as the official MCP client sees it, over HTTP or stdio, in either era."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import mcp_types as types
from anyio.from_thread import BlockingPortal, start_blocking_portal
from doors.clients import Where
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

T = TypeVar("T")
Logs = list[types.LoggingMessageNotificationParams]


@dataclass(slots=True)
class Talk:
    """A connected client, and the account that it speaks for."""

    portal: BlockingPortal
    client: Client
    where: Where
    way: str
    mode: str
    logs: Logs = field(default_factory=list)

    def do(self, work: Callable[..., Awaitable[T]], *given: Any, **named: Any) -> T:  # noqa: ANN401
        """What the client answers to `work` with these arguments."""
        return self.portal.call(partial(work, *given, **named))

    def read(self, uri: str) -> str:
        """The text of a resource."""
        (content,) = self.do(self.client.read_resource, uri).contents
        assert isinstance(content, types.TextResourceContents)
        assert content.uri == uri
        return content.text

    def call(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """What a call that succeeds answers."""
        result = self.portal.call(self.client.call_tool, tool, arguments)
        assert not result.is_error, result.structured_content
        answer: dict[str, Any] = result.structured_content
        return answer

    def complete(
        self,
        reference: types.ResourceTemplateReference | types.PromptReference,
        beside: dict[str, str] | None = None,
        **argument: str,
    ) -> list[str]:
        ((name, value),) = argument.items()
        asked = {"name": name, "value": value}
        found = self.do(self.client.complete, reference, asked, context_arguments=beside)
        return list(found.completion.values)

    async def simulate_with_log_level(
        self, level: types.LoggingLevel, arguments: dict[str, Any]
    ) -> None:
        """As the era says how."""
        if self.mode == "legacy":
            request = types.SetLevelRequest(params=types.SetLevelRequestParams(level=level))
            await self.client.session.send_request(request, types.EmptyResult)
            await self.client.call_tool("simulate", arguments)
        else:
            meta: Any = {types.LOG_LEVEL_META_KEY: level}
            await self.client.call_tool("simulate", arguments, meta=meta)

    def running_runs(self) -> int:
        return len(self.where.runs(self.account_id, "id", "state = 'running'"))

    def failures(self) -> list[str]:
        return self.where.runs(self.account_id, "failure_code", "state = 'failed'")

    @property
    def account_id(self) -> str:
        return str(self.call("account", {})["account_id"])


@contextmanager
def talking(way: str, mode: str, where: Where, **options: Any) -> Iterator[Talk]:  # noqa: ANN401
    """A client by that way, in the era `mode` says; `options` are the client's own."""
    logs: Logs = []

    async def logged(params: types.LoggingMessageNotificationParams) -> None:
        logs.append(params)

    connecting = _client(way, where, mode=mode, logging_callback=logged, **options)
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(connecting) as client,
    ):
        yield Talk(portal, client, where, way, mode, logs)


@asynccontextmanager
async def _client(way: str, where: Where, **options: Any) -> AsyncIterator[Client]:  # noqa: ANN401
    if way in {"stdio", "bridge"}:
        environment = {
            **os.environ,
            **where.environment,
            "FMU_GATEWAY_DB_PATH": str(where.database),
            "FMU_GATEWAY_KEY": where.key,
        }
        command = str(Path(sys.executable).with_name("fmu-gateway"))
        there = ["--gateway", where.url] if way == "bridge" else []
        server = StdioServerParameters(command=command, args=["mcp", *there], env=environment)
        async with Client(server, **options) as client:
            yield client
        return
    headers = {"Authorization": f"Bearer {where.key}"}
    async with (
        create_mcp_http_client(headers=headers) as http,
        Client(streamable_http_client(f"{where.url}/mcp", http_client=http), **options) as client,
    ):
        yield client
