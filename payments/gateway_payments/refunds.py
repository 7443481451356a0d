"""Refunds that begin with us: of what we couldn't deliver, and what an operator decides."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import Connection

from gateway_payments import entitlements, payments
from gateway_payments.entitlements import Entitlement
from gateway_payments.exceptions import (
    NotRefundableError,
    PaymentInUseError,
    UnknownPaymentError,
)
from gateway_payments.identifiers import is_plausible, require_words
from gateway_payments.money import Money
from gateway_payments.quotes import find_quote
from gateway_payments.settlement import give_back
from gateway_storage.database import Database

_PATIENCE: Final = timedelta(hours=24)  # for its payer to try again, after the right's own time
_AT_ONCE: Final = 20
_LONGEST_REASON: Final = 200
_USED_UP: Final = {
    "captured": "its run was delivered",
    "exhausted": "its model failed too often, which used it up",
    "returned": "the money went back already",
}

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Refund:
    """What went back. `offer`: the way it had been paid, by which it returns."""

    quote_id: str
    payment_id: str
    offer: str
    money: Money


def by_payer(database: Database, account_id: str, quote_id: str, now: datetime) -> Refund:
    """Give back what we failed to deliver, at once."""
    with database.write() as db:
        quote = find_quote(db, account_id, quote_id)
        return _undo(db, entitlements.of_quote(db, quote.id), now, only_ours=True)


def by_operator(database: Database, named: str, reason: str, now: datetime) -> Refund:
    """Give back any unused right; the reason is logged."""
    require_words("reason", reason, longest=_LONGEST_REASON)
    if not is_plausible(named):
        raise UnknownPaymentError(named[:40])
    with database.write() as db:
        payment = payments.find(db, named)
        if payment is None:
            bought = entitlements.of_quote(db, named)
        elif payment.quote_id is None:
            why = "credits are refunded on Stripe's own pages, and booked when Stripe tells of it"
            raise NotRefundableError(why)
        else:
            bought = [
                e for e in entitlements.of_quote(db, payment.quote_id) if e.payment_id == named
            ]
        if payment is None and not bought:
            raise UnknownPaymentError(named)
        refund = _undo(db, bought, now, only_ours=False)
    _log.info("refunded_by_operator", payment=refund.payment_id, reason=reason)
    return refund


def due(database: Database, now: datetime) -> int:
    """Give back some of what failed through our fault and nobody tried again; how many."""
    with database.read() as db:
        left = entitlements.undelivered(db, now - _PATIENCE, _AT_ONCE)
    for payment_id in left:
        with database.write() as db:
            right = entitlements.id_of(payments.lock(db, payment_id))
            held = entitlements.withdraw(db, right)
            if held:
                give_back(db, held, now)
                _log.warning("refunded_undelivered", payment=payment_id)
    return len(left)


def _undo(db: Connection, bought: list[Entitlement], now: datetime, *, only_ours: bool) -> Refund:
    """Withdraw a right and give its money back; or why not, in words for the payer."""
    for right in bought:
        if right.state != "issued" or (only_ours and not right.our_faults):
            continue
        payments.lock(db, right.payment_id)
        held = entitlements.withdraw(db, right.id)
        if held:
            give_back(db, held, now)
            return Refund(held.quote_id, held.payment_id, held.offer, held.money)
    raise _refusal(bought)


def _refusal(bought: list[Entitlement]) -> NotRefundableError | PaymentInUseError:
    if not bought:
        return NotRefundableError("nothing was paid")
    first = bought[0]
    if first.state == "reserved":
        return PaymentInUseError(first.quote_id, first.run_id)
    if first.state == "issued":
        return NotRefundableError("no run of it failed through our fault, and it is still good")
    return NotRefundableError(_USED_UP[first.state])
