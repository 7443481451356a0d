"""The database: SQLite or Postgres, and the ways in for writers and readers."""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, create_engine, event, make_url
from sqlalchemy.engine import Engine
from sqlalchemy.exc import ArgumentError, DatabaseError, OperationalError, SQLAlchemyError

from gateway_storage.log import LogLostError
from gateway_storage.machines import Claim
from gateway_storage.sqlite import SqliteFile
from gateway_storage.turn import TurnError

_CONNECT_S: Final = "10"  # a Postgres that is silent stops the start, not the operator
_BUSY_TIMEOUT_S: Final = 30
_LOG_LOST: Final = (
    "The disk failed to keep what was written last, so nothing is written any more. See to the"
    " disk, then restart the process: every write that was acknowledged is on the disk."
)


class DatabaseUnavailableError(Exception):
    """The database does not answer. Falling back to another one would split the ledger."""


class RestartNeededError(DatabaseUnavailableError):
    """The database answers, but this process may not write to it any more: see `LogLostError`."""


class BrokenReferenceError(Exception):
    """A row refers to one that isn't there; the table is named."""


class Database:
    """One engine, and the ways to use it.

    SQLite runs in WAL mode with foreign keys on. A write queues for the one writer's lock and takes
    it at its start (BEGIN IMMEDIATE), a read takes none. Commits append to the log; `write` syncs
    it afterwards, when the next writer is already at work: those who write at once share a sync.

    Each way raises DatabaseUnavailableError where the database can't do its part: nobody answers,
    the line broke, its disk is full, another waits for what this one holds. What was committed by
    then is kept; whether the last commit was, is not known.
    """

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        self.errors: Counter[str] = Counter()  # that nobody expected, by class
        self._claim: Claim | None = None
        self._sqlite = SqliteFile() if self.engine.dialect.name == "sqlite" else None
        if self._sqlite:
            _make_private(self.engine.url.database)
        opened = self._sqlite.opened if self._sqlite else _configure_postgres
        event.listen(self.engine, "connect", opened)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that may write; commits at the end, rolls back on an exception.

        Durable when this returns, with all that was committed before; visible to others just
        before that. Whoever acts outside on what it wrote does a `write` of its own first. Where
        it can't be made durable: RestartNeededError, from then on.
        """
        with self._transaction() as connection:
            yield connection
        if self._sqlite:
            with self._answering():
                self._sqlite.sync()

    @contextmanager
    def write_unsynced(self) -> Iterator[Connection]:
        """A `write` whose commit isn't synced by itself: the next synced one covers it.

        Everybody sees it at once, and it outlives the process, but when the machine (or Postgres)
        dies before the next `write` it never was, as if the machine had died a moment earlier. For
        a step that a `write` must follow before anybody outside relies on it.
        """
        with self._transaction() as connection:
            if not self._sqlite:
                _driver(connection).execute("SET LOCAL synchronous_commit = off")
            yield connection

    @contextmanager
    def reshape(self) -> Iterator[Connection]:
        """A `write` that may rebuild tables others refer to; what refers to nothing fails it.

        SQLite changes a constraint only by copying the table, which its foreign keys would forbid:
        they are off meanwhile and checked before the commit. Raises BrokenReferenceError.
        """
        with self.engine.connect() as connection:
            if self._sqlite:
                _driver(connection).execute("PRAGMA foreign_keys=OFF")  # outside transactions only
            try:
                with self._turn(connection):
                    yield connection
                    _require_whole(connection)
            finally:
                connection.invalidate()  # its foreign keys are off: nobody may write with it
        if self._sqlite:
            self._sqlite.sync()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for reading; on Postgres each statement sees what is committed by then."""
        with self._answering(), self.engine.connect() as connection:
            if self._sqlite:
                _driver(connection).execute("BEGIN")
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A connection for reading that sees one moment in all its statements, on Postgres too."""
        with self.read() as connection:
            if not self._sqlite:
                moment = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
                _driver(connection).execute(moment)
            yield connection

    def check(self) -> None:
        """Raise DatabaseUnavailableError unless it can be read and written.

        RestartNeededError, one of these, where this process can't do that any more.
        """
        self.require_writable()
        self.require_answer()
        if self._is_read_only():
            message = "it can be read but not written to"
            raise DatabaseUnavailableError(message)

    def require_answer(self) -> None:
        """Raise DatabaseUnavailableError unless it can be read."""
        try:
            with self.engine.connect() as connection:
                connection.exec_driver_sql("SELECT 1")
        except DatabaseError as error:  # nobody answers, or it is no database
            raise DatabaseUnavailableError(str(error.orig)) from error

    def _is_read_only(self) -> bool:
        """A file of somebody else's, or a Postgres that only follows another one."""
        if self._sqlite:
            path = self.engine.url.database
            return bool(path) and not os.access(path or "", os.W_OK, effective_ids=True)
        with self._answering(), self.engine.connect() as connection:
            told: str = connection.exec_driver_sql("SHOW transaction_read_only").scalar_one()
            return told == "on"

    def require_writable(self) -> None:
        """Raise RestartNeededError where this process may not write any more. Asks nobody."""
        try:
            if self._sqlite:
                self._sqlite.require_kept()
        except LogLostError as error:
            raise RestartNeededError(_LOG_LOST) from error

    def claim(self) -> bool:
        """Note that this machine uses the database, until `close`.

        True: no other process uses it, those that did are dead. False: another does, or may.

        Raises:
            OtherMachineError: another one does, and it is SQLite's, which is for one machine.

        """
        path = self.engine.url.database
        if self._sqlite and path and path != ":memory:":
            self._claim = Claim(Path(path).resolve())
        return self._claim is not None and self._claim.first

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()
        if self._claim:
            self._claim.release()

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with self._answering(), self.engine.connect() as connection, self._turn(connection):
            yield connection

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """Count what fails, and tell what is no mistake of a statement's as such."""
        try:
            yield
        except (SQLAlchemyError, TurnError, LogLostError) as error:
            self.errors[type(error).__name__] += 1
            if isinstance(error, LogLostError):
                raise RestartNeededError(_LOG_LOST) from error
            if isinstance(error, TurnError) or _passing(error):
                message = "the database can't do this just now"
                raise DatabaseUnavailableError(message) from error
            raise

    @contextmanager
    def _turn(self, connection: Connection) -> Iterator[None]:
        """The connection's transaction, on SQLite when it is its turn to write."""
        if not self._sqlite:
            with connection.begin():
                yield
            return
        with self._sqlite.turn(), connection.begin():
            _driver(connection).execute("BEGIN IMMEDIATE")
            yield


