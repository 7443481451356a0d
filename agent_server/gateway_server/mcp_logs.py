"""Log messages for an MCP client: what it wants to hear, of each run that it called for.

Revisions before 2026-07-28 set a level once, for their session; since then each request carries
its own.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any, Final, get_args

import mcp_types as types
from mcp.server.connection import allowed_log_levels
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from gateway_server.mcp_calls import session_of

Request = ServerRequestContext[Any, Any]
Entry = tuple[types.LoggingLevel, dict[str, Any]]

_LEVELS: Final[tuple[types.LoggingLevel, ...]] = get_args(types.LoggingLevel)
_DEFAULT: Final = "warning"
_MOST: Final = 4096
"""Sessions whose level is remembered."""
_LOGGER: Final = "fmu-gateway"


class Logs:
    """The levels of the sessions of one MCP server."""

    def __init__(self) -> None:
        self._levels: OrderedDict[str | None, types.LoggingLevel] = OrderedDict()

    def listen(self, server: Server[Any]) -> None:
        """Take the levels that clients set."""
        server.add_request_handler("logging/setLevel", types.SetLevelRequestParams, self._set)

    async def tell(self, ctx: Request, answer: types.CallToolResult) -> None:
        """Tell the client of a run, as far as it wants to know."""
        wanted = self._wanted(ctx)
        for level, data in _entries(answer) if wanted else ():
            if level in wanted:
                params = types.LoggingMessageNotificationParams(
                    level=level, logger=_LOGGER, data=data
                )
                await ctx.session.send_notification(
                    types.LoggingMessageNotification(params=params),
                    related_request_id=ctx.request_id,
                )

    async def _set(self, ctx: Request, params: types.SetLevelRequestParams) -> types.EmptyResult:
        session = session_of(ctx)
        self._levels[session] = params.level
        self._levels.move_to_end(session)
        while len(self._levels) > _MOST:
            self._levels.popitem(last=False)
        return types.EmptyResult()

    def _wanted(self, ctx: Request) -> frozenset[types.LoggingLevel]:
        if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
            return allowed_log_levels(ctx.protocol_version, ctx.meta)
        over_http_alone = ctx.request is not None and session_of(ctx) is None
        level = _DEFAULT if over_http_alone else self._levels.get(session_of(ctx), _DEFAULT)
        return frozenset(_LEVELS[_LEVELS.index(level) :])


def _entries(answer: types.CallToolResult) -> Iterator[Entry]:
    """What is worth a line of the answer of a run."""
    body: Mapping[str, Any] = answer.structured_content or {}
    if answer.is_error:
        yield "error", {"event": "call_failed", "code": body.get("code")}
    elif body.get("status") == "done" and "result_id" in body:
        result_id = body["result_id"]
        yield "info", {"event": "run_finished", "result_id": result_id}
        for warning in body.get("warnings", ()):
            yield "warning", {"event": "run_warning", "result_id": result_id, "warning": warning}
