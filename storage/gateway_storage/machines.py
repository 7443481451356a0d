"""One machine for one SQLite file: its processes queue in the kernel, which another has not.

On a file system that machines share, their locks and SQLite's shared memory don't reach the other:
both would write. Each machine therefore keeps a file beside the database and changes it every few
seconds; whoever starts looks whether another machine's changes.
"""

from __future__ import annotations

import fcntl
import os
import platform
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

BEAT_S: Final = 3.0
_SILENT_BEATS: Final = 4  # then the other machine is taken for dead
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


class OtherMachineError(Exception):
    """Another machine is using the database at this moment."""

    def __init__(self, database: Path, machine: str, seconds: float) -> None:
        super().__init__(
            f"another machine ({machine}) uses {database}: its file beside it changed within the "
            f"last {seconds:g} s. SQLite is for one machine: stop the other, or use Postgres"
        )


class Claim:
    """The claim of this machine on a database, shared by its processes, renewed by a thread.

    `first`: whether no other process had it when it was claimed; those before are dead.
    """

    def __init__(self, database: Path) -> None:
        """Claim it.

        Where another machine's claim is found, this takes up to 12 s to see whether it is alive.
        Raises OtherMachineError where it is.
        """
        self._database = database
        self._file = database.with_name(f"{database.name}-machine-{machine()}")
        self._ended = threading.Event()
        self.first = False
        while not self._hold():  # the last process took the file away in between
            os.close(self._held)
        self._renew()
        try:
            self._require_alone()
        except BaseException:
            self.release()
            raise
        threading.Thread(target=self._keep, name="machine-claim", daemon=True).start()

    def release(self) -> None:
        """Give it up; the machine's last process takes the file away. Safe to call twice."""
        if self._ended.is_set():
            return
        self._ended.set()
        with suppress(OSError):  # others of this machine go on
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._file.unlink(missing_ok=True)
        os.close(self._held)

    def _hold(self) -> bool:
        """Open the file and lock it; whether it is still there for the next process to find."""
        self._held = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.first = self._is_first()
        fcntl.flock(self._held, fcntl.LOCK_SH)  # as long as a process of this machine has it
        try:
            return os.path.samestat(os.fstat(self._held), self._file.stat())
        except FileNotFoundError:
            return False

    def _is_first(self) -> bool:
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _require_alone(self) -> None:
        prefix = f"{self._database.name}-machine-"
        others = set(self._database.parent.glob(f"{prefix}*")) - {self._file}
        found = {other: _content(other) for other in others}
        seconds = BEAT_S * _SILENT_BEATS
        until = time.monotonic() + seconds
        while found and time.monotonic() < until:
            self._ended.wait(BEAT_S / 2)
            self._renew()
            for other, before in found.items():
                if _content(other) not in {before, None}:
                    name = other.name.removeprefix(prefix)
                    raise OtherMachineError(self._database, name, seconds)
        for other in found:
            other.unlink(missing_ok=True)

    def _keep(self) -> None:
        while not self._ended.wait(BEAT_S):
            with suppress(OSError):  # a full disk: the next one may come through
                self._renew()

    def _renew(self) -> None:
        self._file.write_text(f"{time.time_ns()} {os.getpid()}", encoding="ascii")


def machine() -> str:
    """What tells this machine from others: the kernel that runs; containers on it share it."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip().replace("-", "")
    except OSError:  # not Linux
        return platform.node() or "unnamed"


def _content(file: Path) -> str | None:
    try:
        return file.read_text(encoding="ascii")
    except (OSError, ValueError):
        return None
