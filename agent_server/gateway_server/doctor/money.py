"""Ways to pay: what they lack, and whether Stripe takes the key."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Final

from gateway_payments.exceptions import PaymentError
from gateway_payments.providers.stripe_api import StripeApi
from gateway_payments.service import Payments
from gateway_payments.settings import PaymentSettings
from gateway_server.compose import address_of, payment_settings
from gateway_server.doctor.finding import Finding
from gateway_server.settings import Settings, SettingsError, database_url
from gateway_storage.database import Database

_TOLERATED: Final = timedelta(minutes=2)
"""Stripe's signatures last five; beyond this the margin is gone."""


def payments(settings: Settings) -> Iterator[Finding]:
    """What can be paid with, and what an operator should put right about it."""
    try:
        offered = payment_settings(settings, address_of(settings, settings.port))
    except SettingsError:
        return  # the settings' own check has said so
    yield Finding("payments", ", ".join(offered.offers) or "free")
    yield from _shortcomings(settings, offered)
    if offered.stripe is not None:
        yield from _stripe(StripeApi(offered.stripe))


def _shortcomings(settings: Settings, offered: PaymentSettings) -> Iterator[Finding]:
    with (
        closing(Database(database_url(settings))) as database,
        closing(Payments(database, offered)) as known,
    ):
        for sentence in known.shortcomings():
            yield Finding("payments", sentence, passed=False)


def _stripe(api: StripeApi) -> Iterator[Finding]:
    try:
        stripes = api.time()
    except PaymentError as error:
        remedy = "check STRIPE_SECRET_KEY, and that this machine reaches Stripe over HTTPS"
        yield Finding("stripe", f"doesn't answer: {error}", passed=False, remedy=remedy)
        return
    ahead = datetime.now(UTC) - stripes
    if abs(ahead) > _TOLERATED:
        told = f"its clock and this one are {abs(ahead).total_seconds():.0f} s apart"
        remedy = "set the clock: webhooks older than five minutes are refused"
        yield Finding("stripe", told, passed=False, remedy=remedy)
        return
    yield Finding("stripe", "takes the key")
