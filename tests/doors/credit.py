"""Credits for an account, as an operator gives them."""

from __future__ import annotations

from uuid import uuid4

from conftest import Running
from doors.clients import Where

from gateway_payments.accounts import find_caller
from gateway_payments.ledger import grant_credits
from gateway_payments.money import from_minor


def give_credits(gateway: Running, where: Where, cents: int) -> None:
    """So many cents, under a name of its own."""
    system = gateway.embedded.gateway
    with system.database.write() as db:
        caller = find_caller(db, where.key)
        assert caller is not None
        money = from_minor(cents, "usd")
        grant_credits(db, caller.account_id, f"test {uuid4()}", money, system.clock())
