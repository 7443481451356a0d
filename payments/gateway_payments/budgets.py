"""Budgets: what a key may spend per run, day and month, and by which offers.

A budget belongs to a key, so that a person can give an agent a key that can't spend more. Only what
a program spends by itself counts (credits, metered, x402); a Checkout page is paid by a person, who
sees the amount. Days and months are UTC's.

What was spent is a counter for each key and period, moved by conditional updates: any number of
processes at once stay within the limit, and looking it up costs the same after a million runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    ColumnElement,
    Connection,
    ForeignKey,
    Row,
    bindparam,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from gateway_payments.accounts import ApiKeyRow, Caller, hold
from gateway_payments.exceptions import BudgetExceededError, LimitedKeyError, OfferNotAllowedError
from gateway_payments.insertion import insert_once
from gateway_payments.money import Money
from gateway_storage.base import Base
from gateway_storage.statement import Statement

Period = Literal["day", "month"]
BY_A_PERSON: Final = "stripe_checkout"
_WITHOUT_END: Final = 2**62


class BudgetRow(Base):
    """The limits of one key; None: there is none."""

    __tablename__ = "budgets"
    __table_args__ = (
        CheckConstraint("per_run_micros >= 0", name="per_run"),
        CheckConstraint("per_day_micros >= 0", name="per_day"),
        CheckConstraint("per_month_micros >= 0", name="per_month"),
    )

    key_id: Mapped[str] = mapped_column(ForeignKey("api_keys.id"), primary_key=True)
    currency: Mapped[str]
    per_run_micros: Mapped[int | None]
    per_day_micros: Mapped[int | None]
    per_month_micros: Mapped[int | None]
    offers: Mapped[list[str] | None] = mapped_column(JSON)


class SpendingRow(Base):
    """What a key with a budget has spent in one day (2026-01-31) or month (2026-01)."""

    __tablename__ = "spending"
    __table_args__ = (CheckConstraint("amount_micros >= 0", name="amount"),)

    key_id: Mapped[str] = mapped_column(ForeignKey("api_keys.id"), primary_key=True)
    period: Mapped[str] = mapped_column(primary_key=True)
    amount_micros: Mapped[int]


_OF_KEY: Final = Statement(select(BudgetRow.__table__).where(BudgetRow.key_id == bindparam("key")))
_AFTER: Final = SpendingRow.amount_micros + bindparam("more", type_=BigInteger)
_SPEND: Final = Statement(
    update(SpendingRow)
    .where(
        SpendingRow.key_id == bindparam("key"),
        SpendingRow.period == bindparam("name"),
        bindparam("most", type_=BigInteger) >= _AFTER,
    )
    .values(amount_micros=_AFTER)
)


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits in millionths of `currency`; None where there is none. `offers` None: all."""

    currency: str
    per_run_micros: int | None = None
    per_day_micros: int | None = None
    per_month_micros: int | None = None
    offers: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """A budget, and what is spent of it in the present day and month (UTC), which end then."""

    budget: Budget
    day_micros: int
    month_micros: int
    day_ends: datetime
    month_ends: datetime


def set_budget(db: Connection, key_id: str, budget: Budget | None) -> None:
    """Give the key this budget, or none. What it has spent under an older one still counts."""
    db.execute(delete(BudgetRow).where(BudgetRow.key_id == key_id))
    if budget is not None:
        row = {
            "key_id": key_id,
            "currency": budget.currency,
            "per_run_micros": budget.per_run_micros,
            "per_day_micros": budget.per_day_micros,
            "per_month_micros": budget.per_month_micros,
            "offers": None if budget.offers is None else list(budget.offers),
        }
        db.execute(insert(BudgetRow).values(row))


def find_budget(db: Connection, key_id: str | None) -> Budget | None:
    """The key's budget; None where it has none (the local account has no key)."""
    if key_id is None:
        return None
    row = _OF_KEY.first(db, {"key": key_id})
    return None if row is None else _budget(row)


def standings(db: Connection, account_id: str, now: datetime) -> dict[str, Standing]:
    """The budgets of all keys of the account, by key: what is spent of each."""
    of_account = (BudgetRow.key_id == ApiKeyRow.id, ApiKeyRow.account_id == account_id)
    found = db.execute(select(BudgetRow.__table__).where(*of_account)).all()
    return {row.key_id: standing(db, row.key_id, _budget(row), now) for row in found}


