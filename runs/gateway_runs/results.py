"""Stored trajectories and tables of studies: Parquet, written once, read by slice.

A small result lies in the database, durable by the same sync as its run's record and its payment; a
large one is a blob, durable before its record says so, and its hash lies in the database. Nobody
outside this module knows which.
"""

from __future__ import annotations

import hashlib
import io
from csv import writer as csv_writer
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

import numpy as np
import structlog
from sqlalchemy import Connection, ForeignKey, bindparam, delete, insert, select
from sqlalchemy.orm import Mapped, mapped_column

from gateway_runs import records
from gateway_runs.exceptions import EmptyWindowError, UnknownColumnError
from gateway_runs.study_tables import StudyTable
from gateway_simulation.nearest import nearest
from gateway_simulation.trajectory import Trajectory
from gateway_storage.base import Base
from gateway_storage.blobs import Blobs, StorageUnavailableError
from gateway_storage.database import Database
from gateway_storage.garbage import collect
from gateway_storage.statement import Statement

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]

_FOLDER: Final = "results"
_FORMULAS: Final = ("=", "+", "-", "@")
_log = structlog.get_logger()
SMALL_BYTES: Final = 64 * 2**10  # of Parquet, the finer accuracy run included


class SmallResult(Base):
    """The Parquet files of a delivered run, where they are small."""

    __tablename__ = "small_results"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    trajectory: Mapped[bytes]
    accuracy: Mapped[bytes | None]


class LargeResult(Base):
    """The hashes of a delivered run's Parquet files, where they are blobs."""

    __tablename__ = "large_results"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    trajectory_sha256: Mapped[str]
    accuracy_sha256: Mapped[str | None]


_KEEP: Final = Statement(insert(SmallResult))
_KEEP_LARGE: Final = Statement(insert(LargeResult))
_FIND: Final = Statement(
    select(SmallResult.trajectory, SmallResult.accuracy).where(
        SmallResult.run_id == bindparam("wanted")
    )
)
_FIND_LARGE: Final = Statement(
    select(LargeResult.trajectory_sha256, LargeResult.accuracy_sha256).where(
        LargeResult.run_id == bindparam("wanted")
    )
)


@dataclass(frozen=True, slots=True)
class Window:
    """What of a result is wanted: all columns where none are named; times in s, both ends kept."""

    variables: tuple[str, ...] | None = None
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A result that only its record is missing from: bytes, or the hashes of blobs stored already.

    Of the trajectory, and of the finer accuracy run where there was one.
    """

    run_id: str
    small: tuple[bytes, bytes | None] | None
    large: tuple[str, str | None] | None = None


class ResultStore:
    """Trajectories under their run's id, each with the finer accuracy run where there was one.

    `prepare`, then `keep` in the transaction that delivers the run: before its commit nobody finds
    anything, after it everything is durable.
    """

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    def prepare(self, run_id: str, trajectory: Trajectory) -> Prepared:
        """Encode; a large result is stored here, durably, outside any transaction."""
        coarse = parquet(trajectory)
        fine = None if trajectory.accuracy is None else parquet(trajectory.accuracy)
        return self._prepared(run_id, coarse, fine)

    def prepare_study(self, run_id: str, study: StudyTable) -> Prepared:
        """Encode a study's table, as `prepare` does a trajectory."""
        return self._prepared(run_id, parquet(study), None)

    def keep(self, db: Connection, prepared: Prepared) -> None:
        """Store what isn't stored yet; durable with the transaction."""
        if prepared.small is not None:
            trajectory, accuracy = prepared.small
            row = {"run_id": prepared.run_id, "trajectory": trajectory, "accuracy": accuracy}
            _KEEP.count(db, row)
        if prepared.large is not None:
            coarse, fine = prepared.large
            hashes = {"trajectory_sha256": coarse, "accuracy_sha256": fine}
            _KEEP_LARGE.count(db, {"run_id": prepared.run_id, **hashes})

    def read(self, db: Connection, run_id: str, *, with_accuracy: bool = False) -> Trajectory:
        """The columns as they were written; what only the run's record knows is empty.

        Raises:
            BlobNotFoundError: nothing is kept under that id.
            BlobDamagedError: it is not what was written.
            StorageUnavailableError: the store of blobs doesn't answer.

        """
        coarse = Trajectory.from_table(_table(self._trajectory(db, run_id)))
        if not with_accuracy:
            return coarse
        fine = _table(self._accuracy(db, run_id))
        return replace(coarse, accuracy=Trajectory.from_table(fine))

    def read_study(self, db: Connection, run_id: str) -> StudyTable:
        """A study's table as it was written.

        Raises what `read` does.
        """
        return StudyTable.from_table(_table(self._trajectory(db, run_id)))

    def forget(self, db: Connection, run_id: str) -> bool:
        """Forget the result with the transaction; whether blobs are left, to `discard` after it."""
        small = db.execute(delete(SmallResult).where(SmallResult.run_id == run_id)).rowcount
        db.execute(delete(LargeResult).where(LargeResult.run_id == run_id))
        return not small

    def discard(self, run_id: str) -> None:
        """Delete the blobs of a run that can't be delivered any more, or whose time is over.

        Outside transactions, since a store takes its time. What it doesn't delete now `collect`
        does later.
        """
        try:
            self._blobs.delete(_key(run_id))
            self._blobs.delete(_accuracy_key(run_id))
        except StorageUnavailableError as error:
            _log.warning("blob_not_deleted", run_id=run_id, error=str(error))

    def collect(self, database: Database, now: datetime) -> int:
        """Delete the blobs of runs that are neither delivered nor under way; how many."""

        def referenced(keys: list[str]) -> set[str]:
            by_run = {_run_of(key): key for key in keys}
            with database.read() as db:
                kept = records.kept(db, list(by_run))
            return {key for key in keys if _run_of(key) in kept}

        return collect(self._blobs, _FOLDER, now, referenced)

    @staticmethod
    def blobs_of(db: Connection) -> list[tuple[str, str | None]]:
        """The key and hash of every blob of a delivered run.

        Results of versions that noted no hash come without one, and without their accuracy runs.
        """
        large = select(
            records.Run.id, LargeResult.trajectory_sha256, LargeResult.accuracy_sha256
        ).outerjoin(LargeResult, LargeResult.run_id == records.Run.id)
        small = select(SmallResult.run_id).where(SmallResult.run_id == records.Run.id)
        found: list[tuple[str, str | None]] = []
        for row in db.execute(large.where(records.Run.state == "done", ~small.exists())):
            found.append((_key(row.id), row.trajectory_sha256))
            if row.accuracy_sha256 is not None:
                found.append((_accuracy_key(row.id), row.accuracy_sha256))
        return found

    def _prepared(self, run_id: str, coarse: bytes, fine: bytes | None) -> Prepared:
        if len(coarse) + len(fine or b"") <= SMALL_BYTES:
            return Prepared(run_id, (coarse, fine))
        try:
            self._blobs.put(_key(run_id), coarse)
            if fine is not None:
                self._blobs.put(_accuracy_key(run_id), fine)
        except BaseException:
            self.discard(run_id)
            raise
        return Prepared(run_id, None, (_sha256(coarse), None if fine is None else _sha256(fine)))

    def _trajectory(self, db: Connection, run_id: str) -> bytes:
        small = _FIND.first(db, {"wanted": run_id})
        if small:
            return bytes(small.trajectory)
        large = _FIND_LARGE.first(db, {"wanted": run_id})
        return self._blobs.get(_key(run_id), large.trajectory_sha256 if large else None)

    def _accuracy(self, db: Connection, run_id: str) -> bytes:
        small = _FIND.first(db, {"wanted": run_id})
        if small and small.accuracy:
            return bytes(small.accuracy)
        large = _FIND_LARGE.first(db, {"wanted": run_id})
        return self._blobs.get(_accuracy_key(run_id), large.accuracy_sha256 if large else None)


