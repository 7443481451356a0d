"""The A2A door as an ASGI application: card, JSON-RPC and HTTP+JSON."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from a2a.server.context import ServerCallContext
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import (
    create_agent_card_routes,
    create_jsonrpc_routes,
    create_rest_routes,
)
from a2a.server.routes.common import DefaultServerCallContextBuilder
from starlette.requests import Request
from starlette.routing import BaseRoute, Mount, Router
from starlette.types import ASGIApp

from gateway_a2a import x402
from gateway_a2a.activation import Activated
from gateway_a2a.bodies import ReadableBodies
from gateway_a2a.card import OLD_CARD_PATH, REST_PATH, RPC_PATH, agent_card
from gateway_a2a.executor import Executor
from gateway_a2a.following import Following
from gateway_a2a.logs import quieten
from gateway_a2a.push import Notifier, screened
from gateway_a2a.push_configs import PushConfigs
from gateway_a2a.tasks import StoredTasks
from gateway_a2a.upkeep import Upkeep
from gateway_tools.context import Context, Gateway

INTERRUPTED_S: Final = 600.0  # a task that waits for payment is kept ready so long, then stored
_RPC_PATHS: Final = (RPC_PATH, RPC_PATH.rstrip("/"))
_CARD_CACHED: Final = "public, max-age=300"


@dataclass(frozen=True, slots=True)
class A2ADoor:
    """The application, and what must run while it serves."""

    app: ASGIApp
    running: AbstractAsyncContextManager[None]


class CallerContextBuilder(DefaultServerCallContextBuilder):
    """Hands on who called: the server has checked the key and left the caller in the request."""

    def build(self, request: Request) -> ServerCallContext:
        """The SDK's own context, with the caller in its state; tasks belong to the account."""
        context = super().build(request)
        context.state["caller"] = request.state.caller
        context.state["refused"] = request.state.refused
        context.state["owner"] = request.state.caller.account_id
        return context


def a2a_door(
    gateway: Gateway, base_url: str, context_for: Callable[[Mapping[str, Any]], Context]
) -> A2ADoor:
    """Routes under /a2a and the card's well-known path; `base_url` without a slash at its end."""
    quieten()
    takes_x402 = "x402" in gateway.payments.offers_enabled
    extensions = [x402.extension()] if takes_x402 else []
    card = agent_card(base_url, gateway.version, extensions)
    old = agent_card(base_url, gateway.version, extensions, protocols=("1.0", "0.3"))
    tasks = StoredTasks(gateway.database, gateway.clock)
    configs = PushConfigs(gateway.database, gateway.clock)
    push = Notifier(configs)
    handler = DefaultRequestHandler(
        agent_executor=Executor(context_for),
        task_store=tasks,
        agent_card=card,
        push_config_store=configs,
        push_sender=push,
        push_url_validator=screened,
        validate_input_modes=True,
        event_stream=Following(gateway.database),
        interrupted_task_timeout=INTERRUPTED_S,
    )
    cards = [
        *create_agent_card_routes(card, cache_control=_CARD_CACHED),
        *create_agent_card_routes(old, card_url=OLD_CARD_PATH, cache_control=_CARD_CACHED),
    ]
    app = ReadableBodies(Router([*cards, *_routes(handler)]), frozenset(_RPC_PATHS))
    upkeep = Upkeep(gateway.database, gateway.clock, tasks, push)
    return A2ADoor(Activated(app, x402.URI) if takes_x402 else app, _running(handler, push, upkeep))


def _routes(handler: DefaultRequestHandler) -> list[BaseRoute]:
    builder = CallerContextBuilder()
    routes: list[BaseRoute] = []
    for path in _RPC_PATHS:
        routes += create_jsonrpc_routes(
            handler, rpc_url=path, context_builder=builder, enable_v0_3_compat=True
        )
    rest = create_rest_routes(
        handler, path_prefix=REST_PATH, context_builder=builder, enable_v0_3_compat=True
    )
    # the SDK adds a mount of any first path segment as a tenant's, whatever the prefix
    return [*routes, *(route for route in rest if not isinstance(route, Mount))]


@asynccontextmanager
async def _running(
    handler: DefaultRequestHandler, push: Notifier, upkeep: Upkeep
) -> AsyncIterator[None]:
    beside = asyncio.create_task(upkeep.run())
    try:
        yield
    finally:
        beside.cancel()
        await asyncio.gather(beside, return_exceptions=True)
        await handler.aclose()
        await push.aclose()
