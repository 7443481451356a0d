"""What an operator decides about money. The server fills it from the environment."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from gateway_payments.money import decimals, from_minor, minimum_minor
from gateway_payments.x402_settings import X402Settings, x402_mistakes

OFFERS: Final = ("stripe_checkout", "credits", "metered", "x402")
_WITH_STRIPE: Final = ("stripe_checkout", "credits", "metered")
_PACKS: Final = (5, 20, 100)  # runs
_SECRET_BYTES: Final = 16
_THREE_DECIMALS: Final = 3


@dataclass(frozen=True, slots=True)
class StripeSettings:
    """How Stripe is reached (STRIPE_ENABLED=true)."""

    secret_key: str = field(repr=False)  # STRIPE_SECRET_KEY
    webhook_secret: str = field(repr=False)  # STRIPE_WEBHOOK_SECRET
    success_url: str  # STRIPE_SUCCESS_URL: may hold {CHECKOUT_SESSION_ID}
    cancel_url: str  # STRIPE_CANCEL_URL
    api_base: str | None = None  # STRIPE_API_BASE: None is Stripe itself
    meter_event_name: str = "fmu_gateway_runs"  # STRIPE_METER_EVENT_NAME
    linked_url: str | None = None  # where linking ends; None: success_url
    metered_price_id: str | None = None  # STRIPE_METERED_PRICE_ID: what linking subscribes to
    thin_secret: str | None = field(default=None, repr=False)  # STRIPE_THIN_WEBHOOK_SECRET

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        """Those of the event destinations: Stripe gives each one its own."""
        return (self.webhook_secret, *([self.thin_secret] if self.thin_secret else []))


@dataclass(frozen=True, slots=True)
class PaymentSettings:
    """Which ways to pay there are and what a run costs. No offers: everything is free."""

    secret: bytes = field(repr=False)  # GATEWAY_SECRET: payment tokens are HMACs under it
    offers: tuple[str, ...] = ()  # PAYMENT_OFFERS; the first one is the headline of a 402
    price_minor: int = 100  # STRIPE_SIMULATION_PRICE_CENTS: one run, in minor units of `currency`
    currency: str = "usd"  # STRIPE_SIMULATION_CURRENCY
    credits_price_minor: int | None = None  # CREDITS_PRICE_CENTS; None: as by card
    metered_price_minor: int = 1  # METERED_PRICE_CENTS: what the meter counts as one
    x402_price_minor: int = 1  # X402_PRICE_CENTS
    million_units_price_minor: int = 0  # WORK_UNITS_PRICE_CENTS: a million units of work
    free_runs_per_day: int = 0  # FREE_RUNS_PER_DAY: of each account
    packs_minor: tuple[int, ...] | None = None  # CREDIT_PACKS_CENTS; None: 5, 20 and 100 runs
    token_ttl_minutes: int = 30  # CHECKOUT_TOKEN_TTL_MINUTES
    stripe: StripeSettings | None = None
    x402: X402Settings | None = None

    @property
    def packs(self) -> tuple[int, ...]:
        """Amounts of credits that can be bought, in minor units of `currency`."""
        if self.packs_minor is not None:
            return self.packs_minor
        return tuple(runs * self.price_minor for runs in _PACKS)


def offers_of(text: str | None, *, stripe_enabled: bool) -> tuple[str, ...]:
    """Read PAYMENT_OFFERS, `stripe_checkout,credits`; None (unset) means the default."""
    if text is None:
        return _WITH_STRIPE if stripe_enabled else ()
    return tuple(dict.fromkeys(name for part in text.split(",") if (name := part.strip())))


def mistakes(settings: PaymentSettings) -> list[str]:
    """Everything that is wrong with the settings, one line each; empty when the server may start.

    Names the environment variables, since that is where an operator corrects them.
    """
    return [
        *_offer_mistakes(settings),
        *_price_mistakes(settings),
        *_stripe_mistakes(settings),
        *(x402_mistakes(settings.x402, settings.currency) if settings.x402 else ()),
    ]


def _offer_mistakes(settings: PaymentSettings) -> list[str]:
    known = ", ".join(OFFERS)
    found = [
        f"PAYMENT_OFFERS: {offer!r} is not known; known are {known}"
        for offer in settings.offers
        if offer not in OFFERS
    ]
    found += [
        f"PAYMENT_OFFERS: {offer} needs STRIPE_ENABLED=true"
        for offer in ("stripe_checkout", "metered")
        if offer in settings.offers and settings.stripe is None
    ]
    if "x402" in settings.offers and settings.x402 is None:
        found.append("PAYMENT_OFFERS: x402 needs X402_PAY_TO and X402_NETWORK")
    if settings.offers and len(settings.secret) < _SECRET_BYTES:
        found.append(f"GATEWAY_SECRET: at least {_SECRET_BYTES} bytes are needed")
    if settings.token_ttl_minutes < 1:
        found.append("CHECKOUT_TOKEN_TTL_MINUTES: must be at least 1")
    return found


def _price_mistakes(settings: PaymentSettings) -> list[str]:
    if not settings.offers:
        return []
    if not re.fullmatch("[a-z]{3}", settings.currency):
        return ["STRIPE_SIMULATION_CURRENCY: must be a three-letter code in lower case, as usd"]
    found = [f"{name}: must be at least {least}" for name, least in _too_small(settings)]
    if not found and "stripe_checkout" in settings.offers:
        for name, amounts in (
            ("STRIPE_SIMULATION_PRICE_CENTS", (settings.price_minor,)),
            ("CREDIT_PACKS_CENTS", settings.packs_minor or ()),
        ):
            found += [f"{name}: {mistake}" for mistake in _not_chargeable(settings, amounts)]
    return found


def _too_small(settings: PaymentSettings) -> Iterator[tuple[str, int]]:
    """Numbers below what makes sense, with the least that does."""
    credits_price = settings.credits_price_minor
    for name, value, least in (
        ("STRIPE_SIMULATION_PRICE_CENTS", settings.price_minor, 1),
        ("CREDITS_PRICE_CENTS", 1 if credits_price is None else credits_price, 1),
        ("METERED_PRICE_CENTS", settings.metered_price_minor, 1),
        ("X402_PRICE_CENTS", settings.x402_price_minor, 1),
        ("WORK_UNITS_PRICE_CENTS", settings.million_units_price_minor, 0),
        ("FREE_RUNS_PER_DAY", settings.free_runs_per_day, 0),
    ):
        if value < least:
            yield name, least


def _not_chargeable(settings: PaymentSettings, amounts_minor: tuple[int, ...]) -> Iterator[str]:
    """Why Stripe would refuse to charge one of these."""
    minimum = from_minor(minimum_minor(settings.currency), settings.currency)
    for amount in amounts_minor:
        price = from_minor(amount, settings.currency)
        if price.amount_micros < minimum.amount_micros:
            yield f"{price} is below the minimum of {minimum}"
        elif decimals(settings.currency) == _THREE_DECIMALS and amount % 10:
            yield "Stripe wants multiples of 10 in this currency"


def _stripe_mistakes(settings: PaymentSettings) -> list[str]:
    if settings.stripe is None:
        return []
    needed = {
        "STRIPE_SECRET_KEY": settings.stripe.secret_key,
        "STRIPE_WEBHOOK_SECRET": settings.stripe.webhook_secret,
        "STRIPE_SUCCESS_URL": settings.stripe.success_url,
        "STRIPE_CANCEL_URL": settings.stripe.cancel_url,
    }
    absent = [
        f"{name}: is needed with STRIPE_ENABLED=true"
        for name, value in needed.items()
        if not value.strip()
    ]
    return absent + list(_mixed_up(needed))


def _mixed_up(given: dict[str, str]) -> Iterator[str]:
    """Stripe's texts that stand in each other's place; both begin with what they are."""
    if given["STRIPE_SECRET_KEY"].startswith(("pk_", "whsec_")):
        yield "STRIPE_SECRET_KEY: is another of Stripe's keys; this one begins with sk_ or rk_"
    if given["STRIPE_WEBHOOK_SECRET"].startswith(("sk_", "rk_", "pk_")):
        yield "STRIPE_WEBHOOK_SECRET: is an API key; the endpoint's secret begins with whsec_"
