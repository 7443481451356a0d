"""From 402 to a result and no further, through every door, with the real Stripe SDK in between."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import jsonschema
import pytest
from conftest import WEBHOOK_SECRET, Running
from doors.clients import Door, Where, open_door
from doors.credit import give_credits

from gateway_payments.audit import audit
from gateway_tools.registry import TOOLS

_times = itertools.count(1)


def fresh_request() -> dict[str, Any]:
    """A request that nobody made before, so that no open quote is shared between tests."""
    return {"fmu_id": "msl:BouncingBall", "stop_time": 1 + next(_times) / 1000, "kpis": ["h_max"]}


def complete(gateway: Running, session_id: str, *, webhook: bool = True) -> None:
    """The user pays; Stripe posts its webhook twice."""
    assert gateway.stripe is not None
    delivery = {"webhook_url": f"{gateway.url}/webhooks/stripe", "secret": WEBHOOK_SECRET}
    told = {"payment_status": "paid", **({**delivery, "copies": 2} if webhook else {})}
    url = f"{gateway.stripe.base_url}/control/sessions/{session_id}/complete"
    httpx.post(url, json=told).raise_for_status()


@pytest.fixture(autouse=True)
def _the_ledger_balances(paid_gateway: Running) -> Any:  # noqa: ANN401
    yield
    with paid_gateway.embedded.gateway.database.read() as db:
        assert not audit(db)


def test_a_run_is_refused_paid_by_checkout_and_delivered(paid: Door, paid_gateway: Running) -> None:
    request = fresh_request()
    need = paid.call("simulate", request)
    assert need.code == "payment_required"
    jsonschema.validate(need.body, TOOLS["simulate"].output_schema)
    assert need.body["amount"] == 1.0
    assert need.body["amount_minor"] == 100
    assert need.body["currency"] == "usd"
    assert need.body["methods"] == ["stripe_checkout", "credits"]
    assert need.body["checkout_url"].startswith("http")
    session_id = need.body["session_id"]
    assert paid.call("pay", {"session_id": session_id}).body["status"] == "pending"
    complete(paid_gateway, session_id)
    claim = paid.call("pay", {"session_id": session_id}).body
    assert claim["status"] == "paid"
    result = paid.call("simulate", {**request, "payment_token": claim["payment_token"]})
    assert not result.failed
    assert result.body["kpis"]["h_max"]["value"] == 1.0
    again = paid.call("simulate", {**request, "payment_token": claim["payment_token"]})
    assert again.code == "payment_token_spent"


def test_a_lost_webhook_is_made_up_for_by_asking_stripe(paid: Door, paid_gateway: Running) -> None:
    need = paid.call("simulate", fresh_request()).body
    complete(paid_gateway, need["session_id"], webhook=False)
    assert not paid.call("simulate", {"quote_id": need["quote_id"]}).failed
    claim = paid.call("pay", {"session_id": need["session_id"]})
    assert claim.code == "payment_token_spent"


def test_a_paid_quote_is_enough_alone(paid: Door, paid_gateway: Running) -> None:
    quote = paid.call("quote", fresh_request()).body
    assert paid.call("simulate", {"quote_id": quote["quote_id"]}).code == "payment_required"
    begun = paid.call("pay", {"quote_id": quote["quote_id"], "offer": "stripe_checkout"}).body
    assert begun["status"] == "pending"
    complete(paid_gateway, begun["session_id"])
    assert not paid.call("simulate", {"quote_id": quote["quote_id"]}).failed
    assert paid.call("simulate", {"quote_id": quote["quote_id"]}).code == "payment_token_spent"


def test_credits_pay_at_once_and_only_once(
    paid: Door, paid_account: tuple[str, Where], paid_gateway: Running
) -> None:
    quote = paid.call("quote", fresh_request()).body
    asked = {"quote_id": quote["quote_id"], "offer": "credits"}
    before = _credits(paid)
    if before < 1.0:
        assert paid.call("pay", asked).code == "insufficient_credits"
    give_credits(paid_gateway, paid_account[1], 200)
    first = paid.call("pay", asked).body
    second = paid.call("pay", asked).body
    assert first["status"] == second["status"] == "paid"
    assert first["payment_token"] == second["payment_token"]
    assert _credits(paid) == before + 1.0


def test_a_failed_run_gives_its_payment_back(
    paid: Door, paid_account: tuple[str, Where], paid_gateway: Running
) -> None:
    give_credits(paid_gateway, paid_account[1], 100)
    quote = paid.call("quote", fresh_request()).body
    token = paid.call("pay", {"quote_id": quote["quote_id"], "offer": "credits"}).body
    bearer = token["payment_token"]
    wrong = {"fmu_id": "msl:BouncingBall", "outputs": ["nothing"], "payment_token": bearer}
    assert paid.call("simulate", wrong).code == "unknown_variable"
    assert not paid.call("simulate", {"payment_token": bearer}).failed


def test_an_unpaid_request_asked_again_is_the_same_quote_and_session(paid: Door) -> None:
    request = fresh_request()
    first, second = paid.call("simulate", request).body, paid.call("simulate", request).body
    assert first["quote_id"] == second["quote_id"]
    assert first["session_id"] == second["session_id"]


def test_a_result_one_has_already_is_named_in_the_requirement(
    paid: Door, paid_account: tuple[str, Where], paid_gateway: Running
) -> None:
    give_credits(paid_gateway, paid_account[1], 100)
    request = fresh_request()
    quote = paid.call("quote", request).body
    paid.call("pay", {"quote_id": quote["quote_id"], "offer": "credits"})
    result = paid.call("simulate", {"quote_id": quote["quote_id"]}).body
    need = paid.call("simulate", request)
    assert need.code == "payment_required"
    assert need.body["existing_result_id"] == result["result_id"]
    reused = paid.call("simulate", {**request, "reuse": True})
    assert reused.body["cached"]


def test_pay_with_a_model_alone_quotes_and_spends_nothing(paid: Door) -> None:
    before = _credits(paid)
    answer = paid.call("pay", {"fmu_id": "msl:VanDerPol"}).body
    assert answer["status"] == "pending"
    assert answer["amount"] == 1.0
    assert "stripe_checkout" in answer["next_steps"][0]
    assert _credits(paid) == before


def test_quote_only_answers_the_requirement_and_runs_nothing(paid: Door) -> None:
    runs = len(paid.call("account", {"limit": 200}).body["usage"])
    answer = paid.call("simulate", {**fresh_request(), "quote_only": True})
    assert answer.code == "payment_required"
    assert len(paid.call("account", {"limit": 200}).body["usage"]) == runs


@pytest.mark.parametrize("token", ["", "x", "ent_1.abc", "ä" * 50, "x" * 9000])
def test_a_forged_token_buys_nothing(paid: Door, token: str) -> None:
    assert paid.call("simulate", {**fresh_request(), "payment_token": token}).code == (
        "payment_token_invalid"
    )


def test_what_one_account_bought_is_worth_nothing_to_another(
    paid: Door, paid_gateway: Running
) -> None:
    where = paid_gateway.account()
    give_credits(paid_gateway, where, 100)
    request = fresh_request()
    with open_door("rest", where) as owner:
        quote = owner.call("quote", request).body
        bought = owner.call("pay", {"quote_id": quote["quote_id"], "offer": "credits"}).body
    token = bought["payment_token"]
    stolen = paid.call("simulate", {**request, "payment_token": token})
    assert stolen.code == "payment_token_invalid"
    assert paid.call("simulate", {"quote_id": quote["quote_id"]}).code == "unknown_quote"
    assert paid.call("pay", {"quote_id": quote["quote_id"]}).code == "unknown_quote"


def test_a_token_from_one_door_is_good_at_another(
    paid: Door, paid_account: tuple[str, Where], paid_gateway: Running
) -> None:
    give_credits(paid_gateway, paid_account[1], 100)
    quote = paid.call("quote", fresh_request()).body
    bought = paid.call("pay", {"quote_id": quote["quote_id"], "offer": "credits"}).body
    other = "rest" if paid_account[0] != "rest" else "mcp_http"
    with open_door(other, paid_account[1]) as door:
        assert not door.call("simulate", {"payment_token": bought["payment_token"]}).failed


def test_of_a_hundred_tries_with_one_token_exactly_one_runs(paid_gateway: Running) -> None:
    where = paid_gateway.account()
    give_credits(paid_gateway, where, 100)
    with paid_gateway.http(where) as http:
        quote = http.post("/quotes", json=fresh_request()).json()
        paid = http.post("/pay", json={"quote_id": quote["quote_id"], "offer": "credits"}).json()
        body = {"payment_token": paid["payment_token"]}
        with ThreadPoolExecutor(100) as tries:
            sent = [tries.submit(http.post, "/simulate", json=body) for _ in range(100)]
        statuses = sorted(answer.result().status_code for answer in sent)
    assert statuses == [200] + [409] * 99


def test_a_quote_for_what_is_paid_already_says_so(
    paid: Door, paid_account: tuple[str, Where], paid_gateway: Running
) -> None:
    give_credits(paid_gateway, paid_account[1], 100)
    request = fresh_request()
    first = paid.call("quote", request).body
    assert first["already_paid_quote_id"] is None
    bought = paid.call("pay", {"quote_id": first["quote_id"], "offer": "credits"}).body
    assert bought["amount_minor"] == 100
    again = paid.call("quote", request).body
    assert again["already_paid_quote_id"] == first["quote_id"]
    assert first["quote_id"] in again["next_steps"][0]
    assert paid.call("simulate", request).body["already_paid_quote_id"] == first["quote_id"]
    assert not paid.call("simulate", {"quote_id": first["quote_id"]}).failed


def test_a_repeat_of_ones_own_run_is_never_told_to_pay_again(paid_gateway: Running) -> None:
    where = paid_gateway.account()
    give_credits(paid_gateway, where, 100)
    with paid_gateway.http(where) as http:
        quote = http.post("/quotes", json=fresh_request()).json()
        paid = http.post("/pay", json={"quote_id": quote["quote_id"], "offer": "credits"}).json()
        body = {"payment_token": paid["payment_token"], "idempotency_key": "mine"}
        with ThreadPoolExecutor(16) as tries:
            sent = [tries.submit(http.post, "/simulate", json=body) for _ in range(16)]
        answers = [answer.result() for answer in sent]
    told = {answer.json().get("code", "done") for answer in answers}
    # on Postgres who comes at the very moment sees the payment before the run: pay nothing, repeat
    assert told <= {"done", "run_in_progress", "payment_in_use"}
    ids = {a.json()["result_id"] for a in answers if a.status_code == 200}
    assert len(ids) == 1


def test_other_fields_beside_what_was_paid_are_not_silently_ignored(paid: Door) -> None:
    quote = paid.call("quote", fresh_request()).body
    mixed = paid.call("simulate", {"quote_id": quote["quote_id"], "stop_time": 5.0})
    assert mixed.code == "mixed_request"
    assert mixed.body["details"]["fields"] == ["stop_time"]


def _credits(door: Door) -> float:
    return float(door.call("account", {}).body["balance"]["amount"])
