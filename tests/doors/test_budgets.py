"""What a person allows, an agent can spend and no more: through every door, set over REST."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from conftest import Running, running_gateway
from doors.clients import DOORS, Where, open_door
from doors.credit import give_credits
from fmus import compiled

from gateway_simulation.exceptions import RunnerLostError
from gateway_simulation.runner import Simulator
from gateway_tools.ledger_audit import audit_ledger

_times = itertools.count(1)

pytestmark = pytest.mark.slow

ONE_OF_EACH = ("rest", "mcp_http", "a2a_jsonrpc")  # protocol


def fresh_request(**more: Any) -> dict[str, Any]:  # noqa: ANN401
    """A request that nobody made before."""
    return {"fmu_id": "msl:BouncingBall", "stop_time": 2 + next(_times) / 1000, **more}


@pytest.fixture(scope="module")
def generous_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Two free runs a day, then credits, for a dollar and three more a million units of work."""
    environment = {
        "PAYMENT_OFFERS": "credits",
        "FREE_RUNS_PER_DAY": "2",
        "WORK_UNITS_PRICE_CENTS": "300",
    }
    with running_gateway(tmp_path_factory.mktemp("generous"), environment, None) as gateway:
        yield gateway


@pytest.fixture(autouse=True)
def _the_books_balance(paid_gateway: Running) -> Any:  # noqa: ANN401
    yield
    system = paid_gateway.embedded.gateway
    broken = [f for f in audit_ledger(system.database, system.clock()).findings if f.violations]
    assert not broken


def put(gateway: Running, where: Where, **body: Any) -> dict[str, Any]:  # noqa: ANN401
    with gateway.http(where) as http:
        answer = http.put("/account/budget", json=body)
    told: dict[str, Any] = answer.json()
    assert answer.status_code == 200, told
    return told


def agent(gateway: Running, owner: Where, **budget: Any) -> Where:  # noqa: ANN401
    """A second key of the account, limited from its first moment."""
    with gateway.http(owner) as http:
        new = http.post("/account/keys", json={"label": "agent", "budget": budget})
    assert new.status_code == 201, new.text
    return replace(owner, key=new.json()["key"])


@pytest.mark.parametrize("name", DOORS)
def test_an_agent_runs_unasked_up_to_its_limit_and_is_told_what_a_person_can_do(
    paid_gateway: Running, name: str
) -> None:
    owner = paid_gateway.account()
    give_credits(paid_gateway, owner, 1000)
    assert put(paid_gateway, owner, auto_pay="credits")["auto_pay"] == "credits"
    limited = agent(paid_gateway, owner, per_run=1.5, per_day=2, per_month=50)
    with open_door(name, limited) as door:
        for _ in range(2):
            assert not door.call("simulate", fresh_request()).failed
        refused = door.call("simulate", fresh_request())
        account = door.call("account", {}).body
    assert refused.code == "budget_exceeded"
    details = refused.body["details"]
    told = {name: details[name] for name in ("limit", "limit_micros", "spent_micros")}
    assert told == {"limit": "day", "limit_micros": 2_000_000, "spent_micros": 2_000_000}
    assert details["price_micros"] == 1_000_000
    assert details["key_id"].startswith("key_")
    assert details["resets_at"].endswith("T00:00:00+00:00")
    assert "PUT /account/budget" in refused.body["remedy"]
    assert account["balance"]["amount"] == 8.0
    assert account["auto_pay"] == "credits"
    assert account["linked"] is False
    budget = account["budget"]
    assert (budget["per_run"], budget["per_day"], budget["per_month"]) == (1.5, 2.0, 50.0)
    assert (budget["spent_today"], budget["left_today"], budget["left_this_month"]) == (2, 0, 48)
    raised = put(paid_gateway, owner, key_id=details["key_id"], per_day=3)
    assert raised["budget"]["left_today"] == 1.0
    with open_door("rest", limited) as door:
        assert not door.call("simulate", fresh_request()).failed


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_a_way_to_pay_that_is_not_allowed_is_refused_by_pay_and_by_simulate(
    paid_gateway: Running, name: str
) -> None:
    owner = paid_gateway.account()
    give_credits(paid_gateway, owner, 100)
    limited = agent(paid_gateway, owner, offers=["stripe_checkout"])
    nothing = agent(paid_gateway, owner, offers=[])
    with open_door(name, limited) as door:
        need = door.call("simulate", fresh_request())
        assert need.body["methods"] == ["stripe_checkout"]
        refused = door.call("pay", {"quote_id": need.body["quote_id"], "offer": "credits"})
        assert refused.code == "offer_not_allowed"
        assert refused.body["details"]["allowed"] == ["stripe_checkout"]
    with open_door("rest", nothing) as door:
        assert door.call("simulate", fresh_request()).code == "offer_not_allowed"
    with open_door("rest", owner) as door:
        assert door.call("account", {}).body["balance"]["amount"] == 1.0


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_where_credits_are_short_an_account_that_pays_unasked_is_asked(
    paid_gateway: Running, name: str
) -> None:
    owner = paid_gateway.account()
    give_credits(paid_gateway, owner, 100)
    put(paid_gateway, owner, auto_pay="credits")
    with open_door(name, owner) as door:
        assert not door.call("simulate", fresh_request()).failed
        assert door.call("simulate", fresh_request()).code == "payment_required"
        assert door.call("account", {}).body["balance"]["amount"] == 0.0


