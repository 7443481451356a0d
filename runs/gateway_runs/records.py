"""One row a run: what was asked, what became of it.

    running -> done      the trajectory is stored and the entitlement captured, in one transaction
    running -> failed    the entitlement was given back in the same transaction
    done -> expired      its time is over and the trajectory deleted

Each arrow is one conditional UPDATE whose row count decides who made it.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    JSON,
    Connection,
    ForeignKey,
    Index,
    UniqueConstraint,
    bindparam,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from gateway_runs.exceptions import (
    IdempotencyConflictError,
    RunInProgressError,
    UnknownResultError,
)
from gateway_storage.base import Base
from gateway_storage.statement import Statement


class Run(Base):
    """One simulation of one model by one account. Its id is its result's id."""

    __tablename__ = "runs"
    __table_args__ = (
        UniqueConstraint("account_id", "idempotency_key"),
        Index(None, "account_id", "request_sha256"),
        Index(None, "account_id", "state", "created_at"),
        Index(None, "state", "created_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    state: Mapped[str]
    model_id: Mapped[str]
    model_sha256: Mapped[str]
    request_sha256: Mapped[str]
    idempotency_key: Mapped[str | None]
    body_sha256: Mapped[str | None]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    failure_code: Mapped[str | None]
    provenance: Mapped[dict[str, Any] | None] = mapped_column(JSON)


@dataclass(frozen=True, slots=True)
class Record:
    """A finished run as its account may see it."""

    id: str
    model_id: str
    model_sha256: str
    request_sha256: str
    created_at: datetime
    provenance: Mapping[str, Any]

    @property
    def is_study(self) -> bool:
        """Whether its result is a table, not a trajectory."""
        return "study" in self.provenance


_BEGIN: Final = Statement(insert(Run))
_SETTLE: Final = Statement(
    update(Run)
    .where(Run.id == bindparam("run_id"), Run.state == bindparam("was"))
    .returning(*(Run.__table__.c[field.name] for field in fields(Record)))
)


@dataclass(frozen=True, slots=True)
class NewRun:
    """What is known of a run before it starts."""

    account_id: str
    model_id: str
    model_sha256: str
    request_sha256: str
    idempotency_key: str | None
    body_sha256: str | None  # of what the key stands for


def outdated(db: Connection, before: datetime, most: int) -> list[str]:
    """The oldest results that nobody may read any more, at most `most`."""
    old = select(Run.id).where(Run.state == "done", Run.created_at <= before)
    return list(db.execute(old.order_by(Run.created_at).limit(most)).scalars())


def kept(db: Connection, run_ids: list[str]) -> set[str]:
    """Which of them are delivered and not out of date, or still under way."""
    live = select(Run.id).where(Run.id.in_(run_ids), Run.state.in_(("running", "done")))
    return set(db.execute(live).scalars())


def expire(db: Connection, run_id: str) -> bool:
    """Note that the result is gone, and free its idempotency key."""
    return _settle(db, run_id, "done", state="expired", idempotency_key=None) is not None


def new_id() -> str:
    """A fresh result id; it can't be guessed."""
    return f"res_{secrets.token_hex(12)}"


def refuse_repeated(db: Connection, run: NewRun) -> None:
    """Call before `begin`, in its transaction, and before anything is spent on the run.

    Raises:
        IdempotencyConflictError: the key stands for another request.
        RunInProgressError: the same request is running, or has just ended.

    """
    same = repeated(db, run)
    if same is not None:
        raise RunInProgressError(same.id)


def begin(db: Connection, run_id: str, run: NewRun, now: datetime) -> None:
    """Record that `run_id` starts.

    Raises:
        RunInProgressError: another process began one with this idempotency key just now.

    """
    row = {
        "id": run_id,
        "account_id": run.account_id,
        "model_id": run.model_id,
        "model_sha256": run.model_sha256,
        "request_sha256": run.request_sha256,
        "idempotency_key": run.idempotency_key,
        "body_sha256": run.body_sha256,
        "state": "running",
        "created_at": now,
    }
    try:
        _BEGIN.count(db, row)
    except IntegrityError as error:  # another process was faster
        raise RunInProgressError(run_id) from error


def finish(
    db: Connection, run_id: str, provenance: Mapping[str, Any], now: datetime
) -> Record | None:
    """Mark as delivered; what is delivered. None if the run was settled before."""
    made = dict(provenance)
    row = _settle(db, run_id, "running", state="done", finished_at=now, provenance=made)
    return None if row is None else _record(row)


def fail(db: Connection, run_id: str, code: str, now: datetime) -> bool:
    """Mark as failed and free its idempotency key. False if the run was settled before."""
    failed = {"state": "failed", "finished_at": now, "failure_code": code, "idempotency_key": None}
    return _settle(db, run_id, "running", **failed) is not None


def repeated(db: Connection, run: NewRun) -> Record | None:
    """The finished run that its idempotency key stands for; None where there is none.

    Raises:
        IdempotencyConflictError: the key stands for another request.
        RunInProgressError: it has not finished yet.

    """
    if run.idempotency_key is None:
        return None
    same = (Run.account_id == run.account_id, Run.idempotency_key == run.idempotency_key)
    row = db.execute(select(Run).where(*same)).one_or_none()
    if row is None:
        return None
    if row.body_sha256 != run.body_sha256:
        raise IdempotencyConflictError
    if row.state != "done":
        raise RunInProgressError(row.id)
    return _record(row)


def existing(db: Connection, account_id: str, request_sha256: str, since: datetime) -> str | None:
    """The newest result of the same request by the same account, if it is still kept."""
    return db.execute(
        select(Run.id)
        .where(
            Run.account_id == account_id,
            Run.request_sha256 == request_sha256,
            Run.state == "done",
            Run.created_at > since,
        )
        .order_by(Run.created_at.desc())
        .limit(1)
    ).scalar()


def find(db: Connection, account_id: str, run_id: str, since: datetime) -> Record:
    """A delivered run of this account.

    Raises:
        UnknownResultError: unknown, someone else's, unfinished, or past its time.

    """
    row = db.execute(
        select(Run).where(
            Run.id == run_id,
            Run.account_id == account_id,
            Run.state == "done",
            Run.created_at > since,
        )
    ).one_or_none()
    if row is None:
        raise UnknownResultError(run_id)
    return _record(row)


def newest(
    db: Connection, account_id: str, since: datetime, most: int, after: int = 0
) -> list[Record]:
    """Delivered runs of this account, newest first: `most` of them that come `after` so many."""
    rows = db.execute(
        select(Run)
        .where(Run.account_id == account_id, Run.state == "done", Run.created_at > since)
        .order_by(Run.created_at.desc())
        .limit(most)
        .offset(after)
    )
    return [_record(row) for row in rows]


def orphans(db: Connection, before: datetime) -> list[str]:
    """Runs that have been running since before then: their process died."""
    stale = select(Run.id).where(Run.state == "running", Run.created_at < before)
    return list(db.execute(stale).scalars())


def _settle(db: Connection, run_id: str, was: str, **becomes: object) -> Any | None:  # noqa: ANN401
    """Follow one arrow; the row as it stands then, or None where somebody else was faster."""
    return _SETTLE.first(db, {"run_id": run_id, "was": was, **becomes})


def _record(row: Any) -> Record:  # noqa: ANN401  a row of the table above
    return Record(
        id=row.id,
        model_id=row.model_id,
        model_sha256=row.model_sha256,
        request_sha256=row.request_sha256,
        created_at=row.created_at,
        provenance=row.provenance or {},
    )
