"""Which variables a run records, one column for each scalar."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from gateway_simulation.exceptions import (
    DuplicateNameError,
    TooMuchOutputError,
    UnsupportedOutputError,
)
from gateway_simulation.model import NUMERIC_TYPES, ModelDescription, Variable
from gateway_simulation.notices import Notice
from gateway_simulation.run import Column
from gateway_simulation.values import unknown

_NO_NUMBERS: Final = "outputs that are no numbers are not recorded"
_LOCALS: Final = "the model declares no outputs and no states: some locals are recorded"

Shapes = Mapping[str, tuple[int, ...]]


def requested(
    description: ModelDescription, names: Sequence[str] | None, shapes: Shapes, most: int
) -> tuple[tuple[Column, ...], tuple[Notice, ...]]:
    """The columns for `names`, or for the model's own choice if that is None, and notices.

    An array stands for all its elements. Raises UnknownVariableError, UnsupportedOutputError,
    DuplicateNameError, TooMuchOutputError.
    """
    notices: tuple[Notice, ...] = ()
    if names is None:
        variables, notices = _default(description)
        found = [c for v in variables for c in _of_variable(v, shapes, most)]
    else:
        found = [c for name in names for c in of_name(description, name, shapes, most)]
        if len(found) > len({column.name for column in found}):
            twice = _first_twice(column.name for column in found)
            msg = "an output is asked for twice"
            raise DuplicateNameError(msg, {"name": twice})
    if len(found) > most:
        msg = f"more than {most} outputs"
        raise TooMuchOutputError(msg, {"what": "outputs", "asked": len(found), "limit": most})
    if not found:
        msg = "there is nothing to record: name at least one output"
        raise UnsupportedOutputError(msg, {"nearest": []})
    return tuple(found), notices


def of_name(
    description: ModelDescription, name: str, shapes: Shapes, most: int
) -> tuple[Column, ...]:
    """The columns that `name` stands for: a variable, or one element of an array (`x[1,2]`)."""
    variable = description.variable(name)
    if variable is None:
        array = description.variable(name.rpartition("[")[0])
        columns = _of_variable(array, shapes, most) if array and array.dimensions else ()
        element = next((c for c in columns if c.name == name.replace(" ", "")), None)
        if element is None:
            raise unknown(name, description)
        return (element,)
    return _of_variable(variable, shapes, most)


def recordable(description: ModelDescription, columns: Iterable[Column]) -> list[str]:
    """Names that a KPI may use: scalar variables, and the elements among `columns`."""
    scalars = {v.name: None for v in description.variables if _scalar_number(v)}
    return list(scalars | {column.name: None for column in columns})


def _scalar_number(variable: Variable) -> bool:
    return (
        variable.type in NUMERIC_TYPES
        and not variable.dimensions
        and variable.causality != "independent"
    )


def _default(description: ModelDescription) -> tuple[list[Variable], tuple[Notice, ...]]:
    """The declared outputs; if there are none the states; if none of these, what there is."""
    outputs = description.outputs
    if outputs:
        kept = [v for v in outputs if v.type in NUMERIC_TYPES]
        dropped = tuple(v.name for v in outputs if v.type not in NUMERIC_TYPES)[:10]
        if kept:
            return kept, (Notice(_NO_NUMBERS, "not_recorded", dropped),) if dropped else ()
    states = [v for name in description.states if (v := description.variable(name)) is not None]
    if states:
        return states, (Notice("the model declares no outputs: its states are recorded"),)
    locals_ = [v for v in description.variables if v.causality == "local" and _scalar_number(v)]
    return locals_[:10], (Notice(_LOCALS),)


def _of_variable(variable: Variable, shapes: Shapes, most: int) -> tuple[Column, ...]:
    if variable.type not in NUMERIC_TYPES:
        msg = f"variables of type {variable.type} can't be recorded"
        raise UnsupportedOutputError(msg, {"name": variable.name, "type": variable.type})
    if variable.causality == "independent" or variable.name == "time":
        msg = "time is recorded anyway, as the first column"
        raise UnsupportedOutputError(msg, {"name": variable.name, "type": variable.type})
    shape = shapes.get(variable.name, variable.dimensions)
    if not variable.dimensions:
        return (Column(variable.name, variable),)
    if math.prod(shape) > most:
        msg = f"more than {most} outputs"
        raise TooMuchOutputError(msg, {"what": "outputs", "asked": math.prod(shape), "limit": most})
    indices = itertools.product(*(range(1, size + 1) for size in shape))
    return tuple(
        Column(f"{variable.name}[{','.join(map(str, index))}]", variable, i)
        for i, index in enumerate(indices)
    )


def _first_twice(names: Iterable[str]) -> str:
    seen: set[str] = set()
    return next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]
