"""A run's numbers: time and each output as an array."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

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

    @property
    def names(self) -> tuple[str, ...]:
        """The outputs' names, in order."""
        return tuple(self.columns)