def _table(data: bytes) -> pa.Table:
    from pyarrow import parquet as pq  # noqa: PLC0415  heavy

    return pq.ParquetFile(io.BytesIO(data)).read()  # read_table imports more, even pandas


def parquet(result: Trajectory | StudyTable) -> bytes:
    """The result as a Parquet file; the same numbers give the same bytes.

    Without dictionaries: a column's numbers hardly repeat, and a constant one is compressed anyway.
    """
    import pyarrow as pa  # noqa: PLC0415  heavy
    from pyarrow import parquet as pq  # noqa: PLC0415

    sink = pa.BufferOutputStream()
    pq.write_table(result.table, sink, compression="zstd", use_dictionary=False)
    return bytes(sink.getvalue())


def csv(trajectory: Trajectory) -> bytes:
    """The trajectory as CSV: first column `time`, then the outputs, in full precision.

    A name that a spreadsheet would take for a formula gets an apostrophe in front, which tells it
    to show text; Parquet and JSON keep it as it is.
    """
    from pyarrow import csv as arrow_csv  # noqa: PLC0415

    names = io.StringIO()  # Arrow would quote every name; the standard library only where needed
    csv_writer(names, lineterminator="\n").writerow(["time", *map(_heading, trajectory.names)])
    sink = io.BytesIO(names.getvalue().encode())
    sink.seek(0, io.SEEK_END)
    arrow_csv.write_csv(trajectory.table, sink, arrow_csv.WriteOptions(include_header=False))
    return sink.getvalue()


def _heading(name: str) -> str:
    return f"'{name}" if name.startswith(_FORMULAS) else name


def cut(trajectory: Trajectory, window: Window) -> Trajectory:
    """The part of a trajectory that `window` asks for.

    Raises:
        UnknownColumnError: the result holds no such variable.
        EmptyWindowError: no point lies in the window.

    """
    names = trajectory.names if window.variables is None else window.variables
    columns = [_position(trajectory, name) for name in names]
    time = trajectory.time
    inside = np.ones(time.shape, dtype=bool)
    if window.start is not None:
        inside &= time >= window.start
    if window.end is not None:
        inside &= time <= window.end
    if not inside.any():
        raise EmptyWindowError(float(time[0]), float(time[-1]))
    return replace(
        trajectory,
        time=time[inside],
        names=tuple(names),
        values=trajectory.values[inside][:, columns],
        units={name: trajectory.units[name] for name in names},
        discrete=trajectory.discrete & set(names),
        accuracy=None,
    )


def _position(trajectory: Trajectory, name: str) -> int:
    if name not in trajectory.units:
        raise UnknownColumnError(name, list(nearest(name, trajectory.names, 3)))
    return trajectory.names.index(name)


def _key(run_id: str) -> str:
    return f"{_FOLDER}/{run_id}.parquet"


def _accuracy_key(run_id: str) -> str:
    return f"{_FOLDER}/{run_id}-accuracy.parquet"


def _run_of(key: str) -> str:
    return key.removeprefix(f"{_FOLDER}/").removesuffix(".parquet").removesuffix("-accuracy")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
