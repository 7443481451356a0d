"""The bridge's own MCP server: everything goes on as it is, but for files of this machine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import anyio
import mcp_types as types
import structlog
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import TypeAdapter

from gateway_server.bridge.failures import BridgeError
from gateway_server.bridge.progress import Listener
from gateway_server.bridge.remote import Era, Remote, connected
from gateway_server.bridge.transfers import Saving, held, save, upload
from gateway_server.local_files import Folders
from gateway_server.mcp_results import tool_result

Request = ServerRequestContext[Any, Any]
Handler = Callable[[Request, Any], Awaitable[Any]]

_GREETING_S: Final = 5.0
_OURS: Final = """\
Files of this machine: upload_fmu takes a `path`, get_result saves what it reads at `save_to`."""
_ENVELOPE: Final = frozenset(
    {
        "progress_token",
        types.PROTOCOL_VERSION_META_KEY,
        types.CLIENT_INFO_META_KEY,
        types.CLIENT_CAPABILITIES_META_KEY,
    }
)
_FORWARDED: Final[tuple[tuple[type[Any], type[types.RequestParams], Any], ...]] = (
    (types.ListResourcesRequest, types.PaginatedRequestParams, types.ListResourcesResult),
    (
        types.ListResourceTemplatesRequest,
        types.PaginatedRequestParams,
        types.ListResourceTemplatesResult,
    ),
    (
        types.ReadResourceRequest,
        types.ReadResourceRequestParams,
        types.ReadResourceResult | types.InputRequiredResult,
    ),
    (types.ListPromptsRequest, types.PaginatedRequestParams, types.ListPromptsResult),
    (
        types.GetPromptRequest,
        types.GetPromptRequestParams,
        types.GetPromptResult | types.InputRequiredResult,
    ),
    (types.CompleteRequest, types.CompleteRequestParams, types.CompleteResult),
)
_CALLED: Final[TypeAdapter[types.CallToolResult | types.InputRequiredResult]] = TypeAdapter(
    types.CallToolResult | types.InputRequiredResult
)
_LISTED: Final = TypeAdapter(types.ListToolsResult)
_SAVING: Final[dict[str, Any]] = {
    "save_to": {
        "type": "string",
        "description": "Save the file on the user's machine at this path, which ends with the "
        "format: out/run.csv. Every point, without tokens; json: as many as `points`",
    },
    "overwrite": {
        "type": "boolean",
        "default": False,
        "description": "Replace a file that is at save_to already",
    },
}

_log = structlog.get_logger()


def serve_bridge(url: str, key: str | None, allowed: tuple[Path, ...]) -> None:
    """Serve until the client closes stdin; `allowed`: folders that paths may point into."""
    anyio.run(_serve, url, key, Folders.of(allowed), version("fmu-gateway"))


async def _serve(url: str, key: str | None, folders: Folders, number: str) -> None:
    async with connected(url, key) as remote:
        server = bridge_server(remote, folders, number, await _greeted(remote))
        async with stdio_server() as (read, write):
            options = server.create_initialization_options(NotificationOptions())
            await server.run(read, write, options)


async def _greeted(remote: Remote) -> Era | None:
    """How the gateway speaks; None where that isn't known yet, which each call then tells."""
    with anyio.move_on_after(_GREETING_S):
        try:
            return await remote.greet()
        except (BridgeError, MCPError) as error:
            _log.warning("gateway_not_ready", gateway=remote.url, reason=str(error))
    return None


