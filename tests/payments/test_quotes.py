"""A quote is a price for exactly one request, the same while it is open."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from payments.world import DOLLAR, World, priced

from gateway_payments.budgets import Budget
from gateway_payments.exceptions import QuoteExpiredError, UnknownQuoteError
from gateway_payments.quotes import Quote
from gateway_payments.requirement import Offer


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
    requirement = world.payments.require(quote, world.ada, world.now)
    assert requirement.existing_result_id == "res_1"
    assert "get_result" in requirement.next_step
    assert "res_1" in requirement.next_step


def test_a_paid_request_is_named_so_that_nobody_pays_twice(world: World) -> None:
    world.grant(world.ada)
    paid = world.quote(world.ada)
    world.pay(world.ada, paid, "credits")
    world.later(days=2)  # long past its time: the paid quote is good all the same
    again = world.quote(world.ada)
    assert (again.already_paid_quote_id, again.running_result_id) == (paid.id, None)
    requirement = world.payments.require(again, world.ada, world.now)
    assert requirement.as_dict()["already_paid_quote_id"] == paid.id
    assert f'call simulate with quote_id "{paid.id}"' in requirement.next_step
    assert world.admit(world.ada, quote=paid.id)


def test_a_paid_request_under_way_is_to_be_waited_for(world: World) -> None:
    world.grant(world.ada)
    paid = world.quote(world.ada)
    world.pay(world.ada, paid, "credits")
    run = world.start(world.ada, quote=paid.id)
    again = world.quote(world.ada)
    assert (again.already_paid_quote_id, again.running_result_id) == (paid.id, run)
    step = world.payments.require(again, world.ada, world.now).next_step
    assert "get_result" in step
    assert run in step
    world.capture(run)
    assert world.quote(world.ada).already_paid_quote_id is None


def test_of_two_paid_quotes_the_usable_one_is_named(world: World) -> None:
    first, second = (_paid(world) for _ in range(2))
    world.start(world.ada, quote=first.id)
    assert world.quote(world.ada).already_paid_quote_id == second.id
    world.start(world.ada, quote=second.id)
    assert world.quote(world.ada).already_paid_quote_id in {first.id, second.id}


def test_another_request_or_account_is_not_paid_already(world: World) -> None:
    _paid(world)
    with_kpi = replace(priced(), request={**priced().request, "kpis": ["h_max"]})
    for quote in (
        world.quote(world.ada, priced("b" * 64)),
        world.quote(world.ada, with_kpi),
        world.quote(world.eve),
    ):
        assert quote.already_paid_quote_id is None


def test_what_was_spent_is_never_looked_through(world: World) -> None:
    with world.plans() as plans:
        world.quote(world.ada)
    (plan,) = (plan for sql, plan in plans.items() if "entitlements.state" in sql)
    assert "ix_entitlements_account_state (account_id=? AND state=?)" in plan
    assert "SCAN" not in plan


def test_no_statement_of_a_paid_run_looks_through_a_table(world: World) -> None:
    world.grant(world.ada)
    world.auto_pay(world.ada, "credits")
    world.limit(world.ada, Budget("usd", per_day_micros=DOLLAR.amount_micros))
    with world.plans() as plans:
        world.quote(world.ada)
        assert world.capture(world.start(world.ada))
    assert sum(sql.startswith(("INSERT", "UPDATE", "WITH")) for sql in plans) > 10
    assert [sql for sql, how in plans.items() if re.search(r"SCAN (?!held|CONSTANT)", how)] == []


def _paid(world: World) -> Quote:
    quote = world.quote(world.ada)
    world.grant(world.ada, name=quote.id)
    world.pay(world.ada, quote, "credits")
    return quote


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
        world.payments.pay(world.ada, quote_id=quote_id, now=world.now)
    with pytest.raises(UnknownQuoteError):
        world.admit(world.ada, quote=quote_id)


def test_an_expired_quote_is_neither_paid_nor_run(world: World) -> None:
    world.grant(world.ada)
    quote = world.quote(world.ada)
    world.later(minutes=60)
    with pytest.raises(QuoteExpiredError):
        world.payments.require(quote, world.ada, world.now)
    with pytest.raises(QuoteExpiredError):
        world.admit(world.ada, quote=quote.id)
    assert world.pay(world.ada, quote, "credits").status == "expired"
    assert world.pay(world.ada, quote, "stripe_checkout").status == "expired"
    assert world.credits(world.ada) == 1_000_000


def test_a_quote_can_be_shown_without_opening_a_checkout_page(world: World) -> None:
    quote = world.quote(world.ada)
    offers = world.payments.prices(quote, world.ada)
    assert [offer.kind for offer in offers] == ["stripe_checkout", "credits"]
    assert offers[1] == Offer("credits", 1.0, 100, 1_000_000, "usd", quote.expires_at, {})
    assert not world.stripe.sessions
    world.restart(offers=("credits",))
    assert [offer.kind for offer in world.payments.prices(quote, world.ada)] == ["credits"]
