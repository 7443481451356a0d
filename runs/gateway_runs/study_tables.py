"""A study's table: one row a run, its parameters and key figures in columns."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from csv import writer as csv_writer
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Self

import numpy as np

from gateway_runs.exceptions import UnknownColumnError
from gateway_simulation.model import Scalar
from gateway_simulation.nearest import nearest
from gateway_simulation.trajectory import Samples

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]

_FORMULAS: Final = ("=", "+", "-", "@")
_ROLE: Final = b"role"
_UNIT: Final = b"unit"

Cell = Scalar | None
Direction = Literal["min", "max"]


@dataclass(frozen=True, slots=True, eq=False)
class StudyTable:
    """What became of each run of a study, in the order of its design.

    `parameters` and `kpis` name the columns, whose cells `columns` has by name: a KPI's is None
    where the run failed or the figure doesn't exist. `failures` holds `code: message` by row. The
    best row is the one whose `objective` is largest (smallest: `direction`).
    """

    parameters: tuple[str, ...]
    kpis: tuple[str, ...]
    columns: Mapping[str, Sequence[Cell]]
    units: Mapping[str, str | None]
    failures: Mapping[int, str]
    objective: str
    direction: Direction

    @property
    def names(self) -> tuple[str, ...]:
        """The columns in order, without the failures'."""
        return self.parameters + self.kpis

    @property
    def rows(self) -> int:
        """How many runs the study has."""
        return len(self.columns[self.names[0]])

    @property
    def varying(self) -> tuple[str, ...]:
        """The parameters that take more than one value."""
        return tuple(name for name in self.parameters if len(set(self.columns[name])) > 1)

    def row(self, index: int) -> dict[str, Cell]:
        """The cells of one row by column."""
        return {name: self.columns[name][index] for name in self.names}

    def numbers(self, name: str) -> Samples:
        """A column of numbers or booleans as floats, NaN where there is nothing."""
        return np.array([np.nan if c is None else float(c) for c in self.columns[name]])

    def is_number(self, name: str) -> bool:
        """Whether a column holds numbers, and no texts or booleans."""
        return not any(isinstance(cell, str | bool) for cell in self.columns[name])

    def extremes(self) -> tuple[int, int] | None:
        """The best and the worst row, the first of equals; None where no run has the objective."""
        figures = self.numbers(self.objective)
        if np.isnan(figures).all():
            return None
        lowest, highest = int(np.nanargmin(figures)), int(np.nanargmax(figures))
        return (lowest, highest) if self.direction == "min" else (highest, lowest)

    @property
    def table(self) -> pa.Table:
        """As an Arrow table: parameters, KPIs, and `failure`, null where a run came to its end.

        Units stand in the fields' metadata under `unit`, what a column is under `role`.
        """
        import pyarrow as pa  # noqa: PLC0415  heavy, and only who stores a result needs it

        roles = dict.fromkeys(self.parameters, "parameter") | dict.fromkeys(self.kpis, "kpi")
        fields, arrays = [], []
        for name, role in roles.items():
            unit = self.units.get(name)
            metadata = {"role": role, **({"unit": unit} if unit is not None else {})}
            kind = pa.float64() if role == "kpi" else None
            arrays.append(pa.array(list(self.columns[name]), type=kind))
            fields.append(pa.field(name, arrays[-1].type, metadata=metadata))
        arrays.append(pa.array([self.failures.get(i) for i in range(self.rows)], type=pa.string()))
        fields.append(pa.field(self._failure_column, pa.string(), metadata={"role": "failure"}))
        about = {"objective": self.objective, "direction": self.direction}
        return pa.Table.from_arrays(arrays, schema=pa.schema(fields, metadata=about))

    @classmethod
    def from_table(cls, table: pa.Table) -> Self:
        """The table that `table` was made of."""
        fields = {field.name: field.metadata for field in table.schema}
        named = {
            role: tuple(n for n, about in fields.items() if about[_ROLE] == role)
            for role in (b"parameter", b"kpi", b"failure")
        }
        (failure,) = named[b"failure"]
        cells: dict[str, list[Any]] = table.to_pydict()
        failed = cells.pop(failure)
        about = table.schema.metadata
        return cls(
            parameters=named[b"parameter"],
            kpis=named[b"kpi"],
            columns=cells,
            units={n: m[_UNIT].decode() if _UNIT in m else None for n, m in fields.items()},
            failures={i: text for i, text in enumerate(failed) if text is not None},
            objective=about[b"objective"].decode(),
            direction="min" if about[b"direction"] == b"min" else "max",
        )

    def only(self, names: Sequence[str]) -> dict[str, list[Cell]]:
        """Some columns by name.

        Raises:
            UnknownColumnError: the table has no such column.

        """
        for name in names:
            if name not in self.columns:
                raise UnknownColumnError(name, list(nearest(name, self.names, 3)))
        return {name: list(self.columns[name]) for name in names}

    @property
    def _failure_column(self) -> str:
        """`failure`, told apart from a parameter of that name by underscores."""
        name = "failure"
        while name in self.columns:
            name += "_"
        return name


def study_csv(study: StudyTable) -> bytes:
    """As CSV: parameters, KPIs, `failure`; empty where there is nothing, in full precision.

    Text that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    table = study.table
    sink = io.StringIO()
    rows = csv_writer(sink, lineterminator="\n")
    rows.writerow(map(_plain, table.schema.names))
    columns = [column.to_pylist() for column in table.columns]
    rows.writerows([_cell(cell) for cell in row] for row in zip(*columns, strict=True))
    return sink.getvalue().encode()


def _cell(cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case bool():
            return "true" if cell else "false"
        case str():
            return _plain(cell)
    return repr(cell)


def _plain(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULAS) else text
