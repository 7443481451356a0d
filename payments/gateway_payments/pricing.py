"""The price book: what a run costs by each offer, and why.

    price of a run by an offer = the offer's price of a run + work units x the price of a unit

A Checkout page charges whole cents, a meter counts whole units of its own price: both are rounded
up to these, everything else to millionths.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from gateway_payments.money import MICROS, Money, decimals, from_minor
from gateway_payments.settings import PaymentSettings

_THREE_DECIMALS: Final = 3


@dataclass(frozen=True, slots=True)
class PriceList:
    """What one request costs: a price for each way to pay (none: it is free), and why."""

    prices: dict[str, Money]
    currency: str
    because: tuple[str, ...]


def price_list(settings: PaymentSettings, work_units: int, free_left: int = 0) -> PriceList:
    """Price one run of `work_units` (communication points x (1 + states + outputs)).

    `free_left`: how many runs the account may have for nothing today.
    """
    if not settings.offers:
        return PriceList({}, settings.currency, ("this service is free",))
    if free_left:
        why = f"free: {free_left} of {settings.free_runs_per_day} free runs are left today"
        return PriceList({}, settings.currency, (why,))
    work = _work(settings, work_units)
    prices = {offer: _price(settings, offer, work) for offer in settings.offers}
    return PriceList(prices, settings.currency, tuple(_because(settings, work_units, prices)))


def metered_units(settings: PaymentSettings, price: Money) -> int:
    """How often the meter counts for a run of this price."""
    return -(-price.amount_micros // _run_price(settings, "metered").amount_micros)


def _work(settings: PaymentSettings, work_units: int) -> int:
    """What the work alone costs, in micros, rounded up."""
    million = from_minor(settings.million_units_price_minor, settings.currency)
    return -(-work_units * million.amount_micros // MICROS)


def _run_price(settings: PaymentSettings, offer: str) -> Money:
    minor = {
        "stripe_checkout": settings.price_minor,
        "credits": settings.credits_price_minor or settings.price_minor,
        "metered": settings.metered_price_minor,
        "x402": settings.x402_price_minor,
    }[offer]
    return from_minor(minor, settings.currency)


def _price(settings: PaymentSettings, offer: str, work_micros: int) -> Money:
    run = _run_price(settings, offer)
    total = run.amount_micros + work_micros
    step = _step(settings, offer)
    return Money(-(-total // step) * step, settings.currency)


def _step(settings: PaymentSettings, offer: str) -> int:
    """The least amount by which two prices of an offer differ, in micros."""
    if offer == "metered":
        return _run_price(settings, offer).amount_micros
    if offer == "stripe_checkout":  # in three-decimal currencies Stripe wants multiples of ten
        cent = from_minor(1, settings.currency).amount_micros
        return cent * 10 if decimals(settings.currency) == _THREE_DECIMALS else cent
    return 1


def _because(settings: PaymentSettings, work_units: int, prices: dict[str, Money]) -> Iterator[str]:
    different = len(set(prices.values())) > 1
    for offer in prices if different else list(prices)[:1]:
        by = f" by {offer}" if different else ""
        yield f"1 run{by}: {_run_price(settings, offer)}"
    if not settings.million_units_price_minor:
        yield f"{work_units} units of work: included in the price of a run"
        return
    million = from_minor(settings.million_units_price_minor, settings.currency)
    work = Money(_work(settings, work_units), settings.currency)
    yield f"{work_units} units of work at {million} a million: {work}"
