"""`fmu-gateway mcp`: the tools for one client on this machine, over stdin and stdout."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import anyio
from mcp.server.lowlevel import NotificationOptions
from mcp.server.stdio import stdio_server

from gateway_server.auth import own_caller
from gateway_server.background import keep_clean, keep_library, keep_up, start_simulations
from gateway_server.compose import MEGABYTE, address_of, close, compose
from gateway_server.links import stdio_door
from gateway_server.mcp_door import mcp_server
from gateway_server.pulse import Pulse
from gateway_server.settings import Settings
from gateway_simulation.exceptions import RunError
from gateway_tools.context import Context, Gateway


def serve_stdio(settings: Settings, allowed: tuple[Path, ...]) -> None:
    """Serve until the client closes stdin; `allowed`: folders that `path` may point into.

    Raises:
        SettingsError: a setting is wrong.
        UnauthorizedError: FMU_GATEWAY_KEY is no key of this gateway.

    """
    gateway = compose(settings, address_of(settings, settings.port))
    try:
        caller = own_caller(gateway, settings.fmu_gateway_key)
        door = stdio_door(allowed, settings.max_upload_mb * MEGABYTE)
        context = Context(gateway, caller, door)
        anyio.run(_serve, context)
    finally:
        close(gateway)


async def _serve(context: Context) -> None:
    gateway = context.gateway
    server = mcp_server(gateway.version, lambda _: context)
    async with anyio.create_task_group() as background:
        background.start_soon(anyio.to_thread.run_sync, _warm, gateway)
        background.start_soon(keep_up, gateway, Pulse())
        background.start_soon(keep_clean, gateway)
        background.start_soon(keep_library, gateway)
        async with stdio_server() as (read, write):
            options = server.create_initialization_options(NotificationOptions())
            await server.run(read, write, options)
        background.cancel_scope.cancel()


def _warm(gateway: Gateway) -> None:
    """Start what runs models ahead of the first run, which says what is wrong if that fails."""
    with suppress(RunError):
        start_simulations(gateway)
