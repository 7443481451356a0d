"""The stand-in's meters: events are taken at once, and found to be wrong later."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any

from stripe_standin.sessions import RefusedError, Stripe

_OLDEST_S, _NEWEST_S, _UNIQUE_S = 35 * 86_400, 5 * 60, 86_400
_METER = "mtr_standin"


def count(stripe: Stripe, params: dict[str, Any]) -> dict[str, Any]:
    """POST /v1/billing/meter_events. Whether there is such a customer is found out later."""
    now, payload = stripe.clock(), params.get("payload", {})
    at = int(params.get("timestamp", now))
    if not {"stripe_customer_id", "value"} <= payload.keys():
        raise RefusedError(400, "invalid_request_error", "The payload lacks a customer or a value")
    if not now - _OLDEST_S <= at <= now + _NEWEST_S:
        message = "The timestamp must be within the past 35 calendar days or 5 minutes ahead."
        raise RefusedError(400, "invalid_request_error", message, param="timestamp")
    identifier = params.get("identifier", f"mev_{secrets.token_hex(12)}")
    for known in stripe.meter_events:
        if known["identifier"] == identifier and now - known["created"] < _UNIQUE_S:
            message = f"An event already exists with identifier {identifier}."
            raise RefusedError(400, "invalid_request_error", message)
    event = {
        "object": "billing.meter_event",
        "created": int(now),
        "event_name": params["event_name"],
        "identifier": identifier,
        "livemode": False,
        "payload": payload,
        "timestamp": at,
    }
    stripe.meter_events.append(event)
    return event


def reject(
    stripe: Stripe, identifiers: list[str], code: str, *, unnamed: int = 0
) -> dict[str, Any]:
    """Meter events are found to be wrong and not counted; the thin event, as it is posted.

    `unnamed`: how many more there are of which the report gives no sample. `no_meter` is the code
    of events that belong to no meter, of which Stripe makes another event.
    """
    stripe.meter_events[:] = [
        event for event in stripe.meter_events if event["identifier"] not in identifiers
    ]
    at = datetime.fromtimestamp(stripe.clock(), UTC).isoformat().replace("+00:00", "Z")
    about: dict[str, Any] = (
        {"type": "v1.billing.meter.no_meter_found"}
        if code == "no_meter"
        else {
            "type": "v1.billing.meter.error_report_triggered",
            "related_object": {
                "id": _METER,
                "type": "billing.meter",
                "url": f"/v1/billing/meters/{_METER}",
            },
        }
    )
    thin = {
        "id": f"evt_test_{secrets.token_hex(12)}",
        "object": "v2.core.event",
        "created": at,
        "livemode": False,
        **about,
    }
    count = len(identifiers) + unnamed
    samples = [
        {"error_message": f"Rejected as {code}.", "request": {"identifier": identifier}}
        for identifier in identifiers
    ]
    kinds = [{"code": code, "error_count": count, "sample_errors": samples}]
    stripe.thin_events[thin["id"]] = {
        **thin,
        "data": {
            "developer_message_summary": f"There are {count} invalid events",
            "reason": {"error_count": count, "error_types": kinds},
            "validation_start": at,
            "validation_end": at,
        },
    }
    return thin


def get_event(stripe: Stripe, event_id: str) -> dict[str, Any]:
    """GET /v2/core/events/{id}."""
    if event_id not in stripe.thin_events:
        message = f"No such event: {event_id}"
        raise RefusedError(404, "invalid_request_error", message, code="resource_missing")
    return stripe.thin_events[event_id]
