"""The HTTP server: REST, MCP at /mcp and A2A on one port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

import structlog
from anyio import to_thread
from fastapi import FastAPI
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.transport_security import TransportSecuritySettings
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway_payments.accounts import Caller
from gateway_server.auth import Authenticated
from gateway_server.bodies import BODY_LIMIT, LimitedBodies
from gateway_server.links import http_door
from gateway_server.mcp_door import mcp_server
from gateway_server.pages import public_router
from gateway_server.problems import respond
from gateway_server.rest import Rest, rest_router
from gateway_tools.context import Context, Door, Gateway
from gateway_tools.errors import FAILURES
from gateway_tools.exceptions import UnknownPathError
from gateway_tools.recover import recover

CARD_PATH: Final = "/.well-known/agent-card.json"
_RECOVER_EVERY_S: Final = 60

_log = structlog.get_logger()


def create_app(
    gateway: Gateway, base_url: str, hosts: tuple[str, ...], upload_bytes: int
) -> ASGIApp:
    """The application for one gateway.

    `base_url`: how clients reach it, without a slash at the end. `hosts`: the Host headers that
    /mcp answers to (DNS rebinding). `upload_bytes`: the largest FMU.
    """
    door = http_door(base_url)
    mcp = mcp_server(gateway.version, lambda ctx: Context(gateway, _caller(ctx.request), door))
    mcp_app = mcp.streamable_http_app(
        stateless_http=True,
        max_request_body_size=BODY_LIMIT,
        transport_security=TransportSecuritySettings(
            allowed_hosts=list(hosts),
            allowed_origins=[
                f"{scheme}://{host}" for host in hosts for scheme in ("http", "https")
            ],
        ),
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        gateway.simulator.start()
        recovering = asyncio.create_task(_recover_for_ever(gateway))
        async with mcp.session_manager.run():
            yield
        recovering.cancel()
        with suppress(asyncio.CancelledError):
            await recovering

    app = FastAPI(
        title="FMU Gateway",
        version=gateway.version,
        description="Simulation models as tools for agents. Errors are RFC 9457 problems.",
        lifespan=lifespan,
        redoc_url=None,
    )
    rest = Rest(gateway, door)
    app.include_router(public_router(rest))
    app.include_router(rest_router(rest))
    app.router.routes.extend(
        [
            Route("/mcp", Authenticated(_Principal(mcp_app), gateway)),
            *_a2a_routes(gateway, base_url, door),
        ]
    )
    for failure in FAILURES:
        app.add_exception_handler(failure, _problem)
    app.add_exception_handler(Exception, _problem)
    app.add_exception_handler(404, _unknown_path)
    return LimitedBodies(app, upload_bytes)


def _caller(request: Request | None) -> Caller:
    """Whom `Authenticated` let in."""
    assert request is not None
    caller: Caller = request.state.caller
    return caller


def _a2a_routes(gateway: Gateway, base_url: str, door: Door) -> list[Route]:
    def build() -> ASGIApp:
        from gateway_a2a.app import a2a_app  # noqa: PLC0415  two seconds of import

        return a2a_app(
            base_url, gateway.version, lambda state: Context(gateway, state["caller"], door)
        )

    later = _Later(build)
    guarded = Authenticated(later, gateway, public=frozenset({CARD_PATH}))
    return [Route(path, guarded) for path in (CARD_PATH, "/a2a", "/a2a/{rest:path}")]


class _Later:
    """An application that is built when it is first asked for, off the event loop."""

    def __init__(self, build: Callable[[], ASGIApp]) -> None:
        self._build = build
        self._building = asyncio.Lock()
        self._app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._building:
            if self._app is None:
                self._app = await to_thread.run_sync(self._build)
        await self._app(scope, receive, send)


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


async def _recover_for_ever(gateway: Gateway) -> None:
    while True:
        try:
            lost = await to_thread.run_sync(recover, gateway)
            if lost:
                _log.warning("runs_recovered", runs=lost)
        except Exception:  # noqa: BLE001  the next round may fare better
            _log.exception("recover_failed")
        await asyncio.sleep(_RECOVER_EVERY_S)


async def _problem(_: Request, error: Exception) -> Response:
    return respond(error)


async def _unknown_path(request: Request, _: Exception) -> Response:
    return respond(UnknownPathError(request.url.path))
