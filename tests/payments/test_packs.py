"""Credit packs: bought on a Checkout page, credited once, taken back as far as they reach."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from payments.world import DOLLAR, World
from sqlalchemy import text
from stripe_standin.refunds import close_dispute, dispute, fail_refund, refund

from gateway_payments.budgets import Budget, set_budget
from gateway_payments.exceptions import (
    NotOfferedError,
    OfferNotAllowedError,
    UnknownPackError,
    UnknownSessionError,
)
from gateway_payments.ledger import balance


def buy(world: World, cents: int = 500) -> str:
    status = world.payments.buy_credits(world.ada, cents, world.now)
    assert status.status == "pending"
    assert status.session_id
    return status.session_id


def bought(world: World, cents: int = 500) -> str:
    session_id = buy(world, cents)
    assert world.webhook(world.stripe.complete(session_id))
    return session_id


def lost(world: World) -> int:
    """The operator's loss, in cents."""
    with world.database.read() as db:
        return -balance(db, world.ada.account_id, "refunded", "usd") // 10_000


def held(world: World) -> int:
    return world.credits(world.ada) // 10_000


def refund_all(world: World, session_id: str, amount: int | None = None) -> str:
    intent = world.stripe.sessions[session_id]["payment_intent"]
    some = {} if amount is None else {"amount": amount}
    made = refund(world.stripe, {"payment_intent": intent, **some})
    for event in world.stripe.events[-2:]:
        world.webhook(event)
    return str(made["id"])


def test_a_pack_is_paid_and_credited_once(world: World) -> None:
    session_id = buy(world)
    pending = world.claim(world.ada, session_id)
    assert pending.status == "pending"
    assert pending.checkout_url
    event = world.stripe.complete(session_id)
    for copy in (event, event, {**event, "id": "evt_another"}):
        world.webhook(copy)
    paid = world.claim(world.ada, session_id)
    assert (paid.status, paid.quote_id, paid.payment_token) == ("paid", None, None)
    assert paid.balance
    assert (paid.balance.amount, paid.balance.amount_micros) == (5.0, 5_000_000)
    assert held(world) == 500
    assert world.pay(world.ada, world.quote(world.ada), "credits").status == "paid"


def test_the_claim_asks_stripe_when_the_webhook_was_lost(world: World) -> None:
    session_id = buy(world)
    world.stripe.complete(session_id)
    assert world.claim(world.ada, session_id).balance
    assert held(world) == 500


def test_someone_elses_purchase_is_unknown(world: World) -> None:
    session_id = bought(world)
    with pytest.raises(UnknownSessionError):
        world.claim(world.eve, session_id)
    assert world.credits(world.eve) == 0


def test_an_open_page_of_the_same_amount_is_reused(world: World) -> None:
    first = buy(world)
    assert buy(world) == first
    assert buy(world, 2000) != first
    world.stripe.complete(first)  # and its webhook is lost
    second = buy(world)
    assert second != first
    assert held(world) == 500
    world.stripe.expire(second)
    assert buy(world) not in {first, second}


def test_everybody_who_asks_at_once_gets_the_same_page(world: World) -> None:
    with ThreadPoolExecutor(8) as callers:
        pages = set(callers.map(lambda _: buy(world), range(8)))
    assert len(pages) == len(world.stripe.sessions) == 1


def test_a_lost_answer_opens_no_second_page(world: World) -> None:
    world.stripe.faults.extend(["lost", "error"])
    session_id = buy(world)
    assert set(world.stripe.sessions) == {session_id}
    with world.database.write() as db:
        db.execute(text("UPDATE payments SET state = 'begun', external_id = NULL"))
    world.later(minutes=10)
    assert buy(world) == session_id


def test_only_packs_are_sold_and_only_where_credits_count(world: World) -> None:
    for cents in (0, -500, 499, 10**12):
        with pytest.raises(UnknownPackError):
            buy(world, cents)
    world.restart(packs_minor=(999,))
    assert buy(world, 999)
    world.restart(offers=("stripe_checkout",))
    with pytest.raises(NotOfferedError):
        buy(world, 999)
    world.restart(offers=("credits",), stripe=None)
    with pytest.raises(NotOfferedError):
        buy(world, 999)


def test_a_key_that_may_not_use_checkout_buys_nothing(world: World) -> None:
    assert world.ada.key_id
    with world.database.write() as db:
        set_budget(db, world.ada.key_id, Budget("usd", offers=("credits",)))
    with pytest.raises(OfferNotAllowedError):
        buy(world)
    assert not world.stripe.sessions


def test_a_refund_takes_the_credits_that_are_left(world: World) -> None:
    session_id = bought(world)
    world.pay(world.ada, world.quote(world.ada), "credits")
    refund_all(world, session_id)
    assert (held(world), lost(world)) == (0, 100)
    assert world.claim(world.ada, session_id).status == "expired"


def test_partial_refunds_take_what_they_are(world: World) -> None:
    session_id = bought(world)
    refund_all(world, session_id, 200)
    assert (held(world), lost(world)) == (300, 0)
    refund_all(world, session_id, 100)
    assert (held(world), lost(world)) == (200, 0)
    assert world.claim(world.ada, session_id).status == "paid"


def test_a_won_dispute_returns_the_credits_that_were_taken(world: World) -> None:
    session_id = bought(world)
    world.pay(world.ada, world.quote(world.ada), "credits")
    opened = dispute(world.stripe, session_id)
    for event in opened:
        world.webhook(event)
    assert (held(world), lost(world)) == (0, 100)
    world.grant(world.ada, DOLLAR)  # credits of another origin are not touched by what follows
    for event in close_dispute(world.stripe, opened[0]["data"]["object"]["id"], "won"):
        world.webhook(event)
    assert (held(world), lost(world)) == (500, 0)


def test_a_lost_dispute_takes_nothing_more(world: World) -> None:
    session_id = bought(world)
    world.pay(world.ada, world.quote(world.ada), "credits")
    opened = dispute(world.stripe, session_id)
    for event in opened:
        world.webhook(event)
    bought(world)
    for event in close_dispute(world.stripe, opened[0]["data"]["object"]["id"], "lost"):
        world.webhook(event)
    assert (held(world), lost(world)) == (500, 100)


def test_a_refund_that_comes_back_returns_its_credits(world: World) -> None:
    session_id = bought(world)
    refund_id = refund_all(world, session_id, 200)
    for event in fail_refund(world.stripe, refund_id):
        world.webhook(event)
    assert (held(world), lost(world)) == (500, 0)


def test_of_two_refunds_the_one_that_comes_back_returns_no_more_than_was_taken(
    world: World,
) -> None:
    session_id = bought(world)
    for sha in ("a", "b", "c", "d"):
        world.grant(world.ada, DOLLAR, sha)
        world.payments.pay(
            world.ada, quote_id=world.quote(world.ada).id, offer="credits", now=world.now
        )
        with world.database.write() as db:
            db.execute(text("UPDATE quotes SET open_key = NULL"))
    assert held(world) == 500
    first, _ = refund_all(world, session_id, 300), refund_all(world, session_id, 200)
    assert (held(world), lost(world)) == (0, 0)
    for event in fail_refund(world.stripe, first):
        world.webhook(event)
    assert (held(world), lost(world)) == (300, 0)
