"""An address on this machine that notifications are posted to."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from a2a_door.wire import state_of, until


@dataclass(slots=True)
class Receiver:
    """What came, and with which statuses the next posts are answered; 200 where none is left."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    came: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    refused: int = 0
    open: threading.Event = field(default_factory=threading.Event)

    @property
    def states(self) -> list[str]:
        """The states that were told."""
        told = [e.get("task") or e["statusUpdate"] for e in self.came if "artifactUpdate" not in e]
        return [state_of(event) for event in told]

    def until_told(self, state: str) -> None:
        """Wait for that state to come."""
        until(lambda: self.states, lambda states: state in states)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """An address for as long as the block runs."""
    receiver = Receiver()
    receiver.open.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.open.wait(20)
            status = receiver.answers.pop(0) if receiver.answers else 200
            if status == 200:
                receiver.headers.append(dict(self.headers))
                receiver.came.append(json.loads(body))
            else:
                receiver.refused += 1
            self.send_response(status)
            self.send_header("Location", receiver.url)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.url = f"http://localhost:{server.server_port}/hook"
        thread = threading.Thread(target=server.serve_forever, args=[0.02])
        thread.start()
        try:
            yield receiver
        finally:
            receiver.open.set()
            server.shutdown()
            thread.join()
