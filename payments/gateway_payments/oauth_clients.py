"""Programs that registered themselves (RFC 7591), so that people can let them in.

Anybody may register, so what strangers can store is bounded: a client is a few short fields, there
are never more than MOST, and who is never let in is forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import (
    JSON,
    ColumnElement,
    Connection,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from gateway_payments.identifiers import is_plausible
from gateway_payments.oauth_grants import OAuthGrantRow
from gateway_storage.base import Base

MOST: Final = 10_000
_NEVER_LET_IN: Final = timedelta(days=7)
_UNUSED: Final = timedelta(days=90)


class OAuthClientRow(Base):
    """A program. It has no secret here: one that wants one gets what is derived from its id."""

    __tablename__ = "oauth_clients"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    redirect_uris: Mapped[list[str]] = mapped_column(JSON)
    auth_method: Mapped[str]
    refreshes: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]


@dataclass(frozen=True, slots=True)
class Client:
    """What a program says of itself. `refreshes`: whether it takes refresh tokens."""

    client_id: str
    name: str
    redirect_uris: tuple[str, ...]
    auth_method: str
    refreshes: bool


def register(db: Connection, client: Client, now: datetime, most: int = MOST) -> bool:
    """Keep a new client; where there are `most`, in place of the oldest that was never let in.

    False where all of them are in use.
    """
    if _count(db) >= most and not _forget_one(db):
        return False
    db.execute(
        insert(OAuthClientRow).values(
            id=client.client_id,
            name=client.name,
            redirect_uris=list(client.redirect_uris),
            auth_method=client.auth_method,
            refreshes=client.refreshes,
            created_at=now,
            used_at=None,
        )
    )
    return True


def find(db: Connection, client_id: str) -> Client | None:
    """The client of that id."""
    if not is_plausible(client_id):
        return None
    named = select(OAuthClientRow.__table__).where(OAuthClientRow.id == client_id)
    row = db.execute(named).first()
    if row is None:
        return None
    return Client(row.id, row.name, tuple(row.redirect_uris), row.auth_method, row.refreshes)


def used(db: Connection, client_id: str, now: datetime) -> None:
    """Note that somebody let it in, or that it came back for fresh tokens."""
    db.execute(update(OAuthClientRow).where(OAuthClientRow.id == client_id).values(used_at=now))


def delete_unused(db: Connection, now: datetime) -> int:
    """Forget who was not let in for a week, or has let everything expire; how many."""
    never = OAuthClientRow.used_at.is_(None) & (OAuthClientRow.created_at < now - _NEVER_LET_IN)
    old = never | (OAuthClientRow.used_at < now - _UNUSED)
    return db.execute(delete(OAuthClientRow).where(old, _without_grant())).rowcount


def _count(db: Connection) -> int:
    return db.execute(select(func.count()).select_from(OAuthClientRow)).scalar_one()


def _forget_one(db: Connection) -> bool:
    oldest = (
        select(OAuthClientRow.id)
        .where(OAuthClientRow.used_at.is_(None), _without_grant())
        .order_by(OAuthClientRow.created_at, OAuthClientRow.id)
        .limit(1)
        .scalar_subquery()
    )
    return db.execute(delete(OAuthClientRow).where(OAuthClientRow.id == oldest)).rowcount == 1


def _without_grant() -> ColumnElement[bool]:
    return OAuthClientRow.id.not_in(select(OAuthGrantRow.client_id))
