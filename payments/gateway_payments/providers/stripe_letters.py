"""Letters of the outbox for Stripe: runs that its meter is to count, refunds.

Each goes out under a name that Stripe recognises again (the run's id as the meter event's
identifier, an idempotency key, the letter's name in a refund's metadata), so that an answer that
was lost and a sender that died do no harm. Stripe forgets such names after a day: what was tried
once and isn't known to have arrived by then is for an operator.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from gateway_payments.admission import METER
from gateway_payments.courier import Courier, Deliver, HopelessLetterError
from gateway_payments.exceptions import StripeRefusedError
from gateway_payments.outbox import Letter
from gateway_payments.providers.stripe_api import StripeApi, asking, key_for
from gateway_payments.providers.stripe_events import refund_of
from gateway_payments.settlement import REFUND
from gateway_storage.database import Database

if TYPE_CHECKING:
    from stripe.params import RefundCreateParams
    from stripe.params.billing import MeterEventCreateParams

_REMEMBERED: Final = timedelta(hours=23)  # a day, less what clocks and a slow call may differ
_OLDEST: Final = timedelta(days=34, hours=23)  # 35 days, likewise
_KNOWN_ALREADY: Final = "an event already exists with identifier"  # Stripe gives it no code


class StripeLetters:
    """What Stripe is told, by kind of letter."""

    def __init__(self, database: Database, api: StripeApi) -> None:
        self._api = api
        kinds = {METER: self._count, REFUND: self._refund}
        self._courier = Courier(database, {kind: _final(tell) for kind, tell in kinds.items()})

    def send(self, now: datetime) -> int:
        """Send some of the letters that are due; how many arrived."""
        return self._courier.send(now)

    def _count(self, letter: Letter, now: datetime) -> None:
        customer, timestamp = letter.payload["customer"], letter.payload["timestamp"]
        if not customer:
            reason = "the account had no customer when the run was delivered"
            raise HopelessLetterError(reason)
        if letter.first_tried_at and now - letter.first_tried_at >= _REMEMBERED:
            reason = "first tried a day ago: Stripe may have counted it, and would count it again"
            raise HopelessLetterError(reason)
        if now.timestamp() - timestamp > _OLDEST.total_seconds():
            reason = "Stripe takes no events that are older than 35 days"
            raise HopelessLetterError(reason)
        params: MeterEventCreateParams = {
            "event_name": self._api.settings.meter_event_name,
            "identifier": letter.id.removeprefix("meter:"),
            "timestamp": timestamp,
            "payload": {"stripe_customer_id": customer, "value": str(letter.payload["value"])},
        }
        try:
            with asking("meter_event"):
                self._api.client.v1.billing.meter_events.create(
                    params=params, options={"idempotency_key": key_for(letter.id, params)}
                )
        except StripeRefusedError as error:
            if _KNOWN_ALREADY not in error.stripes_words.lower():
                raise

    def _refund(self, letter: Letter, now: datetime) -> None:  # noqa: ARG002  as `_count`
        intent = self._intent(letter.payload["session_id"])
        if letter.attempts and self._is_refunded(letter, intent):
            return
        params: RefundCreateParams = {
            "payment_intent": intent,
            "amount": letter.payload["amount_minor"],
            "reason": "requested_by_customer",
            "metadata": {"payment_id": letter.payload["payment_id"], "letter": letter.id},
        }
        try:
            with asking("refund"):
                self._api.client.v1.refunds.create(
                    params=params, options={"idempotency_key": key_for(letter.id, params)}
                )
        except StripeRefusedError as error:
            if error.code != "charge_already_refunded":  # on Stripe's pages, by a person
                raise

    def _intent(self, session_id: str) -> str:
        with asking("retrieve"):
            intent = self._api.client.v1.checkout.sessions.retrieve(session_id).payment_intent
        if not isinstance(intent, str):
            reason = f"nothing was charged on {session_id}"
            raise HopelessLetterError(reason)
        return intent

    def _is_refunded(self, letter: Letter, intent: str) -> bool:
        """Whether an earlier try arrived though its answer didn't; keys are forgotten in a day."""
        with asking("refunds"):
            made = self._api.client.v1.refunds.list(params={"payment_intent": intent, "limit": 100})
            read = [refund_of(refund.to_dict()) for refund in made.data]
        return any(refund and refund.letter == letter.id for refund in read)


def _final(deliver: Deliver) -> Deliver:
    """What Stripe refuses once it would refuse again."""

    def delivered(letter: Letter, now: datetime) -> None:
        try:
            deliver(letter, now)
        except StripeRefusedError as error:
            raise HopelessLetterError(error.stripes_words) from error

    return delivered
