"""Insert unless it is there: how a second caller finds out that the first one was faster."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from gateway_storage.base import Base


def insert_once(db: Connection, table: type[Base], rows: list[dict[str, Any]]) -> int:
    """Insert `rows`, leaving out each that breaks a unique constraint. How many were inserted.

    On Postgres this waits for a concurrent transaction that holds the same key, so that 0 means
    the other row is committed and visible to the next statement.
    """
    dialect = postgresql if db.dialect.name == "postgresql" else sqlite
    return db.execute(dialect.insert(table).values(rows).on_conflict_do_nothing()).rowcount
