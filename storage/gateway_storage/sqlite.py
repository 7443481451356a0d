"""What SQLite needs beside SQLAlchemy: its settings, a queue for writers, and a log on the disk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from gateway_storage.log import Log
from gateway_storage.turn import Turn

_SETTINGS: Final = ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON")  # see `Log`


class SqliteFile:
    """The file behind one engine, as its first connection finds it; in memory it has none."""

    def __init__(self) -> None:
        self._path = ""
        self._turn = Turn()
        self._log = Log()

    def opened(self, connection: Any, _: object) -> None:  # noqa: ANN401  the driver's own
        """Set up a new connection."""
        connection.isolation_level = None  # BEGIN is ours
        for setting in _SETTINGS:
            connection.execute(f"PRAGMA {setting}")
        (_, _, self._path), *_ = connection.execute("PRAGMA database_list")

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for the turn to write and have it. Raises TurnError, LogLostError."""
        self.require_kept()
        with self._turn.taken(self._path):
            yield

    def require_kept(self) -> None:
        """Raise LogLostError where the log could not be made durable."""
        self._log.require_kept()

    def sync(self) -> None:
        """Return when all that is committed by now is durable. Raises LogLostError."""
        self._log.sync(self._path)
