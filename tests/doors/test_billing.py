"""Credits, linking and refunds over REST, and the pages that a person sees."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import WEBHOOK_SECRET, Running, running_gateway
from doors.clients import Where
from server.test_commands import run
from stripe_standin.server import running

from gateway_payments import accounts, budgets
from gateway_payments.accounts import Caller, find_caller
from gateway_payments.audit import audit
from gateway_payments.budgets import Budget
from gateway_payments.money import Money
from gateway_payments.receipts import Receipt
from gateway_server import payment_pages
from gateway_simulation.exceptions import RunnerLostError
from gateway_simulation.runner import Simulator
from gateway_tools.upkeep import reconcile

pytestmark = pytest.mark.slow

_times = itertools.count(1)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A gateway with all that Stripe offers."""
    with running() as stripe:
        environment = {
            "STRIPE_ENABLED": "true",
            "STRIPE_SECRET_KEY": "sk_test_gateway",
            "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "STRIPE_API_BASE": stripe.base_url,
            "STRIPE_METERED_PRICE_ID": "price_metered",
        }
        folder = tmp_path_factory.mktemp("billing")
        with running_gateway(folder, environment, stripe) as running_one:
            yield running_one


@pytest.fixture(autouse=True)
def _the_ledger_balances(gateway: Running) -> Iterator[None]:
    yield
    with gateway.embedded.gateway.database.read() as db:
        assert not audit(db)


def happens(gateway: Running, session_id: str, what: str, **more: object) -> None:
    """Something happens to a session, of which Stripe tells twice."""
    assert gateway.stripe is not None
    hook = {"webhook_url": f"{gateway.url}/webhooks/stripe", "secret": WEBHOOK_SECRET, "copies": 2}
    url = f"{gateway.stripe.base_url}/control/sessions/{session_id}/{what}"
    told = httpx.post(url, json={**hook, **more}, timeout=60)
    assert set(told.json()["statuses"]) == {200}


def request() -> dict[str, Any]:
    return {"fmu_id": "msl:BouncingBall", "stop_time": 1 + next(_times) / 1000}


def caller_of(gateway: Running, where: Where) -> Caller:
    with gateway.embedded.gateway.database.read() as db:
        caller = find_caller(db, where.key)
    assert caller is not None
    return caller


def page(gateway: Running, session_id: str) -> str:
    answer = httpx.get(f"{gateway.url}/payments/success", params={"session_id": session_id})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    return answer.text


def test_credits_are_bought_claimed_and_spent(gateway: Running) -> None:
    with gateway.http() as http:
        asked = http.post("/credits", json={"amount_minor": 500})
        assert asked.status_code == 202
        begun = asked.json()
        assert (begun["status"], begun["amount_minor"]) == ("pending", 500)
        session_id = begun["session_id"]
        assert http.post("/credits", json={"pack": 1}).json()["session_id"] == session_id
        assert http.get(f"/payments/checkout/{session_id}").status_code == 202
        assert "Waiting" in page(gateway, session_id)
        happens(gateway, session_id, "complete")
        paid = http.get(f"/payments/checkout/{session_id}")
        assert paid.status_code == 200
        assert paid.json()["balance"] == {
            "amount": 5.0,
            "amount_micros": 5_000_000,
            "currency": "usd",
        }
        assert paid.json()["payment_token"] is None
        shown = page(gateway, session_id)
        assert "5.00 USD of credits" in shown
        quote = http.post("/quotes", json=request()).json()
        http.post("/pay", json={"quote_id": quote["quote_id"], "offer": "credits"})
        assert http.post("/simulate", json={"quote_id": quote["quote_id"]}).status_code == 200
        happens(gateway, session_id, "refund")
        assert http.get("/account").json()["balance"]["amount"] == 0
        gone = http.get(f"/payments/checkout/{session_id}")
        assert (gone.status_code, gone.json()["status"]) == (410, "expired")
        assert "Given back" in page(gateway, session_id)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "one_pack"),
        ({"amount_minor": 500, "pack": 1}, "one_pack"),
        ({"amount_minor": 501}, "unknown_pack"),
        ({"pack": 4}, "unknown_pack"),
        ({"amount_minor": -500}, "invalid_input"),
        ({"amount_minor": 10**30}, "unknown_pack"),
        ({"pack": "all"}, "invalid_input"),
        ({"colour": "red"}, "invalid_input"),
    ],
)
def test_only_packs_are_sold(gateway: Running, body: dict[str, Any], code: str) -> None:
    with gateway.http() as http:
        refused = http.post("/credits", json=body)
    assert (refused.status_code, refused.json()["code"]) == (422, code)
    if code == "unknown_pack":
        assert refused.json()["details"]["packs"] == [500, 2000, 10000]


