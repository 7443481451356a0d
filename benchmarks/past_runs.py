"""Past runs in bulk: the rows that as many paid runs of one account would have left.

All that money touches, in each table: quote, payment, run, entitlement, usage, two transfers, and
what they did to the books. Written by the database itself out of one list of names and times.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    MetaData,
    String,
    Table,
    insert,
    literal,
    null,
    select,
    update,
)

from gateway_payments.accounts import Caller
from gateway_payments.entitlements import EntitlementRow
from gateway_payments.ledger import LedgerAccountRow, TransferRow
from gateway_payments.money import MICROS
from gateway_payments.payments import PaymentRow
from gateway_payments.quotes import QuoteRow
from gateway_payments.usage import UsageRow
from gateway_runs.records import Run, new_id
from gateway_storage.base import Base, UtcDateTime
from gateway_storage.database import Database

_BATCH: Final = 50_000
_PAST: Final = Table(
    "past", MetaData(), Column("id", String), Column("at", UtcDateTime), prefixes=["TEMPORARY"]
)
_Row = tuple[type[Base], dict[str, Any]]


def remember(database: Database, caller: Caller, before: int, after: int) -> None:
    """Have the account, which has made `before` runs, have made `after`, a second apart."""
    for first in range(before, after, _BATCH):
        count = min(_BATCH, after - first)
        with database.write_unsynced() as db:
            _PAST.create(db)
            now = datetime.now(UTC)
            named = [
                {"id": new_id().removeprefix("res_"), "at": now - timedelta(seconds=first + i)}
                for i in range(count)
            ]
            db.execute(insert(_PAST), named)
            for table, row in _rows(caller):
                values = (_value(table, name, value) for name, value in row.items())
                many = select(*values).select_from(_PAST).order_by(_PAST.c.id)
                db.execute(insert(table).from_select(list(row), many))
            _balance(db, caller, count)
            _PAST.drop(db)


def _value(table: type[Base], name: str, value: Any) -> ColumnElement[Any]:  # noqa: ANN401
    """A column of the list, or the same for all."""
    if isinstance(value, ColumnElement):
        return value
    return null() if value is None else literal(value, table.__table__.c[name].type)


def _balance(db: Connection, caller: Caller, count: int) -> None:
    for role, sign in (("credits", -1), ("revenue", 1)):
        book = LedgerAccountRow.id == f"{role}:{caller.account_id}:usd"
        after = LedgerAccountRow.balance_micros + sign * count * MICROS
        assert db.execute(update(LedgerAccountRow).where(book).values(balance_micros=after))


def _rows(caller: Caller) -> Iterator[_Row]:
    name, at, account_id = _PAST.c.id, _PAST.c.at, caller.account_id
    run, quote, payment = "res_" + name, "qt_" + name, "pay_" + name
    price = {"amount_micros": MICROS, "currency": "usd"}
    own = {"account_id": account_id, "created_at": at}
    credits, deferred, revenue = (  # noqa: A001
        f"{role}:{account_id}:usd" for role in ("credits", "deferred", "revenue")
    )
    yield QuoteRow, own | price | {
        "id": quote, "model_id": "msl:Dahlquist", "request": {"fmu_id": "msl:Dahlquist"},
        "request_sha256": name, "work_units": 903, "prices": [["credits", MICROS, "usd"]],
        "because": ["1 run: 1.00 USD"], "open_key": None, "expires_at": at,
    }  # fmt: skip
    yield PaymentRow, own | price | {
        "id": payment, "quote_id": quote, "provider": "credits", "attempt": 0,
        "external_id": None, "state": "paid", "checkout_url": None, "expires_at": at,
        "paid_at": at, "key_id": None, "details": None, "ask_at": None,
    }  # fmt: skip
    yield Run, own | {
        "id": run, "state": "done", "model_id": "msl:Dahlquist", "model_sha256": name,
        "request_sha256": name, "idempotency_key": None, "body_sha256": None,
        "finished_at": at, "failure_code": None, "provenance": {},
    }  # fmt: skip
    yield EntitlementRow, price | {
        "id": "ent_" + name, "account_id": account_id, "payment_id": payment, "quote_id": quote,
        "offer": "credits", "state": "captured", "run_id": run, "issued_at": at,
        "expires_at": at, "returns_to": "credits", "our_faults": 0,
    }  # fmt: skip
    yield UsageRow, own | {
        "run_id": run, "key_id": None, "model_id": "msl:Dahlquist", "request_sha256": name,
        "work_units": 903, "offer": "credits", "price_micros": MICROS, "currency": "usd",
        "outcome": "delivered", "duration_ms": 1.0,
    }  # fmt: skip
    moved = price | {"created_at": at}
    pay, capture = "pay:" + payment, "capture:" + run
    yield TransferRow, moved | {"id": pay, "debit_id": credits, "credit_id": deferred}
    yield TransferRow, moved | {"id": capture, "debit_id": deferred, "credit_id": revenue}
