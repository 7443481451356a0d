"""Uploaded models: stored once however often they are sent, visible to whoever sent them.

The archive lies in the blob store under its full hash and the time of its arrival, so that taking
the last owner away never deletes what somebody sends at that moment. The database settles races.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, ForeignKey, Row, Select, delete, func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from gateway_library.exceptions import (
    ModelIdTakenError,
    NoSuchUploadError,
    QuotaExceededError,
    UnknownModelError,
)
from gateway_library.extraction import ExtractionCache
from gateway_simulation.archive import Limits, inspect
from gateway_simulation.model import Kind, Model, ModelDescription
from gateway_simulation.nearest import nearest
from gateway_storage.base import Base
from gateway_storage.blobs import (
    BlobDamagedError,
    BlobNotFoundError,
    Blobs,
    StorageUnavailableError,
)
from gateway_storage.database import Database
from gateway_storage.garbage import collect

ResultT = TypeVar("ResultT")

_FOLDER: Final = "fmus"
_ATTEMPTS: Final = 20  # each lost race was won by somebody else's progress
_SEARCHED_VARIABLES: Final = 200


class ModelRow(Base):
    """One archive, whoever owns it."""

    __tablename__ = "models"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(unique=True)
    blob_key: Mapped[str]
    size_bytes: Mapped[int]
    model_name: Mapped[str]
    summary: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class ModelOwnerRow(Base):
    """Who sent it."""

    __tablename__ = "model_owners"

    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    sha256: Mapped[str] = mapped_column(ForeignKey("models.sha256"), primary_key=True, index=True)
    created_at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class Added:
    """An upload's outcome. `already_known`: the same account had sent the same bytes before.

    `problems`: what its description breaks of the standard, quoted. `missing_libraries`: shared
    libraries that the model needs and this machine lacks.
    """

    model: Model
    already_known: bool
    warnings: tuple[str, ...]
    problems: tuple[str, ...]
    missing_libraries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Quota:
    """What one account may keep, each model counted to everybody who sent it."""

    models: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Stored:
    """What an account is told of one of its uploads. `created_at`: when this account sent it."""

    id: str
    sha256: str
    size_bytes: int
    created_at: datetime
    model_name: str
    fmi_version: str
    guid: str
    description: str | None
    kinds: tuple[Kind, ...]
    variables: tuple[str, ...]  # the first names; what search looks at
    units: tuple[str, ...]
    n_states: int | None = None  # where a version stored it that knew of it


class ModelStore:
    """The uploads of all accounts."""

    def __init__(
        self,
        database: Database,
        blobs: Blobs,
        cache: ExtractionCache,
        limits: Limits,
        quota: Quota | None = None,
    ) -> None:
        self._database = database
        self._quota = quota
        self._blobs = blobs
        self._limits = limits
        self._cache = cache

    def add(self, account_id: str, data: bytes, now: datetime) -> Added:
        """Check and store an FMU for the account.

        Raises:
            ArchiveError: it is no FMU that can be kept; nothing was stored.
            RunError: there is no jail for the compiler, or it is busy; nothing was stored.
            ModelIdTakenError: its id belongs to another file.
            QuotaExceededError: the account keeps as much as it may; nothing was stored.
            StorageUnavailableError: the store of blobs doesn't answer; nothing was stored.

        """
        inspection = inspect(data, self._limits)
        with self._database.read() as db:  # before anything is unpacked or compiled
            self._require_room(db, account_id, inspection.sha256, len(data))
        model_id = f"fmu_{inspection.sha256[:16]}"
        model = self._cache.keep(model_id, data, inspection)
        already_known = _settled(lambda: self._own(account_id, model, data, now))
        return Added(
            model,
            already_known,
            inspection.warnings,
            inspection.problems,
            inspection.missing_libraries,
        )

    def get(self, account_id: str, model_id: str) -> Model:
        """The account's model of that id, ready to run.

        Raises:
            UnknownModelError: there is none, or it is someone else's.
            BlobDamagedError: what is stored is another file; sending it again mends it.
            StorageUnavailableError: the store of blobs doesn't answer.

        """
        with self._database.read() as db:
            row = db.execute(_owned(account_id).where(ModelRow.id == model_id)).one_or_none()
        if row is None:
            raise self._unknown(account_id, model_id)
        try:
            return self._cache.take(row.id, row.sha256, lambda: self._read(row))
        except BlobNotFoundError:  # removed since the query
            raise self._unknown(account_id, model_id) from None

    def list(self, account_id: str) -> list[Stored]:
        """The account's uploads, newest first."""
        newest_first = (ModelOwnerRow.created_at.desc(), ModelRow.id)
        with self._database.read() as db:
            rows = db.execute(_owned(account_id).order_by(*newest_first)).all()
        return [_stored(row) for row in rows]

    def edition(self, account_id: str) -> tuple[int, datetime | None]:
        """What differs whenever the account's uploads do: how many, and when it sent the newest."""
        counted = select(func.count(), func.max(ModelOwnerRow.created_at))
        with self._database.read() as db:
            count, newest = db.execute(counted.where(ModelOwnerRow.account_id == account_id)).one()
        return count, newest

    def remove(self, account_id: str, model_id: str) -> None:
        """Take the model from the account; with its last owner it is deleted.

        Runs that are under way keep their files; results stay.

        Raises:
            NoSuchUploadError: there is none, or it is someone else's.

        """
        orphan = _settled(lambda: self._disown(account_id, model_id))
        if orphan is not None:
            self._cache.retire(orphan.sha256)
            with suppress(StorageUnavailableError):  # `collect` deletes it later
                self._blobs.delete(orphan.blob_key)

    def collect(self, now: datetime) -> int:
        """Delete archives that no model is, and unpacked models that nobody has; how many blobs."""
        self._cache.retire_all_but(self._is_stored)
        self._cache.sweep(now, self._is_stored)
        return collect(self._blobs, _FOLDER, now, self._referenced)

    @staticmethod
    def blobs_of(db: Connection) -> Sequence[tuple[str, str | None]]:
        """The key and hash of every archive that the database refers to."""
        rows = db.execute(select(ModelRow.blob_key, ModelRow.sha256).order_by(ModelRow.blob_key))
        return [(row.blob_key, row.sha256) for row in rows]

    def _own(self, account_id: str, model: Model, data: bytes, now: datetime) -> bool:
        """Make the account an owner. True if it was one before."""
        known = self._join(account_id, model, len(data), now)
        if known is None:
            self._found(account_id, model, data, now)
        else:
            self._mend(model, data)
        return bool(known)

    def _join(self, account_id: str, model: Model, size_bytes: int, now: datetime) -> bool | None:
        """Own a model that is stored already; None if it is not."""
        with self._database.write() as db:
            sha256 = db.execute(select(ModelRow.sha256).where(ModelRow.id == model.id)).scalar()
            if sha256 is None:
                return None
            if sha256 != model.sha256:
                raise ModelIdTakenError(model.id)
            if _is_owner(db, account_id, sha256):
                return True
            _hold(db, account_id)
            self._require_room(db, account_id, sha256, size_bytes)
            _insert_owner(db, account_id, sha256, now)
            return False

    def _mend(self, model: Model, data: bytes) -> None:
        """Store the archive again where what is stored of it is damaged or gone."""
        named = select(ModelRow.blob_key, ModelRow.sha256).where(ModelRow.sha256 == model.sha256)
        with self._database.read() as db:
            row = db.execute(named).one_or_none()
        if row is None:  # taken away meanwhile
            return
        try:
            self._blobs.get(row.blob_key, row.sha256)
        except (BlobDamagedError, BlobNotFoundError):
            self._blobs.put(row.blob_key, data)

    def _found(self, account_id: str, model: Model, data: bytes, now: datetime) -> None:
        """Store a model that nobody has sent yet. The blob is durable before the row names it."""
        key = f"{_FOLDER}/{model.sha256}.{secrets.token_hex(4)}.fmu"
        self._blobs.put(key, data)
        try:
            with self._database.write() as db:
                _hold(db, account_id)
                self._require_room(db, account_id, model.sha256, len(data))
                db.execute(
                    insert(ModelRow).values(
                        sha256=model.sha256,
                        id=model.id,
                        blob_key=key,
                        size_bytes=len(data),
                        model_name=model.description.model_name,
                        summary=_summary(model.description),
                        created_at=now,
                    )
                )
                _insert_owner(db, account_id, model.sha256, now)
        except BaseException:
            with suppress(StorageUnavailableError):  # `collect` deletes it later
                self._blobs.delete(key)
            raise

    def _disown(self, account_id: str, model_id: str) -> Row[Any] | None:
        """Remove one owner; the model's row if it was the last and the model is now nobody's."""
        with self._database.write() as db:
            row = db.execute(_owned(account_id).where(ModelRow.id == model_id)).one_or_none()
            if row is None:
                raise NoSuchUploadError(model_id)
            shared = ModelOwnerRow.sha256 == row.sha256
            db.execute(delete(ModelOwnerRow).where(shared, ModelOwnerRow.account_id == account_id))
            if db.execute(select(func.count()).select_from(ModelOwnerRow).where(shared)).scalar():
                return None
            db.execute(delete(ModelRow).where(ModelRow.sha256 == row.sha256))
            return row

    def _read(self, row: Row[Any]) -> bytes:
        return self._blobs.get(row.blob_key, row.sha256)

    def _referenced(self, keys: Sequence[str]) -> set[str]:
        named = select(ModelRow.blob_key).where(ModelRow.blob_key.in_(keys))
        with self._database.read() as db:
            return set(db.execute(named).scalars())

    def _require_room(self, db: Connection, account_id: str, sha256: str, size_bytes: int) -> None:
        """Raise QuotaExceededError unless the account may keep it, or does so already."""
        if self._quota is None or _is_owner(db, account_id, sha256):
            return
        models, used = db.execute(
            select(func.count(), func.coalesce(func.sum(ModelRow.size_bytes), 0))
            .join(ModelOwnerRow, ModelOwnerRow.sha256 == ModelRow.sha256)
            .where(ModelOwnerRow.account_id == account_id)
        ).one()
        if models >= self._quota.models:
            raise QuotaExceededError(self._quota.models, models, 1, "models")
        if used + size_bytes > self._quota.size_bytes:
            raise QuotaExceededError(self._quota.size_bytes, int(used), size_bytes, "bytes")

    def _is_stored(self, sha256: str) -> bool:
        with self._database.read() as db:
            found = db.execute(select(ModelRow.sha256).where(ModelRow.sha256 == sha256)).scalar()
        return found is not None

    def _unknown(self, account_id: str, model_id: str) -> UnknownModelError:
        own = [stored.id for stored in self.list(account_id)]
        return UnknownModelError(model_id, nearest(model_id, own))


