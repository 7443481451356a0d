"""Runs that an account gets for nothing: so many a day (UTC), counted by a conditional update."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, Connection, ForeignKey, select, update
from sqlalchemy.orm import Mapped, mapped_column

from gateway_payments.insertion import insert_once
from gateway_storage.base import Base


class FreeRunsRow(Base):
    """How many free runs an account has had on one day (2026-01-31)."""

    __tablename__ = "free_runs"
    __table_args__ = (CheckConstraint("used >= 0", name="used"),)

    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    day: Mapped[str] = mapped_column(primary_key=True)
    used: Mapped[int]


def left(db: Connection, account_id: str, most: int, now: datetime) -> int:
    """How many of `most` free runs the account still has today."""
    if not most:
        return 0
    used = select(FreeRunsRow.used).where(
        FreeRunsRow.account_id == account_id, FreeRunsRow.day == _day(now)
    )
    return max(0, most - (db.execute(used).scalar() or 0))


def take(db: Connection, account_id: str, most: int, now: datetime) -> bool:
    """Use one up; False where none is left, for any number of callers at once."""
    if not most:
        return False
    row = {"account_id": account_id, "day": _day(now), "used": 0}
    insert_once(db, FreeRunsRow, row)
    some_left = (
        FreeRunsRow.account_id == account_id,
        FreeRunsRow.day == _day(now),
        FreeRunsRow.used < most,
    )
    taken = update(FreeRunsRow).where(*some_left).values(used=FreeRunsRow.used + 1)
    return db.execute(taken).rowcount == 1


def give_back(db: Connection, account_id: str, taken_at: datetime) -> None:
    """The run that took one at `taken_at` failed, and not by its model's fault."""
    used = (
        FreeRunsRow.account_id == account_id,
        FreeRunsRow.day == _day(taken_at),
        FreeRunsRow.used > 0,
    )
    db.execute(update(FreeRunsRow).where(*used).values(used=FreeRunsRow.used - 1))


def _day(at: datetime) -> str:
    return f"{at:%Y-%m-%d}"
