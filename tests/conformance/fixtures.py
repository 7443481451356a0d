"""What the conformance suite expects of any server by name: tools, resources and prompts for tests.

They stand on the product's own MCP server, beside what that has itself; nothing of them is shipped.
"""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Annotated, Any, Final

import mcp_types as types
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.prompts.base import Prompt, UserMessage
from mcp.shared.exceptions import MCPError
from mcp.shared.message import ServerMessageMetadata
from pydantic import Field

PIXEL: Final = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
SILENCE: Final = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQAAAAA="
SCHEMA: Final[dict[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}
Asked = str | types.InputRequiredResult


def pack() -> MCPServer:
    """All fixtures, as a server of their own."""
    made: MCPServer = MCPServer("fixtures")
    for add in (
        _contents,
        _messages,
        _questions,
        _by_result,
        _with_state,
        _changes,
        _resources,
        _prompts,
    ):
        add(made)
    named: list[Any] = made._tool_manager.list_tools()  # noqa: SLF001
    for one in (*named, *made._prompt_manager.list_prompts()):  # noqa: SLF001
        one.description = f"{one.name}, for the conformance suite"
    return made


def _text(text: str) -> types.TextContent:
    return types.TextContent(text=text)


def _embedded(uri: str, kind: str, text: str) -> types.EmbeddedResource:
    return types.EmbeddedResource(
        resource=types.TextResourceContents(uri=uri, mime_type=kind, text=text)
    )


def _image() -> types.ImageContent:
    return types.ImageContent(data=PIXEL, mime_type="image/png")


def _contents(made: MCPServer) -> None:
    """Tools that answer at once."""

    @made.tool()
    def test_simple_text() -> str:
        return "This is a simple text response for testing."

    @made.tool()
    def test_image_content() -> list[types.ImageContent]:
        return [_image()]

    @made.tool()
    def test_audio_content() -> list[types.AudioContent]:
        return [types.AudioContent(data=SILENCE, mime_type="audio/wav")]

    @made.tool()
    def test_embedded_resource() -> list[types.EmbeddedResource]:
        return [_embedded("test://embedded-resource", "text/plain", "An embedded resource.")]

    @made.tool()
    def test_multiple_content_types() -> list[
        types.TextContent | types.ImageContent | types.EmbeddedResource
    ]:
        data = json.dumps({"test": "data", "value": 123})
        mixed = _embedded("test://mixed-content-resource", "application/json", data)
        return [_text("Multiple content types test:"), _image(), mixed]

    @made.tool()
    def test_error_handling() -> str:
        msg = "This tool intentionally returns an error for testing"
        raise RuntimeError(msg)

    @made.tool()
    def test_x_mcp_header(
        region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})] = "none",
    ) -> str:
        return f"region={region}"

    @made.tool()
    def json_schema_2020_12_tool() -> str:
        return "kept"

    made._tool_manager._tools["json_schema_2020_12_tool"].parameters = SCHEMA  # noqa: SLF001


def _messages(made: MCPServer) -> None:
    """Tools that speak before they answer."""

    async def tell(ctx: Context[Any], text: str) -> None:
        params = types.LoggingMessageNotificationParams(level="info", data=text)
        await ctx.session.send_notification(
            types.LoggingMessageNotification(params=params), related_request_id=ctx.request_id
        )

    @made.tool()
    async def test_tool_with_logging(ctx: Context[Any]) -> str:
        for text in ("Tool execution started", "Tool processing data", "Tool execution completed"):
            await tell(ctx, text)
            await asyncio.sleep(0.05)
        return "logged"

    @made.tool()
    async def test_tool_with_progress(ctx: Context[Any]) -> str:
        for step in (0, 50, 100):
            await ctx.report_progress(step, 100, f"Completed step {step} of 100")
            await asyncio.sleep(0.05)
        return "went on"

    @made.tool()
    async def test_reconnection(ctx: Context[Any]) -> str:
        await tell(ctx, "Before disconnect")
        await ctx.close_sse_stream()
        await asyncio.sleep(0.2)
        await tell(ctx, "After reconnect")
        return "Reconnection test completed"

    @made.tool()
    async def test_missing_capability(ctx: Context[Any]) -> str:
        capabilities = ctx.session.client_capabilities
        if capabilities is None or capabilities.sampling is None:
            raise MCPError(
                types.MISSING_REQUIRED_CLIENT_CAPABILITY,
                "This tool requires the client 'sampling' capability",
                {"requiredCapabilities": {"sampling": {}}},
            )
        return "sampling is there"


def _object(**properties: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"type": "object", "properties": properties, "required": []}


def _titled(*names: str) -> list[dict[str, str]]:
    return [{"const": name, "title": name.capitalize()} for name in names]


