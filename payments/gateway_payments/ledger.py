"""The ledger: double entry, append-only, balances checked by the database.

Chart of accounts, one book for each role, account and currency (no book is shared between
customers, so that paying customers never wait for each other's row):

    stripe     money that came in through Stripe          may go below zero: the world outside
    x402       money that came in on a chain              may go below zero: the world outside
    metered    what Stripe will invoice                   may go below zero: the world outside
    grants     credits that the operator gave             may go below zero: the world outside
    refunded   given back though it was spent             may go below zero: the operator's loss
    credits    prepaid by the customer, not yet spent     never below zero
    deferred   paid for runs that are not delivered yet   never below zero
    revenue    earned                                     never below zero

A transfer takes from one book (debit) and gives the same to another (credit); a book's balance is
what it got less what it gave. All balances of a currency sum to zero.

    grant      grants -> credits       id grant:<given by the caller>
    pay        stripe, x402, credits, metered -> deferred    id pay:<payment>   it is certain
               stripe -> credits       a pack of credits was paid
    capture    deferred -> revenue     id capture:<run>     the run was delivered
    exhaust    deferred -> revenue     id exhaust:<run>     the model failed too often
    give_back  deferred -> whence it came (but Stripe), or credits   id give_back:<payment>
    refund, dispute    refunded -> stripe    id <kind>:<Stripe's id, or the payment's for our own>
    refund_failed, dispute_won    stripe -> refunded    id likewise   it came again
    withdraw   deferred | credits -> refunded    id withdraw:<reversal or run>   who bears it
    restore    refunded -> deferred | credits    id restore:<reversal>           the reverse
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Connection,
    ForeignKey,
    ForeignKeyConstraint,
    UniqueConstraint,
    bindparam,
    case,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from gateway_payments.accounts import require_account
from gateway_payments.exceptions import (
    InsufficientFundsError,
    InvalidAmountError,
    TransferConflictError,
)
from gateway_payments.identifiers import require_words
from gateway_payments.insertion import insert_once
from gateway_payments.money import Money
from gateway_storage.base import Base
from gateway_storage.statement import Statement

Role = Literal["stripe", "x402", "metered", "grants", "refunded", "credits", "deferred", "revenue"]
LARGEST_GRANT_MICROS: Final = 10**15  # a thousand million dollars: a slip, not a grant
_LONGEST_GRANT_ID: Final = 200
_OVERDRAWN: Final[frozenset[Role]] = frozenset({"stripe", "x402", "metered", "grants", "refunded"})


class LedgerAccountRow(Base):
    """One book and its balance."""

    __tablename__ = "ledger_accounts"
    __table_args__ = (
        CheckConstraint("may_overdraw OR balance_micros >= 0", name="balance"),
        UniqueConstraint("id", "currency"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    role: Mapped[str]
    currency: Mapped[str]
    may_overdraw: Mapped[bool]
    balance_micros: Mapped[int]


class TransferRow(Base):
    """One movement. Never updated, never deleted; the keys forbid mixing currencies."""

    __tablename__ = "transfers"
    __table_args__ = (
        CheckConstraint("amount_micros > 0", name="amount"),
        CheckConstraint("debit_id <> credit_id", name="two_books"),
        ForeignKeyConstraint(
            ["debit_id", "currency"], ["ledger_accounts.id", "ledger_accounts.currency"]
        ),
        ForeignKeyConstraint(
            ["credit_id", "currency"],
            ["ledger_accounts.id", "ledger_accounts.currency"],
            name="fk_transfers_credit_id_ledger_accounts",
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    debit_id: Mapped[str] = mapped_column(index=True)
    credit_id: Mapped[str] = mapped_column(index=True)
    amount_micros: Mapped[int]
    currency: Mapped[str]
    created_at: Mapped[datetime]


_BOTH: Final = 2
_BETWEEN_OPEN_BOOKS: Final = (
    select(func.count())
    .where(LedgerAccountRow.id.in_([bindparam("debit_id"), bindparam("credit_id")]))
    .scalar_subquery()
    == _BOTH
)
# in one order, and no lock that a transfer just inserted (it refers to both books) would stand in
# the way of: two who move money between the same books never wait for each other
_HELD: Final = (
    select(LedgerAccountRow.id)
    .where(LedgerAccountRow.id.in_([bindparam("debit"), bindparam("credit")]))
    .order_by(LedgerAccountRow.id)
    .with_for_update(key_share=True)
    .cte("held")
)
_AFTER: Final = LedgerAccountRow.balance_micros + case(
    (LedgerAccountRow.id == bindparam("debit"), -bindparam("amount", type_=BigInteger)),
    else_=bindparam("amount", type_=BigInteger),
)
_MOVE: Final = Statement(
    update(LedgerAccountRow)
    .where(LedgerAccountRow.id == _HELD.c.id, or_(LedgerAccountRow.may_overdraw, _AFTER >= 0))
    .values(balance_micros=_AFTER)
    .returning(LedgerAccountRow.id)
)
_BALANCE: Final = Statement(
    select(LedgerAccountRow.balance_micros).where(LedgerAccountRow.id == bindparam("book"))
)


@dataclass(frozen=True, slots=True)
class Transfer:
    """A movement of `money` between two books of one account. `id` says what it is for."""

    id: str
    account_id: str
    debit: Role
    credit: Role
    money: Money


def post(db: Connection, transfer: Transfer, now: datetime) -> bool:
    """Make the transfer; False if it was made before.

    Raises:
        InsufficientFundsError: the debited book does not hold so much. Roll back.
        TransferConflictError: another transfer has this id.

    """
    currency = transfer.money.currency
    amount = transfer.money.amount_micros
    debit, credit = (_book_id(transfer, role) for role in (transfer.debit, transfer.credit))
    row: dict[str, object] = {
        "debit_id": debit,
        "credit_id": credit,
        "amount_micros": amount,
        "currency": currency,
    }
    whole = {"id": transfer.id, **row, "created_at": now}
    if not insert_once(db, TransferRow, whole, _BETWEEN_OPEN_BOOKS):
        _open_books(db, transfer)
        if not insert_once(db, TransferRow, whole):
            _require_same(db, transfer.id, row)
            return False
    if len(_MOVE.rows(db, {"debit": debit, "credit": credit, "amount": amount})) != _BOTH:
        there = balance(db, transfer.account_id, transfer.debit, currency)
        raise InsufficientFundsError(amount, there, currency)
    return True


def post_up_to(db: Connection, transfer: Transfer, now: datetime) -> int:
    """Transfer as much of the money as the debited book holds; how much that was, in micros.

    The book is locked meanwhile. Once for each id, as `post`, which must not have been used before.
    """
    book = _book_id(transfer, transfer.debit)
    held = select(LedgerAccountRow.balance_micros).where(LedgerAccountRow.id == book)
    there = db.execute(held.with_for_update(key_share=True)).scalar() or 0
    some = min(there, transfer.money.amount_micros)
    if some > 0:
        post(db, replace(transfer, money=Money(some, transfer.money.currency)), now)
    return some


def balance(db: Connection, account_id: str, role: Role, currency: str) -> int:
    """What the book holds, in micros; 0 for one that was never used."""
    row = _BALANCE.first(db, {"book": f"{role}:{account_id}:{currency}"})
    return 0 if row is None else row.balance_micros


def credit_balances(db: Connection, account_id: str) -> tuple[Money, ...]:
    """The account's prepaid credits, one amount for each currency."""
    mine = (LedgerAccountRow.account_id == account_id, LedgerAccountRow.role == "credits")
    rows = db.execute(
        select(LedgerAccountRow.balance_micros, LedgerAccountRow.currency)
        .where(*mine)
        .order_by(LedgerAccountRow.currency)
    )
    return tuple(Money(*row) for row in rows)


