"""Whose turn it is to write to a SQLite database: its threads and processes queue in the kernel.

SQLite lets one write at a time, but who finds it busy sleeps for a while and looks again, up to a
tenth of a second, during which nobody may be writing. A lock on a file beside the database wakes
the next one at once. It is a queue only: that no two write is SQLite's own doing.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_PATIENCE_S: Final = 30


class TurnError(Exception):
    """Nobody else in this process has been able to write for a long time."""


class Turn:
    """The queue before one database."""

    def __init__(self) -> None:
        self._threads = threading.Lock()

    @contextmanager
    def taken(self, path: str) -> Iterator[None]:
        """Wait for the turn and have it. `path`: of the database's file, empty where it has none.

        Raises:
            TurnError: another thread has had its turn for 30 s.

        """
        if not self._threads.acquire(timeout=_PATIENCE_S):
            message = f"another thread has been writing, or waiting to, for {_PATIENCE_S} s"
            raise TurnError(message)
        try:
            with _queued(path):
                yield
        finally:
            self._threads.release()


@contextmanager
def _queued(path: str) -> Iterator[None]:
    """The kernel gives the lock on when this process closes the file, and when it dies."""
    if not path:
        yield
        return
    queue = os.open(f"{path}-turn", os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(queue, fcntl.LOCK_EX)
        yield
    finally:
        os.close(queue)
