"""Insert unless it is there: how a second caller finds out that the first one was faster."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, select

from gateway_storage.base import Base
from gateway_storage.statement import Statement


def insert_once(
    db: Connection,
    table: type[Base],
    row: dict[str, Any],
    condition: ColumnElement[bool] | None = None,
) -> bool:
    """Insert `row` unless that breaks a unique constraint. Whether it was inserted.

    On Postgres this waits for a concurrent transaction that holds the same key, so that False means
    the other row is committed and visible to the next statement. With a `condition`, which may bind
    values of the row by its columns' names, only where it holds: False may then mean that.
    """
    return _statement(db.dialect.name, table, condition).first(db, row) is not None


@cache
def _statement(
    dialect_name: str, table: type[Base], condition: ColumnElement[bool] | None
) -> Statement:
    if dialect_name == "postgresql":  # the dialect in use is loaded already, the other costs
        from sqlalchemy.dialects import postgresql as dialect  # noqa: PLC0415
    else:
        from sqlalchemy.dialects import sqlite as dialect  # type: ignore[no-redef]  # noqa: PLC0415
    insertion = dialect.insert(table)
    if condition is not None:
        columns = table.__table__.columns
        row = select(*(bindparam(column.name, type_=column.type) for column in columns))
        insertion = insertion.from_select(columns.keys(), row.where(condition))
    keys = table.__table__.primary_key
    return Statement(insertion.on_conflict_do_nothing().returning(*keys))
