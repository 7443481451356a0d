"""A quote is a price for exactly one request, the same while it is open."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from payments.world import DOLLAR, World, priced

from gateway_payments.exceptions import QuoteExpiredError, UnknownQuoteError


def test_a_quote_keeps_the_request_and_says_what_it_costs_and_why(world: World) -> None:
    quote = world.quote(world.ada)
    assert quote.prices == {"stripe_checkout": DOLLAR, "credits": DOLLAR}
    assert quote.money == DOLLAR
    assert quote.expires_at == world.now + timedelta(minutes=60)
    assert quote.because[0] == "1 run: 1.00 USD"
    ada = world.ada.account_id
    assert world.payments.stored_request(ada, quote_id=quote.id) == priced().request
    assert world.payments.find_quote(ada, quote.id) == quote


def test_an_open_quote_is_reused_and_an_expired_one_is_not(world: World) -> None:
    quote = world.quote(world.ada)
    world.later(minutes=59)
    assert world.quote(world.ada) == quote
    world.later(minutes=2)
    assert world.quote(world.ada).id != quote.id


def test_a_paid_quote_is_not_sold_twice(world: World) -> None:
    world.grant(world.ada)
    quote = world.quote(world.ada)
    world.pay(world.ada, quote, "credits")
    assert world.quote(world.ada).id != quote.id


def test_what_is_not_hashed_still_makes_another_quote(world: World) -> None:
    with_kpi = replace(priced(), request={**priced().request, "kpis": ["h_max"]})
    assert world.quote(world.ada, with_kpi).id != world.quote(world.ada).id


def test_a_new_price_makes_a_new_quote(world: World) -> None:
    quote = world.quote(world.ada)
    world.restart(price_minor=200)
    assert world.quote(world.ada).id != quote.id
    assert world.pay(world.ada, quote).amount_micros == 1_000_000  # the old one is honoured


def test_everybody_who_asks_at_once_gets_the_same_quote(world: World) -> None:
    with ThreadPoolExecutor(8) as callers:
        quotes = set(callers.map(lambda _: world.quote(world.ada).id, range(16)))
    assert len(quotes) == 1


def test_a_stored_result_is_named_so_that_nobody_pays_twice(world: World) -> None:
    world.quote(world.ada)
    quote = world.quote(world.ada, priced(result="res_1"))
    requirement = world.payments.require(quote, world.now)
    assert requirement.existing_result_id == "res_1"
    assert "get_result" in requirement.next_step
    assert "res_1" in requirement.next_step


def test_someone_elses_quote_does_not_exist(world: World) -> None:
    quote = world.quote(world.ada)
    eve = world.eve.account_id
    with pytest.raises(UnknownQuoteError):
        world.pay(world.eve, quote)
    with pytest.raises(UnknownQuoteError):
        world.payments.stored_request(eve, quote_id=quote.id)
    with pytest.raises(UnknownQuoteError):
        world.admit(world.eve, quote=quote.id)


@pytest.mark.parametrize("quote_id", ["", "qt_x", "\0", "\ud800", "\N{SNOWMAN}", "x" * 10**6])
def test_a_made_up_quote_does_not_exist(world: World, quote_id: str) -> None:
    with pytest.raises(UnknownQuoteError):
        world.payments.pay(world.ada.account_id, quote_id=quote_id, now=world.now)
    with pytest.raises(UnknownQuoteError):
        world.admit(world.ada, quote=quote_id)


def test_an_expired_quote_is_neither_paid_nor_run(world: World) -> None:
    world.grant(world.ada)
    quote = world.quote(world.ada)
    world.later(minutes=60)
    with pytest.raises(QuoteExpiredError):
        world.payments.require(quote, world.now)
    with pytest.raises(QuoteExpiredError):
        world.admit(world.ada, quote=quote.id)
    assert world.pay(world.ada, quote, "credits").status == "expired"
    assert world.pay(world.ada, quote, "stripe_checkout").status == "expired"
    assert world.credits(world.ada) == 1_000_000


def test_a_quote_can_be_shown_without_opening_a_checkout_page(world: World) -> None:
    offers = world.payments.prices(world.quote(world.ada))
    assert [offer.kind for offer in offers] == ["stripe_checkout", "credits"]
    assert not world.stripe.sessions
