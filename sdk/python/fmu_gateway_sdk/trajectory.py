"""A run's numbers: time and each output as an array."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa  # type: ignore[import-untyped]

Samples = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Trajectory:
    """`time` [s], shape (n,); `columns` by name, each of shape (n,), in `units`.

    Times never decrease; at an event two rows have the same time: before and after.
    """

    time: Samples
    columns: Mapping[str, Samples]
    units: Mapping[str, str | None]
    events: tuple[float, ...] = ()

    @classmethod
    def of(
        cls,
        series: Mapping[str, Sequence[float]],
        units: Mapping[str, str | None],
        events: Sequence[float] = (),
    ) -> Self:
        """A trajectory out of lists, one of them named `time`."""
        columns = {name: np.asarray(values, dtype=np.float64) for name, values in series.items()}
        return cls(columns.pop("time"), columns, units, tuple(events))

    def __getitem__(self, name: str) -> Samples:
        """A column by name, `time` included."""
        return self.time if name == "time" else self.columns[name]

    def to_pandas(self) -> pd.DataFrame:
        """A column for each output, indexed by time [s]; `attrs["units"]` has the units.

        Raises ModuleNotFoundError without pandas (fmu-gateway-sdk[pandas]).
        """
        import pandas as pd  # noqa: PLC0415  only who asks for it needs it

        frame = pd.DataFrame(dict(self.columns), index=pd.Index(self.time, name="time"))
        frame.attrs["units"] = dict(self.units)
        return frame

    def to_arrow(self) -> pa.Table:
        """A table of time and the outputs, each field with its unit in its metadata.

        Raises ModuleNotFoundError without pyarrow (fmu-gateway-sdk[arrow]).
        """
        import pyarrow as pa  # noqa: PLC0415

        fields = [pa.field("time", pa.float64(), metadata={"unit": "s"})]
        for name in self.columns:
            unit = self.units.get(name)
            metadata = {"unit": unit} if unit else None
            fields.append(pa.field(name, pa.float64(), metadata=metadata))
        return pa.table([self.time, *self.columns.values()], schema=pa.schema(fields))

    @property
    def names(self) -> tuple[str, ...]:
        """The outputs' names, in order."""
        return tuple(self.columns)