def _settled(attempt: Callable[[], ResultT]) -> ResultT:
    """What `attempt` returns, repeated while somebody else wins the race that it runs."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return attempt()
        except IntegrityError:
            continue
    return attempt()


def _owned(account_id: str) -> Select[*tuple[Any, ...]]:
    return (
        select(*ModelRow.__table__.columns, ModelOwnerRow.created_at.label("owned_at"))
        .join(ModelOwnerRow, ModelOwnerRow.sha256 == ModelRow.sha256)
        .where(ModelOwnerRow.account_id == account_id)
    )


def _is_owner(db: Connection, account_id: str, sha256: str) -> bool:
    mine = (ModelOwnerRow.account_id == account_id, ModelOwnerRow.sha256 == sha256)
    return db.execute(select(ModelOwnerRow.sha256).where(*mine)).scalar() is not None


def _hold(db: Connection, account_id: str) -> None:
    """Keep the account's row until the transaction ends: its uploads are counted one by one."""
    accounts = Base.metadata.tables["accounts"]
    db.execute(select(accounts.c.id).where(accounts.c.id == account_id).with_for_update())


def _insert_owner(db: Connection, account_id: str, sha256: str, now: datetime) -> None:
    db.execute(insert(ModelOwnerRow).values(account_id=account_id, sha256=sha256, created_at=now))


def _summary(description: ModelDescription) -> dict[str, Any]:
    return {
        "fmi_version": description.fmi_version,
        "guid": description.guid,
        "description": description.description,
        "kinds": list(description.kinds),
        "n_states": description.n_states,
        "variables": [v.name for v in description.variables[:_SEARCHED_VARIABLES]],
        "units": sorted({v.unit for v in description.variables if v.unit}),
    }


def _stored(row: Row[Any]) -> Stored:
    summary = row.summary
    return Stored(
        id=row.id,
        sha256=row.sha256,
        size_bytes=row.size_bytes,
        created_at=row.owned_at,
        model_name=row.model_name,
        fmi_version=summary["fmi_version"],
        guid=summary["guid"],
        description=summary["description"],
        kinds=tuple(summary["kinds"]),
        variables=tuple(summary["variables"]),
        units=tuple(summary["units"]),
        n_states=summary.get("n_states"),
    )
