"""Stripe Checkout: one page for each quote, and the money counts once it is certain."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from payments.world import World
from sqlalchemy import Connection, text

from gateway_payments import payments
from gateway_payments.exceptions import (
    PaymentInUseError,
    PaymentTokenSpentError,
    StripeUnavailableError,
    UnknownSessionError,
)
from gateway_payments.payments import Payment


def test_from_the_price_to_the_token(world: World) -> None:
    quote = world.quote(world.ada)
    pending = world.pay(world.ada, quote, "stripe_checkout")
    assert pending.status == "pending"
    assert pending.session_id
    assert pending.checkout_url == world.stripe.sessions[pending.session_id]["url"]
    event = world.stripe.complete(pending.session_id)
    assert world.webhook(event)
    paid = world.claim(world.ada, pending.session_id)
    assert (paid.status, paid.quote_id) == ("paid", quote.id)
    assert paid.payment_token
    assert world.stripe.calls["GET get"] == 0
    assert world.pay(world.ada, quote) == paid


def test_stripe_is_told_what_is_bought(world: World) -> None:
    quote = world.quote(world.ada)
    session = world.stripe.sessions[world.open_session(world.ada, quote)]
    assert session["amount_total"] == 100
    assert session["client_reference_id"] == quote.id
    assert session["metadata"]["quote_id"] == quote.id
    assert session["expires_at"] == quote.expires_at.timestamp()


def test_yen_are_not_cents(world: World) -> None:
    world.restart(currency="jpy", price_minor=150)
    session = world.open_session(world.ada, world.quote(world.ada))
    assert world.stripe.sessions[session]["amount_total"] == 150
    world.webhook(world.stripe.complete(session))
    paid = world.claim(world.ada, session)
    assert (paid.amount, paid.amount_minor, paid.amount_micros) == (150.0, 150, 150_000_000)


def test_an_open_page_is_reused_not_multiplied(world: World) -> None:
    quote = world.quote(world.ada)
    session = world.open_session(world.ada, quote)
    assert world.payments.require(quote, world.ada, world.now).session_id == session
    assert world.open_session(world.ada, quote) == session
    assert len(world.stripe.sessions) == 1


def test_everybody_who_asks_at_once_gets_the_same_page(world: World) -> None:
    quote = world.quote(world.ada)
    with ThreadPoolExecutor(8) as callers:
        pages = set(callers.map(lambda _: world.open_session(world.ada, quote), range(8)))
    assert len(pages) == len(world.stripe.sessions) == 1


def test_a_page_whose_answer_was_lost_is_found_again(world: World) -> None:
    quote = world.quote(world.ada)
    world.stripe.faults.extend(["lost", "error"])
    session = world.open_session(world.ada, quote)
    assert world.stripe.calls["POST create"] == 2  # the error did not reach the counter
    assert set(world.stripe.sessions) == {session}


def test_an_answer_with_nothing_in_it_is_no_answer(world: World) -> None:
    quote = world.quote(world.ada)
    world.stripe.faults.append("hollow")
    with pytest.raises(StripeUnavailableError):
        world.pay(world.ada, quote, "stripe_checkout")
    assert world.pay(world.ada, quote, "stripe_checkout").session_id in world.stripe.sessions
    assert len(world.stripe.sessions) == 1


def test_a_crash_between_stripe_and_our_note_finds_the_same_page(world: World) -> None:
    quote = world.quote(world.ada)
    session = world.open_session(world.ada, quote)
    with world.database.write() as db:
        db.execute(text("UPDATE payments SET state = 'begun', external_id = NULL"))
    world.later(minutes=10)
    world.restart()
    assert world.open_session(world.ada, quote) == session
    assert len(world.stripe.sessions) == 1


def test_a_webhook_may_be_faster_than_our_own_note(world: World) -> None:
    quote = world.quote(world.ada)
    session = world.open_session(world.ada, quote)
    with world.database.write() as db:
        db.execute(text("UPDATE payments SET state = 'begun', external_id = NULL"))
    assert world.webhook(world.stripe.complete(session))
    assert world.claim(world.ada, session).status == "paid"


def test_a_payment_begun_and_never_heard_of_is_begun_anew(world: World) -> None:
    quote = world.quote(world.ada)
    first = world.open_session(world.ada, quote)
    with world.database.write() as db:
        db.execute(text("UPDATE payments SET state = 'begun', external_id = NULL"))
    world.later(minutes=45)  # Stripe would refuse the old end: less than 30 minutes away
    assert world.open_session(world.ada, quote) != first


def test_the_claim_asks_stripe_when_no_webhook_came(world: World) -> None:
    session = world.open_session(world.ada, world.quote(world.ada))
    assert world.claim(world.ada, session).status == "pending"
    event = world.stripe.complete(session)
    paid = world.claim(world.ada, session)
    assert paid.status == "paid"
    world.webhook(event)
    assert world.claim(world.ada, session) == paid


def test_paying_again_by_quote_asks_stripe_too(world: World) -> None:
    quote = world.quote(world.ada)
    session = world.open_session(world.ada, quote)
    world.stripe.complete(session)
    assert world.pay(world.ada, quote).status == "paid"


def test_a_page_nobody_paid_expires(world: World) -> None:
    quote = world.quote(world.ada)
    session = world.open_session(world.ada, quote)
    world.later(minutes=61)
    assert world.claim(world.ada, session).status == "expired"
    status = world.pay(world.ada, quote)
    assert status.status == "expired"
    assert "quote" in status.next_steps[-1]


def test_a_page_that_expired_early_is_replaced_while_the_quote_lasts(world: World) -> None:
    quote = world.quote(world.ada)
    session = world.open_session(world.ada, quote)
    world.stripe.expire(session)
    again = world.pay(world.ada, quote, "stripe_checkout")
    assert again.status == "pending"
    assert again.session_id not in {None, session}
    assert len(world.stripe.sessions) == 2


def test_a_quote_paid_before_its_page_ended_is_honoured_after_the_quote(world: World) -> None:
    quote = world.quote(world.ada)
    world.later(minutes=50)
    session = world.open_session(world.ada, quote)
    world.later(minutes=30)  # the quote is over, the page is not
    assert world.pay(world.ada, quote).session_id == session
    world.stripe.complete(session)
    world.later(days=2)
    assert world.claim(world.ada, session).status == "paid"
    assert world.admit(world.ada, quote=quote.id)


@pytest.mark.parametrize(
    "session_id", ["", "cs_test_unknown", "\0", "\ud800", "\N{SNOWMAN}" * 5000]
)
def test_an_unknown_session_is_unknown(world: World, session_id: str) -> None:
    with pytest.raises(UnknownSessionError):
        world.claim(world.ada, session_id)


def test_someone_elses_session_is_unknown_even_when_paid(world: World) -> None:
    session = world.open_session(world.ada, world.quote(world.ada))
    world.stripe.complete(session)
    with pytest.raises(UnknownSessionError):
        world.claim(world.eve, session)


def test_a_used_session_buys_nothing_more(world: World) -> None:
    session = world.open_session(world.ada, world.quote(world.ada))
    world.stripe.complete(session)
    run = world.start(world.ada, token=world.claim(world.ada, session).payment_token)
    with pytest.raises(PaymentInUseError) as in_use:
        world.claim(world.ada, session)
    assert in_use.value.run_id == run
    world.capture(run)
    with pytest.raises(PaymentTokenSpentError):
        world.claim(world.ada, session)


def test_while_stripe_is_down_a_claim_says_so_and_nothing_is_lost(world: World) -> None:
    session = world.open_session(world.ada, world.quote(world.ada))
    world.stripe.complete(session)
    world.stripe.faults.extend(["error"] * 3)
    with pytest.raises(StripeUnavailableError):
        world.claim(world.ada, session)
    assert world.claim(world.ada, session).status == "paid"


def test_money_that_comes_twice_buys_two_runs(world: World) -> None:
    world.grant(world.ada)
    quote = world.quote(world.ada)
    session = world.open_session(world.ada, quote)
    event = world.stripe.complete(session)
    by_credits = world.pay(world.ada, quote, "credits")
    world.webhook(event)
    by_card = world.claim(world.ada, session)
    assert by_card.payment_token != by_credits.payment_token
    world.capture(world.start(world.ada, quote=quote.id))
    world.capture(world.start(world.ada, quote=quote.id))
    with pytest.raises(PaymentTokenSpentError):
        world.admit(world.ada, quote=quote.id)


def test_a_payment_that_comes_in_while_one_asks_is_seen_whole_or_not_at_all(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read committed, as on Postgres: each statement sees what was committed before it."""
    quote = world.quote(world.ada)
    session = world.open_session(world.ada, quote)
    event = world.stripe.complete(session)
    of_quote = payments.of_quote

    def just_before(db: Connection, quote_id: str) -> list[Payment]:
        before = of_quote(db, quote_id)
        world.webhook(event)
        db.rollback()  # what is read next is of a newer snapshot
        return before

    monkeypatch.setattr(payments, "of_quote", just_before)
    assert world.pay(world.ada, quote).payment_token


def test_a_wrong_amount_buys_nothing_and_is_shown_to_the_operator(world: World) -> None:
    session = world.open_session(world.ada, world.quote(world.ada))
    world.stripe.sessions[session]["amount_total"] = 1
    world.webhook(world.stripe.complete(session))
    assert world.claim(world.ada, session).status == "expired"
    assert [line.partition(":")[0] for line in world.audit()] == [
        "no payment waits for an operator"
    ]
    with world.database.write() as db:
        db.execute(text("UPDATE payments SET state = 'failed'"))
