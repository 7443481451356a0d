"""The one place where money that has become certain turns into the right to a run."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from gateway_payments import entitlements, payments
from gateway_payments.ledger import Role, Transfer, post
from gateway_payments.payments import Payment
from gateway_payments.quotes import close_quote

_UNPAID: Final = frozenset({"begun", "open", "processing", "expired", "failed"})


def settle(
    db: Connection, payment: Payment, source: Role, now: datetime, token_ttl: timedelta
) -> bool:
    """Mark the payment paid, move its money from `source`, issue the right to one run.

    All of it once for each payment, however often and in whatever order the news arrives: False if
    it had happened before. Raises InsufficientFundsError (roll back) where `source` is too small.
    """
    if not payments.move(db, payment.id, of=_UNPAID, to="paid", paid_at=now):
        return False
    name = f"pay:{payment.id}"
    post(db, Transfer(name, payment.account_id, source, "deferred", payment.money), now)
    entitlements.issue(db, payment, now, now + token_ttl)
    close_quote(db, payment.quote_id)
    return True
