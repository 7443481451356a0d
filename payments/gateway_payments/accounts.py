"""Who pays: accounts, and the API keys that speak for them.

A key is a UUID and is stored only as its SHA-256: with 122 random bits, a slow hash adds nothing.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy import (
    CheckConstraint,
    Connection,
    ForeignKey,
    bindparam,
    case,
    insert,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from gateway_payments.exceptions import RevokedKeyError, UnknownAccountError, UnknownKeyError
from gateway_payments.identifiers import is_plausible, require_text
from gateway_payments.insertion import insert_once
from gateway_storage.base import Base
from gateway_storage.statement import Statement

LOCAL_ACCOUNT: Final = "acc_local"
_KEY_LENGTH: Final = 36
_LONGEST_LABEL: Final = 100


class AccountRow(Base):
    """Whoever pays. Everything bought belongs to the account, not to a key."""

    __tablename__ = "accounts"
    __table_args__ = (CheckConstraint("auto_pay IN ('credits', 'metered')", name="auto_pay"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[datetime]
    auto_pay: Mapped[str | None]  # the offer by which runs are paid without asking
    stripe_customer_id: Mapped[str | None] = mapped_column(unique=True)
    linked_at: Mapped[datetime | None]  # since when that customer's meter may be used


class ApiKeyRow(Base):
    """One key of an account."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    sha256: Mapped[str] = mapped_column(unique=True)
    label: Mapped[str]
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


_OWNER: Final = Statement(
    select(ApiKeyRow.account_id, ApiKeyRow.id, ApiKeyRow.revoked_at).where(
        ApiKeyRow.sha256 == bindparam("sha256")
    )
)
_PAYING: Final = Statement(
    select(AccountRow.auto_pay, AccountRow.stripe_customer_id, AccountRow.linked_at).where(
        AccountRow.id == bindparam("account_id")
    )
)


@dataclass(frozen=True, slots=True)
class Paying:
    """How an account pays. `auto_pay`: credits, metered, or None: it is asked each time.

    `linked`: whether its Stripe customer has agreed to be charged by the meter.
    """

    auto_pay: str | None
    stripe_customer_id: str | None
    linked: bool


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made; `key` itself is shown this once."""

    account_id: str
    key_id: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Key:
    """What may be shown of a key."""

    key_id: str
    label: str
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling. `key_id` is None for the local account, which needs no key."""

    account_id: str
    key_id: str | None


def create_account(db: Connection, now: datetime) -> NewKey:
    """Make an account with its first key."""
    account_id = f"acc_{uuid.uuid4().hex}"
    db.execute(insert(AccountRow).values(id=account_id, created_at=now))
    return add_key(db, account_id, "first", now)


def local_caller(db: Connection, now: datetime) -> Caller:
    """The one account of whoever runs the gateway on this machine, without a key."""
    insert_once(db, AccountRow, {"id": LOCAL_ACCOUNT, "created_at": now})
    return Caller(LOCAL_ACCOUNT, key_id=None)


def require_account(db: Connection, account_id: str) -> None:
    """Raise UnknownAccountError unless the account exists."""
    named = select(AccountRow.id).where(AccountRow.id == account_id)
    if not is_plausible(account_id) or db.execute(named).first() is None:
        raise UnknownAccountError(account_id)


def paying(db: Connection, account_id: str) -> Paying:
    """How the account pays. Raises UnknownAccountError."""
    row = _PAYING.first(db, {"account_id": account_id})
    if row is None:
        raise UnknownAccountError(account_id)
    return Paying(row.auto_pay, row.stripe_customer_id, row.linked_at is not None)


def set_auto_pay(db: Connection, account_id: str, offer: str | None) -> None:
    """Let runs be paid by `offer` (credits, metered) without asking; None: ask each time."""
    db.execute(update(AccountRow).where(AccountRow.id == account_id).values(auto_pay=offer))


def hold(db: Connection, account_id: str) -> None:
    """Keep the account's row until the transaction ends: others that want it wait."""
    db.execute(select(AccountRow.id).where(AccountRow.id == account_id).with_for_update())


