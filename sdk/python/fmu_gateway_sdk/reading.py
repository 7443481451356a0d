"""From JSON to frozen dataclasses, by their annotations."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Any, Union


def read_fields(cls: type, raw: Mapping[str, Any]) -> dict[str, Any]:
    """The values of `cls`' fields out of `raw`; what is absent keeps its default.

    Raises:
        ValueError: a field without default is missing, or a value has another shape.

    """
    found = {}
    for name, kind, required in _fields(cls):
        if name in raw:
            try:
                found[name] = _read(kind, raw[name])
            except ValueError as error:
                message = f"{cls.__name__}.{name}: {error}"
                raise ValueError(message) from None
        elif required:
            message = f"{cls.__name__}.{name}: missing"
            raise ValueError(message)
    return found


@cache
def _fields(cls: type) -> tuple[tuple[str, Any, bool], ...]:
    kinds = typing.get_type_hints(cls)
    return tuple(
        (field.name, kinds[field.name], field.default is dataclasses.MISSING)
        for field in dataclasses.fields(cls)
        if field.name != "raw"
    )


def _read(kind: Any, value: Any) -> Any:  # noqa: ANN401  a type as a value, and JSON
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return value
    if origin in (Union, types.UnionType):
        return _read_union(parts, value)
    if origin is tuple:
        return tuple(_read(parts[0], item) for item in _expect(list, value))
    if origin is list:
        return [_read(parts[0], item) for item in _expect(list, value)]
    if origin is dict:
        return {name: _read(parts[1], item) for name, item in _expect(dict, value).items()}
    return _read_plain(kind, value)


def _read_union(parts: tuple[Any, ...], value: Any) -> Any:  # noqa: ANN401
    for part in parts:
        try:
            return _read(part, value)
        except ValueError:
            continue
    message = f"is {value!r:.60}"
    raise ValueError(message)


def _read_plain(kind: Any, value: Any) -> Any:  # noqa: ANN401
    if kind is datetime:
        return datetime.fromisoformat(_expect(str, value))
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    parse: Callable[[Mapping[str, Any]], object] | None = getattr(kind, "parse", None)
    if parse is not None:
        return parse(_expect(dict, value))
    return _expect(kind, value)


def _expect(kind: type, value: Any) -> Any:  # noqa: ANN401
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
        message = f"is {value!r:.60}, not {kind.__name__}"
        raise ValueError(message)
    return value