def test_a_linked_account_simulates_without_asking_and_is_counted_once(gateway: Running) -> None:
    assert gateway.stripe is not None
    with gateway.http() as http:
        asked = http.post("/account/stripe-customer").json()
        assert not asked["linked"]
        assert http.post("/account/stripe-customer").json() == asked
        assert http.post("/simulate", json=request()).status_code == 402
        session_id = list(gateway.stripe.sessions)[-2]
        assert gateway.stripe.sessions[session_id]["url"] == asked["setup_url"]
        happens(gateway, session_id, "complete")
        linked = http.post("/account/stripe-customer").json()
        assert (linked["linked"], linked["setup_url"]) == (True, None)
        result = http.post("/simulate", json=request())
        assert result.status_code == 200
        failed = {**request(), "start_values": {"e": 2.0}, "outputs": ["nothing"]}
        assert http.post("/simulate", json=failed).status_code == 422
        (row,) = http.get("/usage").json()["usage"]
        assert (row["offer"], row["price"]) == ("metered", 0.01)
    system = gateway.embedded.gateway
    reconcile(system)
    reconcile(system)
    (counted,) = gateway.stripe.meter_events
    assert counted["identifier"] == result.json()["result_id"]
    assert counted["payload"]["stripe_customer_id"] == asked["customer_id"]


def test_a_key_with_a_budget_may_not_link(gateway: Running) -> None:
    where = gateway.account()
    caller = caller_of(gateway, where)
    assert caller.key_id
    with gateway.embedded.gateway.database.write() as db:
        budgets.set_budget(db, caller.key_id, Budget("usd", per_day_micros=10**6))
    with gateway.http(where) as http:
        refused = http.post("/account/stripe-customer")
    assert (refused.status_code, refused.json()["code"]) == (409, "key_is_limited")


def test_where_stripe_sells_nothing_it_says_so(free_gateway: Running) -> None:
    with free_gateway.http() as http:
        for path, body in (("/credits", {"pack": 1}), ("/account/stripe-customer", {})):
            refused = http.post(path, json=body)
            assert refused.status_code in {409, 422}
            assert refused.json()["code"] in {"not_offered", "unknown_pack"}


