"""Requests over HTTP: reading a JSON body, and bounding any body."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

import anyio
from fastapi import Request
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway_server.problems import respond
from gateway_simulation.exceptions import SimulatorClosedError
from gateway_tools.exceptions import (
    MalformedRequestError,
    NotJsonError,
    TooLargeError,
    TooSlowError,
)

BODY_LIMIT: Final = 16 * 2**20
_UPLOADS: Final = ("/fmus", "/uploads/")
_ENDED: Final = "the server ended before the body had come"
_ENVELOPE: Final = 2**20  # multipart's own bytes
PATIENCE_S: Final = 30.0
SLOWEST_BYTES_PER_S: Final = 16_384
"""A body may take so long, and as much longer as its bytes take at this rate."""


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
    """Refuses bodies that are too large, by their announced length or by what really comes.

    And those that come too slowly, or whose length is told in two ways, of which a proxy in front
    might have believed the other. What is refused unread ends the connection.
    """

    def __init__(self, app: ASGIApp, upload_bytes: int) -> None:
        self._app = app
        self._upload_bytes = upload_bytes + _ENVELOPE

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._upload_bytes if scope["path"].startswith(_UPLOADS) else BODY_LIMIT
        refusal = _refusal(Headers(scope=scope), limit)
        if refusal is not None:
            await _closing(respond(refusal))(scope, receive, send)
            return
        arriving = _Arriving(receive, limit)
        try:
            await self._app(scope, arriving, send)
        except asyncio.CancelledError:  # the server ends, and waits no longer
            if not arriving.broken_off:
                raise
            await respond(SimulatorClosedError(_ENDED))(scope, receive, send)


def _refusal(headers: Headers, limit: int) -> Exception | None:
    announced = headers.get("content-length")
    if announced is None:
        return None
    if "transfer-encoding" in headers:
        return MalformedRequestError("both Content-Length and Transfer-Encoding")
    too_large = announced.isdigit() and int(announced) > limit
    return TooLargeError(limit) if too_large else None


def _closing(response: Response) -> Response:
    response.headers["Connection"] = "close"
    return response


class _Arriving:
    """The body of one request, counted and timed until it is whole."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self._began = anyio.current_time()
        self._received = 0
        self._whole = False
        self.broken_off = False

    async def __call__(self) -> Message:
        """The next part. Raises TooLargeError, TooSlowError."""
        if self._whole:
            return await self._receive()  # the client's leaving, which may take its time
        slowest_s = PATIENCE_S + self._received / SLOWEST_BYTES_PER_S
        try:
            with anyio.fail_after(self._began + slowest_s - anyio.current_time()):
                message = await self._receive()
        except TimeoutError:
            raise TooSlowError(SLOWEST_BYTES_PER_S) from None
        except asyncio.CancelledError:
            self.broken_off = True
            raise
        self._received += len(message.get("body", b""))
        self._whole = not message.get("more_body", False)
        if self._received > self._limit:
            raise TooLargeError(self._limit)
        return message
