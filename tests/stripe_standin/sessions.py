"""The stand-in's memory: Checkout sessions as Stripe keeps them, idempotency keys, events."""

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
_PARAMETERS = {
    "mode", "client_reference_id", "metadata", "payment_intent_data", "line_items", "success_url",
    "cancel_url", "expires_at", "customer", "customer_email",
}  # fmt: skip
_MINIMUM_USD = 50
_SHORTEST_S, _LONGEST_S = 30 * 60, 24 * 60 * 60


class RefusedError(Exception):
    """An answer of Stripe's that is not 200."""

    def __init__(self, status: int, kind: str, message: str, **more: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"type": kind, "message": message, **more}}


@dataclass
class Stripe:
    """One Stripe account. All methods are thread-safe.

    `faults` is consumed one per API request: "error" answers 500 and does nothing; "lost" does
    what was asked and closes the connection without an answer. `calls` counts requests.
    """

    base_url: str = ""
    clock: Callable[[], float] = time.time
    sessions: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    faults: deque[str] = field(default_factory=deque)
    calls: Counter[str] = field(default_factory=Counter)
    answers: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def create(self, params: dict[str, Any], idempotency_key: str | None) -> dict[str, Any]:
        """POST /v1/checkout/sessions."""
        with self.lock:
            asked = json.dumps(params, sort_keys=True)
            if idempotency_key in self.answers:
                known, replay = self.answers[idempotency_key]
                if known != asked:
                    message = (
                        "Keys for idempotent requests can only be used with the same parameters"
                    )
                    raise RefusedError(400, "idempotency_error", message)
                return replay
            session = self._new(params)
            self.sessions[session["id"]] = session
            answer: dict[str, Any] = json.loads(json.dumps(session))
            if idempotency_key:
                self.answers[idempotency_key] = (asked, answer)
            return answer

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
            intent = f"pi_{secrets.token_hex(12)}"
            session |= {"status": "complete", "payment_status": payment_status, "url": None}
            session |= {"payment_intent": intent}
            return self._happen("completed", session)

    def finish(self, session_id: str, *, succeeded: bool) -> dict[str, Any]:
        """The slow payment method of a completed, unpaid session comes through, or fails."""
        with self.lock:
            session = self.get(session_id)
            if succeeded:
                session["payment_status"] = "paid"
            return self._happen(
                "async_payment_succeeded" if succeeded else "async_payment_failed", session
            )

    def _new(self, params: dict[str, Any]) -> dict[str, Any]:
        _require_known(params)
        item = params["line_items"][0]
        price = item["price_data"]
        amount = int(price["unit_amount"]) * int(item["quantity"])
        if price["currency"] == "usd" and amount < _MINIMUM_USD:
            message = "The Checkout Session's total amount due must add up to at least $0.50 usd"
            raise RefusedError(400, "invalid_request_error", message, code="amount_too_small")
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
            "currency": price["currency"],
            "customer": params.get("customer"),
            "expires_at": ends,
            "livemode": False,
            "metadata": params.get("metadata", {}),
            "mode": params["mode"],
            "payment_intent": None,
            "payment_status": "unpaid",
            "status": "open",
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
        self._happen("expired", session)

    def _happen(self, what: str, session: dict[str, Any]) -> dict[str, Any]:
        event = {
            "id": f"evt_{secrets.token_hex(12)}",
            "object": "event",
            "api_version": API_VERSION,
            "created": int(self.clock()),
            "data": {"object": json.loads(json.dumps(session))},
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": f"checkout.session.{what}",
        }
        self.events.append(event)
        return event


def _require_known(params: dict[str, Any]) -> None:
    for name in params:
        if name not in _PARAMETERS:
            message = f"Received unknown parameter: {name}"
            raise RefusedError(400, "invalid_request_error", message, code="parameter_unknown")
    for name in ("mode", "line_items", "success_url"):
        if name not in params:
            message = f"Missing required param: {name}."
            raise RefusedError(400, "invalid_request_error", message, param=name)
