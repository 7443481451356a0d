"""One-time upload addresses: who holds the ticket may send one FMU for the account."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, ForeignKey, insert, select, update
from sqlalchemy.orm import Mapped, mapped_column

from gateway_library.exceptions import TicketInvalidError
from gateway_storage.base import Base
from gateway_storage.database import Database

LIFETIME: Final = timedelta(minutes=15)


class UploadTicket(Base):
    """A ticket, stored as a hash: a copy of the database opens nothing."""

    __tablename__ = "upload_tickets"

    ticket_sha256: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class Tickets:
    """Makes tickets and takes each of them once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def issue(self, account_id: str, now: datetime) -> str:
        """A fresh ticket for one upload within LIFETIME."""
        ticket = secrets.token_urlsafe(24)
        with self._database.write() as db:
            db.execute(
                insert(UploadTicket).values(
                    ticket_sha256=_sha256(ticket), account_id=account_id, expires_at=now + LIFETIME
                )
            )
        return ticket

    def check(self, ticket: str, now: datetime) -> None:
        """Raise TicketInvalidError unless the ticket can still be redeemed."""
        usable = select(UploadTicket.account_id).where(*_usable(ticket, now))
        with self._database.read() as db:
            if db.execute(usable).first() is None:
                raise TicketInvalidError

    @contextmanager
    def redeemed(self, ticket: str, now: datetime) -> Iterator[str]:
        """The account that the ticket stands for, while its upload is made.

        Exactly one of concurrent callers gets it; an upload that is refused gives the ticket back.

        Raises:
            TicketInvalidError: unknown, used or expired.

        """
        account_id = self.redeem(ticket, now)
        try:
            yield account_id
        except BaseException:
            mine = UploadTicket.ticket_sha256 == _sha256(ticket)
            with self._database.write() as db:
                db.execute(update(UploadTicket).where(mine).values(used_at=None))
            raise

    def redeem(self, ticket: str, now: datetime) -> str:
        """The account that the ticket stands for; exactly one of concurrent callers gets it.

        Raises:
            TicketInvalidError: unknown, used or expired.

        """
        take = update(UploadTicket).where(*_usable(ticket, now)).values(used_at=now)
        with self._database.write() as db:
            account_id = db.execute(take.returning(UploadTicket.account_id)).scalar()
        if account_id is None:
            raise TicketInvalidError
        return account_id


def _usable(ticket: str, now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        UploadTicket.ticket_sha256 == _sha256(ticket),
        UploadTicket.used_at.is_(None),
        UploadTicket.expires_at > now,
    )


def _sha256(ticket: str) -> str:
    return hashlib.sha256(ticket.encode()).hexdigest()
