"""Failures over HTTP: `application/problem+json` (RFC 9457) with the code and the remedy."""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway_payments.proof import Proof
from gateway_server.x402_headers import receipt_headers, required_headers
from gateway_tools.errors import Problem, problem

PROBLEM: Final = "application/problem+json"
_UNREAD: Final = frozenset({408, 413})
"""At these more of the body may come: the connection ends, or it would be read for ever."""


class Unbroken:
    """Answers for what nobody caught, so that the connection stays whole."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on; an exception before the answer's start becomes the answer.

        A stream that was left open, as at the server's end, gets its end: else whoever listens
        takes it for a broken connection.
        """
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = ended = False

        async def noted(message: Message) -> None:
            nonlocal started, ended
            started = True
            ended = message["type"] == "http.response.body" and not message.get("more_body")
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except ClientDisconnect:
            return  # gone before its request was whole: nobody waits for an answer
        except Exception as error:
            if started:
                raise
            await respond(error)(scope, receive, send)
            return
        if started and not ended:
            await send({"type": "http.response.body", "body": b""})


def respond(error: Exception, proof: Proof | None = None) -> JSONResponse:
    """The answer for `error`; `proof`: the payment that came with the request."""
    body, told = document(error)
    headers = {**required_headers(told.x402), **receipt_headers(proof)}
    if told.retry_after_s is not None:
        headers["Retry-After"] = str(told.retry_after_s)
    if told.failure.status == 401:  # noqa: PLR2004
        headers["WWW-Authenticate"] = "Bearer"
    if told.failure.status in _UNREAD:
        headers["Connection"] = "close"
    return JSONResponse(
        body,
        status_code=told.failure.status,
        headers=headers,
        media_type=PROBLEM,
    )


def document(error: BaseException) -> tuple[dict[str, Any], Problem]:
    """The problem as RFC 9457 has it, and as the tools tell it."""
    told = problem(error)
    failure = told.failure
    return {
        "type": f"urn:fmu-gateway:{failure.code}",
        "title": failure.code.replace("_", " "),
        "status": failure.status,
        "detail": told.message,
        **told.body,
    }, told
