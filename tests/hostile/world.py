"""What attacks aim at: the files, sockets, processes and secrets of a server, all made for this.

The process that makes the world plays the server: it holds a secret key in its environment and its
memory, a database, results, models of others. Each attack gets a `Target` of its own.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Final, Self

from hostile import fmu
from hostile.shm import Segment

from gateway_simulation.model import Model

SECRET: Final = "sk_live_hostile_0123456789abcdef"  # noqa: S105 - made for this
SECRET_VARIABLE: Final = "STRIPE_SECRET_KEY"  # noqa: S105
PATIENCE_S: Final = 2.0
"""How long to wait for an effect that is expected; for one that isn't, `World.patience_s`."""


@dataclass(frozen=True, slots=True)
class Target:
    """What one attack is told, and how its effect is seen from outside where it can't say."""

    path: str = ""
    other: str = ""
    number: int = 0
    seen: Callable[[], bool] | None = None
    model: Model | None = None
    tidy: Callable[[], object] | None = None


@dataclass(slots=True)
class World:
    """A server's surroundings below `folder`, and below `shared` in memory, where runs work."""

    folder: Path
    shared: Path
    library: bytes
    zygote: int = 0
    home: Path = Path()
    model: Model = field(init=False)
    others_model: Model = field(init=False)
    database: int = field(init=False)
    memory: ctypes.Array[ctypes.c_char] = field(init=False)
    segment: Segment = field(init=False)
    patience_s: float = PATIENCE_S
    signals: int = 0
    _listeners: dict[str, socket.socket] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)
    _numbers: count[int] = field(default_factory=count)

    @classmethod
    def made(cls, folder: Path, library: bytes) -> Self:
        """A world ready to be attacked. `folder` is empty."""
        shared = Path(tempfile.mkdtemp(prefix="hostile-", dir="/dev/shm"))
        world = cls(folder, shared, library)
        world._stack.callback(shutil.rmtree, shared, ignore_errors=True)
        world.model = fmu.install(library, folder / "models" / "ours")
        world.others_model = fmu.install(library, folder / "models" / "theirs", note=SECRET)
        (folder / "gateway.sqlite3").write_text(SECRET)
        world.database = os.open(folder / "gateway.sqlite3", os.O_RDWR)
        world.memory = ctypes.create_string_buffer(SECRET.encode(), 256)
        world.segment = world._stack.enter_context(Segment(SECRET.encode()))
        world._stack.callback(os.close, world.database)
        world._listen()
        signal.signal(signal.SIGUSR1, world._signalled)
        return world

    def close(self) -> None:
        """Take everything away."""
        self._stack.close()

    @property
    def address(self) -> str:
        """Where the secret is in the server's memory."""
        return f"{ctypes.addressof(self.memory):x}"

    def name(self) -> str:
        """A name that nothing has yet."""
        return f"made-{next(self._numbers)}"

    def file(self, content: str = SECRET, *, shared: bool = False) -> Path:
        """A fresh file outside of every model."""
        path = (self.shared if shared else self.folder) / self.name()
        path.write_text(content)
        return path

    def victim(self) -> Target:
        """A process of the server's user that an attack may have."""
        process = subprocess.Popen(["/bin/sleep", "60"], stdin=subprocess.DEVNULL)

        def end() -> None:
            process.kill()
            process.wait()

        return Target(
            number=process.pid, seen=lambda: self.soon(lambda: process.poll() is not None), tidy=end
        )

    def signal_target(self) -> Target:
        """The server, which counts SIGUSR1."""
        before = self.signals
        return Target(number=os.getpid(), seen=lambda: self.soon(lambda: self.signals > before))

    def hearing(self, kind: str, path: str = "") -> Target:
        """One of our listeners."""
        listener = self._listeners.get(kind)
        if listener is None:
            return Target(path)
        while _heard(listener):
            pass
        found = listener.getsockname()
        port = found[1] if isinstance(found, tuple) else 0
        return Target(path, number=port, seen=lambda: self.soon(lambda: _heard(listener)))

    def soon(self, happened: Callable[[], bool]) -> bool:
        """Whether it happens within our patience."""
        until = time.monotonic() + self.patience_s
        while not (found := happened()) and time.monotonic() < until:
            time.sleep(0.002)
        return found

    def _signalled(self, *_: object) -> None:
        self.signals += 1

    def _listen(self) -> None:
        stream, datagram = socket.SOCK_STREAM, socket.SOCK_DGRAM
        self._serve("tcp", socket.AF_INET, stream, ("127.0.0.1", 0))
        with suppress(OSError):
            self._serve("tcp6", socket.AF_INET6, stream, ("::1", 0))
        with suppress(OSError):
            self._serve("mptcp", socket.AF_INET, stream, ("127.0.0.1", 0), 262)
        self._serve("udp", socket.AF_INET, datagram, ("127.0.0.1", 0))
        for kind, type_ in (("stream", stream), ("dgram", datagram)):
            self._serve(f"unix {kind}", socket.AF_UNIX, type_, str(self.shared / kind))
            self._serve(f"abstract {kind}", socket.AF_UNIX, type_, f"\0{self.abstract(kind)}")

    def abstract(self, kind: str) -> str:
        """The name of an abstract socket of ours, without its first byte."""
        return f"hostile-{os.getpid()}-{kind}"

    def _serve(
        self,
        kind: str,
        family: socket.AddressFamily,
        type_: socket.SocketKind,
        address: str | tuple[str, int],
        protocol: int = 0,
    ) -> None:
        made = socket.socket(family, type_, protocol)
        self._stack.callback(made.close)
        made.settimeout(0)
        made.bind(address)
        if type_ == socket.SOCK_STREAM:
            made.listen(8)
        self._listeners[kind] = made


def _heard(listener: socket.socket) -> bool:
    """Whether somebody connected or sent something."""
    try:
        if listener.type == socket.SOCK_STREAM:
            listener.accept()[0].close()
        else:
            listener.recv(512)
    except BlockingIOError:
        return False
    return True
