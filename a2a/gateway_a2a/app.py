"""The A2A door as an ASGI application: card, JSON-RPC and HTTP+JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
from gateway_a2a.card import REST_PATH, RPC_PATH, agent_card
from gateway_a2a.executor import Executor
from gateway_a2a.tasks import BoundedTasks
from gateway_tools.context import Context

INTERRUPTED_S: Final = 600.0  # a task that waits for payment is kept ready so long, then stored


class CallerContextBuilder(DefaultServerCallContextBuilder):
    """Hands on who called: the server has checked the key and left the caller in the request."""

    def build(self, request: Request) -> ServerCallContext:
        """The SDK's own context, with the caller in its state; tasks belong to the account."""
        context = super().build(request)
        context.state["caller"] = request.state.caller
        context.state["refused"] = request.state.refused
        context.state["owner"] = request.state.caller.account_id
        return context


def a2a_app(
    base_url: str,
    version: str,
    context_for: Callable[[Mapping[str, Any]], Context],
    *,
    takes_x402: bool,
) -> ASGIApp:
    """Routes under /a2a and the card's well-known path; tasks live in this process."""
    card = agent_card(base_url, version, [x402.extension()] if takes_x402 else [])
    handler = DefaultRequestHandler(
        agent_executor=Executor(context_for),
        task_store=BoundedTasks(),
        agent_card=card,
        interrupted_task_timeout=INTERRUPTED_S,
    )
    builder = CallerContextBuilder()
    routes: list[BaseRoute] = [*create_agent_card_routes(card)]
    for path in (RPC_PATH, RPC_PATH.rstrip("/")):
        routes += create_jsonrpc_routes(
            handler, rpc_url=path, context_builder=builder, enable_v0_3_compat=True
        )
    rest = create_rest_routes(handler, path_prefix=REST_PATH, context_builder=builder)
    # the SDK adds a mount of any first path segment as a tenant's, whatever the prefix
    routes += [route for route in rest if not isinstance(route, Mount)]
    router = Router(routes)
    return Activated(router, x402.URI) if takes_x402 else router
