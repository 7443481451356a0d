"""What people let programs do: grants, and the codes and tokens that speak for them.

A grant is a key of the account, listed, limited and revoked like any other; nobody holds its
secret. Codes and tokens are random and stored as hashes. A code is good once, and so is a refresh
token: whoever sends one again shows that it was copied, and ends the grant (OAuth 2.1, 4.1.3 and
4.3.1).
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    Connection,
    ForeignKey,
    bindparam,
    delete,
    exists,
    insert,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from gateway_payments.accounts import ApiKeyRow, Caller
from gateway_storage.base import Base
from gateway_storage.statement import Statement

CODE_LIFE: Final = timedelta(minutes=1)
ACCESS_LIFE: Final = timedelta(hours=1)
REFRESH_LIFE: Final = timedelta(days=30)
_CODE: Final = "fgc_"
_ACCESS: Final = "fga_"
_REFRESH: Final = "fgr_"
_LONGEST: Final = 100


class OAuthGrantRow(Base):
    """A program's leave to act for an account, by a key of that account. `resource`: where."""

    __tablename__ = "oauth_grants"

    key_id: Mapped[str] = mapped_column(ForeignKey("api_keys.id"), primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("oauth_clients.id"), index=True)
    resource: Mapped[str]
    scope: Mapped[str]


class OAuthCodeRow(Base):
    """An authorization code. `redirect_given`: the request named `redirect_uri` itself."""

    __tablename__ = "oauth_codes"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    key_id: Mapped[str] = mapped_column(ForeignKey("oauth_grants.key_id"), index=True)
    redirect_uri: Mapped[str]
    redirect_given: Mapped[bool]
    challenge: Mapped[str]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class OAuthTokenRow(Base):
    """An access or a refresh token; a refresh token is used up by its successor."""

    __tablename__ = "oauth_tokens"
    __table_args__ = (CheckConstraint("kind IN ('access', 'refresh')", name="kind"),)

    sha256: Mapped[str] = mapped_column(primary_key=True)
    key_id: Mapped[str] = mapped_column(ForeignKey("oauth_grants.key_id"), index=True)
    kind: Mapped[str]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


