"""What is paid at once, without asking the world: prepaid credits, and the meter."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from gateway_payments import budgets, entitlements, payments
from gateway_payments.accounts import Caller, paying
from gateway_payments.exceptions import (
    BudgetExceededError,
    InsufficientCreditsError,
    InsufficientFundsError,
    NotLinkedError,
    QuoteExpiredError,
)
from gateway_payments.ledger import Role, balance
from gateway_payments.payments import Payment
from gateway_payments.quotes import Quote, close_quote
from gateway_payments.requirement import Offer, offer_of
from gateway_payments.settlement import book
from gateway_storage.database import Database

CREDITS: Final = "credits"
METERED: Final = "metered"


class _PaidMeanwhileError(Exception):
    """Somebody else's transaction has paid the quote; what was counted for this one is undone."""


class Instant:
    """Pays a quote in one transaction. A quote is paid once, however often it is asked."""

    def __init__(self, database: Database, token_ttl: timedelta, kind: str) -> None:
        self._database = database
        self._token_ttl = token_ttl
        self._kind = kind

    def offer(self, quote: Quote, caller: Caller, now: datetime) -> Offer:  # noqa: ARG002
        """The price, and for credits what the account has."""
        price = quote.prices[self._kind]
        data: dict[str, object] = {}
        if self._kind == CREDITS:
            with self._database.read() as db:
                there = balance(db, quote.account_id, CREDITS, price.currency)
            data = {"balance_micros": there}
        return offer_of(self._kind, price, quote.expires_at, data)

    def begin(self, quote: Quote, caller: Caller, now: datetime) -> Payment:
        """Debit, and issue the entitlement, in one transaction.

        Raises, with nothing recorded, QuoteExpiredError, InsufficientCreditsError, NotLinkedError,
        BudgetExceededError, OfferNotAllowedError.
        """
        payment_id = payments.payment_id(quote.id, self._kind, attempt=0)
        try:
            return self._begin(payment_id, quote, caller, now)
        except (_PaidMeanwhileError, BudgetExceededError):  # spent on this very quote, perhaps
            with self._database.read() as db:
                known = payments.find(db, payment_id)
            if known is None:
                raise
            return known

    def settle(self, payment: Payment, now: datetime) -> Payment:  # noqa: ARG002
        """It is settled when it is begun."""
        return payment

    def cancel(self, payment: Payment, now: datetime) -> None:
        """Nothing is ever open."""

    def _begin(self, payment_id: str, quote: Quote, caller: Caller, now: datetime) -> Payment:
        with self._database.write() as db:
            known = payments.find(db, payment_id)
            if known is not None:
                return known
            if quote.expires_at <= now:
                raise QuoteExpiredError(quote.id, quote.expires_at)
            payment = buy(db, quote, caller, self._kind, now)
            back = returns_to(self._kind)
            entitlements.issue(db, payment, now, now + self._token_ttl, back)
            close_quote(db, quote.id)
            return payment


def buy(db: Connection, quote: Quote, caller: Caller, kind: str, now: datetime) -> Payment:
    """Pay the quote, which nobody has paid this way, out of credits or on the meter.

    What it buys is issued by the caller. Raises what `begin` raises, and _PaidMeanwhileError where
    a concurrent transaction was faster; roll back then.
    """
    if kind == METERED and not paying(db, caller.account_id).linked:
        raise NotLinkedError
    key_id, ends = budgets.spend(db, caller, kind, quote.prices[kind], now), quote.expires_at
    payment = payments.record(
        db, quote, kind, 0, now=now, expires_at=ends, key_id=key_id, paid=True
    )
    if payment is None:
        raise _PaidMeanwhileError
    try:
        book(db, payment, now)
    except InsufficientFundsError as short:
        raise InsufficientCreditsError(
            short.needed_micros, short.balance_micros, short.currency
        ) from None
    return payment


def returns_to(kind: str, *, unasked: bool = False) -> Role | None:
    """Where the money goes when the run fails; None: the payer keeps the right to another.

    What the meter would count isn't owed where nothing was delivered, and who never asked for the
    right wouldn't look for it.
    """
    if kind == METERED:
        return "metered"
    return "credits" if unasked else None