def grant_credits(
    db: Connection, account_id: str, grant_id: str, money: Money, now: datetime
) -> bool:
    """Give credits away, once for each `grant_id`; False if that grant was made before.

    Raises UnknownAccountError, InvalidAmountError, InvalidTextError (of `grant_id`), and
    TransferConflictError where `grant_id` stands for another grant.
    """
    require_words("grant_id", grant_id, longest=_LONGEST_GRANT_ID)
    if not 0 < money.amount_micros <= LARGEST_GRANT_MICROS:
        raise InvalidAmountError(money.amount_micros, LARGEST_GRANT_MICROS, money.currency)
    require_account(db, account_id)
    return post(db, Transfer(f"grant:{grant_id}", account_id, "grants", "credits", money), now)


def _book_id(transfer: Transfer, role: Role) -> str:
    return f"{role}:{transfer.account_id}:{transfer.money.currency}"


def _open_books(db: Connection, transfer: Transfer) -> None:
    for role in sorted((transfer.debit, transfer.credit)):
        book = {
            "id": _book_id(transfer, role),
            "account_id": transfer.account_id,
            "role": role,
            "currency": transfer.money.currency,
            "may_overdraw": role in _OVERDRAWN,
            "balance_micros": 0,
        }
        insert_once(db, LedgerAccountRow, book)


def _require_same(db: Connection, transfer_id: str, row: dict[str, object]) -> None:
    columns = (getattr(TransferRow, name) for name in row)
    posted = db.execute(select(*columns).where(TransferRow.id == transfer_id)).one()
    if tuple(posted) != tuple(row.values()):
        raise TransferConflictError(transfer_id)
