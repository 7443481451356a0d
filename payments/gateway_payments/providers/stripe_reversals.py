"""Webhooks about refunds and disputes: from what Stripe says to the payment that it concerns."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from gateway_payments import outbox, payments, reversals
from gateway_payments.exceptions import StripeRefusedError, WebhookTooEarlyError
from gateway_payments.money import from_minor
from gateway_payments.payments import Payment
from gateway_payments.providers.stripe_api import StripeApi, asking
from gateway_payments.providers.stripe_checkout import StripeCheckout
from gateway_payments.providers.stripe_events import (
    ChargeRefunded,
    Event,
    Reversed,
    payment_of,
    refund_of,
)
from gateway_payments.reversals import CERTAIN, Reversal
from gateway_payments.settlement import REFUND, refund_letter
from gateway_payments.webhook_inbox import first_time
from gateway_storage.database import Database

_log = structlog.get_logger()


class StripeReversals:
    """Books what went back to payers, and what came again."""

    def __init__(
        self, database: Database, api: StripeApi, checkout: StripeCheckout, token_ttl: timedelta
    ) -> None:
        self._database = database
        self._api = api
        self._checkout = checkout
        self._token_ttl = token_ttl

    def heed(self, event: Event, news: Reversed | ChargeRefunded, now: datetime) -> bool:
        """Act on the event; False where it is old, or none of ours.

        Raises StripeUnavailableError and WebhookTooEarlyError, with nothing noted: Stripe sends it
        again.
        """
        payment = self._payment(news.payment_intent)
        if payment is None or payment.state in {"mismatched", "dismissed"}:  # by hand
            return False
        if payment.state not in CERTAIN:
            payment = self._checkout.refreshed(payment, now)
        if payment.state not in CERTAIN:
            raise WebhookTooEarlyError(payment.id)
        told = [news] if isinstance(news, Reversed) else self._refunds(news.payment_intent)
        with self._database.write() as db:
            if not first_time(db, event.id, event.type, event.object_id, now):
                return False
            booked = [self._book(db, payment, reversal, now) for reversal in told]
        return any(booked)

    def _book(self, db: Connection, payment: Payment, told: Reversed, now: datetime) -> bool:
        ours = refund_letter(payment.id)
        if told.letter == ours and told.state == "undone":
            # the payer is owed it still, and the books say so: only the way is blocked
            reason = f"the refund {told.id} came back: {told.reason or 'no reason given'}"
            _log.error("refund_came_back", payment=payment.id, refund=told.id)
            return outbox.came_back(db, ours, reason, now)
        reversal = Reversal(
            id=payment.id if told.letter == ours else told.id,
            kind=told.kind,
            money=from_minor(told.amount_minor, told.currency),
            state=told.state,
        )
        fresh = reversals.book(db, payment, reversal, now, self._token_ttl)
        if fresh and reversal.state == "undone" and reversals.was_deducted(db, payment, told.id):
            self._owe(db, payment, reversal, now)
        return fresh

    def _owe(self, db: Connection, payment: Payment, undone: Reversal, now: datetime) -> None:
        """We gave back the rest, so this too is the payer's: a letter that nobody can send."""
        letter = f"owed:{payment.id}:{undone.id}"
        reason = f"{undone.kind} {undone.id} came back to us, {undone.money} are owed to the payer"
        payload = {"payment_id": payment.id, "amount_minor": undone.money.amount_minor}
        _log.error("refund_came_back", payment=payment.id, refund=undone.id)
        outbox.put(db, letter, REFUND, payload, now)
        outbox.came_back(db, letter, reason, now)

    def _payment(self, intent: str) -> Payment | None:
        try:
            with asking("payment_intent"):
                raw = self._api.client.v1.payment_intents.retrieve(intent)
                payment_id = payment_of(raw.to_dict())
        except StripeRefusedError:
            return None  # of another account, or mode
        if payment_id is None:
            return None
        with self._database.read() as db:
            return payments.find(db, payment_id)

    def _refunds(self, intent: str) -> list[Reversed]:
        with asking("refunds"):
            made = self._api.client.v1.refunds.list(params={"payment_intent": intent, "limit": 100})
            read = [refund_of(refund.to_dict()) for refund in made.data]
        return [refund for refund in read if refund is not None]
