"""Requests over HTTP: reading a JSON body, and bounding any body."""

from __future__ import annotations

import json
from typing import Any, Final

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway_server.problems import respond
from gateway_tools.exceptions import NotJsonError, TooLargeError

BODY_LIMIT: Final = 16 * 2**20
_UPLOADS: Final = ("/fmus", "/uploads/")
_ENVELOPE: Final = 2**20  # multipart's own bytes


async def read_body(request: Request) -> dict[str, Any]:
    """The JSON object in the body; an empty body is an empty object.

    Raises:
        NotJsonError: it is none.

    """
    raw = await request.body()
    try:
        value = json.loads(raw or b"{}")
    except (ValueError, RecursionError):
        raise NotJsonError from None
    if not isinstance(value, dict):
        raise NotJsonError
    return value


class LimitedBodies:
    """Refuses bodies that are too large, by their announced length or by what really comes."""

    def __init__(self, app: ASGIApp, upload_bytes: int) -> None:
        self._app = app
        self._upload_bytes = upload_bytes + _ENVELOPE

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._upload_bytes if scope["path"].startswith(_UPLOADS) else BODY_LIMIT
        announced = Headers(scope=scope).get("content-length", "0")
        if announced.isdigit() and int(announced) > limit:
            await respond(TooLargeError(limit))(scope, receive, send)
            return
        await self._app(scope, _counting(receive, limit), send)


def _counting(receive: Receive, limit: int) -> Receive:
    received = 0

    async def counted() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise TooLargeError(limit)
        return message

    return counted
