"""Extensions of A2A: one that a client asks for is named again in the answer's headers."""

from __future__ import annotations

from typing import Final

from a2a.extensions.common import HTTP_EXTENSION_HEADER, get_requested_extensions
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEADERS: Final = (HTTP_EXTENSION_HEADER, f"X-{HTTP_EXTENSION_HEADER}")  # of A2A 1.0, and 0.3


class Activated:
    """Confirms the extension `uri`, in the spelling in which it was asked for."""

    def __init__(self, app: ASGIApp, uri: str) -> None:
        self._app = app
        self._uri = uri

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and add the header to the answer where it is due."""
        headers = Headers(scope=scope)
        asked = [
            name
            for name in _HEADERS
            if self._uri in get_requested_extensions(headers.getlist(name))
        ]

        async def confirmed(message: Message) -> None:
            if message["type"] == "http.response.start":
                for name in asked:
                    MutableHeaders(scope=message)[name] = self._uri
            await send(message)

        await self._app(scope, receive, confirmed if asked else send)
