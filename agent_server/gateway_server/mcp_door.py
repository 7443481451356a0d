"""The MCP door: tools, resources, prompts and completion, over streamable HTTP and stdio."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import mcp_types as types
from anyio import to_thread
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server

from gateway_payments.proof import Proof
from gateway_server import mcp_completion, mcp_prompts, mcp_resources
from gateway_server.mcp_calls import Calls, tell_progress
from gateway_server.mcp_checkout import Answer, paid_by_person
from gateway_server.mcp_logs import Logs
from gateway_server.mcp_results import tool_result
from gateway_simulation.watch import Watch
from gateway_tools.context import Context
from gateway_tools.errors import problem
from gateway_tools.registry import INSTRUCTIONS, TOOLS, tool_named
from gateway_tools.tool import Tool

_PAYMENT: Final = "x402/payment"
_RECEIPT: Final = "x402/payment-response"
_RUNNING: Final = frozenset({"simulate", "run_study"})

Request = ServerRequestContext[Any, Any]
ContextOf = Callable[[Request], Context]


def mcp_server(
    version: str, context_of: ContextOf, icons: list[types.Icon] | None = None
) -> Server[Any]:
    """An MCP server of all that the gateway has; `context_of` finds who is calling."""
    calls, logs = Calls(), Logs()

    async def call_tool(ctx: Request, params: types.CallToolRequestParams) -> Answer:
        proof = _proof(params)

        async def call(name: str, arguments: dict[str, Any]) -> types.CallToolResult:
            context = replace(context_of(ctx), proof=proof, watch=Watch())
            async with calls.watched(ctx, context.watch):
                answer = await to_thread.run_sync(_called, context, name, arguments)
                await tell_progress(ctx, context.watch)
            if name in _RUNNING:
                await logs.tell(ctx, answer)
            return answer

        answer = await call(params.name, dict(params.arguments or {}))
        return await paid_by_person(ctx, params, answer, call)

    server = Server[Any](
        "fmu-gateway",
        version=version,
        title="FMU Gateway",
        icons=icons,
        instructions=INSTRUCTIONS,
        on_list_tools=_list_tools,
        on_call_tool=call_tool,
        on_list_prompts=_list_prompts,
        on_get_prompt=_get_prompt,
        get_tool_input_schema=_no_headers,
    )
    _serve_resources(server, context_of)
    calls.listen(server)
    logs.listen(server)
    return server


def _serve_resources(server: Server[Any], context_of: ContextOf) -> None:
    """Resources, their templates, and completion, which reads from the same places."""

    async def listed(
        ctx: Request, params: types.PaginatedRequestParams
    ) -> types.ListResourcesResult:
        return await to_thread.run_sync(mcp_resources.listed, served(ctx), params.cursor)

    async def templates(
        _: Request, __: types.PaginatedRequestParams
    ) -> types.ListResourceTemplatesResult:
        return types.ListResourceTemplatesResult(resource_templates=mcp_resources.templates())

    async def read(
        ctx: Request, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        uri, revision = str(params.uri), ctx.protocol_version
        return await to_thread.run_sync(mcp_resources.read, served(ctx), uri, revision)

    async def complete(ctx: Request, params: types.CompleteRequestParams) -> types.CompleteResult:
        return await to_thread.run_sync(mcp_completion.completed, served(ctx), params)

    def served(ctx: Request) -> Context:
        context = context_of(ctx)
        mcp_resources.require_served(context, ctx.protocol_version)
        return context

    page = types.PaginatedRequestParams
    server.add_request_handler("resources/list", page, listed)
    server.add_request_handler("resources/templates/list", page, templates)
    server.add_request_handler("resources/read", types.ReadResourceRequestParams, read)
    server.add_request_handler("completion/complete", types.CompleteRequestParams, complete)


async def _list_tools(_: Request, __: types.PaginatedRequestParams | None) -> types.ListToolsResult:
    return types.ListToolsResult(tools=[_published(tool) for tool in TOOLS.values()])


async def _list_prompts(
    _: Request, __: types.PaginatedRequestParams | None
) -> types.ListPromptsResult:
    return types.ListPromptsResult(prompts=mcp_prompts.prompts())


async def _get_prompt(_: Request, params: types.GetPromptRequestParams) -> types.GetPromptResult:
    return mcp_prompts.asked(params.name, params.arguments or {})


def _no_headers(_: str) -> None:
    """The schema whose arguments travel in headers too: no tool has any, so nothing is checked.

    Left out, the SDK would list and serialise all tools for each call to find that out.
    """


def _published(tool: Tool[Any]) -> types.Tool:
    return types.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=tool.input_schema,
        output_schema=tool.output_schema,
        annotations=_annotations(tool),
    )


def _annotations(tool: Tool[Any]) -> types.ToolAnnotations:
    """What differs from the protocol's defaults; of a reading tool it asks for no more."""
    if tool.read_only:
        return types.ToolAnnotations(read_only_hint=True, open_world_hint=False)
    return types.ToolAnnotations(
        destructive_hint=tool.destructive,
        idempotent_hint=tool.idempotent or None,
        open_world_hint=False,
    )


def _called(context: Context, name: str, arguments: dict[str, Any]) -> types.CallToolResult:
    try:
        answer = tool_named(name).call(context, arguments)
    except Exception as error:  # noqa: BLE001  every failure is told to the model
        return _receipted(tool_result(problem(error).body, is_error=True), context.proof)
    result = tool_result(answer.output.model_dump(mode="json"), is_error=False)
    if answer.file is not None:
        result.content.append(mcp_resources.block(answer.file))
    return _receipted(result, context.proof)


def _proof(params: types.CallToolRequestParams) -> Proof | None:
    """The x402 payment that came along; one that is no object is refused where it is read."""
    payment = (params.meta or {}).get(_PAYMENT)
    if payment is None:
        return None
    return Proof(payment if isinstance(payment, dict) else {})


def _receipted(result: types.CallToolResult, proof: Proof | None) -> types.CallToolResult:
    if proof and proof.receipt:
        result.meta = {_RECEIPT: proof.receipt}
    return result
