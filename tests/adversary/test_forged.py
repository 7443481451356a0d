"""Forged, stolen, replayed and mixed up: nothing is bought by it, and the books don't move."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from conftest import Running
from doors.clients import Where, open_door
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from payments.world import NOW, WEBHOOK_SECRET, World, priced
from stripe_standin.customers import create_customer
from stripe_standin.refunds import refund
from stripe_standin.server import running, signed

from gateway_payments.accounts import Caller, claim_customer, create_account, find_caller, link
from gateway_payments.budgets import Budget
from gateway_payments.exceptions import (
    BudgetExceededError,
    InvalidAmountError,
    PaymentError,
    PaymentTokenExpiredError,
    PaymentTokenInvalidError,
    UnknownSessionError,
    WebhookMalformedError,
    WebhookSignatureError,
)
from gateway_payments.ledger import LARGEST_GRANT_MICROS, credit_balances, grant_credits
from gateway_payments.money import Money, from_minor
from gateway_payments.tokens import entitlement_of, token
from gateway_server.compose import open_database
from gateway_server.grants import grant_credits as grant_by_command
from gateway_server.settings import SettingsError, read_settings

SECRET = b"0" * 32
HEX = "0123456789abcdef"
ONCE = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def test_a_token_with_any_one_bit_flipped_is_worth_nothing() -> None:
    genuine = token(SECRET, "ent_" + "a1" * 16)
    assert entitlement_of(SECRET, genuine)
    for position in range(len(genuine)):
        for bit in range(8):
            flipped = chr(ord(genuine[position]) ^ 1 << bit)
            forged = genuine[:position] + flipped + genuine[position + 1 :]
            assert entitlement_of(SECRET, forged) is None, (position, bit)
    for length in range(len(genuine)):
        assert entitlement_of(SECRET, genuine[:length]) is None
    assert entitlement_of(b"1" * 32, genuine) is None


@given(st.text(max_size=300) | st.text(HEX + ".ent_", max_size=120))
def test_no_text_is_a_token_by_chance(text: str) -> None:
    assert entitlement_of(SECRET, text) is None


@ONCE
@given(
    forged=st.text(max_size=100) | st.sampled_from(["x" * 10_000, "\x00", "ent_", ".", "é" * 90])
)
def test_whatever_is_given_for_a_token_or_a_session_buys_nothing(world: World, forged: str) -> None:
    with pytest.raises(PaymentTokenInvalidError):
        world.admit(world.ada, token=forged)
    with pytest.raises(UnknownSessionError):
        world.claim(world.ada, forged)


def test_a_payment_token_is_no_key_and_a_key_no_token(paid_gateway: Running) -> None:
    where, bearer = _token_at(paid_gateway)
    with paid_gateway.http(replace(where, key=bearer)) as http:
        assert http.get("/account").status_code == 401
    with paid_gateway.http(where) as http:
        told = http.post("/simulate", json={"payment_token": where.key}).json()
        assert told["code"] == "payment_token_invalid"


def test_one_token_at_three_doors_at_once_and_again_runs_once(paid_gateway: Running) -> None:
    where, bearer = _token_at(paid_gateway)
    doors = ("rest", "mcp_http", "a2a_jsonrpc")

    def spend(name: str) -> str | None:
        with open_door(name, where) as door:
            asked = {"fmu_id": "msl:BouncingBall", "stop_time": 3.0, "payment_token": bearer}
            return door.call("simulate", asked).code

    with ThreadPoolExecutor(6) as threads:
        at_once = list(threads.map(spend, doors * 2))
    assert at_once.count(None) == 1
    assert set(at_once) <= {None, "payment_in_use", "payment_token_spent"}
    assert {spend(name) for name in doors} == {"payment_token_spent"}


def _token_at(gateway: Running) -> tuple[Where, str]:
    where, system = gateway.account(), gateway.embedded.gateway
    with system.database.write() as db:
        caller = find_caller(db, where.key)
        assert caller
        money = from_minor(100, "usd")
        grant_credits(db, caller.account_id, f"one {caller.account_id}", money, system.clock())
    with gateway.http(where) as http:
        asked = {"fmu_id": "msl:BouncingBall", "stop_time": 3.0}
        quote = http.post("/quotes", json=asked).json()["quote_id"]
        paid = http.post("/pay", json={"quote_id": quote, "offer": "credits"}).json()
    return where, str(paid["payment_token"])


@pytest.fixture
def news(world: World) -> tuple[bytes, str]:
    """A webhook that would pay, and its signature."""
    event = world.stripe.complete(world.open_session(world.ada, world.quote(world.ada)))
    return signed(event, WEBHOOK_SECRET, world.now.timestamp())


def test_a_webhook_with_any_one_byte_changed_is_refused(
    world: World, news: tuple[bytes, str]
) -> None:
    body, signature = news
    for position in range(len(body)):
        changed = body[:position] + bytes([body[position] ^ 1]) + body[position + 1 :]
        with pytest.raises((WebhookSignatureError, WebhookMalformedError)):
            world.payments.handle_webhook(changed, signature, world.now)
    assert world.payments.handle_webhook(body, signature, world.now)


@ONCE
@given(st.text(max_size=80) | st.from_regex(r"(t=-?[0-9]{0,20},?|v[01]=[0-9a-f]{0,64},?){0,5}"))
def test_whatever_is_given_for_a_signature_is_refused(world: World, signature: str) -> None:
    with pytest.raises(WebhookSignatureError):
        world.payments.handle_webhook(b'{"id": "evt_1"}', signature, world.now)


@pytest.mark.parametrize("first", ["genuine", "forged"])
def test_of_two_signatures_one_must_be_genuine_and_the_time_the_signed_one(
    world: World, news: tuple[bytes, str], first: str
) -> None:
    body, signature = news
    stamp, _, genuine = signature.partition(",")
    forged = "v1=" + "0" * 64
    both = (genuine, forged) if first == "genuine" else (forged, genuine)
    with pytest.raises(WebhookSignatureError):
        world.payments.handle_webhook(body, f"{stamp},{forged},{forged}", world.now)
    with pytest.raises(WebhookSignatureError):
        late = int(world.now.timestamp()) + 200
        world.payments.handle_webhook(body, f"t={late},{genuine}", world.now)
    for times in (f"t=0,{stamp}", f"{stamp},t=0"):
        old = world.now + timedelta(minutes=6)
        with pytest.raises(WebhookSignatureError):
            world.payments.handle_webhook(body, f"{times},{genuine}", old)
    assert world.payments.handle_webhook(body, ",".join((stamp, *both)), world.now)


def test_the_same_news_under_other_ids_pays_once(world: World) -> None:
    quote = world.quote(world.ada)
    event = world.stripe.complete(world.open_session(world.ada, quote))
    for number in range(5):
        world.webhook({**event, "id": f"evt_{number}"})
    world.capture(world.start(world.ada, quote=quote.id))
    for number in range(5):
        world.webhook({**event, "id": f"evt_again_{number}"})
    with pytest.raises(PaymentError):
        world.admit(world.ada, quote=quote.id)


def test_a_refund_told_in_another_currency_is_not_booked(world: World) -> None:
    quote = world.quote(world.ada)
    session = world.open_session(world.ada, quote)
    world.webhook(world.stripe.complete(session))
    refund(world.stripe, {"payment_intent": world.stripe.sessions[session]["payment_intent"]})
    told = next(e for e in world.stripe.events if e["type"] == "refund.created")
    other = json.loads(json.dumps(told))
    other["data"]["object"]["currency"] = "jpy"
    assert not world.webhook(other)
    assert world.start(world.ada, quote=quote.id)


def test_a_paid_run_stays_paid_when_the_operator_changes_the_currency(world: World) -> None:
    world.grant(world.ada)
    quote = world.quote(world.ada)
    bearer = world.pay(world.ada, quote, "credits").payment_token
    world.restart(currency="eur")
    with pytest.raises(PaymentError):
        world.admit(world.ada, priced("b" * 64), token=bearer)
    world.capture(world.start(world.ada, token=bearer))
    with pytest.raises(PaymentError):
        world.pay(world.ada, world.quote(world.ada, priced("c" * 64)), "credits")


def test_a_budget_in_the_old_currency_lets_nothing_be_spent_in_the_new_one(world: World) -> None:
    world.grant(world.ada, Money(5_000_000, "eur"), "euros")
    world.limit(world.ada, Budget("usd", per_day_micros=5_000_000))
    world.restart(currency="eur")
    with pytest.raises(BudgetExceededError):
        world.pay(world.ada, world.quote(world.ada), "credits")
    assert world.spent(world.ada) == {"day": 0, "month": 0}


@pytest.mark.parametrize(
    "amount",
    [
        "0",
        "-1",
        "nan",
        "inf",
        "-inf",
        "1e400",
        "1e30",
        "9" * 40,
        "1e99999999",
        "",
        "x",
        "0.0000001",
    ],
)
def test_an_operators_slip_grants_nothing(tmp_path: Path, amount: str) -> None:
    path = str(tmp_path / "gateway.sqlite3")
    settings_ = read_settings(fmu_gateway_db_path=path, payment_offers="credits")
    database = open_database(settings_)
    with database.write() as db:
        account_id = create_account(db, NOW).account_id
    with pytest.raises((SettingsError, InvalidAmountError)):
        grant_by_command(settings_, account_id, amount, "slip")
    with database.read() as db:
        assert credit_balances(db, account_id) == ()
    database.close()


@given(micros=st.integers(max_value=0) | st.integers(min_value=LARGEST_GRANT_MICROS + 1))
@ONCE
def test_no_amount_beyond_bounds_reaches_the_ledger(world: World, micros: int) -> None:
    with pytest.raises(InvalidAmountError):
        world.grant(world.ada, Money(micros, "usd"))


@pytest.mark.parametrize(
    "amount", ["NaN", "Infinity", "-Infinity", "-1", "1e300", "true", '"5"', "[]"]
)
@pytest.mark.parametrize("limit", ["per_run", "per_day", "per_month"])
def test_no_budget_is_made_of_what_is_no_amount(
    paid_gateway: Running, limit: str, amount: str
) -> None:
    body = f'{{"label": "x", "budget": {{"{limit}": {amount}}}}}'
    headers = {"Content-Type": "application/json"}
    with paid_gateway.http(_settled(paid_gateway)) as http:
        made = http.post("/account/keys", content=body, headers=headers)
        pack = http.post("/credits", content=f'{{"amount": {amount}}}', headers=headers)
        assert len(http.get("/account/keys").json()["keys"]) == 1
    for refused in (made, pack):
        assert 400 <= refused.status_code < 500, refused.text


_ACCOUNTS: dict[int, Where] = {}


def _settled(gateway: Running) -> Where:
    return _ACCOUNTS.setdefault(id(gateway), gateway.account())


JUMPS = st.lists(st.sampled_from([0, -1, 40 * 24]), min_size=8, max_size=8)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(hours=JUMPS)
def test_however_the_clock_jumps_one_payment_is_one_delivered_run(
    hours: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    with running() as stripe:
        world = World.at(tmp_path_factory.mktemp("jump"), stripe, "stripe_checkout", "credits")
        jumps = iter(hours)

        def jump() -> None:
            world.later(hours=next(jumps))

        _live_through(world, world.ada, jump)
        assert world.audit() == []
        world.database.close()


def _live_through(world: World, ada: Caller, jump: Callable[[], None]) -> None:
    world.grant(ada)
    quote = world.quote(ada)
    jump()
    paid = world.pay(ada, quote, "credits")
    if paid.payment_token is None:  # it expired: nothing was taken
        assert world.credits(ada) == 1_000_000
        return
    jump()
    world.payments.reconcile(world.now)
    try:
        run_id = world.start(ada, token=paid.payment_token)
    except PaymentTokenExpiredError:
        run_id = world.start(ada, token=world.pay(ada, quote).payment_token)
    jump()
    world.release(run_id)
    jump()
    world.payments.reconcile(world.now)
    jump()
    again = None
    try:
        again = world.admit(ada, quote=quote.id)
    except PaymentError:  # given back, a day after its time
        assert world.credits(ada) == 1_000_000
    if again:
        jump()
        assert world.capture(again.run_id)
        jump()
        assert world.payments.reconcile(world.now).refunded == 0
        assert world.credits(ada) == 0


@settings(max_examples=10, deadline=None)
@given(hours=JUMPS)
def test_however_the_clock_jumps_a_run_is_counted_once_or_left_to_an_operator(
    hours: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    with running() as stripe:
        world = World.at(tmp_path_factory.mktemp("jump"), stripe, "metered")
        customer = create_customer(stripe, {"metadata": {}})["id"]
        with world.database.write() as db:
            claim_customer(db, world.ada.account_id, customer)
            link(db, world.ada.account_id, customer, world.now)
        run_id = world.start(world.ada)
        for number, jump in enumerate(hours):
            world.later(hours=jump)
            if number == 1:
                world.capture(run_id)
            if number == 3:
                stripe.faults.append("lost")  # Stripe hears it, and we don't hear that it did
            world.payments.send_letters(world.now)
        told = [event["identifier"] for event in stripe.meter_events]
        assert told in ([], [run_id])
        stuck = [line.partition(":")[0] for line in world.audit()]
        assert stuck in ([], ["no letter to the outside waits for an operator"])
        assert told or stuck or min(hours) < 0  # while the clock is behind, it waits
        world.database.close()
