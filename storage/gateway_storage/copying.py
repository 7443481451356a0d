"""The whole database at one moment, into a SQLite file or out of one into either kind."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, insert, select

from gateway_storage.base import Base
from gateway_storage.database import Database
from gateway_storage.migrate import SCHEMA, OtherSchemaError, migrate, schema_of

_AT_ONCE: Final = 500


def save(database: Database, file: Path) -> None:
    """Write all that is committed at one moment to `file`, a new SQLite database.

    Others read and write meanwhile. SQLite's own backup copies its pages, with what only its log
    holds; Postgres is read row by row in one snapshot.

    Raises:
        OtherSchemaError: the database is not at this version's schema.

    """
    with database.read() as db:
        require_schema(db)
    if database.engine.dialect.name == "sqlite":
        _copy_file(Path(str(database.engine.url.database)), file)
        return
    with opened(file) as copy, database.snapshot() as db:
        migrate(copy)
        with copy.write() as target:
            copy_rows(db, target)


def load(file: Path, database: Database) -> None:
    """Fill an empty database with what `save` wrote, in one transaction."""
    migrate(database)
    with opened(file) as copy, copy.read() as db, database.write() as target:
        copy_rows(db, target)


@contextmanager
def opened(file: Path) -> Iterator[Database]:
    """A database of that file for a while; afterwards all of it is in the one file."""
    database = Database(f"sqlite:///{file}")
    try:
        yield database
    finally:
        database.close()
        with closing(sqlite3.connect(file)) as last:
            last.execute("PRAGMA journal_mode=DELETE")


def require_schema(db: Connection) -> None:
    """Raise OtherSchemaError unless the database is at this version's schema."""
    found = schema_of(db)
    if found != SCHEMA:
        raise OtherSchemaError(found)


def copy_rows(source: Connection, target: Connection) -> None:
    """Every row of every table, those that others refer to first."""
    for table in Base.metadata.sorted_tables:
        rows = source.execution_options(yield_per=_AT_ONCE).execute(select(table)).mappings()
        for part in rows.partitions(_AT_ONCE):
            target.execute(insert(table), [dict(row) for row in part])


def _copy_file(source: Path, file: Path) -> None:
    try:
        with closing(sqlite3.connect(source)) as live, closing(sqlite3.connect(file)) as copy:
            live.backup(copy)  # in one step: writers go on in the log
            copy.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.OperationalError as error:  # SQLite's word for what the disk refuses
        raise OSError(errno.EIO, str(error), str(file)) from error
