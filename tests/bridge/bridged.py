"""A bridge started as an IDE starts it, with the official client at its stdin and stdout."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from anyio.from_thread import start_blocking_portal
from doors.clients import Mcp
from mcp import Client, StdioServerParameters
from served import COMMAND


def parameters(url: str, folder: Path, *options: str, key: str | None) -> StdioServerParameters:
    """The command, in `folder`, whose user keeps keys in `folder`/../config."""
    environment = {**os.environ, "XDG_CONFIG_HOME": str(folder.parent / "config")}
    environment.pop("FMU_GATEWAY_KEY", None)
    if key is not None:
        environment["FMU_GATEWAY_KEY"] = key
    arguments = ["mcp", "--gateway", url, *options]
    return StdioServerParameters(command=COMMAND, args=arguments, cwd=str(folder), env=environment)


@contextmanager
def bridge(
    url: str, folder: Path, *options: str, key: str | None = None, mode: str = "auto"
) -> Iterator[Mcp]:
    """A connected client, for as long as the block runs."""
    with start_blocking_portal() as portal:
        connecting = _client(parameters(url, folder, *options, key=key), mode)
        with portal.wrap_async_context_manager(connecting) as client:
            yield Mcp(portal, client)


@asynccontextmanager
async def _client(server: StdioServerParameters, mode: str) -> AsyncIterator[Client]:
    async with Client(server, mode=mode) as client:
        yield client


def told(door: Mcp, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """What a call that succeeds answers."""
    answer = door.call(tool, arguments)
    assert not answer.failed, answer.body
    return answer.body
