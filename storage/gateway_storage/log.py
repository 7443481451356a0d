"""SQLite's write-ahead log, made durable: one sync of the disk for all who wait for one."""

from __future__ import annotations

import os
import threading


class LogLostError(Exception):
    """The disk failed to keep the log: what was committed last may be gone. Start anew.

    The kernel tells of a failed write once and then forgets the bytes, so that a later sync would
    vouch for a log with a hole in it. A new start copies what is still known into the database.
    """


class Log:
    """The log of one database.

    With `synchronous=NORMAL` SQLite appends a commit to its log without waiting for the disk, and
    itself syncs what has to be in order: the log before it is copied into the database, the
    database before the log starts anew. With FULL it also syncs each commit, while every other
    writer waits. `sync` does that outside, for many commits at once: what the log holds when it
    begins is durable when it ends, or was copied into the database before, durably.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._begun = 0  # syncs, each of which covers what was committed before it began
        self._ended = 0
        self._lost = False

    def sync(self, path: str) -> None:
        """Return when all that is committed by now is durable. Raises LogLostError.

        `path`: of the database's file; empty where it is on no disk.
        """
        with self._changed:
            mine = self._begun + 1  # the next one: one that is under way may have begun too early
            while self._ended < mine:
                self.require_kept()
                if self._begun == self._ended:
                    self._begun = mine
                    break
                self._changed.wait()
            else:
                return
        kept = False
        try:
            _to_disk(f"{path}-wal")
            kept = True
        finally:
            with self._changed:
                self._ended, self._lost = (mine, False) if kept else (self._ended, True)
                self._changed.notify_all()

    def require_kept(self) -> None:
        """Raise LogLostError where a sync has failed."""
        if self._lost:
            raise LogLostError


def _to_disk(path: str) -> None:
    """Opened each time: SQLite deletes a log that it has copied, and begins another."""
    try:
        log = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:  # all of it is in the database, or it has none
        return
    try:
        os.fdatasync(log)
    finally:
        os.close(log)
