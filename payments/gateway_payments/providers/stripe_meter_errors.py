"""Meter events that Stripe took and found to be wrong later: these runs are on no invoice.

Stripe tells it in thin events, which hold no news but an id to fetch them by, and names some of the
meter events only. Each that is named makes its letter stuck, as one that arrived and was undone: it
can't be sent again, since Stripe might count it after all. Others are one notice for the operator.
https://docs.stripe.com/billing/subscriptions/usage-based/recording-usage-api
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import structlog
from sqlalchemy import Connection

from gateway_payments import outbox
from gateway_payments.exceptions import WebhookMalformedError
from gateway_payments.identifiers import is_plausible
from gateway_payments.providers.stripe_api import StripeApi, asking
from gateway_payments.webhook_inbox import first_time
from gateway_storage.database import Database

if TYPE_CHECKING:
    from stripe.v2.core import EventNotification

THIN: Final = "v2.core.event"
NOTICE: Final = "meter_notice"
_LETTER: Final = "meter:"
_REPORTS: Final = frozenset(
    {"v1.billing.meter.error_report_triggered", "v1.billing.meter.no_meter_found"}
)

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class MeterErrors:
    """What Stripe didn't count: how many, why, and by letter those that it names."""

    total: int
    codes: tuple[str, ...]
    named: dict[str, str]

    @property
    def unnamed(self) -> int:
        """How many it doesn't name."""
        return max(0, self.total - len(self.named))


class StripeMeterErrors:
    """Heeds Stripe's thin events."""

    def __init__(self, database: Database, api: StripeApi) -> None:
        self._database = database
        self._api = api

    def heed(self, body: bytes, signature: str, secret: str, now: datetime) -> bool:
        """Act on a thin event; False for a replay, or one that does not concern us.

        Raises WebhookMalformedError; StripeUnavailableError, after which it must come again.
        """
        notification = self._notification(body, signature, secret)
        if notification.type not in _REPORTS:
            return False
        with asking("event"):
            errors = errors_of(notification.fetch_event().to_dict())
        with self._database.write() as db:
            if not first_time(db, notification.id, notification.type, notification.id, now):
                return False
            return self._book(db, notification.id, errors, now)

    def _notification(self, body: bytes, signature: str, secret: str) -> EventNotification:
        """Read by the SDK, whose clock isn't ours: that it is fresh has been seen to."""
        try:
            told = self._api.client.parse_event_notification(body, signature, secret, tolerance=0)
            if isinstance(told.id, str) and is_plausible(told.id):
                return told
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise WebhookMalformedError(str(error)) from error
        reason = "id is not an id"
        raise WebhookMalformedError(reason)

    def _book(self, db: Connection, event_id: str, errors: MeterErrors, now: datetime) -> bool:
        ours = outbox.known(db, errors.named)
        if errors.named and not ours:
            return False  # another product's of the same account
        for letter in sorted(ours):
            outbox.came_back(db, letter, f"not billed: {errors.named[letter]}", now)
        if errors.unnamed:
            self._notify(db, event_id, errors, now)
        _log.error(
            "meter_events_rejected", report=event_id, runs=sorted(ours), unnamed=errors.unnamed
        )
        return bool(ours or errors.unnamed)

    def _notify(self, db: Connection, event_id: str, errors: MeterErrors, now: datetime) -> None:
        """A letter that nobody can send: the audit names it until an operator has looked."""
        letter, codes = f"{NOTICE}:{event_id}", ", ".join(errors.codes)
        reason = f"{errors.unnamed} more meter events were not billed, Stripe names none: {codes}"
        outbox.put(db, letter, NOTICE, {"event": event_id}, now)
        outbox.came_back(db, letter, reason, now)


def errors_of(event: dict[str, Any]) -> MeterErrors:
    """Read the event as it is fetched; ValueError where it isn't what Stripe documents."""
    try:
        reason = event["data"]["reason"]
        kinds = [(str(kind["code"]), kind["sample_errors"]) for kind in reason["error_types"]]
        named = {
            _letter(sample["request"]["identifier"]): f"{code}: {sample['error_message']}"
            for code, samples in kinds
            for sample in samples
        }
        return MeterErrors(int(reason["error_count"]), tuple(code for code, _ in kinds), named)
    except (KeyError, TypeError, AttributeError) as error:
        message = f"the report of the meter's errors lacks {error}"
        raise ValueError(message) from error


def _letter(identifier: str) -> str:
    """The meter event's identifier is the run; the SDK also calls it the idempotency key."""
    if identifier.startswith(_LETTER):
        return identifier.rpartition(":")[0]
    return _LETTER + identifier
