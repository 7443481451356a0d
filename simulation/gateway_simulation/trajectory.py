"""A trajectory: what a run leaves behind, as columns of numbers over time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gateway_simulation.usage import Usage

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]

Samples = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Trajectory:
    """Values of the recorded outputs.

    `time` has shape (n,) [s] and never decreases; where an event was met, two rows have the same
    time, the values before and after. `values` has shape (n, outputs), its columns named by
    `names`, each in the unit `units` gives (None: none declared). Booleans are 0 and 1,
    enumerations their numbers. Columns in `discrete` hold their value until the next row and are
    never interpolated. `terminated_at` is when the model ended the simulation by itself, before the
    stop time [s]. `accuracy` is the same run, solved more finely, where that was asked for.
    `usage` is what both took; a stored trajectory has none.
    """

    time: Samples
    names: tuple[str, ...]
    values: Samples
    units: dict[str, str | None]
    discrete: frozenset[str] = frozenset()
    events: tuple[float, ...] = ()
    statistics: dict[str, int] = field(default_factory=dict)
    wall_ms: float = 0.0
    engine: dict[str, str | None] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    terminated_at: float | None = None
    accuracy: Trajectory | None = None
    usage: Usage | None = None

    @property
    def rows(self) -> int:
        """Number of points in time."""
        return int(self.time.shape[0])

    def column(self, name: str) -> Samples:
        """The values of output `name`, shape (n,). Raises KeyError for another name."""
        if name not in self.units:
            raise KeyError(name)
        return self.values[:, self.names.index(name)]

    @property
    def table(self) -> pa.Table:
        """The same as an Arrow table: float64 columns `time`, then the outputs, in order.

        Units stand in the fields' metadata under `unit`, held columns under `discrete`.
        """
        import pyarrow as pa  # noqa: PLC0415 - heavy, and only who stores a result needs it

        fields = [pa.field("time", pa.float64(), nullable=False, metadata={"unit": "s"})]
        for name in self.names:
            unit = self.units[name]
            metadata = {"unit": unit} if unit is not None else {}
            if name in self.discrete:
                metadata["discrete"] = "true"
            fields.append(pa.field(name, pa.float64(), nullable=False, metadata=metadata))
        columns = [self.time, *(self.values[:, i] for i in range(len(self.names)))]
        kept = [pa.py_buffer(np.ascontiguousarray(column, np.float64)) for column in columns]
        # by their memory: pa.array would import pandas where it can, for half a second
        arrays = [pa.Array.from_buffers(pa.float64(), self.rows, [None, one]) for one in kept]
        return pa.Table.from_arrays(arrays, schema=pa.schema(fields))

    @classmethod
    def from_table(cls, table: pa.Table) -> Trajectory:
        """The trajectory that `table` was made of; what a table doesn't hold is empty."""
        names = tuple(table.schema.names[1:])
        metadata = {name: table.schema.field(name).metadata or {} for name in names}
        units = {n: m[b"unit"].decode() if b"unit" in m else None for n, m in metadata.items()}
        columns = [_samples(table.column(name)) for name in names]
        time = _samples(table.column("time"))
        values = np.column_stack(columns) if columns else np.empty((time.shape[0], 0))
        return cls(
            time=time,
            names=names,
            values=values,
            units=units,
            discrete=frozenset(n for n, m in metadata.items() if b"discrete" in m),
        )


def _samples(column: pa.ChunkedArray) -> Samples:
    """By DLPack: Arrow's own conversion would import pandas, too."""
    chunks = [np.from_dlpack(chunk) for chunk in column.chunks]
    return np.concatenate([np.empty(0), *chunks], dtype=np.float64)