def claim_customer(db: Connection, account_id: str, customer_id: str) -> None:
    """Note which customer of Stripe's the account is, unless it is one already."""
    unclaimed = (AccountRow.id == account_id, AccountRow.stripe_customer_id.is_(None))
    db.execute(update(AccountRow).where(*unclaimed).values(stripe_customer_id=customer_id))


def link(db: Connection, account_id: str, customer_id: str, now: datetime) -> bool:
    """The account's customer agreed to be charged by the meter, which pays from now on.

    False where that is so already, or the account is another customer.
    """
    mine = (
        AccountRow.id == account_id,
        AccountRow.stripe_customer_id == customer_id,
        AccountRow.linked_at.is_(None),
    )
    agreed = update(AccountRow).where(*mine).values(linked_at=now, auto_pay="metered")
    return db.execute(agreed).rowcount == 1


def unlink(db: Connection, account_id: str) -> bool:
    """Forget the account's customer: nothing is put on its invoice any more. False: it had none."""
    known = (AccountRow.id == account_id, AccountRow.stripe_customer_id.is_not(None))
    meant = case((AccountRow.auto_pay == "metered", None), else_=AccountRow.auto_pay)
    gone = {"stripe_customer_id": None, "linked_at": None, "auto_pay": meant}
    return db.execute(update(AccountRow).where(*known).values(gone)).rowcount == 1


def customers_account(db: Connection, customer_id: str) -> str | None:
    """The account that is this customer of Stripe's, if there is one."""
    named = select(AccountRow.id).where(AccountRow.stripe_customer_id == customer_id)
    return db.execute(named).scalar()


def add_key(db: Connection, account_id: str, label: str, now: datetime) -> NewKey:
    """Make another key for an existing account. Raises UnknownAccountError, InvalidTextError."""
    require_text("label", label, longest=_LONGEST_LABEL)
    require_account(db, account_id)
    new = NewKey(account_id, f"key_{uuid.uuid4().hex}", str(uuid.uuid4()))
    db.execute(
        insert(ApiKeyRow).values(
            id=new.key_id,
            account_id=account_id,
            sha256=_sha256(new.key),
            label=label,
            created_at=now,
            revoked_at=None,
        )
    )
    return new


def list_keys(db: Connection, account_id: str) -> tuple[Key, ...]:
    """The account's keys, revoked ones too, oldest first."""
    rows = db.execute(
        select(ApiKeyRow.id, ApiKeyRow.label, ApiKeyRow.created_at, ApiKeyRow.revoked_at)
        .where(ApiKeyRow.account_id == account_id)
        .order_by(ApiKeyRow.created_at, ApiKeyRow.id)
    )
    return tuple(Key(*row) for row in rows)


def revoke_key(db: Connection, account_id: str, key_id: str, now: datetime) -> None:
    """Make a key worthless from now on; revoking it again changes nothing.

    Raises UnknownKeyError for a key that the account does not have.
    """
    require_key(db, account_id, key_id)
    good = (ApiKeyRow.id == key_id, ApiKeyRow.revoked_at.is_(None))
    db.execute(update(ApiKeyRow).where(*good).values(revoked_at=now))


def require_key(db: Connection, account_id: str, key_id: str) -> None:
    """Raise UnknownKeyError unless the account has that key; a revoked one counts."""
    mine = (ApiKeyRow.id == key_id, ApiKeyRow.account_id == account_id)
    if not is_plausible(key_id) or db.execute(select(ApiKeyRow.id).where(*mine)).first() is None:
        raise UnknownKeyError(key_id)


def find_caller(db: Connection, key: str) -> Caller | None:
    """Whom `key` speaks for; None when nobody. Raises RevokedKeyError for a revoked key."""
    if len(key) != _KEY_LENGTH or not key.isascii():
        return None
    row = _OWNER.first(db, {"sha256": _sha256(key)})
    if row is None:
        return None
    if row.revoked_at is not None:
        raise RevokedKeyError(row.id)
    return Caller(row.account_id, row.id)


def _sha256(key: str) -> str:
    return hashlib.sha256(key.lower().encode()).hexdigest()
