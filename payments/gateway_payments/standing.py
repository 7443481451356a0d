"""How a payment stands, as its payer is told: with the token once it is paid."""

from __future__ import annotations

from datetime import datetime, timedelta

from gateway_payments import admission, entitlements, payments, requirement
from gateway_payments.ledger import balance
from gateway_payments.money import Money
from gateway_payments.payments import WAITING, Payment
from gateway_payments.providers.instant import CREDITS
from gateway_payments.quotes import Quote, find_quote
from gateway_payments.requirement import PaymentStatus
from gateway_payments.reversals import CERTAIN
from gateway_payments.settings import PaymentSettings
from gateway_payments.tokens import token
from gateway_storage.database import Database


class Standing:
    """Tells how payments stand. An unused token whose time is over is revived by that."""

    def __init__(self, database: Database, settings: PaymentSettings) -> None:
        self._database = database
        self._secret = settings.secret
        self._token_ttl = timedelta(minutes=settings.token_ttl_minutes)

    def of(self, payment: Payment, now: datetime) -> PaymentStatus:
        """Raises PaymentTokenSpentError and its kin where the token is good for nothing now."""
        if payment.quote_id is None:
            if payment.state == "paid":
                return self._pack(payment)
        elif payment.state in CERTAIN:  # where the money went back it says what became of it
            return self._token(payment, now)
        return (
            requirement.pending(payment) if payment.state in WAITING else requirement.ended(payment)
        )

    def bought_by(self, quote: Quote, now: datetime) -> PaymentStatus | None:
        """As `of`, for what has paid the quote; None where nothing has."""
        with self._database.read() as db:
            bought = entitlements.of_quote(db, quote.id)
            if not bought:
                return None
            paid = payments.load(db, bought[0].payment_id)  # read after: certainly paid by now
        return self.of(paid, now)

    def _pack(self, payment: Payment) -> PaymentStatus:
        currency = payment.money.currency
        with self._database.read() as db:
            held = balance(db, payment.account_id, CREDITS, currency)
        return requirement.bought(payment, Money(held, currency))

    def _token(self, payment: Payment, now: datetime) -> PaymentStatus:
        with self._database.write() as db:
            entitlement_id = entitlements.id_of(payment)
            entitlements.renew(db, entitlement_id, now, now + self._token_ttl)
            entitlement = entitlements.find(db, payment.account_id, entitlement_id)
            quote = find_quote(db, payment.account_id, payment.quote_id or "")
        if entitlement is None:  # pragma: no cover  issued in the transaction that marked it paid
            message = f"payment {payment.id} is paid and bought nothing"
            raise AssertionError(message)
        admission.require_usable(entitlement, now)
        bearer = token(self._secret, entitlement_id)
        return requirement.paid(payment, quote, bearer, entitlement.expires_at)
