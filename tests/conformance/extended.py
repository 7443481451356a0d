"""The product's MCP server with the fixtures beside what it has itself."""

from __future__ import annotations

from typing import Any, Final

import mcp_types as types
from conformance.fixtures import pack
from mcp.server.context import HandlerResult, ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity

Request = ServerRequestContext[Any, Any]

_LISTS: Final = {
    "tools/list": "tools",
    "resources/list": "resources",
    "resources/templates/list": "resource_templates",
    "prompts/list": "prompts",
}


def extend(server: Server[Any]) -> Server[Any]:
    """The same server: its lists hold the fixtures too, and calls of those reach them."""
    made = pack()
    fixtures = made._lowlevel_server  # noqa: SLF001
    for method, field in _LISTS.items():
        _merge(server, fixtures, method, field)
    for method in ("tools/call", "prompts/get"):
        _route(server, fixtures, method, lambda params: params.name.startswith(("test_", "json_")))
    _route(server, fixtures, "resources/read", lambda params: params.uri.startswith("test://"))
    _route(server, fixtures, "completion/complete", _is_of_fixtures)
    listen = fixtures.get_request_handler("subscriptions/listen")
    assert listen is not None
    server.add_request_handler("subscriptions/listen", listen.params_type, listen.handler)
    server.add_request_handler("resources/subscribe", types.SubscribeRequestParams, _nothing)
    server.add_request_handler("resources/unsubscribe", types.UnsubscribeRequestParams, _nothing)
    server.get_tool_input_schema = _schemas(made)
    server.middleware.append(
        RequestStateBoundary(RequestStateSecurity.ephemeral(), default_audience="conformance")
    )
    return server


def _merge(server: Server[Any], fixtures: Server[Any], method: str, field: str) -> None:
    theirs, ours = fixtures.get_request_handler(method), server.get_request_handler(method)
    assert theirs is not None
    assert ours is not None

    async def both(ctx: Request, params: Any) -> HandlerResult:  # noqa: ANN401
        added: Any = await theirs.handler(ctx, params)
        own: Any = await ours.handler(ctx, params)
        return own.model_copy(update={field: [*getattr(added, field), *getattr(own, field)]})  # type: ignore[no-any-return]

    server.add_request_handler(method, ours.params_type, both)


def _route(server: Server[Any], fixtures: Server[Any], method: str, is_theirs: Any) -> None:  # noqa: ANN401
    theirs, ours = fixtures.get_request_handler(method), server.get_request_handler(method)
    assert ours is not None

    async def either(ctx: Request, params: Any) -> HandlerResult:  # noqa: ANN401
        if not is_theirs(params):
            return await ours.handler(ctx, params)
        if theirs is None:
            return types.CompleteResult(completion=types.Completion(values=[]))
        return await theirs.handler(ctx, params)

    server.add_request_handler(method, ours.params_type, either)


def _is_of_fixtures(params: types.CompleteRequestParams) -> bool:
    if isinstance(params.ref, types.PromptReference):
        return params.ref.name.startswith("test_")
    return params.ref.uri.startswith("test://")


async def _nothing(_: Request, __: Any) -> types.EmptyResult:  # noqa: ANN401
    return types.EmptyResult()


def _schemas(made: Any) -> Any:  # noqa: ANN401
    def schema_of(name: str) -> Any:  # noqa: ANN401
        tool = made._tool_manager.get_tool(name)  # noqa: SLF001
        return None if tool is None else tool.parameters

    return schema_of
