"""Customers of the stand-in, their subscriptions, and the meters that count for them."""

from __future__ import annotations

import secrets
from typing import Any

from stripe_standin.sessions import RefusedError, Stripe

_OLDEST_S, _NEWEST_S, _UNIQUE_S = 35 * 86_400, 5 * 60, 86_400


def create_customer(stripe: Stripe, params: dict[str, Any]) -> dict[str, Any]:
    """POST /v1/customers."""
    customer = {
        "id": f"cus_{secrets.token_hex(7)}",
        "object": "customer",
        "created": int(stripe.clock()),
        "description": params.get("description"),
        "livemode": False,
        "metadata": params.get("metadata", {}),
    }
    stripe.customers[customer["id"]] = customer
    return customer


def get_customer(stripe: Stripe, customer_id: str) -> dict[str, Any]:
    """GET /v1/customers/{id}."""
    if customer_id not in stripe.customers:
        message = f"No such customer: '{customer_id}'"
        raise RefusedError(404, "invalid_request_error", message, code="resource_missing")
    return stripe.customers[customer_id]


def end_subscription(stripe: Stripe, session_id: str) -> dict[str, Any]:
    """The subscription that a session made has ended; the event."""
    session = stripe.sessions[session_id]
    ended = {
        "id": session["subscription"],
        "object": "subscription",
        "customer": session["customer"],
        "metadata": stripe.hidden[session_id].get("metadata", {}),
        "status": "canceled",
    }
    return stripe.happen("customer.subscription.deleted", ended)


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