_STATES: Final = ["active", "inactive", "pending"]
_USER: Final = _object(username={"type": "string"}, email={"type": "string"})
_DEFAULTS: Final = _object(  # SEP-1034: every primitive type
    name={"type": "string", "default": "John Doe"},
    age={"type": "integer", "default": 30},
    score={"type": "number", "default": 95.5},
    status={"type": "string", "enum": _STATES, "default": "active"},
    verified={"type": "boolean", "default": True},
)
_CHOICES: Final = _object(  # SEP-1330: every kind of choice
    untitledSingle={"type": "string", "enum": _STATES},
    titledSingle={"type": "string", "oneOf": _titled("low", "medium", "high")},
    untitledMulti={"type": "array", "items": {"type": "string", "enum": _STATES}},
    titledMulti={"type": "array", "items": {"anyOf": _titled("feature", "bug", "docs")}},
    legacyEnum={
        "type": "string",
        "enum": ["small", "medium", "large"],
        "enumNames": ["Small", "Medium", "Large"],
    },
)


def _questions(made: MCPServer) -> None:
    """Tools that ask the client in between, as revisions before 2026-07-28 do."""

    async def elicited(ctx: Context[Any], message: str, schema: dict[str, Any]) -> str:
        answer = await ctx.session.elicit_form(message, schema, related_request_id=ctx.request_id)
        return f"action={answer.action}, content={json.dumps(answer.content)}"

    @made.tool()
    async def test_sampling(prompt: str, ctx: Context[Any]) -> str:
        message = types.SamplingMessage(role="user", content=_text(prompt))
        asked = types.CreateMessageRequest(
            params=types.CreateMessageRequestParams(messages=[message], max_tokens=100)
        )
        beside = ServerMessageMetadata(related_request_id=ctx.request_id)
        answer = await ctx.session.send_request(asked, types.CreateMessageResult, metadata=beside)
        return f"LLM response: {getattr(answer.content, 'text', '')}"

    @made.tool()
    async def test_elicitation(message: str, ctx: Context[Any]) -> str:
        return f"User response: {await elicited(ctx, message, _USER)}"

    @made.tool()
    async def test_elicitation_sep1034_defaults(ctx: Context[Any]) -> str:
        return f"Elicitation completed: {await elicited(ctx, 'Who are you?', _DEFAULTS)}"

    @made.tool()
    async def test_elicitation_sep1330_enums(ctx: Context[Any]) -> str:
        return f"Elicitation completed: {await elicited(ctx, 'Choose', _CHOICES)}"


def _ask(message: str, field: str, kind: str = "string") -> types.ElicitRequest:
    schema: Any = {"type": "object", "properties": {field: {"type": kind}}, "required": [field]}
    return types.ElicitRequest(
        params=types.ElicitRequestFormParams(message=message, requested_schema=schema)
    )


def _sample(prompt: str) -> types.CreateMessageRequest:
    message = types.SamplingMessage(role="user", content=_text(prompt))
    params = types.CreateMessageRequestParams(messages=[message], max_tokens=50)
    return types.CreateMessageRequest(params=params)


def _said(ctx: Context[Any], key: str, field: str) -> str | None:
    """What the client answered to that question, if it has."""
    answer = (ctx.input_responses or {}).get(key)
    if isinstance(answer, types.ElicitResult) and answer.content:
        return str(answer.content.get(field))
    return None


def _by_result(made: MCPServer) -> None:
    """Tools that ask by their result, as 2026-07-28 does (SEP-2322)."""
    asks = types.InputRequiredResult

    @made.tool()
    async def test_input_required_result_elicitation(ctx: Context[Any]) -> Asked:
        name = _said(ctx, "user_name", "name")
        if name is not None:
            return f"Hello, {name}!"
        return asks(input_requests={"user_name": _ask("What is your name?", "name")})

    @made.tool()
    async def test_input_required_result_sampling(ctx: Context[Any]) -> Asked:
        answer = (ctx.input_responses or {}).get("capital_question")
        if isinstance(answer, types.CreateMessageResult):
            return f"Model said: {getattr(answer.content, 'text', '')}"
        question = _sample("What is the capital of France?")
        return asks(input_requests={"capital_question": question})

    @made.tool()
    async def test_input_required_result_list_roots(ctx: Context[Any]) -> Asked:
        answer = (ctx.input_responses or {}).get("client_roots")
        if isinstance(answer, types.ListRootsResult):
            return f"Client exposed {len(answer.roots)} root(s)."
        return asks(input_requests={"client_roots": types.ListRootsRequest()})

    @made.tool()
    async def test_input_required_result_capabilities(ctx: Context[Any]) -> Asked:
        can = ctx.client_capabilities
        questions: dict[str, Any] = {}
        if can is not None and can.sampling is not None:
            questions["sample"] = _sample("Say hello")
        if can is not None and can.elicitation is not None:
            questions["ask"] = _ask("What is your name?", "name")
        return asks(input_requests=questions, request_state="as it can")