_CALLER: Final = Statement(
    select(ApiKeyRow.account_id, ApiKeyRow.id)
    .join(OAuthGrantRow, OAuthGrantRow.key_id == ApiKeyRow.id)
    .join(OAuthTokenRow, OAuthTokenRow.key_id == ApiKeyRow.id)
    .where(
        OAuthTokenRow.sha256 == bindparam("sha256"),
        OAuthTokenRow.kind == "access",
        OAuthTokenRow.expires_at > bindparam("now", type_=OAuthTokenRow.expires_at.type),
        OAuthGrantRow.resource == bindparam("resource"),
        ApiKeyRow.revoked_at.is_(None),
    )
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a program asked for and a person allowed. `challenge`: of PKCE, S256."""

    client_id: str
    resource: str
    scope: str
    redirect_uri: str
    redirect_given: bool
    challenge: str


@dataclass(frozen=True, slots=True)
class Code:
    """An authorization code that was given out and hasn't expired, used or not."""

    key_id: str
    asked: Asked
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token of a program's stands for, and until when."""

    key_id: str
    client_id: str
    resource: str
    scope: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Tokens:
    """Fresh tokens; nobody sees them again. `refresh` is None where the program takes none."""

    access: str = field(repr=False)
    refresh: str | None = field(repr=False)
    scope: str


def begin(db: Connection, key_id: str, asked: Asked, now: datetime) -> str:
    """Make a grant of a fresh key of the account, and the code with which the program gets it."""
    code = _fresh(_CODE)
    db.execute(
        insert(OAuthGrantRow).values(
            key_id=key_id, client_id=asked.client_id, resource=asked.resource, scope=asked.scope
        )
    )
    db.execute(
        insert(OAuthCodeRow).values(
            sha256=_sha256(code),
            key_id=key_id,
            redirect_uri=asked.redirect_uri,
            redirect_given=asked.redirect_given,
            challenge=asked.challenge,
            expires_at=now + CODE_LIFE,
            used_at=None,
        )
    )
    return code


def find_code(db: Connection, client_id: str, code: str, now: datetime) -> Code | None:
    """A code that this program was given, used or not; None once it has expired."""
    found = db.execute(
        select(OAuthGrantRow.__table__, OAuthCodeRow)
        .join(OAuthCodeRow, OAuthCodeRow.key_id == OAuthGrantRow.key_id)
        .where(
            OAuthCodeRow.sha256 == _sha256(code),
            OAuthCodeRow.expires_at > now,
            OAuthGrantRow.client_id == client_id,
        )
    ).first()
    if found is None:
        return None
    asked = Asked(
        found.client_id,
        found.resource,
        found.scope,
        found.redirect_uri,
        found.redirect_given,
        found.challenge,
    )
    return Code(found.key_id, asked, found.expires_at)


def exchange(
    db: Connection, client_id: str, code: str, now: datetime, *, refreshes: bool
) -> Tokens | None:
    """Tokens for a code, once. A second time the grant ends and nobody gets any."""
    return _spend(db, OAuthCodeRow, client_id, code, now, refreshes=refreshes)


def find_refresh(db: Connection, client_id: str, token: str, now: datetime) -> Grant | None:
    """What a refresh token of this program stands for, used up or not; None once it expired."""
    return _find(db, client_id, token, OAuthTokenRow.kind == "refresh", now)


def refresh(db: Connection, client_id: str, token: str, now: datetime) -> Tokens | None:
    """New tokens for a refresh token, once. A second time the grant ends and nobody gets any."""
    return _spend(db, OAuthTokenRow, client_id, token, now, refreshes=True)


def revoke(db: Connection, client_id: str, token: str, now: datetime) -> bool:
    """End the grant that one of the program's tokens stands for (RFC 7009). False: there's none."""
    grant = _find(db, client_id, token, OAuthTokenRow.kind.is_not(None), now)
    return grant is not None and _end(db, grant.key_id, now)


def find_caller(db: Connection, token: str, resource: str, now: datetime) -> Caller | None:
    """Whom an access token speaks for at `resource`; None when nobody."""
    if not token.startswith(_ACCESS) or len(token) > _LONGEST or not token.isascii():
        return None
    row = _CALLER.first(db, {"sha256": _sha256(token), "now": now, "resource": resource})
    return None if row is None else Caller(row.account_id, row.id)


def is_access_token(token: str) -> bool:
    """Whether this has the shape of an access token, good or not."""
    return token.startswith(_ACCESS)


def delete_ended(db: Connection, now: datetime) -> int:
    """End grants that no token or code can use any more, and forget what has ended; how many."""
    granted = ApiKeyRow.id.in_(select(OAuthGrantRow.key_id))  # first: most keys are no grants
    idle = update(ApiKeyRow).where(
        granted,
        ApiKeyRow.revoked_at.is_(None),
        ~exists().where(OAuthTokenRow.key_id == ApiKeyRow.id, *_alive(OAuthTokenRow, now)),
        ~exists().where(OAuthCodeRow.key_id == ApiKeyRow.id, *_alive(OAuthCodeRow, now)),
    )
    db.execute(idle.values(revoked_at=now))
    revoked = select(ApiKeyRow.id).where(granted, ApiKeyRow.revoked_at.is_not(None))
    for table in (OAuthTokenRow, OAuthCodeRow):
        db.execute(delete(table).where((table.expires_at <= now) | table.key_id.in_(revoked)))
    return db.execute(delete(OAuthGrantRow).where(OAuthGrantRow.key_id.in_(revoked))).rowcount


def _spend(  # noqa: PLR0913  the two kinds of secret that are good once
    db: Connection,
    table: type[OAuthCodeRow | OAuthTokenRow],
    client_id: str,
    secret: str,
    now: datetime,
    *,
    refreshes: bool,
) -> Tokens | None:
    mine = select(OAuthGrantRow.key_id).where(OAuthGrantRow.client_id == client_id)
    given = [table.sha256 == _sha256(secret), table.expires_at > now, table.key_id.in_(mine)]
    if table is OAuthTokenRow:
        given.append(OAuthTokenRow.kind == "refresh")
    key_id = db.execute(select(table.key_id).where(*given)).scalar()
    if key_id is None:
        return None
    once = update(table).where(*given, table.used_at.is_(None)).values(used_at=now)
    if db.execute(once).rowcount != 1:
        _end(db, key_id, now)
        return None
    scope = _good_scope(db, key_id)
    return None if scope is None else _issue(db, key_id, scope, now, refreshes=refreshes)


def _good_scope(db: Connection, key_id: str) -> str | None:
    """The grant's scope; None where its key was revoked."""
    good = (OAuthGrantRow.key_id == key_id, ApiKeyRow.revoked_at.is_(None))
    joined = select(OAuthGrantRow.scope).join(ApiKeyRow, ApiKeyRow.id == OAuthGrantRow.key_id)
    return db.execute(joined.where(*good)).scalar()


def _issue(db: Connection, key_id: str, scope: str, now: datetime, *, refreshes: bool) -> Tokens:
    tokens = Tokens(_fresh(_ACCESS), _fresh(_REFRESH) if refreshes else None, scope)
    made = [(tokens.access, "access", ACCESS_LIFE), (tokens.refresh, "refresh", REFRESH_LIFE)]
    for secret, kind, life in made:
        if secret is not None:
            row = {"sha256": _sha256(secret), "key_id": key_id, "kind": kind, "used_at": None}
            db.execute(insert(OAuthTokenRow).values(**row, expires_at=now + life))
    return tokens


def _find(
    db: Connection, client_id: str, token: str, which: ColumnElement[bool], now: datetime
) -> Grant | None:
    found = db.execute(
        select(OAuthGrantRow.__table__, OAuthTokenRow.expires_at)
        .join(OAuthTokenRow, OAuthTokenRow.key_id == OAuthGrantRow.key_id)
        .where(
            OAuthTokenRow.sha256 == _sha256(token),
            OAuthTokenRow.expires_at > now,
            OAuthGrantRow.client_id == client_id,
            which,
        )
    ).first()
    return None if found is None else Grant(*found)


def _end(db: Connection, key_id: str, now: datetime) -> bool:
    """Revoke the grant's key, and with it every token. False where it was already."""
    good = (ApiKeyRow.id == key_id, ApiKeyRow.revoked_at.is_(None))
    return db.execute(update(ApiKeyRow).where(*good).values(revoked_at=now)).rowcount == 1


def _alive(
    table: type[OAuthCodeRow | OAuthTokenRow], now: datetime
) -> tuple[ColumnElement[bool], ...]:
    return table.used_at.is_(None), table.expires_at > now


def _fresh(prefix: str) -> str:
    return prefix + secrets.token_urlsafe(32)


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
