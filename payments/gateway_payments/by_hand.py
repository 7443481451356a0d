"""What waits for an operator: letters that are stuck, payments that came out another way.

Nothing here moves money. An operator looks at Stripe (or the chain), does there what has to be done
and says so: `resend` a letter that Stripe certainly doesn't have, `dismiss` what is dealt with.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import structlog
from sqlalchemy import ColumnElement, Connection, Row, select, update

from gateway_payments import budgets, payments
from gateway_payments.exceptions import NotWaitingError
from gateway_payments.identifiers import is_plausible, require_words
from gateway_payments.outbox import OutboxRow
from gateway_payments.payments import Payment
from gateway_payments.providers.x402 import KIND as BY_CHAIN

_LONGEST_REASON: Final = 200

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Waiting:
    """A letter or a payment, since when it is there and why it is there still."""

    id: str
    state: str
    since: datetime
    attempts: int
    reason: str


def waiting(db: Connection, most: int) -> list[Waiting]:
    """Letters not sent yet and payments that need an operator, `most` of each, oldest first."""
    unsent = OutboxRow.state.in_(["stuck", "waiting"])
    letters = select(OutboxRow.__table__).where(unsent).order_by(OutboxRow.created_at).limit(most)
    found = [_letter(row) for row in db.execute(letters)]
    for payment in payments.undecided(db, BY_CHAIN, most):
        doubt = _doubt(payment)
        if doubt:
            found.append(Waiting(payment.id, payment.state, payment.created_at, 0, doubt))
    return found


def resend(db: Connection, letter_id: str, now: datetime) -> None:
    """Send a stuck letter again: the operator has made sure that Stripe doesn't have it.

    Raises NotWaitingError for any other, and for one that had arrived and was undone.
    """
    never_arrived = (*_stuck(letter_id), OutboxRow.sent_at.is_(None))
    again = {"state": "waiting", "due_at": now, "first_tried_at": None}
    if db.execute(update(OutboxRow).where(*never_arrived).values(again)).rowcount != 1:
        raise NotWaitingError(letter_id)
    _log.warning("letter_resent_by_operator", letter=letter_id)


def dismiss(db: Connection, named: str, reason: str) -> None:
    """A stuck letter or an odd payment is dealt with; the reason is kept.

    Raises NotWaitingError for any other id, InvalidTextError (of `reason`).
    """
    require_words("reason", reason, longest=_LONGEST_REASON)
    done = {"state": "dismissed", "reason": reason}
    if db.execute(update(OutboxRow).where(*_stuck(named)).values(done)).rowcount != 1:
        _dismiss_payment(db, named, reason)
    _log.warning("dismissed_by_operator", dismissed=named, reason=reason)


def _dismiss_payment(db: Connection, named: str, reason: str) -> None:
    payment = payments.find(db, named) if is_plausible(named) else None
    if payment is None or not _doubt(payment):
        raise NotWaitingError(named)
    details = {**payment.details, "reason": reason, "doubt": None}
    # what a chain didn't pay may still turn out to be paid; another amount stays another amount
    to = "failed" if payment.provider == BY_CHAIN else "dismissed"
    if not payments.move(db, named, of=frozenset({payment.state}), to=to, details=details):
        raise NotWaitingError(named)
    counted_at = payment.created_at
    budgets.unspend(db, payment.key_id, payment.provider, payment.money, counted_at)


def _stuck(letter_id: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return OutboxRow.id == letter_id, OutboxRow.state == "stuck"


def _doubt(payment: Payment) -> str | None:
    if payment.state == "mismatched":
        return f"another amount arrived than {payment.money}"
    doubtful = payment.state == "processing" and payment.details.get("doubt")
    return (
        f"the chain doesn't say that it was paid: {payment.details['doubt']}" if doubtful else None
    )


def _letter(row: Row[Any]) -> Waiting:
    reason = row.reason or ("not tried yet" if not row.attempts else "on its way")
    return Waiting(row.id, row.state, row.created_at, row.attempts, reason)