def _with_state(made: MCPServer) -> None:
    """Tools that give the client a state to bring back."""
    asks = types.InputRequiredResult

    @made.tool()
    async def test_input_required_result_request_state(ctx: Context[Any]) -> Asked:
        if "confirm" in (ctx.input_responses or {}) and ctx.request_state == "nonce":
            return "state-ok: confirmed"
        question = _ask("Please confirm", "ok", "boolean")
        return asks(input_requests={"confirm": question}, request_state="nonce")

    @made.tool()
    async def test_input_required_result_tampered_state(ctx: Context[Any]) -> Asked:
        if ctx.request_state is not None:
            return f"state-ok: {ctx.request_state}"
        question = _ask("Please confirm", "ok", "boolean")
        return asks(input_requests={"confirm": question}, request_state="round-1")

    @made.tool()
    async def test_input_required_result_multiple_inputs(ctx: Context[Any]) -> Asked:
        questions: dict[str, Any] = {
            "user_name": _ask("What is your name?", "name"),
            "greeting": _sample("Generate a greeting"),
            "client_roots": types.ListRootsRequest(),
        }
        if questions.keys() <= (ctx.input_responses or {}).keys():
            return "All inputs received."
        return asks(input_requests=questions, request_state="several")

    @made.tool()
    async def test_input_required_result_multi_round(ctx: Context[Any]) -> Asked:
        state = json.loads(ctx.request_state or "{}")
        name, color = _said(ctx, "step1", "name"), _said(ctx, "step2", "color")
        if state.get("round") == 2 and color is not None:
            return f"{state['name']} likes {color}."
        if state.get("round") == 1 and name is not None:
            return asks(
                input_requests={"step2": _ask("Step 2: What is your favorite color?", "color")},
                request_state=json.dumps({"round": 2, "name": name}),
            )
        return asks(
            input_requests={"step1": _ask("Step 1: What is your name?", "name")},
            request_state=json.dumps({"round": 1}),
        )


def _changes(made: MCPServer) -> None:
    """Tools that change what there is (SEP-2575)."""

    @made.tool()
    async def test_trigger_tool_change(ctx: Context[Any]) -> str:
        made.add_tool(lambda: "dynamic", name="test_dynamic_tool")
        made.remove_tool("test_dynamic_tool")
        await ctx.notify_tools_changed()
        return "tools changed"

    @made.tool()
    async def test_trigger_prompt_change(ctx: Context[Any]) -> str:
        made.add_prompt(Prompt.from_function(lambda: "dynamic", name="test_dynamic_prompt"))
        made.remove_prompt("test_dynamic_prompt")
        await ctx.notify_prompts_changed()
        return "prompts changed"


def _resources(made: MCPServer) -> None:
    @made.resource("test://static-text", mime_type="text/plain")
    def static_text() -> str:
        return "This is the content of the static text resource."

    @made.resource("test://static-binary", mime_type="image/png")
    def static_binary() -> bytes:
        return base64.b64decode(PIXEL)

    @made.resource("test://template/{id}/data", mime_type="application/json")
    def template(id: str) -> str:  # noqa: A002  the suite's own name
        return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})

    @made.resource("test://watched-resource", mime_type="text/plain")
    def watched() -> str:
        return "Watched resource content"


def _prompts(made: MCPServer) -> None:
    @made.prompt()
    def test_simple_prompt() -> list[UserMessage]:
        return [UserMessage("This is a simple prompt for testing.")]

    @made.prompt()
    def test_prompt_with_arguments(arg1: str, arg2: str) -> list[UserMessage]:
        return [UserMessage(f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'")]

    @made.prompt()
    def test_prompt_with_embedded_resource(resourceUri: str) -> list[UserMessage]:  # noqa: N803
        content = _embedded(resourceUri, "text/plain", "Embedded resource content for testing.")
        return [UserMessage(content), UserMessage("Please process the embedded resource above.")]

    @made.prompt()
    def test_prompt_with_image() -> list[UserMessage]:
        return [UserMessage(_image()), UserMessage("Please analyze the image above.")]

    @made.prompt()
    async def test_input_required_result_prompt(
        ctx: Context[Any],
    ) -> list[UserMessage] | types.InputRequiredResult:
        context = _said(ctx, "user_context", "context")
        if context is not None:
            return [UserMessage(f"Use the following context: {context}")]
        question = _ask("What context should the prompt use?", "context")
        return types.InputRequiredResult(input_requests={"user_context": question})
