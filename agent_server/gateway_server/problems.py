"""Failures over HTTP: `application/problem+json` (RFC 9457) with the code and the remedy."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse

from gateway_tools.errors import problem


def respond(error: Exception) -> JSONResponse:
    """The answer for `error`."""
    told = problem(error)
    failure = told.failure
    body: dict[str, Any] = {
        "type": f"urn:fmu-gateway:{failure.code}",
        "title": failure.code.replace("_", " "),
        "status": failure.status,
        "detail": told.message,
        **told.body,
    }
    headers = {}
    if failure.retry_after_s is not None:
        headers["Retry-After"] = str(failure.retry_after_s)
    if failure.status == 401:  # noqa: PLR2004
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(
        body, status_code=failure.status, headers=headers, media_type="application/problem+json"
    )
