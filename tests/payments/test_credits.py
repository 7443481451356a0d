"""Prepaid credits: debited once for each quote, never below zero."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from payments.world import World, priced

from gateway_payments.exceptions import (
    InsufficientCreditsError,
    OfferUnavailableError,
    PaymentTokenSpentError,
)


def test_paying_again_gives_the_same_token_and_debits_nothing(world: World) -> None:
    world.grant(world.ada)
    quote = world.quote(world.ada)
    first = world.pay(world.ada, quote, "credits")
    assert (first.status, first.session_id) == ("paid", None)
    assert world.pay(world.ada, quote, "credits") == first
    assert world.pay(world.ada, quote) == first
    assert world.pay(world.ada, quote, "stripe_checkout") == first
    assert world.credits(world.ada) == 0
    assert not world.stripe.sessions


def test_everybody_who_pays_at_once_gets_the_same_token(world: World) -> None:
    world.grant(world.ada)
    quote = world.quote(world.ada)
    with ThreadPoolExecutor(16) as callers:
        paid = list(callers.map(lambda _: world.pay(world.ada, quote, "credits"), range(32)))
    assert len({status.payment_token for status in paid}) == 1
    assert world.credits(world.ada) == 0


def test_without_enough_credits_nothing_is_bought(world: World) -> None:
    quote = world.quote(world.ada)
    with pytest.raises(InsufficientCreditsError) as short:
        world.pay(world.ada, quote, "credits")
    assert short.value.details == {
        "needed_micros": 1_000_000,
        "balance_micros": 0,
        "currency": "usd",
    }
    world.grant(world.ada)
    assert world.pay(world.ada, quote, "credits").status == "paid"


def test_one_balance_pays_for_one_of_two_quotes_at_once(world: World) -> None:
    world.grant(world.ada)
    quotes = [world.quote(world.ada, priced(sha)) for sha in "abcdefgh"]

    def attempt(i: int) -> bool:
        try:
            return world.pay(world.ada, quotes[i], "credits").status == "paid"
        except InsufficientCreditsError:
            return False

    with ThreadPoolExecutor(8) as callers:
        assert sum(callers.map(attempt, range(8))) == 1


def test_credits_are_never_spent_unasked_where_there_is_another_way(world: World) -> None:
    world.grant(world.ada)
    assert world.pay(world.ada, world.quote(world.ada)).status == "pending"
    assert world.credits(world.ada) == 1_000_000


def test_paying_with_credits_closes_the_open_checkout_page(world: World) -> None:
    world.grant(world.ada)
    quote = world.quote(world.ada)
    session = world.open_session(world.ada, quote)
    paid = world.pay(world.ada, quote, "credits")
    assert paid.status == "paid"
    assert world.stripe.sessions[session]["status"] == "expired"
    assert world.claim(world.ada, session).status == "expired"
    assert world.pay(world.ada, quote) == paid


def test_credits_granted_in_another_currency_do_not_count(world: World) -> None:
    world.grant(world.ada)
    world.restart(currency="eur")
    with pytest.raises(InsufficientCreditsError):
        world.pay(world.ada, world.quote(world.ada), "credits")


def test_an_offer_that_is_not_enabled_is_refused_with_those_that_are(world: World) -> None:
    with pytest.raises(OfferUnavailableError) as refused:
        world.pay(world.ada, world.quote(world.ada), "x402")
    assert refused.value.available == ("stripe_checkout", "credits")


def test_paying_a_used_quote_says_so(world: World) -> None:
    world.grant(world.ada)
    quote = world.quote(world.ada)
    world.pay(world.ada, quote, "credits")
    world.capture(world.start(world.ada, quote=quote.id))
    with pytest.raises(PaymentTokenSpentError):
        world.pay(world.ada, quote, "credits")


def test_a_free_service_asks_for_nothing(world: World) -> None:
    world.restart(offers=())
    assert world.payments.free
    quote = world.quote(world.ada)
    assert (quote.money.amount_micros, quote.prices) == (0, {})
    status = world.pay(world.ada, quote)
    assert (status.status, status.payment_token) == ("paid", None)
    assert world.payments.prices(quote, world.ada) == ()
