"""Doors whose protocol takes long to import open when asked for, or soon after the start."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final

import anyio
from anyio import to_thread
from starlette.types import ASGIApp, Receive, Scope, Send

_UNASKED_S: Final = 5.0
"""After the start. A gateway that serves one run of a script over REST is gone by then."""
_TURN: Final = threading.Lock()
"""Two threads that import one package from two ends at once deadlock: doors open one by one."""


@dataclass(frozen=True, slots=True)
class Opened:
    """An application, and what must run while it serves."""

    app: ASGIApp
    running: AbstractAsyncContextManager[object]


class Later:
    """An ASGI application built in a thread, at its first request or soon; requests wait for it."""

    def __init__(self, build: Callable[[], Opened]) -> None:
        self._build = build
        self._asked = asyncio.Event()
        self._app: asyncio.Future[ASGIApp] | None = None

    async def run(self) -> None:
        """Build and keep running until cancelled."""
        self._app = asyncio.get_running_loop().create_future()
        try:
            with anyio.move_on_after(_UNASKED_S):
                await self._asked.wait()
            opened = await to_thread.run_sync(self._built)
            async with opened.running:
                self._app.set_result(opened.app)
                await asyncio.Event().wait()
        except Exception as error:
            if not self._app.done():
                self._app.set_exception(error)
            raise

    def _built(self) -> Opened:
        with _TURN:
            return self._build()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on, as soon as there is something to hand on to."""
        assert self._app is not None, "a request came before the server's start"
        self._asked.set()
        app = await asyncio.shield(self._app)
        await app(scope, receive, send)
