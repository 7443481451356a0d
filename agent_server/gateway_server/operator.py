"""What an operator does by hand."""

from __future__ import annotations

from datetime import UTC, datetime

from gateway_payments.ledger import grant_credits as grant
from gateway_payments.money import MICROS, Money
from gateway_server.compose import open_database
from gateway_server.settings import Settings


def grant_credits(settings: Settings, account_id: str, amount: float, reason: str) -> str:
    """Give an account credits once for each `reason`; what happened, in a sentence."""
    money = Money(round(amount * MICROS), settings.stripe_simulation_currency.lower())
    with open_database(settings).write() as db:
        made = grant(db, account_id, reason, money, datetime.now(UTC))
    return (
        f"{account_id} got {money}" if made else f"{reason!r} was granted before: nothing changed"
    )
