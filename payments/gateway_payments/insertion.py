"""Insert unless it is there: how a second caller finds out that the first one was faster."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Connection, Executable

from gateway_storage.base import Base


def insert_once(db: Connection, table: type[Base], row: dict[str, Any]) -> bool:
    """Insert `row` unless that breaks a unique constraint. Whether it was inserted.

    On Postgres this waits for a concurrent transaction that holds the same key, so that False means
    the other row is committed and visible to the next statement.
    """
    return db.execute(_statement(db.dialect.name, table), row).first() is not None


@cache
def _statement(dialect_name: str, table: type[Base]) -> Executable:
    """Built once: building a statement takes longer than running it."""
    if dialect_name == "postgresql":  # the dialect in use is loaded already, the other costs
        from sqlalchemy.dialects import postgresql as dialect  # noqa: PLC0415
    else:
        from sqlalchemy.dialects import sqlite as dialect  # type: ignore[no-redef]  # noqa: PLC0415
    keys = table.__table__.primary_key
    return dialect.insert(table).on_conflict_do_nothing().returning(*keys)
