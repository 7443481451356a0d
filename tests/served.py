"""A gateway as a process of its own, started as an operator starts it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

COMMAND: Final = str(Path(sys.executable).with_name("fmu-gateway"))
SERVE: Final = (COMMAND, "serve", "--port", "0")
_START_S: Final = 30


@dataclass(frozen=True, slots=True)
class Served:
    """Where it is reached, its process, and all that it has written so far."""

    url: str
    process: subprocess.Popen[bytes]
    output: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def written(self) -> str:
        return self.output.read_text(encoding="utf-8")


@contextmanager
def served(folder: Path, command: Sequence[str] = SERVE, **environment: str) -> Iterator[Served]:
    """A server whose working directory is `folder`, ended as an operator ends it."""
    output = folder / "output.txt"
    with output.open("wb") as file:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=file,
            stderr=file,
            env={**os.environ, "PAYMENT_OFFERS": "", "PYTHONUNBUFFERED": "1", **environment},
        )
    try:
        yield Served(_address(process, output), process, output)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(_START_S)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def _address(process: subprocess.Popen[bytes], output: Path) -> str:
    """What the server says of itself, once it answers there."""
    until = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < until:
        found = re.search(r"http://127\.0\.0\.1:\d+", output.read_text(encoding="utf-8"))
        if found and httpx.get(f"{found[0]}/health").is_success:
            return found[0]
        time.sleep(0.02)
    raise AssertionError(output.read_text(encoding="utf-8"))
