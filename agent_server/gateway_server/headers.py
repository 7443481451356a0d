"""Headers that keep a browser from running what isn't ours, whatever an answer holds."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_NOTHING: Final = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"
"""For every answer: no script, no request, no frame. A plot is an SVG, opened as a page of ours."""
_ALWAYS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_HTTPS_ONLY: Final = "max-age=31536000"
_DOCS: Final = (
    "default-src 'none'; connect-src 'self'; img-src 'self' data: https://fastapi.tiangolo.com; "
    "style-src 'unsafe-inline' https://cdn.jsdelivr.net; frame-ancestors 'none'; "
    "script-src https://cdn.jsdelivr.net {scripts}"
)
_SCRIPT: Final = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


class Guarded:
    """Adds the headers to every answer over HTTP."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on; the answer's start gets the headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("Content-Security-Policy", _NOTHING)
                headers.setdefault("Cache-Control", "no-store")
                headers.setdefault("Referrer-Policy", "no-referrer")
                for name, value in _ALWAYS.items():
                    headers[name] = value
                if scope["scheme"] == "https":
                    headers["Strict-Transport-Security"] = _HTTPS_ONLY
            await send(message)

        await self._app(scope, receive, guarded)


def docs_policy(page: bytes) -> str:
    """The policy of the API's documentation: its one viewer, and the scripts that `page` holds."""
    hashes = [hashlib.sha256(script).digest() for script in _SCRIPT.findall(page)]
    return _DOCS.format(
        scripts=" ".join(f"'sha256-{base64.b64encode(h).decode()}'" for h in hashes)
    )
