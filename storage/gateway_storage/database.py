"""The database: SQLite or Postgres, two ways in for writers and one for readers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection, create_engine, event, make_url
from sqlalchemy.engine import Engine
from sqlalchemy.exc import ArgumentError, DatabaseError

_BUSY_TIMEOUT_S: Final = 30


class DatabaseUnavailableError(Exception):
    """The database does not answer. Falling back to another one would split the ledger."""


class BrokenReferenceError(Exception):
    """A row refers to one that isn't there; the table is named."""


class Database:
    """One engine, and the three ways to use it.

    SQLite runs in WAL mode with foreign keys on and every `write` synced: a write takes the one
    writer's lock at its start (BEGIN IMMEDIATE), a read takes none.
    """

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that may write; commits at the end, rolls back on an exception."""
        with self.engine.begin() as connection:
            yield connection

    @contextmanager
    def write_unsynced(self) -> Iterator[Connection]:
        """A `write` whose commit isn't synced by itself: the next synced one covers it.

        Everybody sees it at once, and it outlives the process, but when the machine (or Postgres)
        dies before the next `write` it never was, as if the machine had died a moment earlier. For
        a step that a `write` must follow before anybody outside relies on it.
        """
        unsynced = self.engine.connect().execution_options(synced=False)
        with unsynced as connection, connection.begin():
            yield connection

    @contextmanager
    def reshape(self) -> Iterator[Connection]:
        """A `write` that may rebuild tables others refer to; what refers to nothing fails it.

        SQLite changes a constraint only by copying the table, which its foreign keys would forbid:
        they are off meanwhile and checked before the commit. Raises BrokenReferenceError.
        """
        with self.engine.connect().execution_options(reshaping=True) as connection:
            with connection.begin():
                yield connection
                _require_whole(connection)
            connection.invalidate()  # its foreign keys are off: nobody may write with it

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for reading; on Postgres each statement sees what is committed by then."""
        with self.engine.connect().execution_options(read_only=True) as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A connection for reading that sees one moment in all its statements, on Postgres too."""
        options = {"read_only": True, "snapshot": True}
        with self.engine.connect().execution_options(**options) as connection:
            yield connection

    def check(self) -> None:
        """Raise DatabaseUnavailableError unless the database answers."""
        try:
            with self.read() as connection:
                connection.exec_driver_sql("SELECT 1")
        except DatabaseError as error:  # nobody answers, or it is no database
            raise DatabaseUnavailableError(str(error.orig)) from error

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()


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
        engine = create_engine(parsed, pool_pre_ping=True)
        event.listen(engine, "connect", _configure_postgres)
        event.listen(engine, "begin", _begin_postgres)
        return engine
    arguments = {"timeout": _BUSY_TIMEOUT_S, "check_same_thread": False}
    engine = create_engine(parsed, connect_args=arguments, pool_size=16, max_overflow=16)
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _configure_sqlite(connection: Any, _: object) -> None:  # noqa: ANN401  the driver's own
    connection.isolation_level = None  # BEGIN is ours: see _begin_sqlite
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    driver: Any = connection.connection.dbapi_connection
    level = "FULL" if options.get("synced", True) else "NORMAL"
    if connection.info.get("synchronous", "FULL") != level:  # outside a transaction only
        driver.execute(f"PRAGMA synchronous={level}")
        connection.info["synchronous"] = level
    if options.get("reshaping"):  # outside a transaction only
        driver.execute("PRAGMA foreign_keys=OFF")
    driver.execute("BEGIN" if options.get("read_only") else "BEGIN IMMEDIATE")


def _require_whole(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        lost = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
        if lost is not None:
            raise BrokenReferenceError(str(lost[0]))


def _configure_postgres(connection: Any, _: object) -> None:  # noqa: ANN401  the driver's own
    connection.execute("SET TIME ZONE 'UTC'")  # a time as text is the same on both databases
    connection.commit()


def _begin_postgres(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get("snapshot"):
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    if not options.get("synced", True):
        connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
