"""The stand-in's memory: Checkout sessions as Stripe keeps them, idempotency keys, events.

What else an account holds (customers, refunds, disputes, meters) is kept here too and acted on by
the modules of these names.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

API_VERSION = "2026-01-28"
SESSIONS = "/v1/checkout/sessions"
_PARAMETERS = {
    "mode", "client_reference_id", "metadata", "payment_intent_data", "line_items", "success_url",
    "cancel_url", "expires_at", "customer", "customer_email", "subscription_data", "currency",
}  # fmt: skip
_MINIMUM_USD = 50
_SHORTEST_S, _LONGEST_S = 30 * 60, 24 * 60 * 60
_KEY_LIFE_S = 24 * 60 * 60


class RefusedError(Exception):
    """An answer of Stripe's that is not 200."""

    def __init__(self, status: int, kind: str, message: str, **more: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"type": kind, "message": message, **more}}


@dataclass
class Stripe:
    """One Stripe account. All methods are thread-safe.

    `faults` is consumed one per API request: "error" answers 500 and does nothing; "refused" 400,
    likewise; "lost" does what was asked and closes the connection without an answer; "hollow" does
    it and answers an empty object. `calls` counts requests. `hidden`: what a session was created
    with and doesn't show.
    """

    base_url: str = ""
    clock: Callable[[], float] = time.time
    sessions: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    faults: deque[str] = field(default_factory=deque)
    calls: Counter[str] = field(default_factory=Counter)
    answers: dict[str, tuple[str, float, dict[str, Any]]] = field(default_factory=dict)
    hidden: dict[str, dict[str, Any]] = field(default_factory=dict)
    intents: dict[str, dict[str, Any]] = field(default_factory=dict)
    charges: dict[str, dict[str, Any]] = field(default_factory=dict)
    refunds: dict[str, dict[str, Any]] = field(default_factory=dict)
    disputes: dict[str, dict[str, Any]] = field(default_factory=dict)
    customers: dict[str, dict[str, Any]] = field(default_factory=dict)
    thin_events: dict[str, dict[str, Any]] = field(default_factory=dict)
    meter_events: list[dict[str, Any]] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def create(self, params: dict[str, Any], idempotency_key: str | None) -> dict[str, Any]:
        """POST /v1/checkout/sessions."""
        with self.lock:
            return self.once(idempotency_key, params, lambda: self._created(params))

    def once(
        self,
        idempotency_key: str | None,
        params: dict[str, Any],
        do: Callable[[], dict[str, Any]],
    ) -> dict[str, Any]:
        """Do it, or repeat the answer of the last 24 hours under this key."""
        asked = json.dumps(params, sort_keys=True)
        known = self.answers.get(idempotency_key or "")
        if known and self.clock() - known[1] < _KEY_LIFE_S:
            if known[0] != asked:
                message = "Keys for idempotent requests can only be used with the same parameters"
                raise RefusedError(400, "idempotency_error", message)
            return known[2]
        answer: dict[str, Any] = json.loads(json.dumps(do()))
        if idempotency_key:
            self.answers[idempotency_key] = (asked, self.clock(), answer)
        return answer

    def listed(self, customer: str) -> dict[str, Any]:
        """GET /v1/checkout/sessions?customer=…, the newest first."""
        with self.lock:
            self._lapse()
            mine = [s for s in reversed(self.sessions.values()) if s["customer"] == customer]
            return {"object": "list", "data": mine, "has_more": False, "url": SESSIONS}

    def get(self, session_id: str) -> dict[str, Any]:
        """GET /v1/checkout/sessions/{id}."""
        with self.lock:
            self._lapse()
            if session_id not in self.sessions:
                message = f"No such checkout.session: {session_id}"
                raise RefusedError(404, "invalid_request_error", message, code="resource_missing")
            return self.sessions[session_id]

    def expire(self, session_id: str) -> dict[str, Any]:
        """POST /v1/checkout/sessions/{id}/expire."""
        with self.lock:
            session = self.get(session_id)
            if session["status"] != "open":
                message = 'Only Checkout Sessions with a status in ["open"] can be expired.'
                raise RefusedError(400, "invalid_request_error", message)
            self._expire(session)
            return session

    def complete(self, session_id: str, *, payment_status: str = "paid") -> dict[str, Any]:
        """The customer pays on the page; "unpaid" for a method that takes days. The event."""
        with self.lock:
            session = self.get(session_id)
            if session["status"] != "open":
                message = "This Checkout Session is not open."
                raise RefusedError(400, "invalid_request_error", message)
            if session["mode"] != "payment":
                payment_status = "no_payment_required" if session["mode"] == "setup" else "paid"
            session |= {"status": "complete", "payment_status": payment_status, "url": None}
            session |= self._made_by(session)
            if session["mode"] == "payment" and payment_status == "paid":
                self._charge(session)
            return self.happen("checkout.session.completed", session)

    def finish(self, session_id: str, *, succeeded: bool) -> dict[str, Any]:
        """The slow payment method of a completed, unpaid session comes through, or fails."""
        with self.lock:
            session = self.get(session_id)
            if succeeded:
                session["payment_status"] = "paid"
                self._charge(session)
            what = "async_payment_succeeded" if succeeded else "async_payment_failed"
            return self.happen(f"checkout.session.{what}", session)

    def _created(self, params: dict[str, Any]) -> dict[str, Any]:
        session = self._new(params)
        self.sessions[session["id"]] = session
        hidden = (params.get("payment_intent_data"), params.get("subscription_data"))
        self.hidden[session["id"]] = next((data for data in hidden if data), {})
        return session

    def _made_by(self, session: dict[str, Any]) -> dict[str, Any]:
        """What completing a session makes, by its mode."""
        metadata = self.hidden[session["id"]].get("metadata", {})
        match session["mode"]:
            case "subscription":
                return {"subscription": f"sub_{secrets.token_hex(12)}"}
            case "setup":
                return {"setup_intent": f"seti_{secrets.token_hex(12)}"}
        intent = {
            "id": f"pi_{secrets.token_hex(12)}",
            "object": "payment_intent",
            "amount": session["amount_total"],
            "created": int(self.clock()),
            "currency": session["currency"],
            "latest_charge": None,
            "livemode": False,
            "metadata": metadata,
            "status": "processing",
        }
        self.intents[intent["id"]] = intent
        return {"payment_intent": intent["id"]}

    def _charge(self, session: dict[str, Any]) -> None:
        intent = self.intents[session["payment_intent"]]
        charge = {
            "id": f"ch_{secrets.token_hex(12)}",
            "object": "charge",
            "amount": intent["amount"],
            "amount_refunded": 0,
            "created": int(self.clock()),
            "currency": intent["currency"],
            "disputed": False,
            "livemode": False,
            "metadata": intent["metadata"],
            "paid": True,
            "payment_intent": intent["id"],
            "refunded": False,
        }
        self.charges[charge["id"]] = charge
        intent |= {"status": "succeeded", "latest_charge": charge["id"]}

    def _new(self, params: dict[str, Any]) -> dict[str, Any]:
        _require_known(params)
        amount, currency = _due(params)
        now = int(self.clock())
        ends = int(params.get("expires_at", now + _LONGEST_S))
        if not _SHORTEST_S <= ends - now <= _LONGEST_S:
            message = "The `expires_at` timestamp must be between 30 minutes and 24 hours from now"
            raise RefusedError(400, "invalid_request_error", message, param="expires_at")
        session_id = f"cs_test_{secrets.token_hex(24)}"
        return {
            "id": session_id,
            "object": "checkout.session",
            "amount_subtotal": amount,
            "amount_total": amount,
            "client_reference_id": params.get("client_reference_id"),
            "created": now,
            "currency": currency,
            "customer": params.get("customer"),
            "expires_at": ends,
            "livemode": False,
            "metadata": params.get("metadata", {}),
            "mode": params["mode"],
            "payment_intent": None,
            "payment_status": "unpaid",
            "setup_intent": None,
            "status": "open",
            "subscription": None,
            "success_url": params.get("success_url"),
            "cancel_url": params.get("cancel_url"),
            "url": f"{self.base_url}/c/pay/{session_id}",
        }

    def _lapse(self) -> None:
        for session in self.sessions.values():
            if session["status"] == "open" and session["expires_at"] <= self.clock():
                self._expire(session)

    def _expire(self, session: dict[str, Any]) -> None:
        session |= {"status": "expired", "url": None}
        self.happen("checkout.session.expired", session)

    def happen(self, what: str, to: dict[str, Any]) -> dict[str, Any]:
        """Note what happened to an object, as it is now; the event."""
        event = {
            "id": f"evt_{secrets.token_hex(12)}",
            "object": "event",
            "api_version": API_VERSION,
            "created": int(self.clock()),
            "data": {"object": json.loads(json.dumps(to))},
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": what,
        }
        self.events.append(event)
        return event


