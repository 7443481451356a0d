"""Sessions over HTTP, for clients of the revisions before 2026-07-28.

A session lets such a client cancel a call, be asked something in between, and set a log level. It
lives in this process and belongs to the account that opened it. There is room for so many, in all
and for each account; beyond that, and for clients that don't keep one, each request stands alone,
as it does for everybody since 2026-07-28.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from gateway_server.bodies import BODY_LIMIT

MOST: Final = 1024
MOST_EACH: Final = 64
IDLE_S: Final = 600.0
_SESSION: Final = "mcp-session-id"
_OPENING: Final = b'"initialize"'


class Sessions:
    """An ASGI application that serves `server` with a session or without."""

    def __init__(
        self, server: Server[Any], security: TransportSecuritySettings, *, keeps: bool
    ) -> None:
        self._keeps = keeps
        self._alone = StreamableHTTPSessionManager(
            server, stateless=True, security_settings=security, max_request_body_size=BODY_LIMIT
        )
        self._kept = StreamableHTTPSessionManager(
            server,
            security_settings=security,
            max_request_body_size=BODY_LIMIT,
            session_idle_timeout=IDLE_S,
            max_sessions=MOST,
        )

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """While the block runs, requests are served."""
        async with self._alone.run(), self._kept.run():
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if not self._keeps:
            await self._alone.handle_request(scope, receive, send)
        elif _SESSION in Headers(scope=scope):
            await self._kept.handle_request(scope, receive, send)
        elif scope["method"] == "POST":
            messages = await _received(receive)
            opens = _opens(messages) and self._has_room(scope)
            serving = self._kept if opens else self._alone
            await serving.handle_request(scope, _again(messages, receive), send)
        else:
            await self._alone.handle_request(scope, receive, send)

    def _has_room(self, scope: Scope) -> bool:
        """Whether the caller may have one more; the SDK bounds the number in all alone."""
        owners = [owner["subject"] for owner in self._kept._session_owners.values()]  # noqa: SLF001
        return len(owners) < MOST and owners.count(scope["user"].access_token.subject) < MOST_EACH


async def _received(receive: Receive) -> list[Message]:
    """The whole body, whose size is bounded already, or as much as came of it."""
    messages = [await receive()]
    while messages[-1].get("more_body", False):
        messages.append(await receive())
    return messages


def _again(messages: list[Message], receive: Receive) -> Receive:
    """Receive what was received, and then what follows."""
    left = list(messages)

    async def received() -> Message:
        return left.pop(0) if left else await receive()

    return received


def _opens(messages: list[Message]) -> bool:
    """Whether the body asks for a session."""
    body = b"".join(message.get("body", b"") for message in messages)
    if _OPENING not in body:
        return False
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(asked, dict) and asked.get("method") == "initialize"