@pytest.mark.parametrize("name", DOORS)
def test_so_many_runs_a_day_are_free_and_the_next_one_is_a_402(
    generous_gateway: Running, name: str
) -> None:
    with open_door(name, generous_gateway.account()) as door:
        for left in (2, 1):
            quote = door.call("simulate", fresh_request(quote_only=True))
            assert not quote.failed
            assert (quote.body["amount"], quote.body["offers"]) == (0, [])
            assert quote.body["because"] == [f"free: {left} of 2 free runs are left today"]
            assert door.call("account", {}).body["free_runs_left"] == left
            assert not door.call("simulate", {"quote_id": quote.body["quote_id"]}).failed
        need = door.call("simulate", fresh_request())
        assert need.code == "payment_required"
        assert need.body["amount_micros"] > 1_000_000
        assert door.call("account", {}).body["free_runs_left"] == 0
        asked = door.call("simulate", fresh_request(quote_only=True))
        assert asked.code == "payment_required"


def test_a_free_run_comes_back_when_the_server_fails(
    generous_gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object) -> None:
        message = "the runner is gone"
        raise RunnerLostError(message)

    with open_door("rest", generous_gateway.account()) as door:
        with monkeypatch.context() as broken:
            broken.setattr(Simulator, "run", lost)
            assert door.call("simulate", fresh_request()).code == "runner_lost"
        assert door.call("account", {}).body["free_runs_left"] == 2


def test_checking_the_accuracy_is_twice_the_work(generous_gateway: Running) -> None:
    where = generous_gateway.account()
    request = fresh_request()
    with open_door("rest", where) as door:
        once = door.call("quote", request).body
        twice = door.call("quote", {**request, "check_accuracy": True}).body
    assert twice["work_units"] == 2 * once["work_units"]


def test_a_dearer_run_is_refused_with_both_prices_and_what_made_the_difference(
    generous_gateway: Running,
) -> None:
    where = generous_gateway.account()
    give_credits(generous_gateway, where, 500)
    request = fresh_request()
    with open_door("rest", where) as door:
        for _ in range(2):
            door.call("simulate", fresh_request())
        quote = door.call("quote", request).body
        door.call("pay", {"quote_id": quote["quote_id"], "offer": "credits"})
        dearer = {**request, "check_accuracy": True, "quote_id": quote["quote_id"]}
        refused = door.call("simulate", dearer)
        assert refused.code == "payment_too_small"
        units = quote["work_units"]
        assert f"it takes {2 * units} units of work, not {units}" in refused.body["message"]
        details = refused.body["details"]
        assert details["paid"]["amount_micros"] == quote["amount_micros"] == 1_000_000 + 3 * units
        assert details["price"]["amount_micros"] == 1_000_000 + 6 * units
        assert not door.call("simulate", {"quote_id": quote["quote_id"]}).failed


def test_a_model_that_fails_gives_ones_credits_back_twice_and_keeps_them_the_third_time(
    paid_gateway: Running,
) -> None:
    owner = paid_gateway.account()
    give_credits(paid_gateway, owner, 300)
    put(paid_gateway, owner, auto_pay="credits")
    with paid_gateway.http(owner) as http:
        fmu_id = http.post("/fmus", files={"file": compiled.fmu("crashes")}).json()["id"]
        failures = [http.post("/simulate", json={"fmu_id": fmu_id}).json() for _ in range(3)]
        balance = http.get("/account").json()["balance"]["amount"]
    charged = [failure["details"]["charged"] for failure in failures]
    assert charged == ["nothing", "nothing", "1.00 USD"]
    assert balance == 2.0


