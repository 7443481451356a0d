"""What only an operator decides about money: `fmu-gateway account link`, `payments refund`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from gateway_payments import accounts
from gateway_payments.service import Payments
from gateway_server.compose import address_of, open_database, payment_settings
from gateway_server.settings import Settings
from gateway_storage.database import Database


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


@contextmanager
def _payments(settings: Settings) -> Iterator[tuple[Database, Payments]]:
    found = payment_settings(settings, address_of(settings, settings.port))
    database = open_database(settings)
    try:
        yield database, Payments(database, found)
    finally:
        database.close()
