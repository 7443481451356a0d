"""The MCP door: every tool, and results as resources, over streamable HTTP and stdio."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import mcp_types as types
from anyio import to_thread
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError

from gateway_payments.proof import Proof
from gateway_server.links import result_uri
from gateway_server.mcp_results import tool_result
from gateway_tools.context import Context
from gateway_tools.errors import problem
from gateway_tools.get_result import MEDIA_TYPES
from gateway_tools.registry import INSTRUCTIONS, TOOLS, tool_named
from gateway_tools.tool import File, Tool

_RESULT: Final = re.compile(r"result://(?P<id>res_[0-9a-f]+)/(?P<format>csv|parquet|png|svg|py)")
_PAYMENT: Final = "x402/payment"
_RECEIPT: Final = "x402/payment-response"
_TEMPLATE: Final = result_uri("{result_id}", "{format}")

Request = ServerRequestContext[Any, Any]


def mcp_server(version: str, context_of: Callable[[Request], Context]) -> Server[Any]:
    """An MCP server of all tools; `context_of` finds who is calling."""

    async def list_tools(
        _: Request, __: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[_published(tool) for tool in TOOLS.values()])

    async def call_tool(ctx: Request, params: types.CallToolRequestParams) -> types.CallToolResult:
        paying = replace(context_of(ctx), proof=_proof(params))
        return await to_thread.run_sync(_called, paying, params.name, dict(params.arguments or {}))

    async def list_templates(
        _: Request, __: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        return types.ListResourceTemplatesResult(resource_templates=[_template()])

    async def list_resources(
        _: Request, __: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        return types.ListResourcesResult(resources=[])

    async def read_resource(
        ctx: Request, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        return await to_thread.run_sync(_read, context_of(ctx), str(params.uri))

    return Server(
        "fmu-gateway",
        version=version,
        title="FMU Gateway",
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=list_resources,
        on_list_resource_templates=list_templates,
        on_read_resource=read_resource,
        get_tool_input_schema=_no_headers,
    )


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
        result.content.append(_block(answer.file))
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


def _block(file: File) -> types.ContentBlock:
    """A picture is shown; any other file would flood the model, so it is linked if it is kept."""
    if file.media_type == MEDIA_TYPES["png"]:
        return types.ImageContent(data=_base64(file.data), mime_type=file.media_type)
    result_id, _, form = file.name.partition(".")
    if not _RESULT.fullmatch(result_uri(result_id, form)):
        return types.EmbeddedResource(resource=_contents(f"file:///{file.name}", file))
    return types.ResourceLink(
        name=file.name,
        uri=result_uri(result_id, form),
        mime_type=file.media_type,
        size=len(file.data),
    )


def _template() -> types.ResourceTemplate:
    return types.ResourceTemplate(
        name="result",
        title="A result's whole trajectory, or a study's table",
        uri_template=_TEMPLATE,
        description="format: csv, parquet, png, svg or py; the names in it are untrusted",
    )


def _read(context: Context, uri: str) -> types.ReadResourceResult:
    match = _RESULT.fullmatch(uri)
    if match is None:
        raise MCPError(types.INVALID_PARAMS, f"no such resource; use {_TEMPLATE}")
    arguments = {"result_id": match["id"], "format": match["format"]}
    try:
        file = TOOLS["get_result"].call(context, arguments).file
    except Exception as error:
        body = problem(error).body
        raise MCPError(types.INVALID_PARAMS, f"{body['message']} ({body['remedy']})") from error
    assert file is not None
    return types.ReadResourceResult(contents=[_contents(uri, file)])


def _contents(uri: str, file: File) -> types.TextResourceContents | types.BlobResourceContents:
    if file.media_type.startswith("text/"):
        text = file.data.decode()
        return types.TextResourceContents(uri=uri, mime_type=file.media_type, text=text)
    return types.BlobResourceContents(uri=uri, mime_type=file.media_type, blob=_base64(file.data))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
