"""The physical part of a simulation request, as an agent writes it.

Only shapes are checked here; whether it fits the model is `plan`'s to say, with errors that name
the nearest thing that would have worked.
"""

from __future__ import annotations

from typing import Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt

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
    start_time: Number | None = Field(default=None, description="Start of the simulation [s]")
    stop_time: Number | None = Field(default=None, description="End of the simulation [s]")
    step: Number | None = Field(default=None, description="Interval between output points [s]")
    start_values: dict[str, StartValue] = Field(
        default_factory=dict,
        description="Parameters and start values by variable name, in the variable's unit; "
        "enumerations by name or number, arrays as lists in row-major order",
    )
    input_signals: list[InputSignal] = Field(
        default_factory=list, description="Inputs over time; inputs not named keep their start"
    )
    inputs_csv: str | None = Field(
        default=None,
        description="Inputs as CSV text: a header line with time and input names, then rows",
    )
    outputs: list[str] | None = Field(
        default=None, description="Variables to record; default: the declared outputs"
    )
    kpis: list[str | KpiRequest] = Field(
        default_factory=list,
        description="Key figures as <variable>_<statistic> (h_max, v_rms) or as objects",
    )
    mode: Literal["auto", "co_simulation", "model_exchange"] = Field(
        default="auto",
        description="auto takes Co-Simulation where the model has both, unless a solver is named",
    )
    solver: Solver = Field(default_factory=Solver, description="Options for the integration")
    display_units: dict[str, str] = Field(
        default_factory=dict, description="Units to answer in, by variable: {'v': 'km/h'}"
    )
    communication_step: Number | None = Field(
        default=None,
        description="Co-Simulation: interval at which the model is stepped [s]; step must be an "
        "integer multiple of it; default: step",
    )
    engine: str = Field(
        default="auto",
        max_length=20,
        description="auto: the native core where it works, else FMPy",
        json_schema_extra={"enum": ["auto", "native", "fmpy"]},
    )
    check_accuracy: bool = Field(
        default=False,
        description="Run again more finely and tell by how much each KPI differs",
    )