def test_ten_agents_calls_at_once_stay_within_the_limit(paid_gateway: Running) -> None:
    owner = paid_gateway.account()
    give_credits(paid_gateway, owner, 1000)
    put(paid_gateway, owner, auto_pay="credits")
    limited = agent(paid_gateway, owner, per_day=3)
    with paid_gateway.http(limited) as http, ThreadPoolExecutor(10) as threads:
        requests = [fresh_request() for _ in range(10)]
        answers = list(threads.map(lambda body: http.post("/simulate", json=body), requests))
    assert sorted(answer.status_code for answer in answers) == [200] * 3 + [409] * 7
    with paid_gateway.http(owner) as http:
        assert http.get("/account").json()["balance"]["amount"] == 7.0


def test_a_key_with_a_budget_manages_nothing_and_its_owner_takes_it_away(
    paid_gateway: Running,
) -> None:
    owner = paid_gateway.account()
    limited = agent(paid_gateway, owner, per_run=1)
    with paid_gateway.http(limited) as http:
        own = next(k for k in http.get("/account/keys").json()["keys"] if k["budget"])
        assert own["budget"]["per_run"] == 1.0
        for answer in (
            http.put("/account/budget", json={}),
            http.put("/account/budget", json={"auto_pay": "credits"}),
            http.post("/account/keys", json={"label": "free"}),
            http.delete(f"/account/keys/{own['key_id']}"),
        ):
            assert answer.status_code == 409
            assert answer.json()["code"] == "key_is_limited"
    assert put(paid_gateway, owner, key_id=own["key_id"])["budget"] is None
    with paid_gateway.http(limited) as http:
        assert http.get("/account").json()["budget"] is None
        assert http.put("/account/budget", json={"auto_pay": "credits"}).status_code == 200


def test_the_last_key_without_a_budget_gets_none(paid_gateway: Running) -> None:
    with paid_gateway.http() as http:
        refused = http.put("/account/budget", json={"per_day": 5})
        assert (refused.status_code, refused.json()["code"]) == (409, "last_unlimited_key")
        assert "POST /account/keys" in refused.json()["remedy"]
        assert http.get("/account").json()["budget"] is None


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ('{"per_day": -1}', 422, "invalid_input"),
        ('{"per_day": 1e10}', 422, "invalid_input"),
        (f'{{"per_day": 1{"0" * 400}}}', 422, "invalid_input"),
        ('{"per_run": NaN}', 422, "invalid_input"),
        ('{"per_run": Infinity}', 422, "invalid_input"),
        ('{"per_run": true}', 422, "invalid_input"),
        ('{"per_run": "1"}', 422, "invalid_input"),
        ('{"per_week": 1}', 422, "invalid_input"),
        ('{"offers": ["cash"]}', 422, "invalid_input"),
        ('{"offers": "credits"}', 422, "invalid_input"),
        ('{"auto_pay": "x402"}', 422, "invalid_input"),
        ('{"auto_pay": "metered"}', 409, "not_linked"),
        ('{"per_day": 5, "currency": "eur"}', 422, "budget_currency"),
        ('{"key_id": "key_no", "per_day": 5}', 404, "unknown_key"),
        ('{"key_id": "", "per_day": 5}', 404, "unknown_key"),
        ("[]", 422, "not_json"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    paid_gateway: Running, body: str, status: int, code: str
) -> None:
    owner = paid_gateway.account()
    agent(paid_gateway, owner, per_day=7)
    with paid_gateway.http(owner) as http:
        before = http.get("/account/keys").json()
        answer = http.put("/account/budget", content=body)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert http.get("/account/keys").json() == before
        assert http.get("/account").json()["auto_pay"] is None


def test_anothers_key_is_unknown(paid_gateway: Running) -> None:
    with paid_gateway.http() as eve, paid_gateway.http() as ada:
        (theirs,) = eve.get("/account/keys").json()["keys"]
        answer = ada.put("/account/budget", json={"key_id": theirs["key_id"], "per_day": 0})
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_key")


def test_a_wrong_budget_makes_no_key(paid_gateway: Running) -> None:
    with paid_gateway.http() as http:
        for wrong in ({"per_day": -1}, {"currency": "eur", "per_day": 1}):
            assert http.post("/account/keys", json={"budget": wrong}).status_code == 422
        assert len(http.get("/account/keys").json()["keys"]) == 1
