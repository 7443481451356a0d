"""Prepaid credits: paid at once, out of the account's own book."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from gateway_payments import payments
from gateway_payments.exceptions import (
    InsufficientCreditsError,
    InsufficientFundsError,
    QuoteExpiredError,
)
from gateway_payments.ledger import balance
from gateway_payments.payments import Payment
from gateway_payments.quotes import Quote
from gateway_payments.requirement import Offer, offer_of
from gateway_payments.settlement import settle
from gateway_storage.database import Database

KIND: Final = "credits"


class Credits:
    """Pays from the account's credits. A quote is debited once, however often it is paid."""

    def __init__(self, database: Database, token_ttl: timedelta) -> None:
        self._database = database
        self._token_ttl = token_ttl

    def offer(self, quote: Quote, now: datetime) -> Offer:  # noqa: ARG002  the protocol's
        """The price, and what the account has."""
        price = quote.prices[KIND]
        with self._database.read() as db:
            there = balance(db, quote.account_id, KIND, price.currency)
        return offer_of(KIND, price, quote.expires_at, {"balance_micros": there})

    def begin(self, quote: Quote, now: datetime) -> Payment:
        """Debit, and issue the entitlement, in one transaction.

        Raises InsufficientCreditsError, with nothing recorded, where the balance is too small.
        """
        try:
            return self._pay(quote, now)
        except InsufficientFundsError as short:
            raise InsufficientCreditsError(
                short.needed_micros, short.balance_micros, short.currency
            ) from None

    def settle(self, payment: Payment, now: datetime) -> Payment:  # noqa: ARG002
        """Credits are settled when they are begun."""
        return payment

    def cancel(self, payment: Payment, now: datetime) -> None:
        """Nothing is ever open."""

    def _pay(self, quote: Quote, now: datetime) -> Payment:
        first = payments.payment_id(quote.id, KIND, attempt=0)
        with self._database.write() as db:
            known = payments.find(db, first)
            if known is not None:
                return known
            if quote.expires_at <= now:
                raise QuoteExpiredError(quote.id, quote.expires_at)
            payments.record(db, quote, KIND, 0, now=now, expires_at=quote.expires_at)
            settle(db, payments.load(db, first), KIND, now, self._token_ttl)
            return payments.load(db, first)
