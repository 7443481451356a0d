"""What we couldn't deliver is given back: by itself, as its payer asks, as an operator says."""

from __future__ import annotations

import pytest
from payments.world import DOLLAR, World, priced

from gateway_payments.exceptions import (
    InvalidTextError,
    NotRefundableError,
    PaymentInUseError,
    PaymentReturnedError,
    UnknownPaymentError,
    UnknownQuoteError,
)
from gateway_payments.quotes import Quote


def by_card(world: World, sha: str = "a" * 64) -> Quote:
    """A quote of Ada's that is paid by card."""
    quote = world.quote(world.ada, priced(sha))
    world.webhook(world.stripe.complete(world.open_session(world.ada, quote)))
    return quote


def fail(world: World, quote: Quote, *, models_fault: bool = False) -> None:
    run = world.start(world.ada, quote=quote.id)
    world.release(run, models_fault=models_fault)


def ask(world: World, quote: Quote) -> None:
    world.payments.refund(world.ada.account_id, quote.id, world.now)


def refunded(world: World) -> list[int]:
    world.payments.send_letters(world.now)
    return [made["amount"] for made in world.stripe.refunds.values()]


def test_what_failed_through_our_fault_is_given_back_when_its_payer_asks(world: World) -> None:
    quote = by_card(world)
    fail(world, quote)
    ask(world, quote)
    assert refunded(world) == [100]
    with pytest.raises(PaymentReturnedError):
        world.admit(world.ada, quote=quote.id)
    with pytest.raises(NotRefundableError, match="went back already"):
        ask(world, quote)
    assert refunded(world) == [100]


def test_credits_go_back_as_credits(world: World) -> None:
    world.grant(world.ada, DOLLAR)
    quote = world.quote(world.ada)
    world.pay(world.ada, quote, "credits")
    fail(world, quote)
    assert world.credits(world.ada) == 0
    ask(world, quote)
    assert world.credits(world.ada) == 1_000_000
    assert refunded(world) == []


def test_what_did_not_fail_through_our_fault_is_not_refunded(world: World) -> None:
    unpaid, failed, running, done = (world.quote(world.ada, priced(s * 64)) for s in "abcd")
    with pytest.raises(NotRefundableError, match="nothing was paid"):
        ask(world, unpaid)
    failed = by_card(world, "b" * 64)
    fail(world, failed, models_fault=True)
    with pytest.raises(NotRefundableError, match="still good"):
        ask(world, failed)
    running = by_card(world, "c" * 64)
    fail(world, running)
    world.start(world.ada, quote=running.id)
    with pytest.raises(PaymentInUseError):
        ask(world, running)
    done = by_card(world, "d" * 64)
    fail(world, done)
    world.capture(world.start(world.ada, quote=done.id))
    with pytest.raises(NotRefundableError, match="was delivered"):
        ask(world, done)
    assert refunded(world) == []


def test_nobody_refunds_somebody_elses_payment(world: World) -> None:
    quote = by_card(world)
    fail(world, quote)
    for quote_id in (quote.id, "qt_unknown", "\0"):
        with pytest.raises(UnknownQuoteError):
            world.payments.refund(world.eve.account_id, quote_id, world.now)
    assert refunded(world) == []


def test_what_nobody_tried_again_for_a_day_is_given_back_by_itself(world: World) -> None:
    ours, models, fresh = (by_card(world, sha * 64) for sha in "abc")
    fail(world, ours)
    fail(world, models, models_fault=True)
    world.later(hours=24)
    world.payments.reconcile(world.now)
    assert refunded(world) == [], "its own time of half an hour comes first"
    fail(world, fresh)
    world.later(minutes=31)
    assert world.payments.reconcile(world.now).refunded == 1
    assert refunded(world) == [100]
    assert world.payments.reconcile(world.now).refunded == 0
    assert world.admit(world.ada, priced("b" * 64), quote=models.id)
    assert world.admit(world.ada, priced("c" * 64), quote=fresh.id)
    with pytest.raises(PaymentReturnedError):
        world.admit(world.ada, quote=ours.id)


def test_what_is_claimed_in_time_is_not_given_back(world: World) -> None:
    quote = by_card(world)
    fail(world, quote)
    world.later(hours=24)
    assert world.pay(world.ada, quote).payment_token
    world.later(hours=24)
    assert world.payments.reconcile(world.now).refunded == 0


def test_an_operator_gives_back_any_unused_right(world: World) -> None:
    by_quote, by_payment = by_card(world, "a" * 64), by_card(world, "b" * 64)
    first = world.payments.refund_any(by_quote.id, "asked by mail", world.now)
    assert (first.quote_id, first.money) == (by_quote.id, DOLLAR)
    other = next(
        s["metadata"]["payment_id"]
        for s in world.stripe.sessions.values()
        if s["client_reference_id"] == by_payment.id
    )
    assert world.payments.refund_any(other, "asked by mail", world.now).quote_id == by_payment.id
    assert refunded(world) == [100, 100]


def test_an_operators_slip_gives_nothing_back(world: World) -> None:
    quote = by_card(world)
    world.capture(world.start(world.ada, quote=quote.id))
    with pytest.raises(NotRefundableError, match="was delivered"):
        world.payments.refund_any(quote.id, "r", world.now)
    for named in ("", "qt_unknown", "pay_unknown", "\0", "x" * 999):
        with pytest.raises(UnknownPaymentError):
            world.payments.refund_any(named, "r", world.now)
    with pytest.raises(InvalidTextError):
        world.payments.refund_any(quote.id, "\0", world.now)
    pack = world.payments.buy_credits(world.ada, 500, world.now).session_id
    assert pack
    payment = world.stripe.sessions[pack]["metadata"]["payment_id"]
    with pytest.raises(NotRefundableError, match="Stripe's own pages"):
        world.payments.refund_any(payment, "r", world.now)
    assert refunded(world) == []
