"""`fmu-gateway credits grant`: what an operator gives away."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from gateway_payments.ledger import grant_credits as grant
from gateway_payments.money import MICROS, Money
from gateway_server.compose import open_database
from gateway_server.settings import Settings, SettingsError


def grant_credits(settings: Settings, account_id: str, amount: str, reason: str) -> str:
    """Give an account credits once for each `reason`; what happened, in a sentence.

    Raises:
        SettingsError: `amount` is no positive number.
        PaymentError: there is no such account, or the reason stands for another grant.

    """
    try:
        micros = int(Decimal(amount) * MICROS)
    except (ArithmeticError, ValueError):
        micros = 0
    if micros <= 0:
        raise SettingsError([f"amount: {amount[:40]!r} is no positive amount of money"])
    money = Money(micros, settings.stripe_simulation_currency.lower())
    database = open_database(settings)
    try:
        with database.write() as db:
            made = grant(db, account_id, reason, money, datetime.now(UTC))
    finally:
        database.close()
    return (
        f"{account_id} got {money}" if made else f"{reason!r} was granted before: nothing changed"
    )
