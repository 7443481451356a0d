"""Tool `describe_model`: what a model has to offer, a page at a time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway_library.catalogue import Card
from gateway_simulation.model import Model, Variable
from gateway_tools.context import Context
from gateway_tools.paging import page
from gateway_tools.tool import Tool
from gateway_tools.untrusted import Answer, Untrusted
from gateway_tools.variables import VariableView, views

NAME: Final = "describe_model"
DESCRIPTION: Final = """\
Describe a model: variables with units, start values and limits, default experiment, example
request. Free. query filters by words in name and description. Example: {"fmu_id":
"msl:BouncingBall"}."""
MOST_SHOWN: Final = 40
"""Variables of a page whose size nobody asked for."""
PAGE_BYTES: Final = 3_600
"""The variables of such a page, as JSON: about 1,400 tokens."""
_OUTSIDE_FIRST: Final = ("input", "output", "parameter", "structuralParameter")

Causality = Literal[
    "input",
    "output",
    "parameter",
    "calculatedParameter",
    "structuralParameter",
    "local",
    "independent",
    "dependent",
]


class VariableQuery(BaseModel):
    """Which variables of a model."""

    model_config = ConfigDict(extra="forbid")

    fmu_id: str = Field(max_length=300)
    causality: Causality | None = None
    query: str | None = Field(default=None, max_length=200)
    limit: Annotated[int, Field(ge=1, le=200)] | None = None
    cursor: str | None = Field(default=None, max_length=100)


class VariablePage(Answer):
    """Some variables: inputs, outputs and parameters first."""

    variables: Untrusted[list[VariableView]]
    total: int = Field(description="How many match")
    next_cursor: str | None


class DescribeOutput(VariablePage):
    """A model, and a page of its variables."""

    id: str
    model_name: Untrusted[str]
    fmi_version: str
    guid: Untrusted[str]
    description: Untrusted[str | None]
    generation_tool: Untrusted[str | None]
    sha256: str
    kinds: list[str] = Field(description="co_simulation, model_exchange")
    platforms: list[str]
    compiled_by: str | None = Field(
        description="The compiler that built it here, where its file had sources only"
    )
    states: int = Field(description="Number of continuous states")
    default_experiment: dict[str, float]
    example_request: Untrusted[dict[str, Any]] = Field(description="Arguments for simulate")
    notes: str | None = Field(
        default=None, description="What the gateway's operator wants a user of it to know"
    )


def handle(context: Context, request: VariableQuery) -> DescribeOutput:
    """Describe the model and the variables asked for."""
    model = context.gateway.model(context.account_id, request.fmu_id)
    card = None if model.id.startswith("fmu_") else context.gateway.catalogue.card(model.id)
    return _described(model, card, variables(model, request))


def list_variables(context: Context, request: VariableQuery) -> VariablePage:
    """Only the variables (REST's `GET /fmus/{id}/variables`)."""
    return variables(context.gateway.model(context.account_id, request.fmu_id), request)


def variables(model: Model, request: VariableQuery) -> VariablePage:
    """A page of the variables that match."""
    matching = [v for v in model.description.variables if _matches(v, request)]
    matching.sort(key=_rank)
    limit = request.limit or _small(matching, request.cursor)
    shown, next_cursor = page(matching, request.cursor, limit)
    return VariablePage(variables=views(shown), total=len(matching), next_cursor=next_cursor)


def _small(matching: Sequence[Variable], cursor: str | None) -> int:
    """How many variables from `cursor` on make a small page, at least one."""
    candidates, _ = page(matching, cursor, MOST_SHOWN)
    sizes = (len(view.model_dump_json().encode()) for view in views(candidates))
    return max(1, sum(total <= PAGE_BYTES for total in accumulate(sizes)))


def _matches(variable: Variable, request: VariableQuery) -> bool:
    if request.causality is not None and variable.causality != request.causality:
        return False
    text = f"{variable.name} {variable.description or ''}".casefold()
    return all(word in text for word in (request.query or "").casefold().split())


def _rank(variable: Variable) -> int:
    causality = variable.causality
    return _OUTSIDE_FIRST.index(causality) if causality in _OUTSIDE_FIRST else len(_OUTSIDE_FIRST)


def _described(model: Model, card: Card | None, shown: VariablePage) -> DescribeOutput:
    described = model.description
    experiment = described.default_experiment
    default = {
        "start_time": experiment.start_time,
        "stop_time": experiment.stop_time,
        "tolerance": experiment.tolerance,
        "step_size": experiment.step_size,
    }
    return DescribeOutput(
        variables=shown.variables,
        total=shown.total,
        next_cursor=shown.next_cursor,
        id=model.id,
        model_name=described.model_name,
        fmi_version=described.fmi_version,
        guid=described.guid,
        description=card.description if card else described.description,
        generation_tool=described.generation_tool,
        sha256=model.sha256,
        kinds=list(described.kinds),
        platforms=list(described.platforms),
        compiled_by=described.compiled_by,
        states=described.n_states,
        default_experiment={name: v for name, v in default.items() if v is not None},
        example_request=_example(model, card.kpis if card else ()),
        notes=card.notes if card else None,
    )


def _example(model: Model, kpis: tuple[str, ...]) -> dict[str, Any]:
    """A request that runs as it stands: one parameter at its start, one key figure."""
    described = model.description
    example: dict[str, Any] = {"fmu_id": model.id}
    if described.default_experiment.stop_time is None:
        example["stop_time"] = 1.0
    tunable = [
        v
        for v in described.variables
        if v.causality == "parameter" and v.type == "real" and isinstance(v.start, float | int)
    ]
    if tunable:
        example["start_values"] = {tunable[0].name: tunable[0].start}
    outputs = [v for v in described.outputs if v.type == "real" and not v.dimensions]
    if kpis:
        example["kpis"] = list(kpis)
    elif outputs:
        example["kpis"] = [f"{outputs[0].name}_max"]
    return example


TOOL: Final = Tool(
    name=NAME,
    title="Describe a model",
    description=DESCRIPTION,
    input=VariableQuery,
    output=DescribeOutput,
    handle=handle,
    tells=("variables", "example_request"),
    read_only=True,
    idempotent=True,
)
