"""How the server ends: what runs may finish, what waits goes back, and streams end in order.

At the first SIGTERM or SIGINT the server takes no more connections, runs that wait for a core are
refused and their payment is given back, and those that run go on for `STOP_TIMEOUT_S`; then they
are ended and given back too. Only then streams that nothing comes on any more are closed. A second
signal ends the process at once: what is half done is put right later, as after a crash.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

import structlog
import uvicorn
from anyio import to_thread

from gateway_simulation.runner import Simulator

SETTLING_S: Final = 3.0
"""What giving payments back and answering may take once runs have been ended."""
_LOOK_EVERY_S: Final = 0.1
_QUIET: Final = 5
"""Looks in a row at which no call was under way: their answers are sent by then."""
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

_log = structlog.get_logger()


class Server(uvicorn.Server):
    """uvicorn's server, which lets simulations finish before it ends.

    `under_way`: how many calls are being worked on. Its process is to end after `run`.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        simulator: Simulator,
        under_way: Callable[[], int],
        patience_s: float,
    ) -> None:
        super().__init__(config)
        self._simulator = simulator
        self._under_way = under_way
        self._patience_s = patience_s

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End in order, or at once where that was asked for already."""
        del frame
        if self.should_exit:
            os._exit(128 + sig)
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Wait for what runs, within bounds."""
        _log.info("stopping", calls=self._under_way(), patience_s=self._patience_s)
        draining = asyncio.create_task(self._drain())
        try:
            await super().shutdown(sockets)
        finally:
            draining.cancel()
        _log.info("stopped", calls=self._under_way())

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Without raising them again at the end, which would kill the process half closed.

        The handlers are no methods of the server: by those sse-starlette would find it, and end all
        streams at once, answers to calls among them.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def handle(sig: int, frame: FrameType | None) -> None:
            self.handle_exit(sig, frame)

        before = {sig: signal.signal(sig, handle) for sig in _SIGNALS}
        try:
            yield
        finally:
            for sig, handler in before.items():
                signal.signal(sig, handler)

    async def _drain(self) -> None:
        self._simulator.close_queue()
        if not await self._quiet(self._patience_s):
            _log.warning("runs_ended", calls=self._under_way())
            await to_thread.run_sync(self._simulator.close)
            await self._quiet(SETTLING_S)
        _end_streams()

    async def _quiet(self, patience_s: float) -> bool:
        """Whether nothing was under way for a moment, before so much time had passed [s]."""
        until, looks = time.monotonic() + patience_s, 0
        while looks < _QUIET:
            if time.monotonic() > until:
                return False
            await asyncio.sleep(_LOOK_EVERY_S)
            looks = looks + 1 if self._under_way() == 0 else 0
        return True


def _end_streams() -> None:
    """Close those that would go on for ever: whoever listens has to come again."""
    sse = sys.modules.get("sse_starlette.sse")
    if sse is not None:  # else there was never a stream
        sse.AppStatus.should_exit = True