def bridge_server(remote: Remote, folders: Folders, number: str, era: Era | None) -> Server[Any]:
    """An MCP server in front of `remote` that offers what `era` says that it has."""
    theirs = era.instructions if era else None

    async def list_tools(
        ctx: Request, params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        listed: types.ListToolsResult = await _asked(
            remote, ctx, types.ListToolsRequest(params=_going(params)), _LISTED
        )
        return listed.model_copy(update={"tools": [_extended(tool) for tool in listed.tools]})

    async def call_tool(
        ctx: Request, params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        try:
            return await _called(remote, folders, ctx, params)
        except BridgeError as error:
            return tool_result(error.body, is_error=True)

    async def set_level(_: Request, params: types.SetLevelRequestParams) -> types.EmptyResult:
        remote.log_level = params.level
        return types.EmptyResult()

    server: Server[Any] = Server(
        "fmu-gateway",
        version=number,
        title="FMU Gateway",
        instructions=f"{theirs}\n{_OURS}" if theirs else _OURS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )
    for request, params, result in _FORWARDED:
        method = request.model_fields["method"].default
        if era is None or _has(era.capabilities, method):
            server.add_request_handler(method, params, _forward(remote, request, result))
    if era is None or (era.discovered and era.capabilities.logging is not None):
        server.add_request_handler("logging/setLevel", types.SetLevelRequestParams, set_level)
    return server


def _has(capabilities: types.ServerCapabilities, method: str) -> bool:
    kind = method.partition("/")[0]
    return getattr(capabilities, "completions" if kind == "completion" else kind) is not None


def _forward(remote: Remote, request: type[Any], result: Any) -> Handler:  # noqa: ANN401
    adapter = TypeAdapter(result)

    async def handler(ctx: Request, params: types.RequestParams) -> Any:  # noqa: ANN401
        return await _asked(remote, ctx, request(params=_going(params)), adapter)

    return handler


async def _asked(
    remote: Remote, ctx: Request, request: types.Request[Any, Any], result: TypeAdapter[Any]
) -> Any:  # noqa: ANN401
    """The gateway's answer; what keeps it away is told as an error of MCP."""
    try:
        return await remote.ask(request, result, _listener(ctx), elicits=_can_be_asked(ctx))
    except BridgeError as error:
        raise MCPError(types.INTERNAL_ERROR, str(error), error.body) from None


async def _called(
    remote: Remote, folders: Folders, ctx: Request, params: types.CallToolRequestParams
) -> types.CallToolResult | types.InputRequiredResult:
    arguments = params.arguments or {}
    path = arguments.get("path")
    if params.name == "upload_fmu" and isinstance(path, str) and "content_base64" not in arguments:
        return tool_result(await upload(remote, folders, path), is_error=False)
    if params.name == "get_result" and arguments.get("save_to") is not None:
        return await _saved(remote, folders, ctx, params)
    return await _gone(remote, ctx, params)


async def _gone(
    remote: Remote, ctx: Request, params: types.CallToolRequestParams
) -> types.CallToolResult | types.InputRequiredResult:
    request = types.CallToolRequest(params=_going(params))
    return await remote.ask(request, _CALLED, _listener(ctx), elicits=_can_be_asked(ctx))


async def _saved(
    remote: Remote, folders: Folders, ctx: Request, params: types.CallToolRequestParams
) -> types.CallToolResult | types.InputRequiredResult:
    """The gateway's answer, and in it where the file is now."""
    saving = Saving.of(params.arguments or {})
    with held(folders, saving) as place:
        asked = params.model_copy(update={"arguments": saving.asked})
        answer = await _gone(remote, ctx, asked)
        if not isinstance(answer, types.CallToolResult) or answer.is_error:
            return answer
        saved = await save(remote, saving, place)
    told = tool_result({**answer.structured_content, "saved": saved}, is_error=False)
    pictures = [block for block in answer.content if isinstance(block, types.ImageContent)]
    return told.model_copy(update={"content": [*told.content, *pictures], "meta": answer.meta})


def _extended(tool: types.Tool) -> types.Tool:
    """get_result can save; every other tool is as the gateway has it."""
    if tool.name != "get_result":
        return tool
    properties = {**tool.input_schema.get("properties", {}), **_SAVING}
    return tool.model_copy(update={"input_schema": {**tool.input_schema, "properties": properties}})


def _going(params: Any) -> Any:  # noqa: ANN401
    """Parameters for the gateway: what belongs to this connection alone is left out of `_meta`."""
    if params is None or params.meta is None:
        return params
    meta = {name: value for name, value in params.meta.items() if name not in _ENVELOPE}
    return params.model_copy(update={"meta": meta or None})


def _listener(ctx: Request) -> Listener:
    """The client, which hears of progress if it asked for that."""

    async def log(params: types.LoggingMessageNotificationParams) -> None:
        message = types.LoggingMessageNotification(params=params)
        await ctx.session.send_notification(message, related_request_id=ctx.request_id)

    asked = "progress_token" in (ctx.meta or {})
    return Listener(ctx.session.report_progress if asked else None, log)


def _can_be_asked(ctx: Request) -> bool:
    """Whether the client takes a question as a result: the old protocol has no such results."""
    capabilities = ctx.session.client_capabilities
    return (
        ctx.protocol_version in MODERN_PROTOCOL_VERSIONS
        and capabilities is not None
        and capabilities.elicitation is not None
    )
