"""Refunds and disputes: what went back is booked once, and never more than was paid."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from payments.world import World
from sqlalchemy import text
from stripe_standin.refunds import close_dispute, dispute, fail_refund, refund
from stripe_standin.sessions import RefusedError

from gateway_payments.exceptions import (
    PaymentReturnedError,
    PaymentTokenSpentError,
    StripeUnavailableError,
    WebhookMalformedError,
    WebhookTooEarlyError,
)
from gateway_payments.ledger import Role, balance

ROLES: tuple[Role, ...] = ("stripe", "credits", "deferred", "revenue", "refunded")


@pytest.fixture
def session(world: World) -> str:
    """A session of Ada's that is paid, and heard of."""
    session_id = world.open_session(world.ada, world.quote(world.ada))
    assert world.webhook(world.stripe.complete(session_id))
    return session_id


def books(world: World) -> dict[Role, int]:
    """What Ada's books hold, in cents; those that hold nothing are left out."""
    with world.database.read() as db:
        held = {role: balance(db, world.ada.account_id, role, "usd") // 10_000 for role in ROLES}
    return {role: cents for role, cents in held.items() if cents}


def state(world: World) -> str:
    with world.database.read() as db:
        return str(db.execute(text("SELECT state FROM payments")).scalar_one())


def refunded(world: World, session_id: str, amount: int | None = None) -> list[dict[str, Any]]:
    """The operator refunds on Stripe's pages; the events."""
    before = len(world.stripe.events)
    some = {} if amount is None else {"amount": amount}
    intent = world.stripe.sessions[session_id]["payment_intent"]
    refund(world.stripe, {"payment_intent": intent, **some})
    return world.stripe.events[before:]


def tell(world: World, events: list[dict[str, Any]]) -> None:
    for event in events:
        world.webhook(event)


def test_a_full_refund_takes_an_unused_right_back(world: World, session: str) -> None:
    tell(world, refunded(world, session))
    assert books(world) == {}
    assert state(world) == "refunded"
    with pytest.raises(PaymentReturnedError):
        world.claim(world.ada, session)


def test_the_same_refund_told_in_many_ways_counts_once(world: World, session: str) -> None:
    made, on_charge = refunded(world, session)
    updated = {**made, "id": "evt_updated", "type": "refund.updated"}
    for order in itertools.permutations([made, on_charge, updated]):
        tell(world, [*order, *order])
    assert books(world) == {}


def test_a_refund_of_what_was_delivered_is_the_operators_loss(world: World, session: str) -> None:
    world.capture(world.start(world.ada, token=world.claim(world.ada, session).payment_token))
    tell(world, refunded(world, session))
    assert books(world) == {"revenue": 100, "refunded": -100}
    with pytest.raises(PaymentTokenSpentError):
        world.claim(world.ada, session)


def test_partial_refunds_sum_up_and_the_last_one_takes_the_right(
    world: World, session: str
) -> None:
    first, second = refunded(world, session, 40), refunded(world, session, 35)
    tell(world, [*second, *first])
    assert books(world) == {"stripe": -25, "deferred": 100, "refunded": -75}
    assert world.claim(world.ada, session).payment_token
    tell(world, refunded(world, session))
    assert books(world) == {}
    assert state(world) == "refunded"


def test_a_right_in_use_is_withdrawn_when_its_run_fails(world: World, session: str) -> None:
    run = world.start(world.ada, token=world.claim(world.ada, session).payment_token)
    tell(world, refunded(world, session))
    assert books(world) == {"deferred": 100, "refunded": -100}
    assert world.audit() == []
    world.release(run, models_fault=True)
    assert books(world) == {}
    with pytest.raises(PaymentReturnedError):
        world.claim(world.ada, session)


def test_a_right_in_use_that_is_refunded_may_still_be_delivered(world: World, session: str) -> None:
    run = world.start(world.ada, token=world.claim(world.ada, session).payment_token)
    tell(world, refunded(world, session))
    world.capture(run)
    assert books(world) == {"revenue": 100, "refunded": -100}


def test_a_refund_that_comes_back_restores_the_right(world: World, session: str) -> None:
    events = refunded(world, session)
    tell(world, events)
    world.later(days=3)
    tell(world, fail_refund(world.stripe, events[0]["data"]["object"]["id"]))
    assert books(world) == {"stripe": -100, "deferred": 100}
    assert state(world) == "paid"
    tell(world, [{**event, "id": f"evt_late_{i}"} for i, event in enumerate(events[:1])])
    assert books(world) == {"stripe": -100, "deferred": 100}, "old news took it again"
    assert world.claim(world.ada, session).payment_token


def test_that_a_refund_came_back_may_be_heard_first(world: World, session: str) -> None:
    events = refunded(world, session)
    back = fail_refund(world.stripe, events[0]["data"]["object"]["id"])
    tell(world, [*back, *events])
    assert books(world) == {"stripe": -100, "deferred": 100}


@pytest.mark.parametrize("outcome", ["won", "lost"])
@pytest.mark.parametrize("in_order", [True, False])
def test_a_dispute_is_decided(world: World, session: str, outcome: str, *, in_order: bool) -> None:
    opened = dispute(world.stripe, session)
    if in_order:
        tell(world, opened)
        assert books(world) == {}
        assert state(world) == "disputed"
        with pytest.raises(PaymentReturnedError):
            world.claim(world.ada, session)
    closed = close_dispute(world.stripe, opened[0]["data"]["object"]["id"], outcome)
    tell(world, [*closed, *opened, *closed])
    if outcome == "won":
        assert books(world) == {"stripe": -100, "deferred": 100}
        assert state(world) == "paid"
        world.capture(world.start(world.ada, token=world.claim(world.ada, session).payment_token))
    else:
        assert books(world) == {}
        assert state(world) == "refunded"


def test_a_dispute_over_what_was_delivered_is_lost_and_won(world: World, session: str) -> None:
    world.capture(world.start(world.ada, token=world.claim(world.ada, session).payment_token))
    opened = dispute(world.stripe, session)
    tell(world, opened)
    assert books(world) == {"revenue": 100, "refunded": -100}
    tell(world, close_dispute(world.stripe, opened[0]["data"]["object"]["id"], "won"))
    assert books(world) == {"stripe": -100, "revenue": 100}


def test_a_warning_takes_nothing(world: World, session: str) -> None:
    opened = dispute(world.stripe, session, status="warning_needs_response")
    tell(world, opened)
    tell(world, close_dispute(world.stripe, opened[0]["data"]["object"]["id"], "warning_closed"))
    assert books(world) == {"stripe": -100, "deferred": 100}
    assert world.claim(world.ada, session).payment_token


def test_a_warning_that_becomes_a_dispute_counts(world: World, session: str) -> None:
    opened = dispute(world.stripe, session, status="warning_needs_response")
    tell(world, opened)
    grown = world.stripe.disputes[opened[0]["data"]["object"]["id"]]
    grown["status"] = "needs_response"
    tell(world, [world.stripe.happen("charge.dispute.funds_withdrawn", grown)])
    assert books(world) == {}


def test_refund_and_dispute_of_one_payment_take_no_more_than_was_paid(
    world: World, session: str
) -> None:
    """In any order; and when the dispute is won, what was refunded stays refunded."""
    back = refunded(world, session, 60)
    opened = dispute(world.stripe, session)  # of the whole amount, as banks do
    closed = close_dispute(world.stripe, opened[0]["data"]["object"]["id"], "won")
    tell(world, [*opened, *back])
    assert books(world) == {}
    assert state(world) == "disputed"
    tell(world, closed)
    assert books(world) == {"stripe": -40, "deferred": 100, "refunded": -60}
    assert state(world) == "paid"


def test_a_refund_may_be_heard_of_before_the_payment(world: World) -> None:
    session_id = world.open_session(world.ada, world.quote(world.ada))
    world.stripe.complete(session_id)
    events = refunded(world, session_id)
    tell(world, events)  # it asks about the session itself
    assert books(world) == {}
    assert state(world) == "refunded"


def test_a_refund_of_a_page_that_we_took_to_be_over_counts(world: World) -> None:
    session_id = world.open_session(world.ada, world.quote(world.ada))
    world.stripe.complete(session_id)
    with world.database.write() as db:
        db.execute(text("UPDATE payments SET state = 'expired'"))
    tell(world, refunded(world, session_id))
    assert state(world) == "refunded"


def test_a_refund_of_what_is_not_known_to_be_paid_must_come_again(world: World) -> None:
    session_id = world.open_session(world.ada, world.quote(world.ada))
    paid = world.stripe.complete(session_id)
    with world.database.write() as db:
        db.execute(text("UPDATE payments SET state = 'begun', external_id = NULL"))
    events = refunded(world, session_id)
    with pytest.raises(WebhookTooEarlyError):
        world.webhook(events[0])
    world.webhook(paid)
    tell(world, events)
    assert books(world) == {}


def test_while_stripe_is_down_nothing_of_a_refund_is_noted(world: World, session: str) -> None:
    events = refunded(world, session)
    world.stripe.faults.extend(["error"] * 3)
    with pytest.raises(StripeUnavailableError):
        world.webhook(events[0])
    assert world.webhook(events[0])
    assert books(world) == {}


def test_money_that_went_back_in_another_currency_is_left_alone(world: World, session: str) -> None:
    made = refunded(world, session)[0]
    made["data"]["object"]["currency"] = "eur"
    world.webhook(made)
    assert books(world) == {"stripe": -100, "deferred": 100}


def test_refunds_of_other_business_are_none_of_ours(world: World, session: str) -> None:
    made = refunded(world, session)[0]
    about = made["data"]["object"]
    for changed in ({"payment_intent": None}, {"payment_intent": "pi_unknown"}):
        assert not world.webhook({**made, "data": {"object": {**about, **changed}}})
    world.stripe.intents["pi_other"] = {
        "id": "pi_other",
        "object": "payment_intent",
        "metadata": {},
    }
    assert not world.webhook({**made, "data": {"object": {**about, "payment_intent": "pi_other"}}})
    for wrong in ({"amount": 0}, {"amount": "1"}, {"id": None}, {"currency": 3}):
        with pytest.raises(WebhookMalformedError):
            world.webhook({**made, "data": {"object": {**about, **wrong}}})
    assert books(world) == {"stripe": -100, "deferred": 100}


def test_stripe_itself_refuses_to_refund_twice(world: World, session: str) -> None:
    refunded(world, session)
    with pytest.raises(RefusedError):
        refunded(world, session)


def test_an_answer_with_nothing_in_it_does_not_pass_for_another_products_payment(
    world: World, session: str
) -> None:
    (event, *_) = dispute(world.stripe, session)
    world.stripe.faults.append("hollow")
    with pytest.raises(StripeUnavailableError):
        world.webhook(event)
    assert world.webhook(event)
    assert state(world) == "disputed"
