"""The outbox: what the outside world is to be told, written with what makes it so.

A row is put in the transaction that captures a run or gives money back, and sent afterwards, as
often as it takes. Its id is the name under which the outside world recognises it again, so that
sending it twice does nothing twice. Whoever sends takes a lease first: of many workers one sends,
and if that one dies, another does once the lease is over.

    waiting -> sent       the outside world has it
    waiting -> stuck      it can't be sent any more, or not safely: an operator decides
    sent -> stuck         what it had brought about was undone outside
    stuck -> waiting | dismissed    what the operator decided; see by_hand.py
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import CheckConstraint, Connection, Index, func, select, update
from sqlalchemy.orm import Mapped, mapped_column

from gateway_payments.identifiers import is_plausible
from gateway_payments.insertion import insert_once
from gateway_storage.base import Base

LEASE: Final = timedelta(minutes=2)  # longer than any one call with its retries
_LONGEST_WAIT: Final = timedelta(hours=1)
_LONGEST_REASON: Final = 200


class OutboxRow(Base):
    """One thing to tell. `due_at`: not before; while one worker sends it, the end of its lease."""

    __tablename__ = "outbox"
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'sent', 'stuck', 'dismissed')", name="state"),
        Index(None, "state", "due_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    payload: Mapped[dict[str, Any]]
    state: Mapped[str]
    attempts: Mapped[int]
    created_at: Mapped[datetime]
    first_tried_at: Mapped[datetime | None]
    due_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    reason: Mapped[str | None]  # why the last attempt failed


@dataclass(frozen=True, slots=True)
class Letter:
    """Something to send. `first_tried_at` is None where nobody has tried yet."""

    id: str
    kind: str
    payload: dict[str, Any]
    attempts: int
    created_at: datetime
    first_tried_at: datetime | None


def put(db: Connection, letter_id: str, kind: str, payload: dict[str, Any], now: datetime) -> None:
    """Have this told, once for each `letter_id`."""
    row = {
        "id": letter_id,
        "kind": kind,
        "payload": payload,
        "state": "waiting",
        "attempts": 0,
        "created_at": now,
        "first_tried_at": None,
        "due_at": now,
        "sent_at": None,
        "reason": None,
    }
    insert_once(db, OutboxRow, row)


def due(db: Connection, kinds: tuple[str, ...], now: datetime, most: int) -> list[str]:
    """Letters of these kinds that somebody should send now, the longest waiting first."""
    waiting = (OutboxRow.state == "waiting", OutboxRow.due_at <= now, OutboxRow.kind.in_(kinds))
    query = select(OutboxRow.id).where(*waiting).order_by(OutboxRow.due_at).limit(most)
    return list(db.execute(query).scalars())


def known(db: Connection, letter_ids: Iterable[str]) -> set[str]:
    """Which of these there are, in whatever state."""
    query = select(OutboxRow.id).where(OutboxRow.id.in_(filter(is_plausible, letter_ids)))
    return set(db.execute(query).scalars())


def waiting_since(db: Connection) -> datetime | None:
    """Since when the oldest unsent letter waits; None where none does."""
    oldest = select(OutboxRow.created_at).where(OutboxRow.state == "waiting")
    return db.execute(oldest.order_by(OutboxRow.created_at).limit(1)).scalar()


def take(db: Connection, letter_id: str, now: datetime) -> Letter | None:
    """Take the letter to send it; None where somebody else did. Commit before sending."""
    free = (OutboxRow.id == letter_id, OutboxRow.state == "waiting", OutboxRow.due_at <= now)
    taken = update(OutboxRow).where(*free).values(due_at=now + LEASE)
    row = db.execute(taken.returning(OutboxRow.__table__)).first()
    if row is None:
        return None
    tried = {"attempts": row.attempts + 1, "first_tried_at": row.first_tried_at or now}
    db.execute(update(OutboxRow).where(OutboxRow.id == letter_id).values(**tried))
    return Letter(row.id, row.kind, row.payload, row.attempts, row.created_at, row.first_tried_at)


def sent(db: Connection, letter_id: str, now: datetime) -> None:
    """It has arrived."""
    waiting = (OutboxRow.id == letter_id, OutboxRow.state == "waiting")
    db.execute(update(OutboxRow).where(*waiting).values(state="sent", sent_at=now, reason=None))


def failed(db: Connection, letter: Letter, reason: str, now: datetime) -> None:
    """It did not arrive, or nobody knows: try again later, each time a little later."""
    wait = min(_LONGEST_WAIT, timedelta(seconds=2.0 ** min(letter.attempts + 1, 12)))
    waiting = (OutboxRow.id == letter.id, OutboxRow.state == "waiting")
    later = {"due_at": now + wait, "reason": reason[:_LONGEST_REASON]}
    db.execute(update(OutboxRow).where(*waiting).values(**later))


def stuck(db: Connection, letter_id: str, reason: str) -> bool:
    """It must not be sent again by itself; the audit names it until an operator has decided.

    False where it is stuck already, or was.
    """
    return _stick(db, letter_id, reason)


def came_back(db: Connection, letter_id: str, reason: str, now: datetime) -> bool:
    """It had arrived, whether we know that or not, and was undone: sending it again is no remedy.

    False where it is stuck already, or was.
    """
    return _stick(db, letter_id, reason, sent_at=func.coalesce(OutboxRow.sent_at, now))


def _stick(db: Connection, letter_id: str, reason: str, **also: object) -> bool:
    not_yet = (OutboxRow.id == letter_id, OutboxRow.state.in_(["waiting", "sent"]))
    given_up = {"state": "stuck", "reason": reason[:_LONGEST_REASON], **also}
    return db.execute(update(OutboxRow).where(*not_yet).values(**given_up)).rowcount == 1
