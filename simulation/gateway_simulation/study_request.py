"""A study, as an agent writes it: one simulation, and what varies."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from gateway_simulation.request import WHOLE, Number, SimulationRequest, Value

MOST_RUNS = 10_000
"""Runs of one study."""
MOST_PARAMETERS = 50


class Varied(BaseModel):
    """What a parameter takes: the values of a list, or all between two ends."""

    model_config = ConfigDict(extra="forbid")

    values: list[Value] | None = Field(
        default=None, min_length=1, max_length=MOST_RUNS, description="Each of these"
    )
    min: Number | None = Field(default=None, description="Or from here")
    max: Number | None = Field(default=None, description="to here, both included")
    count: Annotated[int, Field(strict=True, ge=2, le=MOST_RUNS), WHOLE] | None = Field(
        default=None, description="Points from min to max in a grid"
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ends = {self.min is not None, self.max is not None}
        if ends != {self.values is None}:
            kind = "one_way"
            raise PydanticCustomError(kind, "Give either values, or min and max")
        if self.values is not None and self.count is not None:
            kind = "one_way"
            raise PydanticCustomError(kind, "count goes with min and max")
        return self


class Objective(BaseModel):
    """What makes a run of a study the best."""

    model_config = ConfigDict(extra="forbid")

    kpi: str | None = Field(default=None, description="Default: the first of base.kpis")
    direction: Literal["min", "max"] = Field(default="max", description="The best is the ...")


class Layout(BaseModel):
    """How the runs of a study are laid out, and which of them is the best."""

    model_config = ConfigDict(extra="forbid")

    design: Literal["grid", "lhs"] = Field(
        default="grid",
        description="grid: all combinations; lhs: Latin hypercube",
    )
    samples: Annotated[int, Field(strict=True, ge=1), WHOLE] | None = Field(
        default=None,
        description="lhs: runs; grid: points of ranges without count",
    )
    seed: Annotated[int, Field(strict=True, ge=0, lt=2**32), WHOLE] = Field(
        default=0, description="Of lhs"
    )
    objective: Objective = Field(
        default_factory=Objective, description="What is best; default: max of the first KPI"
    )


class StudyRequest(Layout):
    """Many runs of one model that differ in the values of some parameters."""

    base: SimulationRequest = Field(description="What all runs share, as simulate takes it")
    parameters: dict[str, Varied] = Field(
        min_length=1, max_length=MOST_PARAMETERS, description="What varies, by variable"
    )
