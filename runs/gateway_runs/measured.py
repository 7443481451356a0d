"""Curves out of a CSV that somebody else wrote: a measurement, or another tool's result."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from gateway_runs.exceptions import InvalidCsvError
from gateway_simulation.differences import Curve

MOST_CELLS: Final = 5_000_000

_DELIMITERS: Final = ",;\t"
_WORDS: Final = {"": math.nan, "nan": math.nan, "true": 1.0, "false": 0.0}
_FORMULAS: Final = ("'=", "'+", "'-", "'@")
_LEAST_COLUMNS: Final = 2


def curves_of(text: str) -> dict[str, Curve]:
    """The curves of a table whose first column is time [s], by name; their units are not known.

    Cells are parted by comma, semicolon or tab. Empty ones are gaps. Times never decrease; where
    one stands twice, its rows are before and after an event.

    Raises:
        InvalidCsvError: it is no such table.

    """
    lines = text.removeprefix("\ufeff").splitlines()
    delimiter = max(_DELIMITERS, key=lines[0].count) if lines else ","
    try:
        rows = list(csv.reader(lines, delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise InvalidCsvError(0, "it can't be read as CSV") from error
    header = _header(rows)
    table = _numbers(rows, len(header))
    time = table[:, 0]
    if not np.isfinite(time).all() or (np.diff(time) < 0).any():
        raise InvalidCsvError(0, "its times are not all numbers that never decrease")
    found = {name: _curve(time, table[:, i]) for i, name in enumerate(header[1:], start=1)}
    return {name: curve for name, curve in found.items() if curve is not None}


def _header(rows: Sequence[list[str]]) -> list[str]:
    names = [name.strip() for name in rows[0]] if rows else []
    names = [name[1:] if name.startswith(_FORMULAS) else name for name in names]
    if len(names) < _LEAST_COLUMNS or names[0].lower() not in {"time", "t"}:
        raise InvalidCsvError(1, "it needs a header line: time, then names")
    if len(set(names)) < len(names):
        raise InvalidCsvError(1, "it has a name twice")
    return names


def _numbers(rows: Sequence[list[str]], width: int) -> np.ndarray:
    found: list[list[float]] = []
    for number, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != width:
            raise InvalidCsvError(number, f"it has a line of {len(row)} cells")
        found.append([_number(cell, number) for cell in row])
        if len(found) * width > MOST_CELLS:
            raise InvalidCsvError(number, f"it has more than {MOST_CELLS} cells")
    if not found:
        raise InvalidCsvError(1, "it has no line of numbers")
    return np.array(found)


def _number(cell: str, line: int) -> float:
    text = cell.strip().lower()
    if text in _WORDS:
        return _WORDS[text]
    try:
        value = float(text)
    except ValueError:
        value = math.inf
    if not math.isfinite(value):
        raise InvalidCsvError(line, "it has a cell that is no finite number")
    return value


def _curve(time: np.ndarray, values: np.ndarray) -> Curve | None:
    """A column without its gaps; None where it is empty."""
    known = np.isfinite(values)
    return Curve(time[known], values[known]) if known.any() else None
