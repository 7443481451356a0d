"""All that we do through the operator's Stripe account, put together."""

from __future__ import annotations

from datetime import datetime, timedelta

from gateway_payments.providers.stripe_api import StripeApi
from gateway_payments.providers.stripe_checkout import StripeCheckout
from gateway_payments.providers.stripe_customers import StripeCustomers
from gateway_payments.providers.stripe_events import (
    ChargeRefunded,
    Reversed,
    Session,
    event_of,
    parsed,
)
from gateway_payments.providers.stripe_letters import StripeLetters
from gateway_payments.providers.stripe_meter_errors import THIN, StripeMeterErrors
from gateway_payments.providers.stripe_reversals import StripeReversals
from gateway_payments.providers.stripe_signature import require_genuine
from gateway_payments.settings import StripeSettings
from gateway_storage.database import Database


class StripeAccount:
    """Pages that are paid, customers that are linked, money that goes back, what Stripe is told."""

    def __init__(
        self, database: Database, settings: StripeSettings, token_ttl: timedelta, currency: str
    ) -> None:
        self._settings = settings
        api = StripeApi(settings)
        self.checkout = StripeCheckout(database, api, token_ttl)
        self.customers = StripeCustomers(database, api, currency)
        self.letters = StripeLetters(database, api)
        self._meter_errors = StripeMeterErrors(database, api)
        self._reversals = StripeReversals(database, api, self.checkout, token_ttl)

    def handle_webhook(self, body: bytes, signature: str, now: datetime) -> bool:
        """Act on a webhook; False for a replay, or one that does not concern us.

        Raises WebhookSignatureError, WebhookMalformedError; WebhookTooEarlyError and
        StripeUnavailableError, after which it must come again.
        """
        secret = require_genuine(body, signature, self._settings.webhook_secrets, now)
        raw = parsed(body)
        if isinstance(raw, dict) and raw.get("object") == THIN:
            return self._meter_errors.heed(body, signature, secret, now)
        event = event_of(raw)
        if event is None:
            return False
        news = event.news
        if isinstance(news, Session):
            return self.checkout.heed(event, news, now)
        if isinstance(news, Reversed | ChargeRefunded):
            return self._reversals.heed(event, news, now)
        return self.customers.heed(event, news, now)
