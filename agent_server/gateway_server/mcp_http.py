"""MCP over streamable HTTP, for callers that `Authenticated` let in."""

from __future__ import annotations

from typing import Final

import mcp_types as types
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.transport_security import TransportSecuritySettings
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway_payments.accounts import Caller
from gateway_server import icon
from gateway_server.later import Opened
from gateway_server.mcp_door import mcp_server
from gateway_server.mcp_sessions import Sessions
from gateway_server.web import Web
from gateway_tools.context import Context, Door, Gateway

_ANY_ORIGIN: Final = ("http:*", "https:*")
"""The SDK knows `*` at an entry's end only."""


def mcp_over_http(gateway: Gateway, door: Door, web: Web) -> Opened:
    """The MCP application at /mcp. It checks Host (DNS rebinding) and Origin itself."""
    security = TransportSecuritySettings(
        allowed_hosts=list(web.hosts),
        allowed_origins=[
            *(_ANY_ORIGIN if "*" in web.origins else web.origins),
            *(f"{scheme}://{host}" for host in web.hosts for scheme in ("http", "https")),
        ],
    )
    icons = [types.Icon(src=f"{web.base_url}{icon.PATH}")]
    server = mcp_server(gateway.version, lambda ctx: _context(gateway, door, ctx.request), icons)
    sessions = Sessions(server, security, keeps=web.mcp_sessions)
    return Opened(_Principal(sessions), sessions.run())


def _context(gateway: Gateway, door: Door, request: Request | None) -> Context:
    """For whom `Authenticated` let in."""
    assert request is not None
    caller: Caller = request.state.caller
    return Context(gateway, caller, door, refused=request.state.refused)


class _Principal:
    """Tells the MCP SDK who the caller is, so that a session belongs to its account."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        account_id = scope["state"]["caller"].account_id
        scope["user"] = AuthenticatedUser(
            AccessToken(token="", client_id=account_id, subject=account_id, scopes=[])
        )
        await self._app(scope, receive, send)
