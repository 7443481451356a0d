"""Customers of the stand-in and their subscriptions."""

from __future__ import annotations

import secrets
from typing import Any

from stripe_standin.sessions import RefusedError, Stripe


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
