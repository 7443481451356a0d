"""Ways to pay: one module each, behind one small protocol.

A provider only authorises and collects; quotes, ledger and entitlements are the same for all.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from gateway_payments.accounts import Caller
from gateway_payments.payments import Payment
from gateway_payments.quotes import Quote
from gateway_payments.requirement import Offer


class Provider(Protocol):
    """One way to pay. No method is called inside a transaction: each may ask the outside world."""

    def offer(self, quote: Quote, caller: Caller, now: datetime) -> Offer:
        """How the quote can be paid this way, ready to be acted on."""
        ...

    def begin(self, quote: Quote, caller: Caller, now: datetime) -> Payment:
        """Start paying the quote, or find the payment that was started.

        Raises QuoteExpiredError where the quote's time is over and nothing was started, and
        BudgetExceededError or OfferNotAllowedError where the caller's key may not.
        """
        ...

    def settle(self, payment: Payment, now: datetime) -> Payment:
        """Ask what has become of the payment, act on it, and give its present state."""
        ...

    def cancel(self, payment: Payment, now: datetime) -> None:
        """Make sure, as far as possible, that a payment still open is not paid any more."""
        ...
