"""The stand-in behaves as Stripe documents, seen through the real SDK."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import stripe as sdk
from payments.world import WEBHOOK_SECRET
from stripe.checkout import Session
from stripe_standin.sessions import Stripe

PARAMS: Any = {
    "mode": "payment",
    "success_url": "http://ok",
    "metadata": {"a": "1"},
    "line_items": [
        {
            "quantity": 2,
            "price_data": {
                "currency": "usd",
                "unit_amount": 50,
                "product_data": {"name": "x"},
            },
        }
    ],
}


def client(base_url: str) -> sdk.StripeClient:
    return sdk.StripeClient("sk_test_x", base_addresses={"api": base_url}, max_network_retries=2)


def create(base_url: str, key: str, **changes: object) -> Session:
    sessions = client(base_url).v1.checkout.sessions
    params: Any = {**PARAMS, **changes}
    return sessions.create(params=params, options={"idempotency_key": key})


def test_a_session_is_created_read_and_expired(stripe: Stripe) -> None:
    session = create(stripe.base_url, "k")
    assert (session.status, session.amount_total, session.to_dict()["metadata"]["a"]) == (
        "open",
        100,
        "1",
    )
    sessions = client(stripe.base_url).v1.checkout.sessions
    assert sessions.expire(session.id).status == "expired"
    assert sessions.retrieve(session.id).url is None
    with pytest.raises(sdk.InvalidRequestError):
        sessions.expire(session.id)
    with pytest.raises(sdk.InvalidRequestError):
        sessions.retrieve("cs_unknown")


def test_a_key_replays_the_same_parameters_and_refuses_others(stripe: Stripe) -> None:
    assert create(stripe.base_url, "k").id == create(stripe.base_url, "k").id
    with pytest.raises(sdk.IdempotencyError):
        create(stripe.base_url, "k", success_url="http://other")
    assert create(stripe.base_url, "l").id != create(stripe.base_url, "k").id


def test_what_stripe_refuses_is_refused(stripe: Stripe) -> None:
    cheap = [{**PARAMS["line_items"][0], "quantity": "0"}]
    for wrong in ({"line_items": cheap}, {"colour": "red"}, {"expires_at": 1}):
        with pytest.raises(sdk.InvalidRequestError):
            create(stripe.base_url, "k", **wrong)
    with pytest.raises(sdk.AuthenticationError):
        sdk.StripeClient("x", base_addresses={"api": stripe.base_url}).v1.checkout.sessions.create(
            params=PARAMS
        )


class Receiver(HTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), ReceiverHandler)
        self.received: list[dict[str, Any]] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}/webhooks/stripe"


class ReceiverHandler(BaseHTTPRequestHandler):
    server: Receiver  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        event = sdk.Webhook.construct_event(body, self.headers["Stripe-Signature"], WEBHOOK_SECRET)
        self.server.received.append(event.to_dict())
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def process() -> Iterator[str]:
    command = [sys.executable, "-m", "stripe_standin"]
    tests = Path(__file__).parents[1]
    with subprocess.Popen(command, cwd=tests, stdout=subprocess.PIPE, text=True) as standin:
        assert standin.stdout
        yield standin.stdout.readline().strip()
        standin.terminate()


def test_as_a_process_it_posts_signed_webhooks_in_any_order_and_number(
    process: str, receiver: Receiver
) -> None:
    session = create(process, "k")
    to = {"webhook_url": receiver.url, "secret": WEBHOOK_SECRET}
    base = f"/control/sessions/{session.id}"
    slow = control(process, f"{base}/complete", {"payment_status": "unpaid"})["event"]["id"]
    done = control(process, f"{base}/succeed", {**to, "copies": 2})
    assert done["statuses"] == [204, 204]
    last = done["event"]["id"]
    control(process, "/control/webhooks", {**to, "events": [last, slow]})
    assert [event["id"] for event in receiver.received] == [last, last, last, slow]
    assert receiver.received[-1]["data"]["object"]["payment_status"] == "unpaid"
    control(process, "/control/faults", {"faults": ["lost"]})
    assert create(process, "k").id == session.id
    with urllib.request.urlopen(f"{process}/control/state") as answer:  # noqa: S310
        assert json.load(answer)["calls"] == {"POST create": 3}


def control(base_url: str, path: str, asked: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(f"{base_url}{path}", json.dumps(asked).encode())  # noqa: S310
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        answered: dict[str, Any] = json.load(answer)
        return answered
