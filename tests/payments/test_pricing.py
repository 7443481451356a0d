"""What a run costs: by each offer, by its work, rounded as that offer charges, free a few a day."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from payments.world import DOLLAR, NOW, World, priced, stripe_settings

from gateway_payments.accounts import Caller, add_key
from gateway_payments.budgets import Budget
from gateway_payments.entitlements import MAX_FAULTS
from gateway_payments.exceptions import BudgetExceededError, OfferNotAllowedError
from gateway_payments.money import MICROS, Money, from_minor
from gateway_payments.pricing import metered_units, price_list
from gateway_payments.quotes import Quote
from gateway_payments.settings import OFFERS, PaymentSettings, mistakes

BY_ALL = PaymentSettings(
    secret=b"0" * 32,
    offers=OFFERS,
    price_minor=100,
    credits_price_minor=80,
    metered_price_minor=1,
    x402_price_minor=2,
    million_units_price_minor=300,
    stripe=stripe_settings("http://127.0.0.1:9"),
)
WITHOUT_CHAIN = replace(BY_ALL, offers=("stripe_checkout", "credits", "metered"))


def micros(settings: PaymentSettings, work_units: int) -> dict[str, int]:
    return {kind: m.amount_micros for kind, m in price_list(settings, work_units).prices.items()}


def test_each_offer_has_a_price_of_its_own_plus_the_work_rounded_as_it_charges() -> None:
    work = 903 * 3  # three dollars a million units: three micros each
    assert micros(BY_ALL, 903) == {
        "stripe_checkout": 1_010_000,  # whole cents
        "credits": 800_000 + work,
        "metered": 20_000,  # whole units of the meter
        "x402": 20_000 + work,
    }
    assert metered_units(BY_ALL, price_list(BY_ALL, 903).prices["metered"]) == 2


def test_a_price_explains_itself() -> None:
    assert price_list(BY_ALL, 903).because == (
        "1 run by stripe_checkout: 1.00 USD",
        "1 run by credits: 0.80 USD",
        "1 run by metered: 0.01 USD",
        "1 run by x402: 0.02 USD",
        "903 units of work at 3.00 USD a million: 0.002709 USD",
    )


def test_work_costs_nothing_by_default() -> None:
    settings = replace(BY_ALL, million_units_price_minor=0)
    assert micros(settings, 1) == micros(settings, 10**9)
    assert price_list(settings, 5).because[-1] == "5 units of work: included in the price of a run"


@given(
    units=st.integers(0, 10**12),
    more=st.integers(0, 10**9),
    million=st.integers(0, 10**5),
    meter=st.integers(1, 500),
    currency=st.sampled_from(["usd", "jpy", "kwd"]),
)
def test_what_is_charged_is_what_it_costs_or_less_than_one_step_more(
    units: int, more: int, million: int, meter: int, currency: str
) -> None:
    settings = replace(
        BY_ALL, million_units_price_minor=million, metered_price_minor=meter, currency=currency
    )
    minor = from_minor(1, currency).amount_micros
    steps = {
        "stripe_checkout": minor * (10 if currency == "kwd" else 1),
        "credits": 1,
        "metered": meter * minor,
        "x402": 1,
    }
    runs = {"stripe_checkout": 100, "credits": 80, "metered": meter, "x402": 2}
    charged, dearer = micros(settings, units), micros(settings, units + more)
    for kind, step in steps.items():
        exact = runs[kind] * minor + Fraction(units * million * minor, MICROS)
        assert exact <= charged[kind] < exact + step
        assert charged[kind] <= dearer[kind]
        if kind != "stripe_checkout" or currency != "kwd":
            assert not charged[kind] % step
    assert (
        metered_units(settings, Money(charged["metered"], currency)) * steps["metered"]
        == (charged["metered"])
    )


def test_a_card_is_charged_multiples_of_ten_where_a_currency_has_three_decimals() -> None:
    settings = replace(
        WITHOUT_CHAIN, currency="kwd", price_minor=1000, million_units_price_minor=1000
    )
    assert mistakes(settings) == []
    assert price_list(settings, 1).prices["stripe_checkout"] == Money(1_010_000, "kwd")


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("CREDITS_PRICE_CENTS", {"credits_price_minor": 0}),
        ("METERED_PRICE_CENTS", {"metered_price_minor": 0}),
        ("X402_PRICE_CENTS", {"x402_price_minor": -1}),
        ("WORK_UNITS_PRICE_CENTS", {"million_units_price_minor": -1}),
        ("FREE_RUNS_PER_DAY", {"free_runs_per_day": -1}),
        ("CREDIT_PACKS_CENTS", {"packs_minor": (500, 10)}),
    ],
)
def test_a_price_that_makes_no_sense_stops_the_start(name: str, wrong: dict[str, Any]) -> None:
    (mistake,) = mistakes(replace(WITHOUT_CHAIN, **wrong))
    assert mistake.startswith(f"{name}: ")


def test_a_quote_holds_the_price_of_each_offer_and_is_paid_at_that(world: World) -> None:
    world.restart(credits_price_minor=80, million_units_price_minor=300)
    world.grant(world.ada)
    status = world.pay(world.ada, world.quote(world.ada), "credits")
    assert status.amount_micros == 802_709
    assert world.credits(world.ada) == DOLLAR.amount_micros - 802_709


# free runs


def generous(world: World, most: int = 2) -> Caller:
    world.restart(free_runs_per_day=most)
    return world.ada


def test_so_many_runs_a_day_cost_nothing_and_the_next_one_does(world: World) -> None:
    ada = generous(world)
    assert world.quote(ada).because == ("free: 2 of 2 free runs are left today",)
    for _ in range(2):
        assert world.quote(ada).prices == {}
        world.capture(world.start(ada))
    assert world.quote(ada).money == DOLLAR
    assert world.admit(ada) is None
    world.now = datetime(2026, 1, 2, tzinfo=UTC)
    assert world.quote(ada).prices == {}
    world.capture(world.start(ada))
    assert world.quote(ada).because == ("free: 1 of 2 free runs are left today",)


def test_a_quote_that_was_free_runs_while_free_runs_are_left(world: World) -> None:
    ada = generous(world, most=1)
    quote = world.quote(ada)
    world.capture(world.start(ada, quote=quote.id))
    assert world.admit(ada, quote=quote.id) is None
    assert world.credits(ada) == 0


def test_a_free_run_comes_back_unless_its_own_model_failed(world: World) -> None:
    ada = generous(world, most=1)
    world.now = datetime(2026, 1, 1, 23, 59, tzinfo=UTC)
    run = world.start(ada)
    world.later(minutes=2)  # it comes back to the day that it was taken from
    world.release(run)
    assert world.payments.free_runs_left(ada.account_id, world.now) == 1
    world.now = datetime(2026, 1, 1, 23, 59, tzinfo=UTC)
    assert world.payments.free_runs_left(ada.account_id, world.now) == 1
    world.release(world.start(ada), models_fault=True)
    assert world.payments.free_runs_left(ada.account_id, world.now) == 0


def test_of_ten_at_once_as_many_run_for_nothing_as_are_free(world: World) -> None:
    ada = generous(world, most=3)
    with ThreadPoolExecutor(10) as threads:
        admitted = list(threads.map(lambda _: world.admit(ada), range(10)))
    assert sum(each is not None for each in admitted) == 3


def test_free_runs_belong_to_the_account_not_to_its_keys(world: World) -> None:
    ada = generous(world, most=1)
    with world.database.write() as db:
        other = Caller(ada.account_id, add_key(db, ada.account_id, "other", NOW).key_id)
    world.capture(world.start(other))
    assert world.admit(ada) is None
    assert world.admit(world.eve) is not None


# paid without asking


def automatic(world: World, cents: int = 1000) -> Caller:
    world.grant(world.ada, from_minor(cents, "usd"))
    world.auto_pay(world.ada, "credits")
    return world.ada


def test_an_account_that_chose_so_runs_without_being_asked(world: World) -> None:
    ada = automatic(world)
    admission = world.admit(ada)
    assert admission
    assert (admission.offer, admission.price) == ("credits", DOLLAR)
    world.capture(admission.run_id)
    assert world.credits(ada) == 9 * DOLLAR.amount_micros


def test_where_credits_are_short_it_is_asked_as_any_other(world: World) -> None:
    ada = automatic(world, cents=150)
    world.capture(world.start(ada))
    assert world.admit(ada) is None
    assert world.credits(ada) == 500_000
    need = world.payments.require(world.quote(ada), ada, world.now)
    assert need.methods == ("stripe_checkout", "credits")


def test_what_was_paid_for_the_request_and_not_spent_goes_first(world: World) -> None:
    ada = automatic(world)
    world.pay(ada, world.quote(ada), "credits")
    world.later(days=1)  # its token has expired meanwhile
    world.capture(world.start(ada))
    assert world.credits(ada) == 9 * DOLLAR.amount_micros
    world.capture(world.start(ada))
    assert world.credits(ada) == 8 * DOLLAR.amount_micros


def test_a_free_run_goes_before_ones_own_money(world: World) -> None:
    ada = automatic(world)
    world.restart(free_runs_per_day=1)
    world.capture(world.start(ada))
    assert world.credits(ada) == 10 * DOLLAR.amount_micros


def test_a_failed_run_gives_the_credits_back_and_a_third_fault_of_the_model_keeps_them(
    world: World,
) -> None:
    ada = automatic(world)
    settled = world.release(world.start(ada))
    assert settled
    assert settled.given_back
    assert world.credits(ada) == 10 * DOLLAR.amount_micros
    for failure in range(1, 2 * MAX_FAULTS + 1):
        settled = world.release(world.start(ada), models_fault=True)
        assert settled
        assert settled.given_back == bool(failure % MAX_FAULTS)
    assert world.credits(ada) == 8 * DOLLAR.amount_micros


def test_an_offer_that_was_switched_off_pays_for_nothing_unasked(world: World) -> None:
    ada = automatic(world)
    world.restart(offers=("stripe_checkout",))
    assert world.admit(ada) is None


def test_the_budget_of_a_key_holds_for_what_is_paid_unasked(world: World) -> None:
    ada = automatic(world)
    world.limit(ada, Budget("usd", per_day_micros=DOLLAR.amount_micros))
    world.capture(world.start(ada))
    with pytest.raises(BudgetExceededError):
        world.admit(ada)
    world.limit(ada, Budget("usd", offers=("stripe_checkout",)))
    with pytest.raises(OfferNotAllowedError):
        world.admit(ada)
    assert world.credits(ada) == 9 * DOLLAR.amount_micros


def test_the_headline_of_a_quote_is_its_first_offer(world: World) -> None:
    world.restart(offers=("credits", "stripe_checkout"), credits_price_minor=80)
    quote: Quote = world.quote(world.ada, priced("b" * 64))
    assert quote.money == Money(800_000, "usd")
    assert list(quote.prices) == ["credits", "stripe_checkout"]
