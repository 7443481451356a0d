"""Inputs over time, from arrays or from CSV, checked."""

from __future__ import annotations

import csv
import io
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from gateway_simulation.columns import of_name
from gateway_simulation.exceptions import (
    DuplicateNameError,
    InvalidInputSignalError,
    NotSettableError,
    TooMuchOutputError,
)
from gateway_simulation.finite import as_float
from gateway_simulation.model import NUMERIC_TYPES, ModelDescription
from gateway_simulation.request import InputSignal
from gateway_simulation.run import Column, Signal
from gateway_simulation.values import checked

_CSV: Final = "inputs_csv"
_MARK: Final = "\ufeff"  # a spreadsheet begins a CSV file with it
_TIME_NAMES: Final = ("time", "t")
_WORDS: Final = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class _Asked:
    """One input as it was asked for, from whichever place."""

    name: str
    time: Sequence[float]
    values: Sequence[object]
    interpolation: Literal["linear", "hold"] | None


def input_signals(
    description: ModelDescription,
    signals: Sequence[InputSignal],
    table: str | None,
    shapes: Mapping[str, tuple[int, ...]],
    most: int,
) -> tuple[Signal, ...]:
    """The checked inputs, at most `most` points in all.

    Raises UnknownVariableError, NotSettableError, WrongTypeError, OutOfRangeError,
    InvalidInputSignalError, DuplicateNameError, TooMuchOutputError.
    """
    asked = [_Asked(s.name, s.time, s.values, s.interpolation) for s in signals]
    asked += _from_csv(table, most) if table is not None else []
    points = sum(len(one.values) for one in asked)
    if points > most:
        msg = f"more than {most} input points"
        raise TooMuchOutputError(msg, {"what": "input_points", "asked": points, "limit": most})
    found: dict[str, Signal] = {}
    for one in asked:
        signal = _signal(one, _target(description, one.name, shapes))
        if signal.name in found:
            msg = "an input is given twice"
            raise DuplicateNameError(msg, {"name": signal.name})
        found[signal.name] = signal
    return tuple(found.values())


def _target(
    description: ModelDescription, name: str, shapes: Mapping[str, tuple[int, ...]]
) -> Column:
    """The input, or the element of an input array, that `name` is."""
    variable = description.variable(name)
    if variable is not None and variable.type not in NUMERIC_TYPES:
        msg = f"variables of type {variable.type} take no signal"
        raise NotSettableError(msg, {"name": name, "type": variable.type})
    columns = of_name(description, name, shapes, most=100_000)
    variable = columns[0].variable
    tunable = variable.causality == "parameter" and variable.variability == "tunable"
    if variable.causality != "input" and not tunable:
        msg = "the variable is no input"
        inputs = [v.name for v in description.variables if v.causality == "input"]
        raise NotSettableError(
            msg,
            {
                "name": name,
                "causality": variable.causality,
                "variability": variable.variability,
                "inputs": inputs[:50],
            },
        )
    if len(columns) != 1:
        raise _invalid(name, "is an array: give its elements one by one, as name[1]")
    return columns[0]


def _signal(asked: _Asked, target: Column) -> Signal:
    time = _times(asked)
    if len(asked.values) != len(time):
        raise _invalid(
            asked.name, f"has {len(time)} times and {len(asked.values)} values", len(time)
        )
    variable = target.variable
    if asked.interpolation == "linear" and not variable.continuous:
        raise _invalid(asked.name, "is not continuous and can only be held")
    values = tuple(float(checked(variable, value)) for value in asked.values)
    hold = asked.interpolation == "hold" or not variable.continuous
    return Signal(target.name, variable, target.index, time, values, hold)


def _times(asked: _Asked) -> tuple[float, ...]:
    time = tuple(as_float(t) + 0.0 for t in asked.time)
    if not time:
        raise _invalid(asked.name, "has no points")
    if not all(map(math.isfinite, time)):
        raise _invalid(asked.name, "has a time that is not finite")
    for i, (before, after) in enumerate(itertools.pairwise(time)):
        if not before < after:
            raise _invalid(asked.name, "has times that are not strictly increasing", i + 1)
    return time


def _from_csv(text: str, most: int) -> list[_Asked]:
    """The columns of a CSV table whose first column is time."""
    rows = csv.reader(io.StringIO(text.removeprefix(_MARK)), strict=True)
    try:
        header = [name.strip() for name in next(rows, [])]
        if len(header) < 2 or header[0].lower() not in _TIME_NAMES:  # noqa: PLR2004
            raise _invalid(_CSV, "needs a header line: time, then input names, with commas between")
        table: list[list[object]] = []
        for number, row in enumerate(rows, start=2):
            if not row or not any(cell.strip() for cell in row):
                continue
            if len(row) != len(header):
                raise _invalid(_CSV, f"has a line of {len(row)} cells", number)
            table.append([_cell(cell, number) for cell in row])
            if len(table) * (len(header) - 1) > most:
                msg = f"more than {most} input points"
                raise TooMuchOutputError(msg, {"what": "input_points", "limit": most})
    except csv.Error as error:
        raise _invalid(_CSV, "is no CSV") from error
    columns = list(zip(*table, strict=True)) or [()] * len(header)
    time = [float(t) if isinstance(t, (int, float)) else math.nan for t in columns[0]]
    return [_Asked(n, time, v, None) for n, v in zip(header[1:], columns[1:], strict=True)]


def _cell(text: str, line: int) -> float | bool:
    word = text.strip()
    if word.lower() in _WORDS:
        return _WORDS[word.lower()]
    try:
        return float(word)
    except ValueError:
        raise _invalid(_CSV, "has a cell that is no number", line) from None


def _invalid(name: str, reason: str, position: int | None = None) -> InvalidInputSignalError:
    details: dict[str, object] = {"name": name[:200], "reason": reason}
    if position is not None:
        details["position"] = position
    return InvalidInputSignalError(f"an input signal {reason}", details)