def _require_known(params: dict[str, Any]) -> None:
    for name in params:
        if name not in _PARAMETERS:
            message = f"Received unknown parameter: {name}"
            raise RefusedError(400, "invalid_request_error", message, code="parameter_unknown")
    needed = {"payment": ("line_items",), "subscription": ("line_items",), "setup": ("currency",)}
    for name in ("mode", "success_url", *needed.get(params.get("mode", ""), ())):
        if name not in params:
            message = f"Missing required param: {name}."
            raise RefusedError(400, "invalid_request_error", message, param=name)


def _due(params: dict[str, Any]) -> tuple[int | None, str | None]:
    """What the customer is charged at once."""
    if params["mode"] == "setup":
        return None, params["currency"]
    item = params["line_items"][0]
    if params["mode"] == "subscription":
        if "quantity" in item:
            message = "You cannot set the quantity for metered plans."
            raise RefusedError(400, "invalid_request_error", message)
        return 0, "usd"
    price = item["price_data"]
    amount = int(price["unit_amount"]) * int(item["quantity"])
    if price["currency"] == "usd" and amount < _MINIMUM_USD:
        message = "The Checkout Session's total amount due must add up to at least $0.50 usd"
        raise RefusedError(400, "invalid_request_error", message, code="amount_too_small")
    return amount, price["currency"]
