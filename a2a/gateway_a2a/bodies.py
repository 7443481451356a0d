"""Bodies that the SDK would stumble over are refused before it, as each binding tells errors."""

from __future__ import annotations

import json
from typing import Final

from a2a.server.jsonrpc_models import JSONParseError
from a2a.server.request_handlers.response_helpers import build_error_response
from a2a.utils.error_handlers import build_rest_error_payload
from a2a.utils.errors import A2AError, ContentTypeNotSupportedError, InvalidRequestError
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_TYPES: Final = frozenset({"application/json", "application/a2a+json"})
_DEEP: Final = 400
"""Brackets from which a body may be nested more deeply than parsers go."""


class ReadableBodies:
    """Passes on requests whose body is JSON by its header and in fact; `rpc` at these paths."""

    def __init__(self, app: ASGIApp, rpc: frozenset[str]) -> None:
        self._app = app
        self._rpc = rpc

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body and look at it, then hand it on."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        refused = _rpc_error if scope["path"] in self._rpc else _rest_error
        body = await Request(scope, receive).body()
        if body and not _is_json(Headers(scope=scope)):
            error = ContentTypeNotSupportedError(_WRONG_TYPE)
            await refused(error)(scope, receive, send)
        elif not _is_readable(body):
            await refused(None)(scope, receive, send)
        else:
            await self._app(scope, _again(body, receive), send)


_WRONG_TYPE: Final = "Send Content-Type: application/json"
_BROKEN: Final = "The body is no JSON text in UTF-8, or is nested too deeply"


def _is_json(headers: Headers) -> bool:
    return headers.get("content-type", "").partition(";")[0].strip().lower() in _TYPES


def _is_readable(body: bytes) -> bool:
    """UTF-8, and not nested too deeply; whether it is JSON otherwise the SDK finds out."""
    try:
        text = body.decode()
        if body.count(b"[") + body.count(b"{") > _DEEP:
            json.loads(text)
    except (RecursionError, UnicodeDecodeError):
        return False
    except ValueError:
        return True
    return True


def _rpc_error(error: A2AError | None) -> Response:
    told = error or JSONParseError(message=_BROKEN)
    status = 200 if error is None else 415
    return JSONResponse(build_error_response(None, told), status_code=status)


def _rest_error(error: A2AError | None) -> Response:
    payload = build_rest_error_payload(error or InvalidRequestError(_BROKEN))
    status = 400 if error is None else 415
    return JSONResponse(payload, status_code=status)


def _again(body: bytes, receive: Receive) -> Receive:
    """The body once more, then whatever comes after it: a disconnect."""
    first: Message | None = {"type": "http.request", "body": body, "more_body": False}

    async def replayed() -> Message:
        nonlocal first
        if first is not None:
            message, first = first, None
            return message
        return await receive()

    return replayed
