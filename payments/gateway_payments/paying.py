"""Paying for a quote: a payment is begun, looked after and claimed, each time to the same end."""

from __future__ import annotations

from datetime import datetime

from gateway_payments import entitlements, payments, requirement
from gateway_payments.accounts import Caller
from gateway_payments.exceptions import (
    NotOfferedError,
    OfferUnavailableError,
    PaymentPendingError,
    QuoteExpiredError,
    UnknownPackError,
    UnknownSessionError,
)
from gateway_payments.money import from_minor
from gateway_payments.payments import WAITING, Payment
from gateway_payments.proof import Proof
from gateway_payments.providers.instant import CREDITS
from gateway_payments.providers.x402 import KIND as BY_CHAIN
from gateway_payments.providers.x402 import receipt_of
from gateway_payments.quotes import Quote, find_quote
from gateway_payments.requirement import PaymentStatus
from gateway_payments.settings import PaymentSettings
from gateway_payments.standing import Standing
from gateway_payments.ways import Ways
from gateway_storage.database import Database


class Paying:
    """Begins payments and goes on with them; `Payments` says what each method promises."""

    def __init__(self, database: Database, settings: PaymentSettings, ways: Ways) -> None:
        self._database = database
        self._settings = settings
        self._ways = ways
        self._standing = Standing(database, settings)

    def pay_quote(
        self, caller: Caller, quote: Quote, offer: str | None, proof: Proof | None, now: datetime
    ) -> PaymentStatus:
        """Start a payment of the quote, or say how it stands."""
        if proof is not None and offer in {None, BY_CHAIN}:
            return self._standing.of(self._settle_proof(proof, caller, now, quote.id), now)
        return self._standing.bought_by(quote, now) or self._pay(quote, caller, offer, now)

    def claim(self, account_id: str, session_id: str, now: datetime) -> PaymentStatus:
        """How the payment of a Checkout page stands, Stripe being asked. UnknownSessionError."""
        with self._database.read() as db:
            payment = payments.by_session(db, account_id, session_id)
        if payment is None:
            raise UnknownSessionError(session_id)
        return self._standing.of(self._ways.settled(payment, now), now)

    def pay_by_proof(
        self, caller: Caller, proof: Proof, now: datetime, quote_id: str | None
    ) -> str:
        """Settle the payment that came along with a call; the quote that it has paid."""
        payment = self._settle_proof(proof, caller, now, quote_id)
        assert payment.quote_id is not None
        if payment.state in WAITING:
            raise PaymentPendingError(payment.quote_id)
        return payment.quote_id

    def look_after(self, account_id: str, quote_id: str, now: datetime) -> None:
        """Go on with the quote's open payment."""
        with self._database.read() as db:
            quote = find_quote(db, account_id, quote_id)
        waiting = self._ways.waiting(quote)
        if waiting:
            self._ways.settled(waiting, now)

    def delivered(self, account_id: str, quote_id: str) -> str | None:
        """The run that was delivered for the quote, if one was."""
        with self._database.read() as db:
            find_quote(db, account_id, quote_id)
            bought = entitlements.of_quote(db, quote_id)
        first = next(iter(bought), None)
        return first.run_id if first and first.state == "captured" else None

    def buy_credits(self, caller: Caller, amount_minor: int, now: datetime) -> PaymentStatus:
        """Open the Checkout page of a pack, or give the open one."""
        settings, stripe = self._settings, self._ways.stripe
        if stripe is None or CREDITS not in settings.offers:
            raise NotOfferedError(CREDITS, settings.offers)
        if amount_minor not in settings.packs:
            raise UnknownPackError(settings.packs, settings.currency)
        money = from_minor(amount_minor, settings.currency)
        return self._standing.of(stripe.checkout.begin_pack(caller, money, now), now)

    def _settle_proof(
        self, proof: Proof, caller: Caller, now: datetime, quote_id: str | None
    ) -> Payment:
        x402 = self._ways.x402
        if not x402 or BY_CHAIN not in self._ways.enabled:
            raise OfferUnavailableError(BY_CHAIN, self._ways.enabled)
        payment = x402.pay(proof.payload, caller, now, quote_id)
        if payment.provider == BY_CHAIN:
            proof.receipt = receipt_of(payment)
        if payment.state == "failed":
            raise x402.refused(payment)
        if payment.state == "paid":
            self._ways.cancel_others(payment, now)
        return payment

    def _pay(self, quote: Quote, caller: Caller, offer: str | None, now: datetime) -> PaymentStatus:
        if not quote.prices:
            return requirement.free(quote)
        waiting = self._ways.waiting(quote)
        if waiting and (offer in {None, waiting.provider} or waiting.provider == BY_CHAIN):
            settled = self._ways.settled(waiting, now)
            if settled.state in WAITING | {"paid"}:
                return self._standing.of(settled, now)
        kind = self._ways.chosen(quote, caller, offer)
        try:
            payment = self._ways.begin(kind, quote, caller, now)
        except QuoteExpiredError:
            return requirement.lapsed(quote)
        if waiting and payment.state == "paid" and waiting.id != payment.id:
            self._ways.cancel(waiting, now)
        return self._standing.of(payment, now)
