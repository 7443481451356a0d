"""The HTTP server: REST, MCP at /mcp and A2A on one port."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from anyio import to_thread
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from gateway_server.auth import Authenticated
from gateway_server.background import keep_library, keep_up, start_simulations
from gateway_server.bodies import LimitedBodies
from gateway_server.clients import Clients, Network
from gateway_server.headers import Guarded
from gateway_server.later import Later, Opened
from gateway_server.links import http_door
from gateway_server.metrics import Metrics
from gateway_server.metrics_state import GatewayState
from gateway_server.pages import public_router
from gateway_server.probes import metrics_router, probe_router
from gateway_server.problems import Unbroken, respond
from gateway_server.pulse import Pulse
from gateway_server.readiness import ReadinessProbe, checks_of
from gateway_server.request_log import REQUEST_ID, Logged
from gateway_server.rest import Rest, rest_router
from gateway_server.tracing import DOOR_SPANS
from gateway_server.x402_headers import RECEIPT, REQUIRED
from gateway_simulation.pool import MOST_WAITING
from gateway_tools.context import Context, Gateway
from gateway_tools.errors import FAILURES
from gateway_tools.exceptions import MalformedRequestError, MethodNotAllowedError, UnknownPathError

CARD_PATH: Final = "/.well-known/agent-card.json"
THREADS: Final = MOST_WAITING + (os.cpu_count() or 1) + 36
"""Simulations run and wait in them too; some are left for what is quick."""


@dataclass(frozen=True, slots=True)
class Web:
    """What the HTTP server must know of the world around it.

    `base_url`: how clients reach it, without a slash at the end. `hosts`: the Host headers that
    /mcp answers to. `origins`: whose pages may call. `upload_bytes`: the largest FMU. `proxies`:
    who may say for whom it asks. `folders`: where the gateway writes. `metrics_token`: opens
    /metrics, which isn't there without one.
    """

    base_url: str
    hosts: tuple[str, ...]
    origins: tuple[str, ...]
    upload_bytes: int
    proxies: tuple[Network, ...] = ()
    folders: tuple[Path, ...] = ()
    metrics_token: str | None = None


def create_app(gateway: Gateway, web: Web, metrics: Metrics) -> ASGIApp:
    """The application for one gateway; `metrics` counts what it answers."""
    mcp = Later(lambda: _mcp(gateway, web))
    a2a = Later(lambda: _a2a(gateway, web.base_url))
    pulse = Pulse()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        to_thread.current_default_thread_limiter().total_tokens = THREADS
        start_simulations(gateway)
        background = [
            asyncio.create_task(work)
            for work in (mcp.run(), a2a.run(), keep_up(gateway, pulse), keep_library(gateway))
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
    app.router.routes.append(Route("/mcp", Authenticated(mcp, gateway)))
    guarded = Authenticated(a2a, gateway, public=frozenset({CARD_PATH}))
    app.router.routes.extend(
        Route(path, guarded) for path in (CARD_PATH, "/a2a", "/a2a/{rest:path}")
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
            expose_headers=[REQUEST_ID, "Retry-After", "WWW-Authenticate", REQUIRED, RECEIPT],
        )
    hardened = Guarded(LimitedBodies(app, web.upload_bytes))
    return Clients(Logged(hardened, metrics), web.proxies)


def _mcp(gateway: Gateway, web: Web) -> Opened:
    from gateway_server.mcp_http import mcp_over_http  # noqa: PLC0415  see Later

    door = http_door(web.base_url, "mcp")
    return mcp_over_http(gateway, door, web.hosts, web.origins)


def _a2a(gateway: Gateway, base_url: str) -> Opened:
    from gateway_a2a.app import a2a_app  # noqa: PLC0415  see Later

    door = http_door(base_url, "a2a")
    app = a2a_app(
        base_url,
        gateway.version,
        lambda state: Context(gateway, state["caller"], door),
        takes_x402="x402" in gateway.payments.offers_enabled,
    )
    return Opened(app, nullcontext())


async def _problem(request: Request, error: Exception) -> Response:
    return respond(error, getattr(request.state, "proof", None))


async def _http_problem(request: Request, error: Exception) -> Response:
    """What the framework itself refuses, in our words."""
    assert isinstance(error, HTTPException)
    match error.status_code:
        case 404:
            return respond(UnknownPathError(request.url.path))
        case 405:
            return respond(MethodNotAllowedError())
    return respond(MalformedRequestError(str(error.detail)))
