"""Start the HTTP server: bind first, so that the port is known to whoever makes links."""

from __future__ import annotations

import errno
import math
import socket
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from gateway_server.app import create_app
from gateway_server.clients import networks_of
from gateway_server.compose import MEGABYTE, Address, address_of, close, compose
from gateway_server.connections import PunctualProtocol
from gateway_server.metrics import Metrics
from gateway_server.rates import Rates
from gateway_server.settings import (
    Settings,
    SettingsError,
    folders_of,
    rate_bounds,
    redis_url,
    secret,
)
from gateway_server.stopping import SETTLING_S, Server
from gateway_server.web import Web
from gateway_simulation.exceptions import SandboxUnavailableError
from gateway_tools.context import Gateway

_BACKLOG: Final = 2048
_OTHER_PORT: Final = "PORT: {}; choose another with --port or PORT"
_OTHER_HOST: Final = "HOST: {}; give an address of this machine, 0.0.0.0 for all of them"


def application(settings: Settings, address: Address, metrics: Metrics) -> tuple[Gateway, ASGIApp]:
    """The system and the application around it; `metrics` counts what both do."""
    token = settings.metrics_token
    gateway = compose(settings, address, metrics)
    web = Web(
        base_url=address.base_url,
        hosts=address.hosts,
        origins=settings.cors_origins,
        proxies=networks_of(settings.trusted_proxies),
        rates=Rates(rate_bounds(settings), redis_url(settings)),
        upload_bytes=settings.max_upload_mb * MEGABYTE,
        mcp_sessions=settings.mcp_sessions,
        folders=folders_of(settings),
        secret=secret(settings),
        metrics_token=token.get_secret_value() if token else None,
    )
    return gateway, create_app(gateway, web, metrics)


def serve(settings: Settings) -> None:
    """Serve until a signal ends it.

    Raises:
        SettingsError: a setting is wrong, the port is taken, or no sandbox holds here.

    """
    with bound(settings) as sock:
        address = address_of(settings, sock.getsockname()[1])
        metrics = Metrics()
        gateway, app = application(settings, address, metrics)
        try:
            _fail_closed(gateway)
            told = f"FMU Gateway at {address.base_url} (MCP at /mcp, A2A at /a2a/, docs at /docs)"
            print(told, flush=True)  # noqa: T201
            patience_s = settings.stop_timeout_s
            config = uvicorn_config(app, patience_s)
            server = Server(config, gateway.simulator, lambda: metrics.under_way, patience_s)
            server.run(sockets=[sock])
        finally:
            close(gateway)


def _fail_closed(gateway: Gateway) -> None:
    """Don't serve where no sandbox holds."""
    try:
        gateway.simulator.start()
    except SandboxUnavailableError as error:
        line = f"{error}. SANDBOX_OVERRIDE=development runs models without: only those you trust"
        raise SettingsError([line]) from error


def uvicorn_config(app: ASGIApp, patience_s: float) -> uvicorn.Config:
    """Quiet, and patient at the end: running simulations may finish, for so long [s]."""
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        http=PunctualProtocol,
        ws="none",  # nothing here speaks it
        server_header=False,
        proxy_headers=False,  # `Clients` does that, for TRUSTED_PROXIES only
        timeout_graceful_shutdown=math.ceil(patience_s + 2 * SETTLING_S),
        lifespan="on",
    )


def bound(settings: Settings) -> socket.socket:
    """A listening socket at HOST and PORT.

    Raises:
        SettingsError: they can't be used.

    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # with the protocol named, asyncio turns Nagle's algorithm off: 40 ms less for each answer
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((settings.host, settings.port))
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        reason = error.strerror or "can't be used"
        no_such_host = isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL
        hint = _OTHER_HOST if no_such_host else _OTHER_PORT
        told = f"{settings.host}:{settings.port}: {reason}"
        raise SettingsError([hint.format(told)]) from error
    return sock
