"""A model's description as JSON, kept beside its files so that a run needs neither zip nor XML."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Final

from gateway_simulation.model import (
    CoSimulationInterface,
    DefaultExperiment,
    DisplayUnit,
    ModelDescription,
    ModelExchangeInterface,
    Unit,
    Variable,
)

FORMAT: Final = 2


def to_json(description: ModelDescription) -> bytes:
    """The description as JSON bytes, what equals its default left out."""
    document = _compact(description)
    document["format"] = FORMAT
    return json.dumps(document, separators=(",", ":")).encode()


def from_json(data: bytes) -> ModelDescription:
    """The description that `to_json` wrote. Raises ValueError for anything else."""
    try:
        document = json.loads(data)
        if document.pop("format") != FORMAT:
            msg = "written by another version"
            raise ValueError(msg)
        return _description(document)
    except (KeyError, TypeError, AttributeError) as error:
        msg = "no model description"
        raise ValueError(msg) from error


def _compact(record: Any) -> dict[str, Any]:  # noqa: ANN401 - any of the dataclasses
    found: dict[str, Any] = {}
    for item in fields(record):
        value = getattr(record, item.name)
        if not item.init or value == item.default:
            continue
        if hasattr(value, "__dataclass_fields__"):
            value = _compact(value)
        elif isinstance(value, tuple) and value and hasattr(value[0], "__dataclass_fields__"):
            value = [_compact(one) for one in value]
        found[item.name] = value
    return found


def _description(document: dict[str, Any]) -> ModelDescription:
    readers: dict[str, Callable[[Any], Any]] = {
        "variables": lambda rows: tuple(Variable(**_frozen(row)) for row in rows),
        "units": lambda rows: tuple(_unit(row) for row in rows),
        "default_experiment": lambda row: DefaultExperiment(**row),
        "co_simulation": lambda row: CoSimulationInterface(**row),
        "model_exchange": lambda row: ModelExchangeInterface(**row),
        "states": tuple,
        "platforms": tuple,
    }
    for name, read in readers.items():
        if name in document:
            document[name] = read(document[name])
    return ModelDescription(**document)


def _unit(row: dict[str, Any]) -> Unit:
    shown = tuple(DisplayUnit(**one) for one in row.pop("display_units", ()))
    return Unit(**_frozen(row), display_units=shown)


def _frozen(row: Mapping[str, Any]) -> dict[str, Any]:
    """Lists as tuples, also one level down."""
    return {
        name: tuple(tuple(v) if isinstance(v, list) else v for v in value)
        if isinstance(value, list)
        else value
        for name, value in row.items()
    }
