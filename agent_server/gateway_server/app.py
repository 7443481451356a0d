"""The HTTP server: REST, MCP at /mcp and A2A on one port."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, nullcontext
from typing import Any, Final

from anyio import to_thread
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp

from gateway_server.allowance import HEADERS, Limited
from gateway_server.auth import Authenticated
from gateway_server.background import keep_clean, keep_library, keep_up, start_simulations
from gateway_server.bodies import LimitedBodies
from gateway_server.clients import Clients
from gateway_server.contract import describe
from gateway_server.headers import Guarded
from gateway_server.later import Later, Opened
from gateway_server.links import http_door
from gateway_server.metrics import Metrics
from gateway_server.metrics_state import GatewayState
from gateway_server.oauth.addresses import PATHS, Addresses, oauth_addresses
from gateway_server.pages import public_router
from gateway_server.probes import metrics_router, probe_router
from gateway_server.problems import Unbroken, respond
from gateway_server.pulse import Pulse
from gateway_server.readiness import ReadinessProbe, checks_of
from gateway_server.request_log import REQUEST_ID, Logged
from gateway_server.rest import Rest, rest_router
from gateway_server.tracing import DOOR_SPANS
from gateway_server.web import Web
from gateway_server.x402_headers import RECEIPT, REQUIRED
from gateway_simulation.pool import MOST_WAITING
from gateway_tools.context import Context, Gateway
from gateway_tools.errors import FAILURES
from gateway_tools.exceptions import MalformedRequestError, MethodNotAllowedError, UnknownPathError

CARD_PATHS: Final = ("/.well-known/agent-card.json", "/.well-known/agent.json")  # of A2A 1.0, 0.3
THREADS: Final = MOST_WAITING + (os.cpu_count() or 1) + 36
"""Simulations run and wait in them too; some are left for what is quick."""


def create_app(gateway: Gateway, web: Web, metrics: Metrics) -> ASGIApp:
    """The application for one gateway; `metrics` counts what it answers."""
    mcp = Later(lambda: _mcp(gateway, web))
    a2a = Later(lambda: _a2a(gateway, web.base_url))
    addresses = oauth_addresses(web.base_url)
    doors = [mcp, a2a]
    pulse = Pulse()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        to_thread.current_default_thread_limiter().total_tokens = THREADS
        start_simulations(gateway)
        background = [
            asyncio.create_task(work)
            for work in (
                *(d.run() for d in doors),
                keep_up(gateway, pulse),
                keep_clean(gateway),
                keep_library(gateway),
            )
        ]
        yield
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        await to_thread.run_sync(gateway.simulator.close)

    app = FastAPI(
        title="FMU Gateway",
        version=gateway.version,
        description="Simulation models as tools for agents. Errors are RFC 9457 problems.",
        lifespan=lifespan,
        docs_url=None,  # `pages` has it, with a policy of its own
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name.rstrip("_"),
        telemetry=DOOR_SPANS,
        redirect_slashes=False,  # a redirect would repeat the request's Host
    )
    rest = Rest(gateway, http_door(web.base_url, "rest"))
    app.include_router(probe_router(gateway, ReadinessProbe(checks_of(gateway, web.folders))))
    if web.metrics_token is not None:
        metrics.watch(GatewayState(gateway, pulse, web.folders))
        app.include_router(metrics_router(metrics, web.metrics_token))
    app.include_router(public_router(rest))
    app.include_router(rest_router(rest))
    describe(app)
    app.router.routes.append(Route("/mcp", Authenticated(mcp, gateway, oauth=addresses)))
    if addresses:
        oauth = Later(lambda: _oauth(gateway, web, addresses))
        doors.append(oauth)
        app.router.routes.extend(Route(path, oauth) for path in PATHS)
    guarded = Authenticated(a2a, gateway, public=frozenset(CARD_PATHS))
    app.router.routes.extend(
        Route(path, guarded) for path in (*CARD_PATHS, "/a2a", "/a2a/{rest:path}")
    )
    for failure in FAILURES:
        app.add_exception_handler(failure, _problem)
    app.add_exception_handler(HTTPException, _http_problem)
    app.add_middleware(Unbroken)
    if web.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=web.origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=[
                REQUEST_ID,
                "Retry-After",
                "Mcp-Session-Id",
                "WWW-Authenticate",
                REQUIRED,
                RECEIPT,
                *HEADERS,
            ],
        )
    bounded = Limited(LimitedBodies(app, web.upload_bytes), web.rates)
    return Clients(Logged(Guarded(bounded), metrics), web.proxies)


def _mcp(gateway: Gateway, web: Web) -> Opened:
    from gateway_server.mcp_http import mcp_over_http  # noqa: PLC0415  see Later

    return mcp_over_http(gateway, http_door(web.base_url, "mcp"), web)


def _oauth(gateway: Gateway, web: Web, addresses: Addresses) -> Opened:
    from gateway_server.oauth.app import oauth_app  # noqa: PLC0415  see Later

    door = http_door(web.base_url, "oauth")
    return Opened(oauth_app(gateway, door, addresses, web.secret), nullcontext())


def _a2a(gateway: Gateway, base_url: str) -> Opened:
    from gateway_a2a.app import a2a_door  # noqa: PLC0415  see Later

    door = http_door(base_url, "a2a")

    def called(state: Mapping[str, Any]) -> Context:
        return Context(gateway, state["caller"], door, refused=state["refused"])

    opened = a2a_door(gateway, base_url, called)
    return Opened(opened.app, opened.running)


async def _problem(request: Request, error: Exception) -> Response:
    return respond(error, getattr(request.state, "proof", None))


async def _http_problem(request: Request, error: Exception) -> Response:
    """What the framework itself refuses, in our words."""
    assert isinstance(error, HTTPException)
    match error.status_code:
        case 404:
            return respond(UnknownPathError(request.url.path))
        case 405:
            refusal = respond(MethodNotAllowedError())
            refusal.headers["Allow"] = ", ".join(_methods(request))
            return refusal
    return respond(MalformedRequestError(str(error.detail)))


def _methods(request: Request) -> list[str]:
    """All that the request's address takes: the framework names its first route's only."""
    return [
        method
        for method in ("DELETE", "GET", "POST", "PUT")
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL
            for route in request.app.routes
        )
    ]