def test_a_run_that_we_lost_is_refunded_as_its_payer_asks(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert gateway.stripe is not None

    def lost(*_: object) -> None:
        message = "the runner is gone"
        raise RunnerLostError(message)

    with gateway.http() as http:
        need = http.post("/simulate", json=request()).json()
        path = f"/payments/{need['quote_id']}/refund"
        assert http.post(path).json()["details"]["reason"] == "nothing was paid"
        happens(gateway, need["session_id"], "complete")
        shown = page(gateway, need["session_id"])
        assert "msl:BouncingBall" in shown
        assert "it can run now" in shown
        assert "1.00 USD" in shown
        token = http.get(f"/payments/checkout/{need['session_id']}").json()["payment_token"]
        assert token not in shown
        refused = http.post(path)
        assert (refused.status_code, refused.json()["code"]) == (409, "not_refundable")
        with monkeypatch.context() as patched:
            patched.setattr(Simulator, "run", lost)
            assert http.post("/simulate", json={"payment_token": token}).status_code == 503
        with gateway.http() as other:
            assert other.post(path).json()["code"] == "unknown_quote"
        back = http.post(path).json()
        assert (back["status"], back["amount"], back["offer"]) == (
            "refunded",
            1.0,
            "stripe_checkout",
        )
        spent = http.post("/simulate", json={"payment_token": token})
        assert (spent.status_code, spent.json()["code"]) == (409, "payment_returned")
        reconcile(gateway.embedded.gateway)
        assert [made["amount"] for made in gateway.stripe.refunds.values()][-1] == 100
        assert "Given back" in page(gateway, need["session_id"])


def test_a_person_sees_what_has_become_of_a_payment(gateway: Running) -> None:
    assert gateway.stripe is not None
    with gateway.http() as http:
        need = http.post("/simulate", json=request()).json()
        session_id = need["session_id"]
        waiting = page(gateway, session_id)
        assert "http-equiv" in waiting
        assert "Nothing is to be paid again" in waiting
        happens(gateway, session_id, "complete", payment_status="unpaid")
        assert "on its way" in page(gateway, session_id)
        happens(gateway, session_id, "succeed")
        assert "it can run now" in page(gateway, session_id)
        assert http.post("/simulate", json={"quote_id": need["quote_id"]}).status_code == 200
        assert "has run it already" in page(gateway, session_id)
        expired = http.post("/simulate", json=request()).json()["session_id"]
        happens(gateway, expired, "expire")
        assert "nothing was charged" in page(gateway, expired)
    sent_to = gateway.stripe.sessions[session_id]["success_url"]
    assert sent_to == f"{gateway.url}/payments/success?session_id={{CHECKOUT_SESSION_ID}}"


@pytest.mark.parametrize("session_id", ["", "cs_unknown", "\0", "<script>", "x" * 5000])
def test_a_page_of_an_unknown_payment_tells_nothing(gateway: Running, session_id: str) -> None:
    shown = page(gateway, session_id)
    assert "Thank you" in shown
    assert "<script" not in shown


def test_what_stands_on_a_page_is_text_whoever_chose_it() -> None:
    name = "msl:<script>alert(1)</script>\u202e\n" + "x" * 500
    shown = bytes(payment_pages.success(Receipt("paid", Money(10**6, "usd"), name)).body).decode()
    assert "<script" not in shown
    assert "\u202e" not in shown
    assert len(shown) < 2000


def test_the_accounts_own_doings_need_its_key(gateway: Running) -> None:
    for path in ("/credits", "/account/stripe-customer", "/payments/qt_1/refund"):
        assert httpx.post(f"{gateway.url}{path}", json={}).status_code == 401


def test_an_operator_links_unlinks_and_refunds(gateway: Running, tmp_path: Path) -> None:
    assert gateway.stripe is not None
    where = gateway.account()
    account_id = caller_of(gateway, where).account_id
    with gateway.http(where) as http:
        customer = http.post("/account/stripe-customer").json()["customer_id"]
        linked = run(tmp_path, "account", "link", account_id, customer, **gateway.environment)
        assert linked.returncode == 0, linked.stderr
        assert http.post("/account/stripe-customer").json()["linked"]
        wrong = run(tmp_path, "account", "link", account_id, "cus_no", **gateway.environment)
        assert wrong.returncode == 2
        assert "Stripe doesn't know it" in wrong.stderr
        gone = run(tmp_path, "account", "unlink", account_id, **gateway.environment)
        assert "is linked no more" in gone.stdout
        with gateway.embedded.gateway.database.read() as db:
            assert accounts.paying(db, account_id).stripe_customer_id is None
        need = http.post("/simulate", json=request()).json()
        happens(gateway, need["session_id"], "complete")
        asked = ("payments", "refund", need["quote_id"], "--reason", "they asked")
        before = len(gateway.stripe.refunds)
        back = run(tmp_path, *asked, **gateway.environment)
        assert "1.00 USD go back" in back.stdout, back.stderr
        assert len(gateway.stripe.refunds) == before + 1
        again = run(tmp_path, *asked, **gateway.environment)
        assert again.returncode == 2
        assert "went back already" in again.stderr
