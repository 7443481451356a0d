"""Tool `compare_results`: two results, or a result and a CSV, held against each other."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway_runs import records
from gateway_runs.exceptions import NothingInCommonError, UnknownColumnError
from gateway_runs.measured import curves_of
from gateway_runs.overlays import Pair, plot_overlay
from gateway_simulation.differences import Curve, common_time, difference
from gateway_simulation.nearest import nearest
from gateway_tools.context import Context
from gateway_tools.exceptions import NotOfStudiesError, OneOtherError
from gateway_tools.get_result import MEDIA_TYPES
from gateway_tools.tool import Answered, File, Tool
from gateway_tools.untrusted import Answer, Untrusted

NAME: Final = "compare_results"
DESCRIPTION: Final = """\
Compare a result with another or a CSV (measured, another tool's): by variable largest and RMS
difference, whether it stays in a tube and where they part. Free. Example: {"result_id":
"res_...", "other_result_id": "res_...", "tolerance": 0.001}."""
SHOWN_VARIABLES: Final = 12
SHOWN_NAMES: Final = 20


class CompareInput(BaseModel):
    """Which result, and with what."""

    model_config = ConfigDict(extra="forbid")

    result_id: str = Field(max_length=100)
    other_result_id: str | None = Field(default=None, max_length=100)
    csv: str | None = Field(
        default=None,
        max_length=15_000_000,
        description="Or CSV text; header: time and names",
    )
    variables: list[str] | None = Field(default=None, description="Default: all in both")
    tolerance: Annotated[float, Field(ge=0, le=1, strict=True)] = Field(
        default=1e-3, description="Share of the variable's range"
    )
    time_tolerance: Annotated[float, Field(ge=0, strict=True)] | None = Field(
        default=None,
        description="[s]; default: tolerance x duration",
    )
    format: Literal["json", "png", "svg"] = Field(
        default="json", description="png, svg: both curves, too"
    )


class PartingView(BaseModel):
    """When they first part [s], and what each is then."""

    time: float
    value: float
    other: float


class DifferenceView(BaseModel):
    """One variable: norms in its unit and, relative, as shares of the first one's range."""

    unit: str | None
    other_unit: str | None
    agrees: bool = Field(description="Whether it stays in the tube")
    max_abs: float
    max_at: float
    rms: float
    relative_max: float
    relative_rms: float
    departure: float = Field(description="Largest way out of the other curve, time-tolerant")
    parts: PartingView | None


class CompareOutput(Answer):
    """How far two results are apart."""

    result_id: str
    other_result_id: str | None = Field(description="null: a CSV")
    agree: bool = Field(description="Whether every common variable stays in its tube")
    tolerance: float
    time_tolerance: float
    start_time: float = Field(description="What was compared begins here [s]")
    stop_time: float
    variables: Untrusted[dict[str, DifferenceView]] = Field(description="Worst first")
    omitted: int = Field(description="How many more variables were compared")
    parting_first: Untrusted[str | None] = Field(description="The variable that parts first")
    only_in_result: Untrusted[list[str]]
    only_in_other: Untrusted[list[str]]
    warnings: list[str]
    next_steps: list[str]


def handle(context: Context, request: CompareInput) -> Answered:
    """Compare what both have, and draw it where that is asked for."""
    if (request.other_result_id is None) == (request.csv is None):
        raise OneOtherError
    one = _curves(context, request.result_id)
    other = (
        curves_of(request.csv)
        if request.csv is not None
        else _curves(context, request.other_result_id or "")
    )
    pairs, window_s = _pairs(request, one, other)
    output = _described(request, pairs, window_s, (one, other))
    return Answered(output, _picture(request, pairs))


def _curves(context: Context, result_id: str) -> dict[str, Curve]:
    with context.gateway.database.read() as db:
        record = records.find(db, context.account_id, result_id, context.kept_since)
        if record.is_study:
            raise NotOfStudiesError(NAME)
        stored = context.gateway.results.read(db, record.id)
    return {
        name: Curve(stored.time, stored.column(name), stored.units[name], name in stored.discrete)
        for name in stored.names
    }


def _pairs(
    request: CompareInput, one: dict[str, Curve], other: dict[str, Curve]
) -> tuple[dict[str, Pair], float]:
    """The curves of each common variable with their difference, the worst first; and the window.

    Raises:
        UnknownColumnError: a variable asked for is in neither, or only in one.
        NothingInCommonError: they share no variable, or no time.

    """
    common = [name for name in one if name in other]
    for name in request.variables or ():
        if name not in common:
            raise UnknownColumnError(name, list(nearest(name, common, 3)))
    names = common if request.variables is None else list(dict.fromkeys(request.variables))
    if not names:
        msg = "the two have no variable in common"
        raise NothingInCommonError(msg, list(one), list(other))
    pairs = {name: (one[name], _like(one[name], other[name])) for name in names}
    shared = {name: common_time(*curves) for name, curves in pairs.items()}
    if None in shared.values():
        msg = "the two have no time in common"
        raise NothingInCommonError(msg, *(_ends(pairs[names[0]][side]) for side in (0, 1)))
    window_s = request.time_tolerance
    if window_s is None:
        window_s = request.tolerance * max(
            end - start for start, end in filter(None, shared.values())
        )
    found = {
        name: (a, b, difference(a, b, request.tolerance, window_s))
        for name, (a, b) in pairs.items()
    }
    return dict(sorted(found.items(), key=lambda item: -item[1][2].departure)), window_s


def _like(one: Curve, other: Curve) -> Curve:
    """A curve of a CSV doesn't say whether it is held: it is as the result's."""
    return Curve(other.time, other.values, other.unit, one.held)


def _ends(curve: Curve) -> list[float]:
    return [float(curve.time[0]), float(curve.time[-1])]


def _described(
    request: CompareInput,
    pairs: dict[str, Pair],
    window_s: float,
    sides: tuple[dict[str, Curve], dict[str, Curve]],
) -> CompareOutput:
    one, other = sides
    parting = [(found.parts.time, name) for name, (_, _, found) in pairs.items() if found.parts]
    start = min(max(a.time[0], b.time[0]) for a, b, _ in pairs.values())
    end = max(min(a.time[-1], b.time[-1]) for a, b, _ in pairs.values())
    return CompareOutput(
        result_id=request.result_id,
        other_result_id=request.other_result_id,
        agree=not parting,
        tolerance=request.tolerance,
        time_tolerance=window_s,
        start_time=start,
        stop_time=end,
        variables={name: _view(pair) for name, pair in list(pairs.items())[:SHOWN_VARIABLES]},
        omitted=max(0, len(pairs) - SHOWN_VARIABLES),
        parting_first=min(parting)[1] if parting else None,
        only_in_result=[name for name in one if name not in other][:SHOWN_NAMES],
        only_in_other=[name for name in other if name not in one][:SHOWN_NAMES],
        warnings=_warnings(pairs),
        next_steps=_next_steps(request, agree=not parting),
    )


def _view(pair: Pair) -> DifferenceView:
    one, other, found = pair
    return DifferenceView(
        unit=one.unit, other_unit=other.unit, agrees=found.parts is None, **asdict(found)
    )


def _warnings(pairs: dict[str, Pair]) -> list[str]:
    told = []
    if any(a.unit and b.unit and a.unit != b.unit for a, b, _ in pairs.values()):
        told.append("units differ: the numbers are compared as they are; see unit and other_unit")
    if any(_ends(a) != _ends(b) for a, b, _ in pairs.values()):
        told.append("the two don't cover the same time: only what both have is compared")
    return told


def _next_steps(request: CompareInput, *, agree: bool) -> list[str]:
    steps = ['Repeat with "format": "png" to see both curves over each other']
    if not agree:
        window = f'{{"result_id": "{request.result_id}", "from": ..., "to": ...}}'
        steps.append(f"Look closely where they part: get_result {window}")
    return steps


def _picture(request: CompareInput, pairs: dict[str, Pair]) -> File | None:
    if request.format == "json":
        return None
    labels = (request.result_id, request.other_result_id or "CSV")
    data = plot_overlay(pairs, labels, request.tolerance, request.format)
    return File(f"comparison.{request.format}", MEDIA_TYPES[request.format], data)


TOOL: Final = Tool(
    name=NAME,
    title="Compare results",
    description=DESCRIPTION,
    input=CompareInput,
    output=CompareOutput,
    handle=handle,
    tells=("agree", "variables"),
    gives_files=True,
    read_only=True,
    idempotent=True,
)
