"""Refunds and disputes of the stand-in: what makes money go back to the payer."""

from __future__ import annotations

import secrets
from typing import Any

from stripe_standin.sessions import RefusedError, Stripe

_PARAMETERS = {"payment_intent", "charge", "amount", "metadata", "reason"}
_REASONS = {"duplicate", "fraudulent", "requested_by_customer"}


def refund(stripe: Stripe, params: dict[str, Any]) -> dict[str, Any]:
    """POST /v1/refunds."""
    unknown = next((name for name in params if name not in _PARAMETERS), None)
    if unknown or params.get("reason") not in {None, *_REASONS}:
        message = f"Received unknown parameter: {unknown or 'reason'}"
        raise RefusedError(400, "invalid_request_error", message, code="parameter_unknown")
    charge = _charge_of(stripe, params)
    left = charge["amount"] - charge["amount_refunded"]
    if charge["disputed"]:
        message = f"Charge {charge['id']} has been charged back; cannot issue a refund."
        raise RefusedError(400, "invalid_request_error", message, code="charge_disputed")
    if not left:
        message = f"Charge {charge['id']} has already been refunded."
        raise RefusedError(400, "invalid_request_error", message, code="charge_already_refunded")
    amount = int(params.get("amount", left))
    if not 0 < amount <= left:
        message = f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})"
        raise RefusedError(400, "invalid_request_error", message, param="amount")
    return _refunded(stripe, charge, amount, params)


def refunds_of(stripe: Stripe, payment_intent: str) -> dict[str, Any]:
    """GET /v1/refunds?payment_intent=…, the newest first."""
    made = [r for r in reversed(stripe.refunds.values()) if r["payment_intent"] == payment_intent]
    return {"object": "list", "data": made, "has_more": False, "url": "/v1/refunds"}


def fail_refund(stripe: Stripe, refund_id: str) -> list[dict[str, Any]]:
    """The payer's bank sends a refund back; the events."""
    failed = stripe.refunds[refund_id]
    failed |= {"status": "failed", "failure_reason": "expired_or_canceled_card"}
    charge = stripe.charges[failed["charge"]]
    charge["amount_refunded"] -= failed["amount"]
    charge["refunded"] = False
    return [stripe.happen("refund.failed", failed), stripe.happen("refund.updated", failed)]


def dispute(
    stripe: Stripe, session_id: str, amount: int | None = None, status: str = "needs_response"
) -> list[dict[str, Any]]:
    """The payer's bank takes the money of a session back, or asks about it; the events."""
    charge = _charge_of(stripe, {"payment_intent": stripe.sessions[session_id]["payment_intent"]})
    opened = {
        "id": f"dp_{secrets.token_hex(12)}",
        "object": "dispute",
        "amount": charge["amount"] if amount is None else amount,
        "charge": charge["id"],
        "created": int(stripe.clock()),
        "currency": charge["currency"],
        "is_charge_refundable": status.startswith("warning"),
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "reason": "fraudulent",
        "status": status,
    }
    stripe.disputes[opened["id"]] = opened
    charge["disputed"] = not status.startswith("warning")
    events = [stripe.happen("charge.dispute.created", opened)]
    if charge["disputed"]:
        events.append(stripe.happen("charge.dispute.funds_withdrawn", opened))
    return events


def close_dispute(stripe: Stripe, dispute_id: str, status: str) -> list[dict[str, Any]]:
    """The bank has decided: won, lost, or warning_closed; the events."""
    closed = stripe.disputes[dispute_id]
    closed["status"] = status
    if status == "won":
        stripe.charges[closed["charge"]]["disputed"] = False
    events = [stripe.happen("charge.dispute.closed", closed)]
    if status == "won":
        events.append(stripe.happen("charge.dispute.funds_reinstated", closed))
    return events


def _charge_of(stripe: Stripe, params: dict[str, Any]) -> dict[str, Any]:
    intent = stripe.intents.get(params.get("payment_intent", ""))
    charge = stripe.charges.get((intent or {}).get("latest_charge") or params.get("charge", ""))
    if charge is None:
        message = "No such charge, or it did not succeed"
        raise RefusedError(404, "invalid_request_error", message, code="resource_missing")
    return charge


def _refunded(
    stripe: Stripe, charge: dict[str, Any], amount: int, params: dict[str, Any]
) -> dict[str, Any]:
    made = {
        "id": f"re_{secrets.token_hex(12)}",
        "object": "refund",
        "amount": amount,
        "charge": charge["id"],
        "created": int(stripe.clock()),
        "currency": charge["currency"],
        "metadata": params.get("metadata", {}),
        "payment_intent": charge["payment_intent"],
        "reason": params.get("reason"),
        "status": "succeeded",
    }
    stripe.refunds[made["id"]] = made
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    stripe.happen("refund.created", made)
    stripe.happen("charge.refunded", charge)
    return made
