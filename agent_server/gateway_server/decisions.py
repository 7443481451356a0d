"""What only an operator decides about money: `account link`, `payments refund`, `ledger resend`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final

from gateway_payments import accounts, by_hand
from gateway_payments.service import Payments
from gateway_server.compose import address_of, open_database, payment_settings
from gateway_server.settings import Settings
from gateway_storage.database import Database

_SHOWN: Final = 1000  # letters, and payments


def link_account(settings: Settings, account_id: str, customer_id: str) -> str:
    """Let Stripe's meter charge this customer for the account's runs; a sentence.

    Raises PaymentError where there is no such account or customer, or it is another account's.
    """
    with _payments(settings) as (_, payments):
        payments.link_customer(account_id, customer_id, datetime.now(UTC))
    return f"{account_id} is linked to {customer_id}: its runs are put on that customer's invoice"


def unlink_account(settings: Settings, account_id: str) -> str:
    """Charge the account's customer no more; a sentence. Raises UnknownAccountError."""
    with _payments(settings) as (database, _), database.write() as db:
        accounts.require_account(db, account_id)
        gone = accounts.unlink(db, account_id)
    if not gone:
        return f"{account_id} was linked to no customer: nothing changed"
    return f"{account_id} is linked no more; end its subscription on Stripe's pages"


def refund(settings: Settings, named: str, reason: str) -> str:
    """Give back an unused right, by its quote or payment; a sentence. Raises PaymentError."""
    with _payments(settings) as (_, payments):
        back = payments.refund_any(named, reason, datetime.now(UTC))
        payments.send_letters(datetime.now(UTC))
    return f"{back.payment_id}: {back.money} go back by {back.offer}"


def letters(settings: Settings) -> str:
    """What waits, one line each: id, state, since when, how often tried, why."""
    with _database(settings) as database, database.read() as db:
        found = by_hand.waiting(db, _SHOWN)
    lines = [
        f"{each.id}  {each.state}  {each.since:%Y-%m-%d %H:%M} UTC  tried {each.attempts}x  "
        f"{each.reason}"
        for each in found
    ]
    return "\n".join(lines) or "nothing waits"


def resend(settings: Settings, letter_id: str) -> str:
    """Send a stuck letter again; a sentence. Raises PaymentError."""
    now = datetime.now(UTC)
    with _payments(settings) as (database, payments):
        with database.write() as db:
            by_hand.resend(db, letter_id, now)
        payments.send_letters(now)
        with database.read() as db:
            left = [each for each in by_hand.waiting(db, _SHOWN) if each.id == letter_id]
    return f"{letter_id}: {left[0].state}, {left[0].reason}" if left else f"{letter_id} is sent"


def dismiss(settings: Settings, named: str, reason: str) -> str:
    """Close a stuck letter or an odd payment; a sentence. Raises PaymentError."""
    with _database(settings) as database, database.write() as db:
        by_hand.dismiss(db, named, reason)
    return f"{named} is dismissed"


@contextmanager
def _database(settings: Settings) -> Iterator[Database]:
    database = open_database(settings)
    try:
        yield database
    finally:
        database.close()


@contextmanager
def _payments(settings: Settings) -> Iterator[tuple[Database, Payments]]:
    found = payment_settings(settings, address_of(settings, settings.port))
    with _database(settings) as database:
        yield database, Payments(database, found)
