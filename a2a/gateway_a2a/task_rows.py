"""Tasks as the database keeps them: one row each, its account's alone, and bounded.

Whoever writes says which version it read; from one that isn't there any more nothing is written. So
any gateway on this database may go on with a task, and no two overwrite each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    Connection,
    ForeignKey,
    Index,
    bindparam,
    delete,
    func,
    select,
    tuple_,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from gateway_payments.insertion import insert_once
from gateway_storage.base import Base
from gateway_storage.statement import Statement

MOST_TASKS: Final = 500
"""Of one account."""
MOST_BYTES: Final = 8 * 2**20
"""Of one account's tasks together; the newest stays, however large."""
Phase = Literal["working", "waiting", "ended"]
"""`working`: a gateway has it in hand and saves it again within seconds."""
_AT_ONCE: Final = 200


class TaskRow(Base):
    """One task: what is searched by, and all of it as protobuf."""

    __tablename__ = "a2a_tasks"
    __table_args__ = (
        Index(None, "account_id", "status_us", "id"),
        Index(None, "phase", "saved_at"),
        CheckConstraint("phase IN ('working', 'waiting', 'ended')", name="phase"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    context_id: Mapped[str]
    state: Mapped[int]
    phase: Mapped[str]
    status_us: Mapped[int]  # of the status, since 1970
    version: Mapped[int]
    size: Mapped[int]
    saved_at: Mapped[datetime]
    body: Mapped[bytes]


class PushConfigRow(Base):
    """Where an account wants to hear of a task; it may be older than the task by a moment."""

    __tablename__ = "a2a_push_configs"
    __table_args__ = (Index(None, "saved_at"),)

    task_id: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    saved_at: Mapped[datetime]
    body: Mapped[bytes]


class Version(NamedTuple):
    """A task as it was at one time."""

    version: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Saved:
    """A task to be written."""

    id: str
    account_id: str
    context_id: str
    state: int
    phase: Phase
    status_us: int
    size: int
    saved_at: datetime
    body: bytes


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which tasks of an account are listed; `after`: the place in the list that a page follows."""

    account_id: str
    context_id: str | None
    state: int | None
    since_us: int | None
    after: tuple[int, str] | None
    most: int


_CHANGED: Final[dict[str, Any]] = {
    name: bindparam(name) for name in ("state", "phase", "status_us", "size", "saved_at", "body")
}
_MINE: Final = (TaskRow.id == bindparam("task_id"), TaskRow.account_id == bindparam("whose"))
_WRITE: Final = (
    update(TaskRow)
    .where(*_MINE, TaskRow.phase != "ended")
    .values(**_CHANGED, version=TaskRow.version + 1)
)
_CHANGE: Final = Statement(_WRITE.where(TaskRow.version == bindparam("was")))
_CANCEL: Final = Statement(_WRITE.returning(TaskRow.version))
_FIND: Final = Statement(select(TaskRow.version, TaskRow.body).where(*_MINE))
_ANY: Final = Statement(
    select(TaskRow.version, TaskRow.body).where(TaskRow.id == bindparam("task_id"))
)


def add(db: Connection, task: Saved) -> bool:
    """Write a new task as version 1. False: the id is taken."""
    return insert_once(db, TaskRow, {**asdict(task), "version": 1})


def change(db: Connection, task: Saved, was: int) -> bool:
    """Write the version after `was`. False: the task has ended, isn't at that version, or there."""
    return _CHANGE.count(db, {**_values(task), "was": was}) == 1


def cancel(db: Connection, task: Saved) -> int | None:
    """Write the task's last version, whatever it was at, and say which; None where it has ended."""
    row = _CANCEL.first(db, _values(task))
    return None if row is None else int(row.version)


def _values(task: Saved) -> dict[str, Any]:
    values = asdict(task)
    del values["context_id"]
    return {"task_id": values.pop("id"), "whose": values.pop("account_id"), **values}


def find(db: Connection, account_id: str, task_id: str) -> Version | None:
    """The account's task."""
    row = _FIND.first(db, {"task_id": task_id, "whose": account_id})
    return row and Version(*row)


def version_of(db: Connection, task_id: str) -> Version | None:
    """Anybody's task: for what follows one that its account was found to have."""
    row = _ANY.first(db, {"task_id": task_id})
    return row and Version(*row)


def page(db: Connection, wanted: Wanted) -> tuple[list[bytes], int]:
    """The tasks wanted, newest status first, and how many there are with those after and before."""
    filters: list[ColumnElement[bool]] = [TaskRow.account_id == wanted.account_id]
    if wanted.context_id:
        filters.append(TaskRow.context_id == wanted.context_id)
    if wanted.state is not None:
        filters.append(TaskRow.state == wanted.state)
    if wanted.since_us is not None:
        filters.append(TaskRow.status_us >= wanted.since_us)
    total = db.execute(select(func.count()).select_from(TaskRow).where(*filters)).scalar_one()
    place = tuple_(TaskRow.status_us, TaskRow.id)
    listed = select(TaskRow.body).where(*filters)
    if wanted.after is not None:
        listed = listed.where(place < wanted.after)
    listed = listed.order_by(TaskRow.status_us.desc(), TaskRow.id.desc()).limit(wanted.most)
    return list(db.execute(listed).scalars()), total


def make_room(db: Connection, account_id: str, keep: str) -> None:
    """Forget the account's oldest tasks that nobody works on, until the bounds hold."""
    mine = TaskRow.account_id == account_id
    count, size = db.execute(
        select(func.count(), func.coalesce(func.sum(TaskRow.size), 0)).where(mine)
    ).one()
    if count <= MOST_TASKS and size <= MOST_BYTES:
        return
    oldest = select(TaskRow.id, TaskRow.size).where(
        mine, TaskRow.phase != "working", TaskRow.id != keep
    )
    gone: list[str] = []
    for task_id, bytes_of_it in db.execute(oldest.order_by(TaskRow.status_us, TaskRow.id)):
        if count - len(gone) <= MOST_TASKS and size <= MOST_BYTES:
            break
        gone.append(task_id)
        size -= bytes_of_it
    forget(db, gone)


def forget(db: Connection, task_ids: Sequence[str]) -> None:
    """Delete tasks, and where their accounts wanted to hear of them."""
    db.execute(delete(PushConfigRow).where(PushConfigRow.task_id.in_(task_ids)))
    db.execute(delete(TaskRow).where(TaskRow.id.in_(task_ids)))


def left(db: Connection, before: datetime) -> list[Any]:
    """Tasks that a gateway had at work and hasn't saved since `before`: it is gone."""
    columns = (TaskRow.id, TaskRow.account_id, TaskRow.version, TaskRow.body)
    lost = select(*columns).where(TaskRow.phase == "working", TaskRow.saved_at < before)
    return list(db.execute(lost.limit(_AT_ONCE)))


def forget_outdated(db: Connection, before: datetime) -> int:
    """Delete some of the tasks that nobody has touched since; how many."""
    old = (
        select(TaskRow.id)
        .where(TaskRow.phase != "working", TaskRow.saved_at < before)
        .limit(_AT_ONCE)
    )
    gone = list(db.execute(old).scalars())
    forget(db, gone)
    of_none = PushConfigRow.task_id.not_in(select(TaskRow.id))
    db.execute(delete(PushConfigRow).where(PushConfigRow.saved_at < before, of_none))
    return len(gone)
