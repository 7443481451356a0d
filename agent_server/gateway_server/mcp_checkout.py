"""A person is asked to open the page of a payment, where the client can ask and nothing else pays.

Revision 2026-07-28 asks by an answer, and the client repeats its call with what the person said;
2025-11-25 is asked in between, which takes a session. All others get the requirement as it is: an
answer says the same for everybody.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import anyio
import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types.version import LATEST_HANDSHAKE_VERSION, MODERN_PROTOCOL_VERSIONS

Request = ServerRequestContext[Any, Any]
Call = Callable[[str, dict[str, Any]], Awaitable[types.CallToolResult]]
"""Calls a tool by its name for whoever asks."""
Answer = types.CallToolResult | types.InputRequiredResult

_KEY: Final = "checkout"
_ONLY: Final = ["stripe_checkout"]
_PATIENCE_S: Final = 45.0
"""Time for paying, once the page is open: less than clients wait for an answer, mostly 60 s."""
_INTERVAL_S: Final = 1.5


@dataclass(frozen=True, slots=True)
class Page:
    """A Checkout page that waits for its payer; or the same request is paid already."""

    quote_id: str
    session_id: str
    url: str
    price: str
    paid_quote_id: str | None


async def paid_by_person(
    ctx: Request, params: types.CallToolRequestParams, answer: types.CallToolResult, call: Call
) -> Answer:
    """`answer`; or, where that waits for a payment, what comes of asking a person to make it."""
    page = _page(params.name, answer)
    if page is None or not _can_ask(ctx):
        return answer
    arguments = dict(params.arguments or {})
    if page.paid_quote_id is not None:  # by the page of the round before
        accepted = _said(params) == "accept"
        paid = {**arguments, "quote_id": page.paid_quote_id}
        return await call(params.name, paid) if accepted else answer
    action = await _action(ctx, params, page)
    if action is None:
        question = types.ElicitRequest(
            params=types.ElicitRequestURLParams(message=_message(page), url=page.url)
        )
        return types.InputRequiredResult(input_requests={_KEY: question})
    if action != "accept" or not await _is_paid(call, page):
        return answer
    if params.name != "pay":
        arguments["quote_id"] = page.quote_id
    return await call(params.name, arguments)


def _page(tool: str, answer: types.CallToolResult) -> Page | None:
    """The page that the answer waits for: chosen by `pay`, or the only way for a run."""
    body: Mapping[str, Any] = answer.structured_content or {}
    chosen = tool == "pay" and body.get("status") == "pending"
    only = body.get("code") == "payment_required" and list(body.get("methods", ())) == _ONLY
    if not (chosen or only) or not body.get("checkout_url") or not body.get("quote_id"):
        return None
    price = f"{body['amount']:.2f} {str(body['currency']).upper()}"
    paid = body.get("already_paid_quote_id")
    return Page(body["quote_id"], body["session_id"], body["checkout_url"], price, paid)


def _can_ask(ctx: Request) -> bool:
    capabilities = ctx.session.client_capabilities
    if capabilities is None or capabilities.elicitation is None:
        return False
    if capabilities.elicitation.url is None:
        return False
    if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
        return True
    return ctx.protocol_version == LATEST_HANDSHAKE_VERSION and ctx.session.can_send_request


async def _action(ctx: Request, params: types.CallToolRequestParams, page: Page) -> str | None:
    """What the person decided; None where the question hasn't been put yet."""
    if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
        return _said(params)
    try:
        answered = await ctx.session.elicit_url(
            _message(page), page.url, page.session_id, related_request_id=ctx.request_id
        )
    except MCPError:  # it can't ask after all
        return "cancel"
    return answered.action


def _said(params: types.CallToolRequestParams) -> str | None:
    """The answer that came along with the call."""
    said = (params.input_responses or {}).get(_KEY)
    return said.action if isinstance(said, types.ElicitResult) else None


def _message(page: Page) -> str:
    return f"Open the payment page for this simulation ({page.price}). Nothing is paid before that."


async def _is_paid(call: Call, page: Page) -> bool:
    """Wait for the money as long as the client waits for us; what comes later isn't lost."""
    with anyio.move_on_after(_PATIENCE_S):
        while True:
            answer = await call("pay", {"session_id": page.session_id})
            status = (answer.structured_content or {}).get("status")
            if answer.is_error or status != "pending":
                return status == "paid"
            await anyio.sleep(_INTERVAL_S)
    return False
