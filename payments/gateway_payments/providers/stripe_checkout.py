"""Stripe Checkout: a hosted page for each quote, paid by a person.

The payment's row is written before Stripe is asked, and Stripe is asked under an idempotency key
derived from it: a crash or a second caller in between finds the same session. What Stripe says,
by webhook or when asked, goes through one function, `_apply`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Final

import structlog

from gateway_payments import budgets, payments
from gateway_payments.accounts import Caller
from gateway_payments.exceptions import QuoteExpiredError, StripeUnavailableError
from gateway_payments.money import from_minor
from gateway_payments.payments import WAITING, Payment
from gateway_payments.providers.stripe_events import Event, Session, read_event, session_of
from gateway_payments.quotes import Quote
from gateway_payments.requirement import Offer, offer_of
from gateway_payments.settings import StripeSettings
from gateway_payments.settlement import settle
from gateway_payments.webhook_inbox import first_time
from gateway_storage.database import Database

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from stripe import StripeClient
    from stripe.params.checkout import SessionCreateParams

KIND: Final = "stripe_checkout"
_SHORTEST_SESSION: Final = timedelta(minutes=30)  # Stripe refuses to end one sooner
_MARGIN: Final = timedelta(minutes=5)
_RETRIES: Final = 2
_TIMEOUT_S: Final = 15

_log = structlog.get_logger()


class StripeCheckout:
    """Collects the price of a quote on a page of Stripe's."""

    def __init__(self, database: Database, settings: StripeSettings, token_ttl: timedelta) -> None:
        self._database = database
        self._settings = settings
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
        return payment if payment.external_id else self._open_session(payment, quote)

    def settle(self, payment: Payment, now: datetime) -> Payment:
        """Ask Stripe what has become of the session, unless that is certain already."""
        if payment.external_id is None or payment.state not in WAITING:
            return payment
        with _stripes_errors("retrieve"):
            raw = self._client.v1.checkout.sessions.retrieve(payment.external_id)
            session = session_of(raw.to_dict())
        with self._database.write() as db:
            self._apply(db, payment, session, now)
            return payments.load(db, payment.id)

    def cancel(self, payment: Payment, now: datetime) -> None:
        """Expire the session, so that nobody pays what has been paid another way."""
        if payment.external_id is None or payment.state != "open":
            return
        try:
            with _stripes_errors("expire"):
                raw = self._client.v1.checkout.sessions.expire(payment.external_id)
                session = session_of(raw.to_dict())
        except StripeUnavailableError as error:  # it ends by itself; if paid, it buys another run
            _log.warning("checkout_session_left_open", payment=payment.id, reason=error.reason)
            return
        with self._database.write() as db:
            self._apply(db, payment, session, now)

    def handle_webhook(self, body: bytes, signature: str, now: datetime) -> bool:
        """Act on a webhook; False for a replay, or one that does not concern us.

        Raises WebhookSignatureError, WebhookMalformedError.
        """
        event = read_event(body, signature, self._settings.webhook_secret, now)
        if event is None or event.session.payment_id is None:
            return False
        with self._database.write() as db:
            payment = payments.find(db, event.session.payment_id)
            if payment is None or payment.external_id not in {None, event.session.id}:
                return False
            if not first_time(db, event.id, event.type, event.session.id, now):
                return False
            self._heed(db, payment, event, now)
        return True

    def _heed(self, db: Connection, payment: Payment, event: Event, now: datetime) -> None:
        if event.type == "checkout.session.async_payment_failed":
            payments.move(db, payment.id, of=WAITING, to="failed")
        else:
            self._apply(db, payment, event.session, now)

    def _apply(self, db: Connection, payment: Payment, session: Session, now: datetime) -> None:
        """Bring the payment to where its session is. Old news changes nothing."""
        if payment.external_id is None:  # the webhook was faster than our own note of the session
            payments.move(db, payment.id, of=WAITING, to="open", external_id=session.id)
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

    def _open_session(self, payment: Payment, quote: Quote) -> Payment:
        params = self._params(payment, quote)
        with _stripes_errors("create"):
            session = self._client.v1.checkout.sessions.create(
                params=params, options={"idempotency_key": _key(payment, params)}
            )
        with self._database.write() as db:
            found = {"external_id": session.id, "checkout_url": session.url or ""}
            if not payments.move(db, payment.id, of=frozenset({"begun"}), to="open", **found):
                _log.info("checkout_session_shared", payment=payment.id)
            return payments.load(db, payment.id)

    def _params(self, payment: Payment, quote: Quote) -> SessionCreateParams:
        ours = {"payment_id": payment.id, "quote_id": quote.id}
        return {
            "mode": "payment",
            "client_reference_id": quote.id,
            "metadata": ours,
            "payment_intent_data": {"metadata": ours},
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {
                        "currency": payment.money.currency,
                        "unit_amount": payment.money.amount_minor,
                        "product_data": {"name": f"Simulation of {quote.model_id}"[:250]},
                    },
                }
            ],
            "success_url": self._settings.success_url,
            "cancel_url": self._settings.cancel_url,
            "expires_at": int(payment.expires_at.timestamp()),
        }

    @cached_property
    def _client(self) -> StripeClient:
        import stripe  # noqa: PLC0415  0.6 s that the server's start need not pay

        base = self._settings.api_base
        return stripe.StripeClient(
            self._settings.secret_key,
            base_addresses={"api": base.rstrip("/")} if base else {},
            max_network_retries=_RETRIES,
            http_client=stripe.new_default_http_client(timeout=_TIMEOUT_S),
        )


def _is_usable(payment: Payment, now: datetime) -> bool:
    """Whether to go on with this payment, or to begin another one."""
    if payment.state == "begun":  # begun and never heard of: as long as Stripe still takes its end
        return payment.expires_at - now > _SHORTEST_SESSION
    return payment.state not in {"expired", "failed", "mismatched"}


def _key(payment: Payment, params: SessionCreateParams) -> str:
    """One key for one payment and one set of parameters: changed settings must not clash."""
    text = json.dumps(params, sort_keys=True)
    return f"{payment.id}:{hashlib.sha256(text.encode()).hexdigest()[:16]}"


@contextmanager
def _stripes_errors(asked: str) -> Iterator[None]:
    import stripe  # noqa: PLC0415  0.6 s that the server's start need not pay

    try:
        yield
    except stripe.StripeError as error:
        _log.warning("stripe_refused", asked=asked, kind=type(error).__name__, code=error.code)
        raise StripeUnavailableError(type(error).__name__) from error
    except ValueError as error:
        _log.warning("stripe_not_understood", asked=asked, reason=str(error))
        raise StripeUnavailableError(str(error)) from error
