"""Quotes: a price for exactly one canonical request, kept with the request itself."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Connection,
    ForeignKey,
    bindparam,
    insert,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from gateway_payments.exceptions import UnknownQuoteError
from gateway_payments.identifiers import is_plausible
from gateway_payments.insertion import insert_once
from gateway_payments.money import Money
from gateway_payments.pricing import PriceList
from gateway_simulation.canonical import sha256_of
from gateway_storage.base import Base
from gateway_storage.database import Database
from gateway_storage.statement import Statement

LIFETIME: Final = timedelta(minutes=60)


class QuoteRow(Base):
    """A stored quote. `open_key` is unique among the unpaid ones that are still offered."""

    __tablename__ = "quotes"
    __table_args__ = (
        CheckConstraint("amount_micros >= 0", name="amount"),
        CheckConstraint("work_units >= 0", name="work_units"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    model_id: Mapped[str]
    request: Mapped[dict[str, Any]]
    request_sha256: Mapped[str]
    work_units: Mapped[int]
    amount_micros: Mapped[int]  # of the first offer
    currency: Mapped[str]
    prices: Mapped[list[list[Any]]] = mapped_column(JSON)  # [offer, micros, currency], in order
    because: Mapped[list[str]] = mapped_column(JSON)
    open_key: Mapped[str | None] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]


_RECORD: Final = Statement(insert(QuoteRow))
_OPEN: Final = Statement(
    select(QuoteRow.__table__).where(
        QuoteRow.open_key == bindparam("key"), QuoteRow.expires_at > bindparam("now")
    )
)
_LAPSE: Final = Statement(
    update(QuoteRow)
    .where(QuoteRow.open_key == bindparam("key"), QuoteRow.expires_at <= bindparam("now"))
    .values(open_key=None)
)


@dataclass(frozen=True, slots=True)
class Priced:
    """A run that can be priced: what to run (JSON, canonical), its hash, and its work.

    `existing_result_id`: a result of this request, for a quote to name.
    """

    request: dict[str, Any]
    request_sha256: str
    model_id: str
    work_units: int
    existing_result_id: str | None = None


@dataclass(frozen=True, slots=True)
class Quote:
    """A price for one run. `prices`: by offer, the headline first; none where it is free.

    Two ways not to pay twice: `existing_result_id`, a result of this request; and
    `already_paid_quote_id`, a quote for this request that is paid and not spent, where
    `running_result_id` names the run that holds it, if one does.
    """

    id: str
    account_id: str
    model_id: str
    request: dict[str, Any]
    request_sha256: str
    work_units: int
    money: Money
    prices: dict[str, Money]
    because: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    existing_result_id: str | None
    already_paid_quote_id: str | None = None
    running_result_id: str | None = None

    @property
    def tool(self) -> str:
        """The tool that runs what was quoted: a study has a base, a simulation has none."""
        return "run_study" if "base" in self.request else "simulate"

    @property
    def route(self) -> str:
        """That tool's address over REST."""
        return "/studies" if "base" in self.request else "/simulate"


def open_quote(
    database: Database, account_id: str, priced: Priced, price: PriceList, now: datetime
) -> Quote:
    """The account's unpaid quote for this request at this price; a new one if there is none.

    Any number of callers at once get the same one.
    """
    key = _open_key(account_id, priced, price)
    with database.read() as db:
        found = _find_open(db, key, priced, now)
    if found is not None:
        return found
    row = _row(account_id, priced, price, key, now)
    with database.write_unsynced() as db:  # a lost quote is asked for again; a payment syncs it
        _LAPSE.count(db, {"key": key, "now": now})
        if insert_once(db, QuoteRow, row):
            return _quote(row, priced.existing_result_id)
        found = _find_open(db, key, priced, now)
    if found is None:  # pragma: no cover  the row was inserted, or somebody's was there
        message = "an open quote vanished within its own transaction"
        raise AssertionError(message)
    return found


def record_quote(
    db: Connection, account_id: str, priced: Priced, price: PriceList, now: datetime
) -> Quote:
    """A quote of its own for a run that is paid in this very transaction; nobody is offered it."""
    row = {**_row(account_id, priced, price, "", now), "open_key": None}
    _RECORD.count(db, row)
    return _quote(row, existing_result_id=None)


def find_quote(db: Connection, account_id: str, quote_id: str) -> Quote:
    """The account's quote; UnknownQuoteError for any other id."""
    if not is_plausible(quote_id):
        raise UnknownQuoteError(quote_id)
    mine = (QuoteRow.id == quote_id, QuoteRow.account_id == account_id)
    row = db.execute(select(QuoteRow.__table__).where(*mine)).mappings().first()
    if row is None:
        raise UnknownQuoteError(quote_id)
    return _quote(row, existing_result_id=None)


def close_quote(db: Connection, quote_id: str) -> None:
    """Offer this quote no more: it is paid, and the same request asked again is another run."""
    db.execute(update(QuoteRow).where(QuoteRow.id == quote_id).values(open_key=None))


def _find_open(db: Connection, key: str, priced: Priced, now: datetime) -> Quote | None:
    row = _OPEN.first(db, {"key": key, "now": now})
    return None if row is None else _quote(row._asdict(), priced.existing_result_id)


def _open_key(account_id: str, priced: Priced, price: PriceList) -> str:
    """Two requests of one hash may still differ in KPIs and points: the whole request counts."""
    why = list(price.because)
    return sha256_of([account_id, priced.request, priced.request_sha256, _stored(price), why])


def _stored(price: PriceList) -> list[list[Any]]:
    return [[offer, m.amount_micros, m.currency] for offer, m in price.prices.items()]


def _row(
    account_id: str, priced: Priced, price: PriceList, key: str, now: datetime
) -> dict[str, Any]:
    headline = next(iter(price.prices.values()), Money(0, price.currency))
    return {
        "id": f"qt_{uuid.uuid4().hex}",
        "account_id": account_id,
        "model_id": priced.model_id,
        "request": priced.request,
        "request_sha256": priced.request_sha256,
        "work_units": priced.work_units,
        "amount_micros": headline.amount_micros,
        "currency": headline.currency,
        "prices": _stored(price),
        "because": list(price.because),
        "open_key": key,
        "created_at": now,
        "expires_at": now + LIFETIME,
    }


def _quote(row: Mapping[Any, Any], existing_result_id: str | None) -> Quote:
    return Quote(
        id=row["id"],
        account_id=row["account_id"],
        model_id=row["model_id"],
        request=row["request"],
        request_sha256=row["request_sha256"],
        work_units=row["work_units"],
        money=Money(row["amount_micros"], row["currency"]),
        prices={offer: Money(micros, currency) for offer, micros, currency in row["prices"]},
        because=tuple(row["because"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        existing_result_id=existing_result_id,
    )
