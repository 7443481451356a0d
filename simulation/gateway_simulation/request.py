"""The physical part of a simulation request, as an agent writes it.

Only shapes are checked here; whether it fits the model is `plan`'s to say, with errors that name
the nearest thing that would have worked.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
)


def _as_integer(value: Any) -> Any:  # noqa: ANN401  any JSON
    """In JSON 2.0 is as much an integer as 2."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE: Final = BeforeValidator(_as_integer)
"""Beside a strict integer's bounds."""
Number = StrictInt | StrictFloat
Value = StrictBool | StrictInt | StrictFloat | str
StartValue = Value | list[Value] | list[list[Value]]


class InputSignal(BaseModel):
    """One input over time. Before the first and after the last point its value is held."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    name: str = Field(description="An input variable of the model")
    time: list[Number] = Field(
        validation_alias=AliasChoices("time", "t"),
        description="Times [s], strictly increasing (short: t)",
    )
    values: list[Value] = Field(
        validation_alias=AliasChoices("values", "u"),
        description="As many values as times, in the variable's unit (short: u)",
    )
    interpolation: Literal["linear", "hold"] | None = Field(
        default=None,
        description="linear between points, or hold each value until the next point; "
        "default: linear for continuous reals, else hold",
    )


class Solver(BaseModel):
    """How Model Exchange is integrated. For Co-Simulation only relative_tolerance applies."""

    model_config = ConfigDict(extra="forbid")

    name: Literal["cvode", "euler", "rk4"] | None = Field(
        default=None, description="cvode (default, variable step, stiff), euler or rk4 (fixed step)"
    )
    relative_tolerance: Number | None = Field(
        default=None, description="Relative tolerance of cvode, and of FMUs with their own solver"
    )
    step_size: Number | None = Field(
        default=None, description="Step of euler and rk4 [s]; default: step"
    )


class KpiRequest(BaseModel):
    """A key figure of one output, with a window or a target of its own."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    variable: str = Field(description="A variable of the model")
    statistic: str = Field(description="Such as max, rms, settling_time, time_above:0.5")
    from_time: Number | None = Field(
        default=None,
        validation_alias=AliasChoices("from", "from_time"),
        serialization_alias="from",
        description="Start of the window [s]",
    )
    to_time: Number | None = Field(
        default=None,
        validation_alias=AliasChoices("to", "to_time"),
        serialization_alias="to",
        description="End of the window [s]",
    )
    target: Number | None = Field(
        default=None,
        description="Value aimed at, in the unit shown; default: the final value",
    )
    band: Number | None = Field(
        default=None,
        description="Settling band as a fraction of the step from first value to target; 0.02",
    )


class SimulationRequest(BaseModel):
    """One simulation of one model. Absent fields come from the model's default experiment."""

    model_config = ConfigDict(extra="forbid")

    fmu_id: str = Field(
        description="Model id, such as msl:BouncingBall or fmu_0123456789abcdef",
        min_length=1,
        max_length=300,
    )
    start_time: Number | None = Field(default=None, description="[s]")
    stop_time: Number | None = Field(default=None, description="[s]")
    step: Number | None = Field(default=None, description="Output interval [s]")
    start_values: dict[str, StartValue] = Field(
        default_factory=dict,
        description="By variable, in its unit; enumerations by name or number, arrays as row-major "
        "lists",
    )
    input_signals: list[InputSignal] = Field(
        default_factory=list,
        description="Inputs over time [s]; default: linear for continuous reals, else hold",
    )
    inputs_csv: str | None = Field(
        default=None,
        description="Or as CSV text; header: time and input names",
    )
    outputs: list[str] | None = Field(default=None, description="Default: declared outputs")
    kpis: list[str | KpiRequest] = Field(
        default_factory=list,
        description="<variable>_<statistic> or object: min, max, mean, rms, std, final, integral, "
        "overshoot, rise_time, settling_time, time_above:<x> ...",
    )
    mode: Literal["auto", "co_simulation", "model_exchange"] = Field(
        default="auto",
        description="auto: co_simulation of both, unless a solver is named",
    )
    solver: Solver = Field(
        default_factory=Solver, description="For model_exchange: cvode (default), or fixed steps"
    )
    display_units: dict[str, str] = Field(
        default_factory=dict, description="To answer in: {'v': 'km/h'}"
    )
    communication_step: Number | None = Field(
        default=None,
        description="Co-simulation's [s]; divides step",
    )
    engine: str = Field(
        default="auto",
        max_length=20,
        json_schema_extra={"enum": ["auto", "native", "fmpy"]},
    )
    check_accuracy: StrictBool = Field(
        default=False,
        description="KPIs' difference to a finer run",
    )
