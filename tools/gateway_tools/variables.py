"""How a model's variable looks to a caller."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from pydantic import BaseModel, Field, SerializerFunctionWrapHandler, model_serializer

from gateway_simulation.model import Variable

SHOWN_VALUES: Final = 100
_RARE: Final = {"dimensions", "items"}

Scalar = float | int | bool | str | None


class VariableView(BaseModel):
    """One variable. Of long arrays and enumerations the first values."""

    name: str
    causality: str = Field(description="input, output, parameter, local, independent ...")
    variability: str
    type: str
    unit: str | None = None
    start: Scalar | list[Scalar] = None
    min: float | None = None
    max: float | None = None
    description: str | None = None
    dimensions: list[int] | None = None
    items: dict[str, int] | None = Field(default=None, description="An enumeration's names")

    @model_serializer(mode="wrap")
    def _lean(self, written: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Few variables are arrays or enumerations: the others don't say that they aren't."""
        told: dict[str, Any] = written(self)
        return {k: v for k, v in told.items() if v is not None or k not in _RARE}


def views(variables: Iterable[Variable]) -> list[VariableView]:
    """The variables as a caller sees them."""
    return [_view(variable) for variable in variables]


def _view(variable: Variable) -> VariableView:
    start = variable.start
    return VariableView(
        name=variable.name,
        causality=variable.causality,
        variability=variable.variability,
        type=variable.type,
        unit=variable.unit,
        start=list(start[:SHOWN_VALUES]) if isinstance(start, tuple) else start,
        min=variable.min,
        max=variable.max,
        description=variable.description,
        dimensions=list(variable.dimensions) or None,
        items=dict(variable.items[:SHOWN_VALUES]) or None,
    )