def standing(db: Connection, key_id: str, budget: Budget, now: datetime) -> Standing:
    """How much of the key's budget is spent."""
    so_far = spent(db, key_id, now)
    return Standing(budget, so_far["day"], so_far["month"], _end("day", now), _end("month", now))


def spent(db: Connection, key_id: str, now: datetime) -> dict[Period, int]:
    """What the key has spent under a budget in the present day and month, in micros."""
    found: dict[Period, int] = {}
    for period, name in _periods(now):
        counted = select(SpendingRow.amount_micros).where(_counter(key_id, name))
        found[period] = db.execute(counted).scalar() or 0
    return found


def require_allowed(db: Connection, caller: Caller, offer: str) -> Budget | None:
    """The budget of the caller's key, if it has one; OfferNotAllowedError where that forbids it."""
    budget = find_budget(db, caller.key_id)
    if budget and caller.key_id and budget.offers is not None and offer not in budget.offers:
        raise OfferNotAllowedError(caller.key_id, offer, budget.offers)
    return budget


def require_unlimited(db: Connection, caller: Caller) -> None:
    """Raise LimitedKeyError where the caller's key has a budget: it may not manage the account.

    Takes the account's row, so that the key stays without one until the transaction ends.
    """
    hold(db, caller.account_id)
    if caller.key_id is not None and find_budget(db, caller.key_id) is not None:
        raise LimitedKeyError(caller.key_id)


def spend(db: Connection, caller: Caller, offer: str, price: Money, now: datetime) -> str | None:
    """Count `price` against the budget of the caller's key, and give that key's id.

    None where there is nothing to count against. The payment keeps the id and `now`, by which
    `unspend` takes back what was counted and nothing else. In the transaction that spends the
    money, which must be rolled back where this raises:
    OfferNotAllowedError, BudgetExceededError.
    """
    budget = require_allowed(db, caller, offer)
    if budget is None or caller.key_id is None or offer == BY_A_PERSON:
        return None
    if budget.currency != price.currency:
        raise BudgetExceededError(caller.key_id, "currency", budget.currency, price, 0, 0, None)
    most = budget.per_run_micros
    if most is not None and price.amount_micros > most:
        raise BudgetExceededError(caller.key_id, "run", budget.currency, price, most, 0, None)
    limits: dict[Period, int | None] = {
        "day": budget.per_day_micros,
        "month": budget.per_month_micros,
    }
    for period, name in _periods(now):
        _count(db, caller.key_id, period, name, price, limits[period], now)
    return caller.key_id


def unspend(db: Connection, key_id: str | None, offer: str, price: Money, at: datetime) -> None:
    """Take back what `spend` counted at `at`: the money was given back."""
    if key_id is None or offer == BY_A_PERSON:
        return
    for _, name in _periods(at):
        counter = (_counter(key_id, name), SpendingRow.amount_micros >= price.amount_micros)
        less = SpendingRow.amount_micros - price.amount_micros
        db.execute(update(SpendingRow).where(*counter).values(amount_micros=less))


def _count(  # noqa: PLR0913, PLR0917
    db: Connection,
    key_id: str,
    period: Period,
    name: str,
    price: Money,
    most: int | None,
    now: datetime,
) -> None:
    insert_once(db, SpendingRow, {"key_id": key_id, "period": name, "amount_micros": 0})
    limit = _WITHOUT_END if most is None else most
    counted = {"key": key_id, "name": name, "more": price.amount_micros, "most": limit}
    if _SPEND.count(db, counted) != 1 and most is not None:
        so_far = spent(db, key_id, now)[period]
        ends = _end(period, now)
        raise BudgetExceededError(key_id, period, price.currency, price, most, so_far, ends)


def _budget(row: Row[Any]) -> Budget:
    return Budget(
        currency=row.currency,
        per_run_micros=row.per_run_micros,
        per_day_micros=row.per_day_micros,
        per_month_micros=row.per_month_micros,
        offers=None if row.offers is None else tuple(row.offers),
    )


def _counter(key_id: str, period: str) -> ColumnElement[bool]:
    return (SpendingRow.key_id == key_id) & (SpendingRow.period == period)


def _periods(now: datetime) -> Iterator[tuple[Period, str]]:
    yield "day", f"{now:%Y-%m-%d}"
    yield "month", f"{now:%Y-%m}"


def _end(period: Period, now: datetime) -> datetime:
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "day":
        return midnight + timedelta(days=1)
    return (midnight.replace(day=28) + timedelta(days=4)).replace(day=1)
