"""A small stateful stand-in for Stripe's HTTP API, spoken to only by the real `stripe` SDK.

In a test:      with running() as stripe: ...      # on a thread, on a free port
As a process:   PYTHONPATH=tests python -m stripe_standin --port 0

API (form-encoded, `Authorization: Bearer sk_...`, with idempotency keys): /v1/checkout/sessions
(create, list by customer, get, expire), /v1/payment_intents/{id}, /v1/refunds (create, list by
payment intent), /v1/customers (create, get), /v1/billing/meter_events, /v1/balance,
/v2/core/events/{id}.

Control (JSON, no key), what Stripe's customers and Stripe's own clock do:

    POST /control/sessions/{id}/complete   {"payment_status": "paid" | "unpaid"}
    POST /control/sessions/{id}/succeed    a slow payment method came through
    POST /control/sessions/{id}/fail       ... or did not
    POST /control/sessions/{id}/expire
    POST /control/sessions/{id}/refund     {"amount"}   the operator does, on Stripe's pages
    POST /control/sessions/{id}/dispute    {"amount", "status": "needs_response"}
    POST /control/sessions/{id}/unsubscribe
    POST /control/refunds/{id}/fail        the payer's bank sends it back
    POST /control/disputes/{id}/close      {"status": "won" | "lost" | "warning_closed"}
         each of them also takes {"webhook_url", "secret", "copies": 2}, posts the signed events
         and answers {"event" (the first), "events", "statuses"}
    POST /control/webhooks {"events": ["evt_…", …], "webhook_url", "secret", "copies"}
         posts events that happened, in the order given
    POST /control/faults   {"faults": ["error" | "refused" | "lost" | "hollow", …]}
    GET  /control/state    all that there is, and calls
"""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import stripe as sdk
from stripe_standin import customers, meters, refunds
from stripe_standin.sessions import SESSIONS, RefusedError, Stripe

_SHOWN = (
    "sessions", "events", "intents", "charges", "refunds", "disputes", "customers", "meter_events",
)  # fmt: skip


@contextmanager
def running(port: int = 0) -> Iterator[Stripe]:
    """A stand-in on a thread; its address is `stripe.base_url`."""
    server = serve(port)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server.stripe
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def serve(port: int) -> StandIn:
    """A stand-in bound to `port` (0: a free one), not yet serving."""
    server = StandIn(("127.0.0.1", port), Handler)
    server.stripe.base_url = f"http://127.0.0.1:{server.server_address[1]}"
    return server


def signed(event: dict[str, Any], secret: str, at: float | None = None) -> tuple[bytes, str]:
    """An event as Stripe posts it: body and `Stripe-Signature`, signed `at` (default: now)."""
    body = json.dumps(event, indent=2)
    timestamp = int(time.time() if at is None else at)
    header = sdk.WebhookSignature.generate_signature_header(body, secret, timestamp)
    return body.encode(), header


def post(event: dict[str, Any], url: str, secret: str) -> int:
    """Post a signed event; the receiver's status."""
    body, signature = signed(event, secret)
    headers = {"Content-Type": "application/json", "Stripe-Signature": signature}
    request = urllib.request.Request(url, body, headers)  # noqa: S310  a test's own address
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code


class StandIn(ThreadingHTTPServer):
    """The server, with the Stripe account that it stands for."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], handler: type[Handler]) -> None:
        super().__init__(address, handler)
        self.stripe = Stripe()


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: StandIn  # pyright: ignore[reportIncompatibleVariableOverride]
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Read a session, or everything."""
        self._handle()

    def do_POST(self) -> None:
        """Everything else."""
        self._handle()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the library's name
        """Say nothing."""

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        stripe = self.server.stripe
        is_api = self.path.startswith(("/v1/", "/v2/"))
        fault = stripe.faults.popleft() if is_api and stripe.faults else None
        try:
            if fault == "error":
                raise RefusedError(500, "api_error", "An unknown error occurred")  # noqa: TRY301
            if fault == "refused":
                raise RefusedError(400, "invalid_request_error", "Refused")  # noqa: TRY301
            answer = (
                api(stripe, self.command, self.path, body.decode(), dict(self.headers))
                if is_api
                else self._control(json.loads(body or b"{}"))
            )
        except RefusedError as refused:
            self._answer(refused.status, refused.body)
        else:
            if fault == "lost":
                self.close_connection = True
                return
            self._answer(200, {} if fault == "hollow" else answer)

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        payload = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.send_header("Request-Id", "req_standin")
        self.end_headers()
        self.wfile.write(payload)

    def _control(self, asked: dict[str, Any]) -> dict[str, Any]:
        stripe = self.server.stripe
        match self.path.strip("/").split("/"):
            case ["control", "sessions" | "refunds" | "disputes", object_id, what]:
                with stripe.lock:
                    events = _happen(stripe, object_id, what, asked)
                statuses = _deliver(events, asked)
                return {"event": events[0], "events": events, "statuses": statuses}
            case ["control", "webhooks"]:
                by_id = {event["id"]: event for event in stripe.events}
                events = [by_id[event_id] for event_id in asked["events"]]
                return {"statuses": _deliver(events, asked)}
            case ["control", "faults"]:
                stripe.faults.extend(asked["faults"])
                return {}
            case ["control", "state"]:
                return {
                    **{name: getattr(stripe, name) for name in _SHOWN},
                    "calls": dict(stripe.calls),
                }
        raise _unrecognized(self.path)


