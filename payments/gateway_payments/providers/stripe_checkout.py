"""Stripe Checkout: a hosted page for each quote or pack of credits, paid by a person.

The payment's row is written before Stripe is asked, and Stripe is asked under an idempotency key
derived from it: a crash or a second caller in between finds the same session. What Stripe says,
by webhook or when asked, goes through one function, `_apply`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import structlog

from gateway_payments import budgets, payments
from gateway_payments.accounts import Caller
from gateway_payments.exceptions import (
    QuoteExpiredError,
    StripeRefusedError,
    StripeUnavailableError,
)
from gateway_payments.money import Money, from_minor
from gateway_payments.payments import WAITING, Payment
from gateway_payments.providers.stripe_api import StripeApi, asking, key_for
from gateway_payments.providers.stripe_events import Event, Session, session_of
from gateway_payments.quotes import LIFETIME, Quote
from gateway_payments.requirement import Offer, offer_of
from gateway_payments.settlement import UNPAID, settle
from gateway_payments.webhook_inbox import first_time
from gateway_storage.database import Database

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from stripe.params.checkout import SessionCreateParams

KIND: Final = "stripe_checkout"
_SHORTEST_SESSION: Final = timedelta(minutes=30)  # Stripe refuses to end one sooner
_MARGIN: Final = timedelta(minutes=5)
_FIRST_ASKED: Final = timedelta(minutes=5)  # whether a webhook was lost
_SELDOM: Final = timedelta(hours=6)
_AT_ONCE: Final = 20  # sessions asked about in one round

_log = structlog.get_logger()


class StripeCheckout:
    """Collects the price of a quote, or of credits, on a page of Stripe's."""

    def __init__(self, database: Database, api: StripeApi, token_ttl: timedelta) -> None:
        self._database = database
        self._api = api
        self._token_ttl = token_ttl

    def offer(self, quote: Quote, caller: Caller, now: datetime) -> Offer:
        """The quote's Checkout page."""
        payment = self.begin(quote, caller, now)
        data = {"session_id": payment.external_id, "checkout_url": payment.checkout_url}
        return offer_of(KIND, payment.money, payment.expires_at, data)

    def begin(self, quote: Quote, caller: Caller, now: datetime) -> Payment:
        """Open a Checkout session, or give the one that is open.

        Raises QuoteExpiredError, OfferNotAllowedError, and StripeUnavailableError with nothing
        lost: ask again.
        """
        with self._database.read() as db:
            payment = payments.latest(db, quote.id, KIND)
        if payment and payment.external_id and payment.expires_at <= now:
            payment = self.settle(payment, now)
        if payment is None or not _is_usable(payment, now):
            payment = self._record(quote, caller, payment, now)
        if payment.external_id:
            return payment
        return self._open_session(payment, f"Simulation of {quote.model_id}", now)

    def begin_pack(self, caller: Caller, money: Money, now: datetime) -> Payment:
        """Open a session that buys credits, or give the open one for that much.

        Raises OfferNotAllowedError, StripeUnavailableError.
        """
        with self._database.read() as db:
            payment = payments.latest_pack(db, caller.account_id, money, KIND)
        if payment and payment.external_id:
            payment = self.settle(payment, now)  # it may be paid: then these are other credits
        is_open = payment is not None and payment.state in {"begun", "open"}
        if payment is None or not is_open or not _is_usable(payment, now):
            payment = self._record_pack(caller, money, payment, now)
        return payment if payment.external_id else self._open_session(payment, "Credits", now)

    def settle(self, payment: Payment, now: datetime) -> Payment:
        """Ask Stripe what has become of the session, unless that is certain already."""
        return self.refreshed(payment, now) if payment.state in WAITING else payment

    def refreshed(self, payment: Payment, now: datetime) -> Payment:
        """Ask Stripe what has become of the session, also of one that we take to be over."""
        if payment.external_id is None or payment.state not in UNPAID:
            return payment
        with asking("retrieve"):
            raw = self._api.client.v1.checkout.sessions.retrieve(payment.external_id)
            session = session_of(raw.to_dict())
        with self._database.write() as db:
            self._apply(db, payment, session, now)
            return payments.load(db, payment.id)

    def cancel(self, payment: Payment, now: datetime) -> None:
        """Expire the session, so that nobody pays what has been paid another way."""
        if payment.external_id is None or payment.state != "open":
            return
        try:
            with asking("expire"):
                raw = self._api.client.v1.checkout.sessions.expire(payment.external_id)
                session = session_of(raw.to_dict())
        except StripeUnavailableError as error:  # it ends by itself; if paid, it buys another run
            _log.warning("checkout_session_left_open", payment=payment.id, reason=error.reason)
            return
        with self._database.write() as db:
            self._apply(db, payment, session, now)

    def heed(self, event: Event, session: Session, now: datetime) -> bool:
        """Act on news of a session; False where it is old, or none of ours."""
        with self._database.write() as db:
            payment = payments.find(db, session.payment_id or "")
            if payment is None or payment.external_id not in {None, session.id}:
                return False
            if not first_time(db, event.id, event.type, session.id, now):
                return False
            if event.type == "checkout.session.async_payment_failed":
                payments.move(db, payment.id, of=WAITING, to="failed")
            else:
                self._apply(db, payment, session, now)
        return True

    def catch_up(self, now: datetime) -> int:
        """Ask about some sessions whose news may have been lost; how many turned out to be paid.

        Each is asked about five minutes after it was opened and then ever more seldom, but always
        when its time is over. Payments that never got a session expire.
        """
        with self._database.read() as db:
            waiting = payments.to_ask(db, KIND, now, _AT_ONCE)
        paid = 0
        for payment in waiting:
            with self._database.write() as db:
                mine = payments.ask_later(db, payment, now, _next_asked(payment, now))
            if mine:
                try:
                    paid += self.settle(payment, now).state == "paid"
                except StripeRefusedError:  # another key's session, say
                    _log.warning("checkout_session_unknown", payment=payment.id)
                except StripeUnavailableError:  # the next round goes on
                    break
        with self._database.write() as db:
            payments.give_up_begun(db, KIND, now)
        return paid

    def _apply(self, db: Connection, payment: Payment, session: Session, now: datetime) -> None:
        """Bring the payment to where its session is. Old news changes nothing."""
        if payment.external_id is None:  # the webhook was faster than our own note of the session
            found = {"external_id": session.id, "ask_at": now + _FIRST_ASKED}
            payments.move(db, payment.id, of=WAITING, to="open", **found)
        if session.is_paid:
            self._settle_paid(db, payment, session, now)
        elif session.status == "complete":
            payments.move(db, payment.id, of=frozenset({"begun", "open"}), to="processing")
        elif session.status == "expired":
            payments.move(db, payment.id, of=frozenset({"begun", "open"}), to="expired")

    def _settle_paid(
        self, db: Connection, payment: Payment, session: Session, now: datetime
    ) -> None:
        if from_minor(session.amount_minor, session.currency) == payment.money:
            settle(db, payment, now, self._token_ttl)
            return
        if payments.move(db, payment.id, of=WAITING | {"expired", "failed"}, to="mismatched"):
            _log.error("checkout_amount_differs", payment=payment.id, session=session.id)

    def _record(
        self, quote: Quote, caller: Caller, previous: Payment | None, now: datetime
    ) -> Payment:
        """Write down that a session is about to be opened; concurrent callers share the row."""
        if quote.expires_at <= now:
            raise QuoteExpiredError(quote.id, quote.expires_at)
        attempt = previous.attempt + 1 if previous else 0
        ends = max(quote.expires_at, now + _SHORTEST_SESSION + _MARGIN)
        with self._database.write() as db:
            if previous:
                payments.move(db, previous.id, of=frozenset({"begun"}), to="expired")
            budgets.spend(db, caller, KIND, quote.prices[KIND], now)
            payments.record(
                db, quote, KIND, attempt, now=now, expires_at=ends, key_id=caller.key_id
            )
            return payments.load(db, payments.payment_id(quote.id, KIND, attempt))

    def _record_pack(
        self, caller: Caller, money: Money, previous: Payment | None, now: datetime
    ) -> Payment:
        attempt = previous.attempt + 1 if previous else 0
        ends = now + LIFETIME
        with self._database.write() as db:
            if previous:
                payments.move(db, previous.id, of=frozenset({"begun"}), to="expired")
            budgets.spend(db, caller, KIND, money, now)
            return payments.record_pack(
                db,
                caller.account_id,
                money,
                KIND,
                attempt,
                now=now,
                expires_at=ends,
                key_id=caller.key_id,
            )

    def _open_session(self, payment: Payment, name: str, now: datetime) -> Payment:
        params = self._params(payment, name)
        with asking("create"):
            session = self._api.client.v1.checkout.sessions.create(
                params=params, options={"idempotency_key": key_for(payment.id, params)}
            )
            named = {"external_id": session.id, "checkout_url": session.url or ""}
        with self._database.write() as db:
            found = {**named, "ask_at": now + _FIRST_ASKED}
            if not payments.move(db, payment.id, of=frozenset({"begun"}), to="open", **found):
                _log.info("checkout_session_shared", payment=payment.id)
            return payments.load(db, payment.id)

    def _params(self, payment: Payment, name: str) -> SessionCreateParams:
        ours = {"payment_id": payment.id}
        if payment.quote_id is not None:
            ours["quote_id"] = payment.quote_id
        return {
            "mode": "payment",
            "client_reference_id": payment.quote_id or payment.id,
            "metadata": ours,
            "payment_intent_data": {"metadata": ours},
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {
                        "currency": payment.money.currency,
                        "unit_amount": payment.money.amount_minor,
                        "product_data": {"name": name[:250]},
                    },
                }
            ],
            "success_url": self._api.settings.success_url,
            "cancel_url": self._api.settings.cancel_url,
            "expires_at": int(payment.expires_at.timestamp()),
        }


def _is_usable(payment: Payment, now: datetime) -> bool:
    """Whether to go on with this payment, or to begin another one."""
    if payment.state == "begun":  # begun and never heard of: as long as Stripe still takes its end
        return payment.expires_at - now > _SHORTEST_SESSION
    return payment.state not in {"expired", "failed", "mismatched", "dismissed"}


def _next_asked(payment: Payment, now: datetime) -> datetime:
    later = now + min(max(now - payment.created_at, _FIRST_ASKED), _SELDOM)
    ended = payment.expires_at + timedelta(minutes=1)
    return min(later, ended) if ended > now else later
