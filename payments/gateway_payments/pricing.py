"""The price book: what a run costs in each offer, and why."""

from __future__ import annotations

from dataclasses import dataclass

from gateway_payments.money import Money, from_minor
from gateway_payments.settings import PaymentSettings


@dataclass(frozen=True, slots=True)
class PriceList:
    """What one request costs: a price for each way to pay (none: it is free), and why."""

    prices: dict[str, Money]
    currency: str
    because: tuple[str, ...]


def price_list(settings: PaymentSettings, work_units: int) -> PriceList:
    """Price one run of `work_units` (communication points x (1 + states + outputs)).

    A run has one price whatever its work; credits cost what a card costs.
    """
    if not settings.offers:
        return PriceList({}, settings.currency, ("this service is free",))
    run = from_minor(settings.price_minor, settings.currency)
    because = (f"1 run: {run}", f"{work_units} units of work: included in the price of a run")
    return PriceList(dict.fromkeys(settings.offers, run), settings.currency, because)
