"""What an operator decides about money. The server fills it from the environment."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from gateway_payments.money import decimals, from_minor, minimum_minor

OFFERS: Final = ("stripe_checkout", "credits")
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


@dataclass(frozen=True, slots=True)
class PaymentSettings:
    """Which ways to pay there are and what a run costs. No offers: everything is free."""

    secret: bytes = field(repr=False)  # GATEWAY_SECRET: payment tokens are HMACs under it
    offers: tuple[str, ...] = ()  # PAYMENT_OFFERS; the first one is the headline of a 402
    price_minor: int = 100  # STRIPE_SIMULATION_PRICE_CENTS: one run, in minor units of `currency`
    currency: str = "usd"  # STRIPE_SIMULATION_CURRENCY
    token_ttl_minutes: int = 30  # CHECKOUT_TOKEN_TTL_MINUTES
    stripe: StripeSettings | None = None


def offers_of(text: str | None, *, stripe_enabled: bool) -> tuple[str, ...]:
    """Read PAYMENT_OFFERS, `stripe_checkout,credits`; None (unset) means the default."""
    if text is None:
        return OFFERS if stripe_enabled else ()
    return tuple(dict.fromkeys(name for part in text.split(",") if (name := part.strip())))


def mistakes(settings: PaymentSettings) -> list[str]:
    """Everything that is wrong with the settings, one line each; empty when the server may start.

    Names the environment variables, since that is where an operator corrects them.
    """
    return [*_offer_mistakes(settings), *_price_mistakes(settings), *_stripe_mistakes(settings)]


def _offer_mistakes(settings: PaymentSettings) -> list[str]:
    known = ", ".join(OFFERS)
    found = [
        f"PAYMENT_OFFERS: {offer!r} is not known; known are {known}"
        for offer in settings.offers
        if offer not in OFFERS
    ]
    if "stripe_checkout" in settings.offers and settings.stripe is None:
        found.append("PAYMENT_OFFERS: stripe_checkout needs STRIPE_ENABLED=true")
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
    by_card = "stripe_checkout" in settings.offers
    least = minimum_minor(settings.currency) if by_card else 1
    if settings.price_minor < least:
        price = from_minor(settings.price_minor, settings.currency)
        minimum = from_minor(least, settings.currency)
        return [f"STRIPE_SIMULATION_PRICE_CENTS: {price} is below the minimum of {minimum}"]
    if by_card and decimals(settings.currency) == _THREE_DECIMALS and settings.price_minor % 10:
        return ["STRIPE_SIMULATION_PRICE_CENTS: Stripe wants multiples of 10 in this currency"]
    return []


def _stripe_mistakes(settings: PaymentSettings) -> list[str]:
    if settings.stripe is None:
        return []
    needed = {
        "STRIPE_SECRET_KEY": settings.stripe.secret_key,
        "STRIPE_WEBHOOK_SECRET": settings.stripe.webhook_secret,
        "STRIPE_SUCCESS_URL": settings.stripe.success_url,
        "STRIPE_CANCEL_URL": settings.stripe.cancel_url,
    }
    return [
        f"{name}: is needed with STRIPE_ENABLED=true"
        for name, value in needed.items()
        if not value.strip()
    ]