def api(
    stripe: Stripe, method: str, target: str, form: str, headers: Mapping[str, str]
) -> dict[str, Any]:
    """What Stripe's API answers; RefusedError for all but a 200. Needs no socket."""
    if not headers.get("Authorization", "").startswith("Bearer sk_"):
        raise RefusedError(401, "invalid_request_error", "Invalid API Key provided")
    url, key = urlsplit(target), headers.get("Idempotency-Key")
    with stripe.lock:
        if url.path.startswith(SESSIONS):
            rest = url.path.removeprefix(SESSIONS).strip("/")
            return _session(stripe, method, rest, url.query or form, key)
        stripe.calls[f"{method} {url.path}"] += 1
        params = decoded(url.query if method == "GET" else form)
        if (method, url.path) == ("GET", "/v1/balance"):
            return {"object": "balance", "available": [], "pending": [], "livemode": False}
        if method == "GET":
            return _read(stripe, target, params)
        makers = {
            "/v1/refunds": refunds.refund,
            "/v1/customers": customers.create_customer,
            "/v1/billing/meter_events": meters.count,
        }
        if url.path not in makers:
            raise _unrecognized(target)
        return stripe.once(key, params, lambda: makers[url.path](stripe, params))


def _session(stripe: Stripe, method: str, rest: str, form: str, key: str | None) -> dict[str, Any]:
    session_id, _, what = rest.partition("/")
    asked = f"{method} {what or ('get' if rest else 'create')}"
    asked = "GET list" if asked == "GET create" else asked
    stripe.calls[asked] += 1
    match asked:
        case "POST create":
            return stripe.create(decoded(form), key)
        case "GET list":
            return stripe.listed(decoded(form)["customer"])
        case "GET get":
            return stripe.get(session_id)
        case "POST expire":
            return stripe.expire(session_id)
    raise _unrecognized(rest)


def _read(stripe: Stripe, target: str, params: dict[str, Any]) -> dict[str, Any]:
    match urlsplit(target).path.strip("/").split("/")[1:]:
        case ["core", "events", event_id]:
            return meters.get_event(stripe, event_id)
        case ["payment_intents", intent_id] if intent_id in stripe.intents:
            return stripe.intents[intent_id]
        case ["refunds"]:
            return refunds.refunds_of(stripe, params["payment_intent"])
        case ["customers", customer_id]:
            return customers.get_customer(stripe, customer_id)
    raise _unrecognized(target)


def decoded(form: str) -> dict[str, Any]:
    """Stripe's form encoding: `line_items[0][price_data][currency]=usd`."""
    tree: dict[str, Any] = {}
    for name, value in parse_qsl(form, keep_blank_values=True):
        *path, last = name.replace("]", "").split("[")
        node = tree
        for part in path:
            node = node.setdefault(part, {})
        node[last] = value
    parsed: dict[str, Any] = _with_lists(tree)
    return parsed


def _with_lists(node: Any) -> Any:  # noqa: ANN401  JSON
    if not isinstance(node, dict):
        return node
    parsed = {name: _with_lists(value) for name, value in node.items()}
    if parsed and all(name.isdigit() for name in parsed):
        return [parsed[name] for name in sorted(parsed, key=int)]
    return parsed


def _happen(
    stripe: Stripe, object_id: str, what: str, asked: dict[str, Any]
) -> list[dict[str, Any]]:
    before = len(stripe.events)
    match what:
        case "complete":
            stripe.complete(object_id, payment_status=asked.get("payment_status", "paid"))
        case "fail" if object_id.startswith("re_"):
            refunds.fail_refund(stripe, object_id)
        case "succeed" | "fail":
            stripe.finish(object_id, succeeded=what == "succeed")
        case "expire":
            stripe.expire(object_id)
        case "refund":
            intent = {"payment_intent": stripe.sessions[object_id]["payment_intent"]}
            some = {"amount": asked["amount"]} if "amount" in asked else {}
            refunds.refund(stripe, {**intent, **some})
        case "dispute":
            status = asked.get("status", "needs_response")
            refunds.dispute(stripe, object_id, asked.get("amount"), status)
        case "close":
            refunds.close_dispute(stripe, object_id, asked["status"])
        case "unsubscribe":
            customers.end_subscription(stripe, object_id)
    if len(stripe.events) > before:
        return stripe.events[before:]
    raise RefusedError(404, "invalid_request_error", f"Nothing known happens by {what!r}")


def _unrecognized(path: str) -> RefusedError:
    return RefusedError(404, "invalid_request_error", f"Unrecognized request URL {path}")


def _deliver(events: list[dict[str, Any]], asked: dict[str, Any]) -> list[int]:
    if "webhook_url" not in asked:
        return []
    return [
        post(event, asked["webhook_url"], asked["secret"])
        for event in events
        for _ in range(asked.get("copies", 1))
    ]
