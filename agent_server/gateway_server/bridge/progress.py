"""Progress on its way through: in order, and all of it before the answer."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from mcp.shared.dispatcher import ProgressFnT


@asynccontextmanager
async def in_order(tell: ProgressFnT | None) -> AsyncIterator[ProgressFnT | None]:
    """What to hear progress with; all that was heard is told when the block is left.

    The client starts a task for each step that it hears and ends them with the connection: told
    from there, steps overtake one another and the last ones get lost.
    """
    if tell is None:
        yield None
        return
    send, receive = anyio.create_memory_object_stream[tuple[float, float | None, str | None]](
        math.inf
    )

    async def heard(progress: float, total: float | None, message: str | None) -> None:
        send.send_nowait((progress, total, message))

    async def pass_on() -> None:
        async with receive:
            async for step in receive:
                await tell(*step)

    async with anyio.create_task_group() as group:
        group.start_soon(pass_on)
        async with send:
            yield heard
