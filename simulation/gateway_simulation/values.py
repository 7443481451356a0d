"""Values for variables, checked against what the model says of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

from gateway_simulation.exceptions import (
    NotSettableError,
    OutOfRangeError,
    TooMuchOutputError,
    UnknownVariableError,
    WrongTypeError,
)
from gateway_simulation.finite import as_float, plain
from gateway_simulation.model import ModelDescription, Scalar, Variable
from gateway_simulation.nearest import nearest
from gateway_simulation.request import StartValue as RequestedValue
from gateway_simulation.run import StartValue

_STRING_LENGTH: Final = 10_000
_ELEMENTS: Final = 100_000
_INTEGER_BITS: Final = {
    "Int8": (-(2**7), 2**7 - 1),
    "UInt8": (0, 2**8 - 1),
    "Int16": (-(2**15), 2**15 - 1),
    "UInt16": (0, 2**16 - 1),
    "Int32": (-(2**31), 2**31 - 1),
    "UInt32": (0, 2**32 - 1),
    "Int64": (-(2**63), 2**63 - 1),
    "UInt64": (0, 2**64 - 1),
    "Integer": (-(2**31), 2**31 - 1),
}

Number = TypeVar("Number", int, float)


def start_values(
    description: ModelDescription, asked: Mapping[str, RequestedValue]
) -> tuple[tuple[StartValue, ...], dict[str, tuple[int, ...]]]:
    """The checked start values in the model's order, and shapes that structural ones change.

    Raises UnknownVariableError, NotSettableError, WrongTypeError, OutOfRangeError.
    """
    for name in asked:
        if name not in description.by_name:
            raise unknown(name, description)
    variables = [v for v in description.variables if v.name in asked]
    for variable in variables:
        if not _takes_start(variable):
            raise _not_settable(variable, "takes no start value")
    structural: dict[int | None, Scalar] = {
        v.value_reference: checked(v, asked[v.name])
        for v in variables
        if v.causality == "structuralParameter"
    }
    shapes = _shapes(description, structural)
    found = [
        StartValue(v.name, _elements(v, asked[v.name], shapes.get(v.name, v.dimensions)))
        for v in variables
    ]
    return tuple(found), shapes


def checked(variable: Variable, value: object) -> Scalar:
    """One value for one element of `variable`, as the type it is set by.

    Raises WrongTypeError, OutOfRangeError.
    """
    match variable.type:
        case "real":
            return _in_range(variable, _real(variable, value))
        case "integer":
            return _in_range(variable, _integer(variable, value))
        case "boolean":
            return _boolean(variable, value)
        case "enumeration":
            return _enumeration(variable, value)
        case "string":
            return _string(variable, value)
    raise _not_settable(variable, f"is of type {variable.type}")


def unknown(name: str, description: ModelDescription) -> UnknownVariableError:
    """The error for a variable that the model doesn't have, with the nearest it has."""
    return UnknownVariableError(name[:200], nearest(name, description.by_name))


def _takes_start(variable: Variable) -> bool:
    """FMI 2.0 §2.2.7 and 3.0 §2.4.7: what may be set before or in initialization."""
    if variable.variability == "constant" or variable.causality == "independent":
        return False
    return variable.causality == "input" or variable.initial in {"exact", "approx"}


def _shapes(
    description: ModelDescription, structural: Mapping[int | None, Scalar]
) -> dict[str, tuple[int, ...]]:
    """Shapes of the arrays whose structural parameters are given."""
    changed: dict[str, tuple[int, ...]] = {}
    for variable in description.variables:
        if not any(reference in structural for reference in variable.dimension_references):
            continue
        shape = tuple(
            int(structural[reference]) if reference in structural else size
            for reference, size in zip(
                variable.dimension_references, variable.dimensions, strict=True
            )
        )
        if math.prod(shape) > _ELEMENTS:
            msg = f"an array would have more than {_ELEMENTS} elements"
            raise TooMuchOutputError(
                msg, {"name": variable.name, "what": "array elements", "limit": _ELEMENTS}
            )
        changed[variable.name] = shape
    return changed


def _elements(
    variable: Variable, value: RequestedValue, shape: tuple[int, ...]
) -> tuple[Scalar, ...]:
    count = math.prod(shape)
    if not isinstance(value, list):
        if shape and count != 1:
            raise _wrong_type(variable, f"an array of shape {list(shape)}")
        return (checked(variable, value),)
    if not variable.dimensions:
        raise _wrong_type(variable, f"one {variable.type}")
    flat = _flat(value)
    if len(flat) != count:
        raise _wrong_type(variable, f"an array of shape {list(shape)}")
    return tuple(checked(variable, one) for one in flat)


def _flat(values: Sequence[object]) -> list[object]:
    flat: list[object] = []
    for value in values:
        flat.extend(value if isinstance(value, list) else [value])
    return flat


def _real(variable: Variable, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _wrong_type(variable, "a number")
    number = as_float(value)
    if not math.isfinite(number):
        raise _wrong_type(variable, "a finite number")
    return number + 0.0


def _integer(variable: Variable, value: object) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong_type(variable, "an integer")
    low, high = _INTEGER_BITS.get(variable.fmi_type, _INTEGER_BITS["Int64"])
    if not low <= value <= high:
        raise _out_of_range(variable, value, low, high)
    return value


def _boolean(variable: Variable, value: object) -> bool:
    words = {"true": True, "false": False}
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    if isinstance(value, (bool, int, float)) and value in {0, 1}:
        return bool(value)
    raise _wrong_type(variable, "true or false")


def _enumeration(variable: Variable, value: object) -> int:
    items = dict(variable.items)
    if isinstance(value, str) and value in items:
        return items[value]
    number = value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
    if (
        number is None
        or not math.isfinite(as_float(number))
        or number != int(number)
        or (items and number not in items.values())
    ):
        raise _wrong_type(variable, "one of its items, by name or number")
    return int(number)


def _string(variable: Variable, value: object) -> str:
    if not isinstance(value, str) or "\0" in value or len(value) > _STRING_LENGTH:
        raise _wrong_type(variable, f"a string of at most {_STRING_LENGTH} characters")
    return value


def _in_range(variable: Variable, value: Number) -> Number:
    low, high = variable.min, variable.max
    if (low is not None and value < low) or (high is not None and value > high):
        raise _out_of_range(variable, value, low, high)
    return value


def _out_of_range(
    variable: Variable, value: float, low: float | None, high: float | None
) -> OutOfRangeError:
    return OutOfRangeError(
        f"{plain(value)} is outside the variable's range",
        {"name": variable.name, "value": plain(value), "min": plain(low), "max": plain(high)},
    )


def _wrong_type(variable: Variable, expected: str) -> WrongTypeError:
    details: dict[str, object] = {"name": variable.name, "expected": expected}
    if variable.items:
        details["items"] = dict(variable.items[:50])
    return WrongTypeError(f"the variable takes {expected}", details)


def _not_settable(variable: Variable, reason: str) -> NotSettableError:
    return NotSettableError(
        f"the variable {reason}",
        {
            "name": variable.name,
            "causality": variable.causality,
            "variability": variable.variability,
        },
    )
