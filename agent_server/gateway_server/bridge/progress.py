"""What a gateway tells during a call, on its way through: in order, and all before the answer."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import anyio
import mcp_types as types
from mcp.client.session import LoggingFnT
from mcp.shared.dispatcher import ProgressFnT


@dataclass(frozen=True, slots=True)
class Listener:
    """Whom to tell of a call's progress, if anybody asked, and of its log messages."""

    progress: ProgressFnT | None
    log: LoggingFnT


@asynccontextmanager
async def in_order(listener: Listener) -> AsyncIterator[Listener]:
    """What to hear with; all that was heard is told when the block is left.

    The client starts a task for each message that it hears and ends them with the connection: told
    from there, they overtake one another and the last ones get lost.
    """
    send, receive = anyio.create_memory_object_stream[Callable[[], Awaitable[None]]](math.inf)

    async def heard(progress: float, total: float | None, message: str | None) -> None:
        if listener.progress is not None:
            send.send_nowait(partial(listener.progress, progress, total, message))

    async def logged(params: types.LoggingMessageNotificationParams) -> None:
        send.send_nowait(partial(listener.log, params))

    async def pass_on() -> None:
        async with receive:
            async for tell in receive:
                await tell()

    async with anyio.create_task_group() as group:
        group.start_soon(pass_on)
        async with send:
            yield Listener(heard if listener.progress else None, logged)
