"""Calls under way over MCP: their progress is told, and their clients can cancel them.

Who cancels says so by `notifications/cancelled`. At revision 2026-07-28 over HTTP there is no such
message: there the stream of the answer is closed, which a server must take for it. Everywhere else
a client that merely goes away stops nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import anyio
import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from gateway_simulation.watch import Watch

Request = ServerRequestContext[Any, Any]

_SESSION: Final = "mcp-session-id"
_INTERVAL_S: Final = 0.5
_WHOLE: Final = 1.0


class Calls:
    """The calls of one MCP server that go on."""

    def __init__(self) -> None:
        self._watches: dict[tuple[str | None, str], Watch] = {}

    def listen(self, server: Server[Any]) -> None:
        """Hear of cancelled calls."""
        method = "notifications/cancelled"
        server.add_notification_handler(method, types.CancelledNotificationParams, self._cancelled)

    @asynccontextmanager
    async def watched(self, ctx: Request, watch: Watch) -> AsyncIterator[None]:
        """While the block runs, its client is told how far it is, and can cancel it."""
        name = _name(ctx)
        if name:
            self._watches[name] = watch
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(_accompany, ctx, watch)
                yield
                group.cancel_scope.cancel()
        finally:
            if name and self._watches.get(name) is watch:
                del self._watches[name]

    async def _cancelled(self, ctx: Request, params: types.CancelledNotificationParams) -> None:
        session = session_of(ctx)
        if ctx.request is None or session is not None:
            watch = self._watches.get((session, str(params.request_id)))
            if watch is not None:
                watch.cancel()


def session_of(ctx: Request) -> str | None:
    """The session over HTTP; None where there is none, or only one: over stdio."""
    return None if ctx.request is None else ctx.request.headers.get(_SESSION)


def _name(ctx: Request) -> tuple[str | None, str] | None:
    """What a cancellation would call the call; None where none can come."""
    session = session_of(ctx)
    over_stdio = ctx.request is None
    return (session, str(ctx.request_id)) if over_stdio or session is not None else None


async def _accompany(ctx: Request, watch: Watch) -> None:
    """Until cancelled, which says that the call has ended, or that nobody waits for it any more."""
    told = 0.0
    try:
        while True:
            await anyio.sleep(_INTERVAL_S)
            told = await tell_progress(ctx, watch, told)
    finally:
        if ctx.request is not None and ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
            watch.cancel()  # nothing is left to end where the call has ended


async def tell_progress(ctx: Request, watch: Watch, told: float = 0.0) -> float:
    """Tell how far the call's runs are, if that is further than `told`; a client may not care."""
    share = watch.share
    if share > told and "progress_token" in (ctx.meta or {}):
        await ctx.session.report_progress(share, _WHOLE, f"{share:.0%} simulated")
    return max(share, told)
