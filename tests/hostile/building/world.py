"""What a compiler could get at: a server's files, its environment, a port, the server itself."""

from __future__ import annotations

import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Final

SECRET: Final = "sk_live_hostile_0123456789abcdef"  # noqa: S105 - made for this
SECRET_VARIABLE: Final = "STRIPE_SECRET_KEY"  # noqa: S105
_HERE: Final = Path(__file__).resolve().parent


@dataclass(slots=True)
class World:
    """The server that a compiler is started by. Its process is this one."""

    folder: Path
    listener: socket.socket
    database: int  # descriptor
    signals: int = 0
    _numbers: count[int] = field(default_factory=count)

    @property
    def secret(self) -> Path:
        """A file of the server's."""
        return self.folder / "secret.txt"

    @property
    def port(self) -> int:
        """Where the server listens."""
        return int(self.listener.getsockname()[1])

    def marker(self) -> Path:
        """A file that isn't there."""
        return self.folder / f"marker-{next(self._numbers)}"

    def their_object(self) -> Path:
        """Object code of somebody else's model, with a secret in it."""
        target = self.folder / "theirs.o"
        if not target.exists():
            text = f'const char theirs[] = "{SECRET}";'
            command = ["cc", "-fPIC", "-x", "c", "-c", "-", "-o", str(target)]
            subprocess.run(command, input=text, text=True, check=True)
        return target

    def plugin(self, what: str, value: str) -> bytes:
        """A library that does `what` as a compiler loads it."""
        target = self.folder / f"plugin-{next(self._numbers)}.so"
        command = ["cc", "-shared", "-fPIC", "-w", f"-D{what}={value}", "-o", str(target)]
        subprocess.run([*command, str(_HERE / "plugin.c")], check=True)
        return target.read_bytes()

    def heard(self) -> bool:
        """Whether somebody connected."""
        try:
            self.listener.accept()[0].close()
        except BlockingIOError:
            return False
        return True

    def signalled(self, *_: object) -> None:
        """Count a signal."""
        self.signals += 1


@contextmanager
def surroundings() -> Iterator[World]:
    """A world, and nothing left of it."""
    with tempfile.TemporaryDirectory(prefix="hostile-") as name, socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        listener.settimeout(0)
        secret = Path(name) / "secret.txt"
        secret.write_text(f"{SECRET}\n")
        with secret.open("rb") as database:
            world = World(Path(name), listener, database.fileno())
            signal.signal(signal.SIGUSR1, world.signalled)
            yield world
