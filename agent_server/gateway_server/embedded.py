"""A gateway on a thread of this process: for the demo, scripts and tests."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn

from gateway_server.compose import address_of, close
from gateway_server.metrics import Metrics
from gateway_server.serving import application, bound, uvicorn_config
from gateway_server.settings import Settings
from gateway_tools.context import Gateway


@dataclass(frozen=True, slots=True)
class Embedded:
    """Where it is reached, and the system itself."""

    url: str
    gateway: Gateway


@contextmanager
def embedded_gateway(settings: Settings) -> Iterator[Embedded]:
    """A gateway for as long as the block runs; PORT 0 takes a free port."""
    with bound(settings) as sock:
        address = address_of(settings, sock.getsockname()[1])
        gateway, app = application(settings, address, Metrics())
        server = uvicorn.Server(uvicorn_config(app, settings.stop_timeout_s))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, name="gateway")
        thread.start()  # the socket listens already: early requests wait for it
        try:
            yield Embedded(address.base_url, gateway)
        finally:
            server.should_exit = True
            thread.join()
            close(gateway)
