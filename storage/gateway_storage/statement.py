"""Statements that every run makes: compiled once by SQLAlchemy, then handed to the driver as is.

`Connection.execute` looks up, binds, watches and wraps each statement anew, which takes some twenty
times as long as SQLite needs for an update by key, and a paid run makes about twenty. What is rare
goes the ordinary way; the two mix freely in one transaction.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Dialect, SelectBase, UpdateBase
from sqlalchemy.exc import DBAPIError

_Statement = SelectBase | UpdateBase
_Convert = Callable[[Any], Any]


class Statement:
    """One statement, ready for either database. Values are given by name, as to `execute`.

    Errors are those of `execute`. Write lists as literals: an expanding IN isn't known here.
    """

    def __init__(self, statement: _Statement) -> None:
        self._statement = statement
        self._forms: dict[tuple[str, ...], _Form] = {}

    def rows(self, db: Connection, values: Mapping[str, Any]) -> list[Any]:
        """What it selects or returns, as named tuples."""
        return self._execute(db, values)[1]

    def first(self, db: Connection, values: Mapping[str, Any]) -> Any | None:  # noqa: ANN401
        """The first of `rows`, if there is any."""
        return next(iter(self._execute(db, values)[1]), None)

    def count(self, db: Connection, values: Mapping[str, Any]) -> int:
        """How many rows it has changed. SQLite's driver doesn't count where WITH comes first."""
        return self._execute(db, values)[0]

    def _execute(self, db: Connection, values: Mapping[str, Any]) -> tuple[int, list[Any]]:
        dialect = db.dialect
        key = (dialect.name, *values)
        form = self._forms.get(key)
        if form is None:
            form = self._forms[key] = _Form(self._statement, dialect, values)
        cursor = db.connection.cursor()
        try:
            cursor.execute(form.text, form.parameters(values))
            return cursor.rowcount, form.rows(cursor)
        except dialect.loaded_dbapi.Error as error:
            kind: Any = dialect.loaded_dbapi.Error
            raise DBAPIError.instance(form.text, None, error, kind, dialect=dialect) from error
        finally:
            cursor.close()


class _Form:
    """The statement as one driver takes it, for values of these names."""

    def __init__(self, statement: _Statement, dialect: Dialect, values: Mapping[str, Any]) -> None:
        compiled: Any = statement.compile(dialect=dialect, column_keys=list(values))
        self.text: Final[str] = compiled.string
        self._dialect = dialect
        self._positions: Final[list[str] | None] = compiled.positiontup
        self._given: Final[dict[str, Any]] = compiled.params
        binds = [(name, bind.type, dialect) for bind, name in compiled.bind_names.items()]
        self._written = _converters("bind_processor", dialect, binds)
        self._columns = statement.exported_columns
        names = [str(name) for name in self._columns.keys()]  # noqa: SIM118  its values are columns
        self._row: Any = namedtuple("Row", names)  # type: ignore[misc]  # noqa: PYI024
        self._read: list[tuple[int, _Convert]] | None = None

    def parameters(self, values: Mapping[str, Any]) -> Any:  # noqa: ANN401  the driver's own
        given = {**self._given, **values}
        for name, convert in self._written:
            given[name] = convert(given[name])
        return given if self._positions is None else [given[name] for name in self._positions]

    def rows(self, cursor: Any) -> list[Any]:  # noqa: ANN401  the driver's own
        if not self._columns:
            return []
        if self._read is None:  # now the driver tells what comes
            self._read = self._reading(cursor.description)
        return [self._converted(cells) for cells in cursor.fetchall()]

    def _reading(self, description: Sequence[Any]) -> list[tuple[int, _Convert]]:
        told = [told[1] for told in description]
        types = enumerate(column.type for column in self._columns)
        cells = [(place, kind, self._dialect, told[place]) for place, kind in types]
        return _converters("result_processor", self._dialect, cells)

    def _converted(self, cells: tuple[Any, ...]) -> Any:  # noqa: ANN401  a named tuple
        if not self._read:
            return self._row._make(cells)
        found = list(cells)
        for place, convert in self._read:
            found[place] = convert(found[place])
        return self._row._make(found)


def _converters(
    direction: str, dialect: Dialect, cells: Iterable[Any]
) -> list[tuple[Any, _Convert]]:
    """Between Python's values and the driver's: for each that differs its name, and how."""
    found = [
        (name, getattr(kind.dialect_impl(dialect), direction)(*given))
        for name, kind, *given in cells
    ]
    return [(name, convert) for name, convert in found if convert is not None]
