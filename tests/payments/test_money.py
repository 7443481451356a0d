"""Amounts are exact in every currency, and a price is refused before it can fail at Stripe."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from payments.world import stripe_settings

from gateway_payments.money import Money, from_minor
from gateway_payments.pricing import price_list
from gateway_payments.settings import PaymentSettings, mistakes, offers_of

SECRET = b"0" * 32


def settings(
    offers: tuple[str, ...] = ("stripe_checkout", "credits", "metered"),
    *,
    price: int = 100,
    currency: str = "usd",
) -> PaymentSettings:
    stripe = stripe_settings("http://stripe")
    return PaymentSettings(SECRET, offers, price, currency, stripe=stripe)


@pytest.mark.parametrize(
    ("minor", "currency", "micros", "text"),
    [
        (100, "usd", 1_000_000, "1.00 USD"),
        (100, "jpy", 100_000_000, "100 JPY"),
        (1000, "kwd", 1_000_000, "1.000 KWD"),
        (1, "eur", 10_000, "0.01 EUR"),
    ],
)
def test_minor_units_are_what_the_currency_says(
    minor: int, currency: str, micros: int, text: str
) -> None:
    money = from_minor(minor, currency)
    assert (money.amount_micros, str(money), money.amount_minor) == (micros, text, minor)


def test_part_of_a_cent_is_rounded_up_and_shown_in_full() -> None:
    money = Money(12_500, "usd")
    assert (money.amount_minor, str(money), money.amount) == (2, "0.0125 USD", 0.0125)


@given(st.integers(0, 10**12), st.sampled_from(["usd", "jpy", "kwd"]))
def test_minor_units_survive_the_way_there_and_back(minor: int, currency: str) -> None:
    assert from_minor(minor, currency).amount_minor == minor


def test_credits_cost_what_a_card_costs_and_the_price_explains_itself() -> None:
    both = ("stripe_checkout", "credits")
    price = price_list(settings(both, price=250, currency="eur"), 903)
    assert tuple(price.prices) == both
    assert set(price.prices.values()) == {Money(2_500_000, "eur")}
    assert price.because == ("1 run: 2.50 EUR", "903 units of work: included in the price of a run")


def test_without_offers_there_is_no_price() -> None:
    price = price_list(settings(()), 903)
    assert price.prices == {}
    assert price.because == ("this service is free",)


@pytest.mark.parametrize(
    ("text", "stripe_enabled", "offers"),
    [
        (None, True, ("stripe_checkout", "credits", "metered")),
        (None, False, ()),
        ("", True, ()),
        (" credits , stripe_checkout,credits", True, ("credits", "stripe_checkout")),
    ],
)
def test_offers_are_read_from_one_line(
    text: str | None, offers: tuple[str, ...], *, stripe_enabled: bool
) -> None:
    assert offers_of(text, stripe_enabled=stripe_enabled) == offers


def test_good_settings_have_no_mistakes() -> None:
    assert mistakes(settings()) == []
    assert mistakes(settings(price=50, currency="jpy")) == []
    assert mistakes(PaymentSettings(b"")) == []
    assert mistakes(PaymentSettings(SECRET, ("credits",), price_minor=1)) == []


@pytest.mark.parametrize(
    ("wrong", "names"),
    [
        (
            settings(("cash",)),
            ["'cash' is not known; known are stripe_checkout, credits, metered, x402"],
        ),
        (PaymentSettings(SECRET, ("metered",)), ["metered needs STRIPE_ENABLED=true"]),
        (PaymentSettings(SECRET, ("credits",), metered_price_minor=0), ["METERED"]),
        (settings(price=49), ["PRICE_CENTS: 0.49 USD is below the minimum of 0.50 USD"]),
        (settings(price=49, currency="jpy"), ["STRIPE_SIMULATION_PRICE_CENTS: 49 JPY"]),
        (settings(price=-5), ["STRIPE_SIMULATION_PRICE_CENTS"]),
        (settings(price=1001, currency="kwd"), ["STRIPE_SIMULATION_PRICE_CENTS"]),
        (settings(currency="USD"), ["STRIPE_SIMULATION_CURRENCY"]),
        (PaymentSettings(SECRET, ("stripe_checkout",)), ["STRIPE_ENABLED"]),
        (PaymentSettings(b"short", ("credits",)), ["GATEWAY_SECRET"]),
        (PaymentSettings(SECRET, ("credits",), token_ttl_minutes=0), ["TOKEN_TTL_MINUTES"]),
    ],
)  # fmt: skip
def test_each_mistake_is_one_line_that_names_the_variable(
    wrong: PaymentSettings, names: list[str]
) -> None:
    found = mistakes(wrong)
    assert len(found) == len(names)
    assert all(name in line for name, line in zip(names, found, strict=True))


def test_stripe_without_its_secrets_does_not_start() -> None:
    stripe = stripe_settings("").__class__(" ", "", "http://ok", "")
    found = mistakes(PaymentSettings(SECRET, (), stripe=stripe))
    assert [line.partition(":")[0] for line in found] == [
        "STRIPE_SECRET_KEY",
        "STRIPE_WEBHOOK_SECRET",
        "STRIPE_CANCEL_URL",
    ]


def test_stripes_keys_in_each_others_place_do_not_start() -> None:
    stripe = stripe_settings("").__class__("whsec_1", "sk_live_1", "http://ok", "http://ok")
    found = mistakes(PaymentSettings(SECRET, (), stripe=stripe))
    assert [line.partition(":")[0] for line in found] == [
        "STRIPE_SECRET_KEY",
        "STRIPE_WEBHOOK_SECRET",
    ]
    assert not any("_1" in line for line in found)


def test_starting_the_server_does_not_pay_for_stripes_import() -> None:
    code = "import sys, gateway_payments.service; sys.exit('stripe' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_secrets_are_not_shown() -> None:
    shown = repr(settings())
    assert "sk_test" not in shown
    assert "whsec" not in shown
    assert "0000" not in shown
