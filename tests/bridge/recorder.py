"""A small gateway of the official SDK over HTTP that records what reaches it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import anyio
import mcp_types as types
import uvicorn
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from served import free_port

Request = ServerRequestContext[Any, Any]

REQUIREMENT: Final[dict[str, Any]] = {
    "code": "payment_required",
    "x402Version": 2,
    "accepts": [{"scheme": "exact", "amount": "10000", "extra": {"name": "USDC"}}],
    "of_a_later_version": None,
}
RECEIPT: Final = {"success": True, "transaction": "0x1", "network": "eip155:8453"}
QUESTION: Final = types.ElicitRequest(
    params=types.ElicitRequestURLParams(
        message="Pay?", url="https://pay.example/1", elicitation_id="1"
    )
)


@dataclass(slots=True)
class Recorder:
    """What came, and where it listens."""

    url: str
    metas: list[dict[str, Any]] = field(default_factory=list)
    answers: list[Any] = field(default_factory=list)
    began: threading.Event = field(default_factory=threading.Event)
    cancelled: threading.Event = field(default_factory=threading.Event)

    async def called(
        self, ctx: Request, params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        self.metas.append(dict(params.meta or {}))
        match params.name:
            case "pay_first":
                return self._paid(params)
            case "ask":
                return self._asked(ctx, params)
            case "wait":
                return await self._waited()
        for step in (1, 2, 3):
            await ctx.session.report_progress(step, 3, f"step {step}")
        return types.CallToolResult(content=[types.TextContent(text="done")])

    def _paid(self, params: types.CallToolRequestParams) -> types.CallToolResult:
        if "x402/payment" not in (params.meta or {}):
            text = types.TextContent(text='as it is: {"a" :1}')
            return types.CallToolResult(
                content=[text], structured_content=REQUIREMENT, is_error=True
            )
        result = types.CallToolResult(content=[types.TextContent(text="ran")])
        result.meta = {"x402/payment-response": RECEIPT}
        return result

    def _asked(
        self, ctx: Request, params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        if params.input_responses is not None:
            self.answers.append((params.input_responses["pay"], params.request_state))
            return types.CallToolResult(content=[types.TextContent(text="thanks")])
        capabilities = ctx.session.client_capabilities
        if capabilities is None or capabilities.elicitation is None:
            return types.CallToolResult(content=[types.TextContent(text="can't ask")])
        return types.InputRequiredResult(request_state="sealed", input_requests={"pay": QUESTION})

    async def _waited(self) -> types.CallToolResult:
        self.began.set()
        try:
            await anyio.sleep(30)
        except anyio.get_cancelled_exc_class():
            self.cancelled.set()
            raise
        return types.CallToolResult(content=[])


@contextmanager
def recording() -> Iterator[Recorder]:
    """It listens for as long as the block runs."""
    port = free_port()
    recorder = Recorder(f"http://127.0.0.1:{port}")
    server: Server[Any] = Server(
        "recorder", on_list_tools=_listed, on_call_tool=recorder.called, on_list_prompts=_prompts
    )
    app = server.streamable_http_app(stateless_http=True)
    config = uvicorn.Config(app, port=port, log_level="error", ws="none")
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run)
    thread.start()
    try:
        yield recorder
    finally:
        running.should_exit = True
        thread.join()


async def _listed(_: Request, __: types.PaginatedRequestParams | None) -> types.ListToolsResult:
    schema = {"type": "object", "x-later": {"kept": True}}
    names = ("pay_first", "ask", "wait", "count")
    tools = [types.Tool(name=n, input_schema=schema, _meta={"n": n}) for n in names]
    return types.ListToolsResult(tools=tools)


async def _prompts(_: Request, __: types.PaginatedRequestParams | None) -> types.ListPromptsResult:
    return types.ListPromptsResult(prompts=[types.Prompt(name="why")])
