"""Linking a Stripe customer: a person agrees once; the meter may charge until it is unlinked."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from payments.world import World
from sqlalchemy import text
from stripe_standin.customers import create_customer, end_subscription
from stripe_standin.sessions import Stripe

from gateway_payments import accounts
from gateway_payments.accounts import Caller, paying
from gateway_payments.budgets import Budget, set_budget
from gateway_payments.exceptions import (
    InvalidCustomerError,
    LimitedKeyError,
    NotLinkedError,
    NotOfferedError,
    OfferUnavailableError,
    StripeUnavailableError,
    UnknownAccountError,
)
from gateway_payments.providers.stripe_customers import SetUp

PRICE = "price_metered"


@pytest.fixture
def world(tmp_path: Path, stripe: Stripe) -> Iterator[World]:
    world = World.at(tmp_path, stripe, "stripe_checkout", "credits", "metered")
    assert world.settings.stripe
    world.restart(stripe=replace(world.settings.stripe, metered_price_id=PRICE))
    yield world
    assert world.audit() == []
    world.database.close()


def set_up(world: World, caller: Caller | None = None) -> SetUp:
    return world.payments.set_up_metered(caller or world.ada, world.now)


def page(world: World) -> str:
    """The session that was opened last."""
    return list(world.stripe.sessions)[-1]


def auto_pay(world: World, caller: Caller | None = None) -> str | None:
    with world.database.read() as db:
        found = paying(db, (caller or world.ada).account_id)
    assert found.linked is (found.auto_pay == "metered")
    return found.auto_pay


def test_a_person_agrees_and_runs_are_paid_without_asking(world: World) -> None:
    assert world.admit(world.ada) is None
    asked = set_up(world)
    assert not asked.linked
    session = world.stripe.sessions[page(world)]
    assert asked.setup_url == session["url"]
    assert (session["mode"], session["customer"]) == ("subscription", asked.customer_id)
    assert auto_pay(world) is None
    assert world.webhook(world.stripe.complete(session["id"]))
    assert auto_pay(world) == "metered"
    assert set_up(world) == SetUp(asked.customer_id, linked=True, setup_url=None)
    admission = world.admit(world.ada)
    assert admission
    assert admission.offer == "metered"
    world.capture(admission.run_id)
    assert world.payments.send_letters(world.now) == 1
    assert world.stripe.meter_events[0]["payload"]["stripe_customer_id"] == asked.customer_id


def test_before_anybody_agreed_the_meter_charges_nobody(world: World) -> None:
    set_up(world)
    with pytest.raises(OfferUnavailableError):
        world.pay(world.ada, world.quote(world.ada), "metered")


def test_asked_again_it_is_the_same_customer_and_page(world: World) -> None:
    first = set_up(world)
    assert set_up(world) == first
    assert len(world.stripe.sessions) == len(world.stripe.customers) == 1
    world.stripe.expire(page(world))
    again = set_up(world)
    assert again.customer_id == first.customer_id
    assert again.setup_url not in {None, first.setup_url}


def test_everybody_who_asks_at_once_gets_one_customer_and_one_page(world: World) -> None:
    with ThreadPoolExecutor(8) as callers:
        found = set(callers.map(lambda _: set_up(world), range(8)))
    assert len(found) == len(world.stripe.sessions) == len(world.stripe.customers) == 1


def test_an_answer_with_nothing_in_it_makes_no_customer_and_no_page(world: World) -> None:
    for faults in (["hollow"], ["", "hollow"], ["", "hollow"]):  # the customer, the list, the page
        world.stripe.faults.extend(faults)
        with pytest.raises(StripeUnavailableError):
            set_up(world)
    assert set_up(world).setup_url == world.stripe.sessions[page(world)]["url"]
    assert len(world.stripe.sessions) == len(world.stripe.customers) == 1


def test_a_lost_answer_makes_no_second_customer(world: World) -> None:
    world.stripe.faults.extend(["lost", "", "lost"])
    found = set_up(world)
    assert list(world.stripe.customers) == [found.customer_id]
    assert len(world.stripe.sessions) == 1


def test_while_stripe_is_down_it_says_so(world: World) -> None:
    world.stripe.faults.extend(["error"] * 3)
    with pytest.raises(StripeUnavailableError):
        set_up(world)
    assert set_up(world).setup_url


def test_asking_again_makes_up_for_a_lost_webhook(world: World) -> None:
    set_up(world)
    world.stripe.complete(page(world))
    assert set_up(world).linked
    assert auto_pay(world) == "metered"


def test_without_a_metered_price_the_page_takes_a_card_for_later(world: World) -> None:
    assert world.settings.stripe
    world.restart(stripe=replace(world.settings.stripe, metered_price_id=None))
    set_up(world)
    assert world.stripe.sessions[page(world)]["mode"] == "setup"
    world.webhook(world.stripe.complete(page(world)))
    assert auto_pay(world) == "metered"


def test_old_news_does_not_link_an_account_that_was_unlinked(world: World) -> None:
    set_up(world)
    event = world.stripe.complete(page(world))
    world.webhook(event)
    with world.database.write() as db:
        assert accounts.unlink(db, world.ada.account_id)
    assert not world.webhook(event)
    assert not world.webhook({**event, "id": "evt_another"})
    assert auto_pay(world) is None
    assert not set_up(world).linked
    assert auto_pay(world) is None


def test_a_page_that_nobody_finished_links_nobody(world: World) -> None:
    set_up(world)
    world.stripe.expire(page(world))
    assert not world.webhook(world.stripe.events[-1])
    assert auto_pay(world) is None


def test_a_page_of_another_account_links_nobody(world: World) -> None:
    set_up(world, world.ada)
    set_up(world, world.eve)
    event = world.stripe.complete(page(world))
    ada = next(iter(world.stripe.sessions.values()))
    for changed in (
        {"metadata": ada["metadata"]},  # Eve's customer, Ada's account
        {"customer": "cus_unknown"},
    ):
        about = {**event["data"]["object"], **changed}
        assert not world.webhook({**event, "data": {"object": about}})
    assert auto_pay(world, world.ada) is None
    assert world.webhook(event)
    assert auto_pay(world, world.eve) == "metered"


def test_when_the_subscription_ends_the_meter_charges_no_more(world: World) -> None:
    set_up(world)
    world.webhook(world.stripe.complete(page(world)))
    ended = end_subscription(world.stripe, page(world))
    about = {**ended["data"]["object"], "customer": "cus_other"}
    assert not world.webhook({**ended, "id": "evt_other", "data": {"object": about}})
    assert auto_pay(world) == "metered"
    assert world.webhook(ended)
    assert auto_pay(world) is None
    assert world.admit(world.ada) is None


def test_a_key_with_a_budget_links_nothing(world: World) -> None:
    assert world.ada.key_id
    with world.database.write() as db:
        set_budget(db, world.ada.key_id, Budget("usd", per_day_micros=10**9))
    with pytest.raises(LimitedKeyError):
        set_up(world)
    assert not world.stripe.customers


def test_where_nothing_is_metered_nothing_is_linked(world: World) -> None:
    world.restart(offers=("credits", "stripe_checkout"))
    with pytest.raises(NotOfferedError):
        set_up(world)


def test_an_operator_links_any_customer_that_stripe_knows(world: World) -> None:
    customer = create_customer(world.stripe, {})["id"]
    world.payments.link_customer(world.ada.account_id, customer, world.now)
    assert auto_pay(world) == "metered"
    other = create_customer(world.stripe, {})["id"]
    world.payments.link_customer(world.ada.account_id, other, world.now)
    with world.database.read() as db:
        assert paying(db, world.ada.account_id).stripe_customer_id == other


@pytest.mark.parametrize("customer", ["", "cus_", "cus_unknown", "acct_1", "cus_a/../b", "cus_\0"])
def test_an_operators_slip_links_nothing(world: World, customer: str) -> None:
    with pytest.raises(InvalidCustomerError):
        world.payments.link_customer(world.ada.account_id, customer, world.now)
    assert auto_pay(world) is None


def test_one_customer_is_one_account(world: World) -> None:
    customer = create_customer(world.stripe, {})["id"]
    world.payments.link_customer(world.ada.account_id, customer, world.now)
    with pytest.raises(InvalidCustomerError):
        world.payments.link_customer(world.eve.account_id, customer, world.now)
    with pytest.raises(UnknownAccountError):
        world.payments.link_customer("acc_nobody", customer, world.now)
    assert auto_pay(world, world.eve) is None


def test_an_account_unlinked_pays_by_the_meter_no_more(world: World) -> None:
    customer = create_customer(world.stripe, {})["id"]
    world.payments.link_customer(world.ada.account_id, customer, world.now)
    quote = world.quote(world.ada)
    with world.database.write() as db:
        accounts.unlink(db, world.ada.account_id)
        assert not accounts.unlink(db, world.ada.account_id)
    with pytest.raises((NotLinkedError, OfferUnavailableError)):
        world.pay(world.ada, quote, "metered")


def test_unlinking_leaves_credits_as_the_way_to_pay(world: World) -> None:
    set_up(world)
    with world.database.write() as db:
        accounts.set_auto_pay(db, world.ada.account_id, "credits")
        accounts.unlink(db, world.ada.account_id)
        kept = db.execute(
            text("SELECT auto_pay FROM accounts WHERE id = :id"), {"id": world.ada.account_id}
        )
        assert kept.scalar() == "credits"
