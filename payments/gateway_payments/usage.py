"""Usage: one row for each admitted run, and how often each request's model has failed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    CheckConstraint,
    Connection,
    ForeignKey,
    Index,
    Row,
    and_,
    bindparam,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from gateway_payments.accounts import Caller
from gateway_payments.entitlements import EntitlementRow
from gateway_payments.exceptions import InvalidCursorError
from gateway_payments.insertion import insert_once
from gateway_payments.money import Money
from gateway_payments.quotes import Priced
from gateway_storage.base import Base
from gateway_storage.statement import Statement

_CURSOR: Final = re.compile(r"([0-9T:.+-]{25,40})~([\w-]{1,200})", re.ASCII)


class UsageRow(Base):
    """One admitted run. `price_micros` is what was charged: 0 until it is delivered."""

    __tablename__ = "usage"
    __table_args__ = (
        CheckConstraint("price_micros >= 0", name="price"),
        CheckConstraint(
            "outcome IN ('running', 'delivered', 'failed', 'exhausted')", name="outcome"
        ),
        Index("ix_usage_page", "account_id", "created_at", "run_id"),
    )

    run_id: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    key_id: Mapped[str | None] = mapped_column(ForeignKey("api_keys.id"))
    model_id: Mapped[str]
    request_sha256: Mapped[str]
    work_units: Mapped[int]
    offer: Mapped[str | None]  # None: it was free
    price_micros: Mapped[int]
    currency: Mapped[str]
    outcome: Mapped[str]
    duration_ms: Mapped[float | None]
    created_at: Mapped[datetime]


_OPEN: Final = Statement(insert(UsageRow))
_CLOSE: Final = Statement(
    update(UsageRow)
    .where(UsageRow.run_id == bindparam("run"), UsageRow.outcome == "running")
    .returning(UsageRow.__table__)
)

_HELD: Final = (
    select(EntitlementRow.amount_micros, EntitlementRow.currency)
    .where(EntitlementRow.run_id == bindparam("run"))
    .cte("held")
)
_DELIVER: Final = Statement(
    update(UsageRow)
    .where(UsageRow.run_id == bindparam("run"), UsageRow.outcome == "running")
    .values(
        outcome="delivered",
        price_micros=func.coalesce(select(_HELD.c.amount_micros).scalar_subquery(), 0),
        currency=func.coalesce(select(_HELD.c.currency).scalar_subquery(), UsageRow.currency),
    )
    .returning(UsageRow.__table__)
)
_CHARGE: Final = Statement(update(UsageRow).where(UsageRow.run_id == bindparam("run")))


class RequestFaultRow(Base):
    """How often the model of one request failed for one account, whichever offer paid."""

    __tablename__ = "request_faults"
    __table_args__ = (CheckConstraint("faults >= 0", name="faults"),)

    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    request_sha256: Mapped[str] = mapped_column(primary_key=True)
    faults: Mapped[int]


@dataclass(frozen=True, slots=True)
class Usage:
    """One run as the account sees it. `duration_ms` is None while it runs."""

    run_id: str
    created_at: datetime
    key_id: str | None
    model_id: str
    request_sha256: str
    work_units: int
    offer: str | None
    price: Money
    outcome: str
    duration_ms: float | None


@dataclass(frozen=True, slots=True)
class UsagePage:
    """Some runs, newest first; `next_cursor` is None on the last page."""

    rows: tuple[Usage, ...]
    next_cursor: str | None


def open_usage(  # noqa: PLR0913  the row's own columns
    db: Connection,
    caller: Caller,
    priced: Priced,
    *,
    run_id: str,
    offer: str | None,
    currency: str,
    now: datetime,
) -> None:
    """Note that the run has been admitted; nothing is charged yet."""
    row = {
        "run_id": run_id,
        "account_id": caller.account_id,
        "key_id": caller.key_id,
        "model_id": priced.model_id,
        "request_sha256": priced.request_sha256,
        "work_units": priced.work_units,
        "offer": offer,
        "price_micros": 0,
        "currency": currency,
        "outcome": "running",
        "duration_ms": None,
        "created_at": now,
    }
    _OPEN.count(db, row)


def close_usage(db: Connection, run_id: str, outcome: str, duration_ms: float | None) -> Any | None:  # noqa: ANN401  a row
    """Note how the run ended; its row, or None if that was noted before.

    Whoever ends a run begins here, and only then touches what it holds: two that end the same run
    at once wait for each other, and never each for the other.
    """
    closed = {"run": run_id, "outcome": outcome, "duration_ms": duration_ms}
    return _CLOSE.first(db, closed)


def deliver_usage(db: Connection, run_id: str, duration_ms: float) -> Any | None:  # noqa: ANN401
    """Note that the run was delivered and has cost what it holds; else as `close_usage`."""
    return _DELIVER.first(db, {"run": run_id, "duration_ms": duration_ms})


def charge_usage(db: Connection, run_id: str, price: Money, outcome: str) -> None:
    """Note what the run has cost."""
    charged = {
        "price_micros": price.amount_micros,
        "currency": price.currency,
        "outcome": outcome,
    }
    _CHARGE.count(db, {"run": run_id, **charged})


def count_fault(db: Connection, account_id: str, request_sha256: str) -> int:
    """Count one more failure of this request's model; how many there have been."""
    request = {"account_id": account_id, "request_sha256": request_sha256}
    insert_once(db, RequestFaultRow, {**request, "faults": 0})
    counted = (
        update(RequestFaultRow)
        .where(
            RequestFaultRow.account_id == account_id,
            RequestFaultRow.request_sha256 == request_sha256,
        )
        .values(faults=RequestFaultRow.faults + 1)
    )
    return db.execute(counted.returning(RequestFaultRow.faults)).scalar_one()


def usage_page(db: Connection, account_id: str, cursor: str | None, limit: int) -> UsagePage:
    """At most `limit` of the account's runs, newest first. Raises InvalidCursorError."""
    query = select(UsageRow.__table__).where(UsageRow.account_id == account_id)
    if cursor is not None:
        at, run_id = _parsed(cursor)
        earlier = and_(UsageRow.created_at == at, UsageRow.run_id < run_id)
        query = query.where(or_(UsageRow.created_at < at, earlier))
    newest_first = query.order_by(UsageRow.created_at.desc(), UsageRow.run_id.desc())
    found = db.execute(newest_first.limit(limit + 1)).all()
    rows = tuple(_usage(row) for row in found[:limit])
    return UsagePage(rows, _cursor(rows[-1]) if len(found) > limit else None)


def _cursor(last: Usage) -> str:
    return f"{last.created_at.isoformat()}~{last.run_id}"


def _parsed(cursor: str) -> tuple[datetime, str]:
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise InvalidCursorError
    try:
        at = datetime.fromisoformat(match[1])
    except ValueError:
        raise InvalidCursorError from None
    if at.tzinfo is None:
        raise InvalidCursorError
    return at, match[2]


def _usage(row: Row[Any]) -> Usage:
    return Usage(
        run_id=row.run_id,
        created_at=row.created_at,
        key_id=row.key_id,
        model_id=row.model_id,
        request_sha256=row.request_sha256,
        work_units=row.work_units,
        offer=row.offer,
        price=Money(row.price_micros, row.currency),
        outcome=row.outcome,
        duration_ms=row.duration_ms,
    )
