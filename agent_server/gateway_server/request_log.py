"""Each request over HTTP gets an id, which everything logged for it carries, and leaves a line."""

from __future__ import annotations

import re
import time
from typing import Final, Protocol

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from gateway_server.clients import client_address
from gateway_tools.observing import new_request_id

REQUEST_ID: Final = "X-Request-Id"
_WELL_FORMED: Final = re.compile(r"[A-Za-z0-9._:-]{8,128}")
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_DOORS: Final = {"/mcp": "mcp", "/a2a": "a2a", "/.well-known/agent-card.json": "a2a"}
_FOR_MACHINES: Final = frozenset({"/health", "/ready", "/metrics"})  # asked for again and again
_UNMATCHED: Final = "unmatched"
_GONE: Final = 499
"""The status of a request whose client went away before the answer began, as proxies log it."""
_FAILED: Final = 500


class HttpMeter(Protocol):
    """Counts answers. Routes are templates, methods and statuses the protocol's own."""

    def answered(self, door: str, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered to its end."""
        ...


class Logged:
    """Names each request, logs how it was answered, and counts it.

    A trusted proxy's well-formed X-Request-Id is taken over; `Clients` has dropped all others.
    """

    def __init__(self, app: ASGIApp, meter: HttpMeter) -> None:
        self._app = app
        self._meter = meter
        self._log = structlog.get_logger()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on; the answer says the id."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _given(scope) or new_request_id()
        began, status = time.perf_counter(), _GONE

        async def named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        with bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, named)
            except BaseException:
                status = _FAILED if status == _GONE else status
                raise
            finally:
                self._tell(scope, status, time.perf_counter() - began)

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        route, method = _route(scope), scope["method"]
        door = _door(scope["path"])
        method = method if method in _METHODS else "other"
        self._meter.answered(door, method, route, status, seconds)
        if route in _FOR_MACHINES and status < _FAILED:
            return
        self._log.info(
            "request_answered",
            door=door,
            method=method,
            route=route,
            status=status,
            wall_ms=round(seconds * 1000, 3),
            client=client_address(scope),
        )


def _given(scope: Scope) -> str | None:
    given = Headers(scope=scope).get(REQUEST_ID, "")
    return given if _WELL_FORMED.fullmatch(given) else None


def _door(path: str) -> str:
    return _DOORS.get(path) or ("a2a" if path.startswith("/a2a/") else "rest")


def _route(scope: Scope) -> str:
    """The route's template; never the path itself, which holds ids and tickets."""
    template = getattr(scope.get("route"), "path", None)
    if isinstance(template, str):
        return template
    path: str = scope["path"]
    if path in _DOORS:
        return path
    return "/a2a/{rest}" if path.startswith("/a2a/") else _UNMATCHED