def _passing(error: Exception) -> bool:
    """Whether the database can't just now. SQLite calls a wrong statement operational, too."""
    if not isinstance(error, OperationalError):
        return False
    return getattr(error.orig, "sqlite_errorcode", None) != sqlite3.SQLITE_ERROR


def normalised(url: str) -> str:
    """`url` with the driver named: `postgres://` and `postgresql://` mean psycopg 3."""
    scheme, _, rest = url.partition("://")
    return f"postgresql+psycopg://{rest}" if scheme in {"postgres", "postgresql"} else url


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(normalised(url))
    except ArgumentError:
        message = "this is no database URL"
        raise DatabaseUnavailableError(message) from None
    if parsed.get_backend_name() not in {"sqlite", "postgresql"}:
        message = "only SQLite and Postgres are supported"
        raise DatabaseUnavailableError(message)
    if parsed.get_backend_name() != "sqlite":
        patience = {"connect_timeout": _CONNECT_S, **parsed.query}
        return create_engine(parsed.set(query=patience), pool_pre_ping=True)
    arguments = {"timeout": _BUSY_TIMEOUT_S, "check_same_thread": False}
    return create_engine(parsed, connect_args=arguments, pool_size=16, max_overflow=16)


def _make_private(path: str | None) -> None:
    """Make a new file its owner's alone: SQLite lets everybody read. Its log has the same mode."""
    if path and path != ":memory:" and not path.startswith("file:"):
        with suppress(OSError):  # told by who connects
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _driver(connection: Connection) -> Any:  # noqa: ANN401  the driver's own
    """What SQLAlchemy's connection stands for; a transaction is begun by it, without ceremony."""
    return connection.connection.dbapi_connection


def _require_whole(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        lost = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
        if lost is not None:
            raise BrokenReferenceError(str(lost[0]))


def _configure_postgres(connection: Any, _: object) -> None:  # noqa: ANN401  the driver's own
    connection.execute("SET TIME ZONE 'UTC'")  # a time as text is the same on both databases
    connection.commit()
