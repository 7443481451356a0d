"""Stored trajectories: Parquet, written once, read by slice."""

from __future__ import annotations

import io
from csv import writer as csv_writer
from dataclasses import dataclass, replace

import numpy as np

from gateway_runs.exceptions import EmptyWindowError, UnknownColumnError
from gateway_simulation.nearest import nearest
from gateway_simulation.trajectory import Trajectory
from gateway_storage.blobs import Blobs


@dataclass(frozen=True, slots=True)
class Window:
    """What of a result is wanted: all columns where none are named; times in s, both ends kept."""

    variables: tuple[str, ...] | None = None
    start: float | None = None
    end: float | None = None


class ResultStore:
    """Trajectories under their run's id."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    def write(self, run_id: str, trajectory: Trajectory) -> None:
        """Store durably, the finer accuracy run beside it."""
        self._blobs.put(_key(run_id), parquet(trajectory))
        if trajectory.accuracy is not None:
            self._blobs.put(_key(f"{run_id}-accuracy"), parquet(trajectory.accuracy))

    def read(self, run_id: str, *, with_accuracy: bool = False) -> Trajectory:
        """The columns as they were written; what only the run's record knows is empty."""
        stored = self._stored(run_id)
        return (
            replace(stored, accuracy=self._stored(f"{run_id}-accuracy"))
            if with_accuracy
            else stored
        )

    def delete(self, run_id: str) -> None:
        """Forget the trajectory."""
        self._blobs.delete(_key(run_id))
        self._blobs.delete(_key(f"{run_id}-accuracy"))

    def _stored(self, name: str) -> Trajectory:
        from pyarrow import parquet as pq  # type: ignore[import-untyped]  # noqa: PLC0415  heavy

        return Trajectory.from_table(pq.read_table(io.BytesIO(self._blobs.get(_key(name)))))


def parquet(trajectory: Trajectory) -> bytes:
    """The trajectory as a Parquet file; the same numbers give the same bytes.

    Without dictionaries: a column's numbers hardly repeat, and a constant one is compressed anyway.
    """
    from pyarrow import parquet as pq  # noqa: PLC0415

    sink = io.BytesIO()
    pq.write_table(trajectory.table, sink, compression="zstd", use_dictionary=False)
    return sink.getvalue()


def csv(trajectory: Trajectory) -> bytes:
    """The trajectory as CSV: first column `time`, then the outputs, in full precision."""
    from pyarrow import csv as arrow_csv  # noqa: PLC0415

    names = io.StringIO()  # Arrow would quote every name; the standard library only where needed
    csv_writer(names, lineterminator="\n").writerow(["time", *trajectory.names])
    sink = io.BytesIO(names.getvalue().encode())
    sink.seek(0, io.SEEK_END)
    arrow_csv.write_csv(trajectory.table, sink, arrow_csv.WriteOptions(include_header=False))
    return sink.getvalue()


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


def _key(name: str) -> str:
    return f"results/{name}.parquet"
