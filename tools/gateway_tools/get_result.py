"""Tool `get_result`: a stored trajectory, in the slice and form one needs."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway_runs import records
from gateway_runs.plots import plot
from gateway_runs.results import Window, csv, cut, parquet
from gateway_simulation.summary import downsample
from gateway_simulation.trajectory import Trajectory
from gateway_tools.answer import links, series
from gateway_tools.context import Context
from gateway_tools.tool import Answered, File, Tool
from gateway_tools.untrusted import Answer, Untrusted

NAME: Final = "get_result"
DESCRIPTION: Final = """\
Read a stored result: chosen variables in a time window, thinned to at most `points` points so that
peaks stay, or a plot (format png), or the address of a CSV or Parquet file with every point. Use it
after simulate, whose answer holds only key figures. Free. Ask for few points: each costs tokens.
Example: {"result_id": "res_...", "variables": ["h"], "from": 0, "to": 1, "points": 40}."""
DEFAULT_POINTS: Final = 50
MEDIA_TYPES: Final = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "png": "image/png",
    "svg": "image/svg+xml",
}


class ResultInput(BaseModel):
    """Which part of which result, and how."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    result_id: str = Field(max_length=100, description="From simulate: res_...")
    format: Literal["json", "csv", "parquet", "png", "svg"] = "json"
    variables: list[str] | None = Field(default=None, description="Default: all that were recorded")
    from_time: float | None = Field(default=None, alias="from", description="Window start [s]")
    to_time: float | None = Field(default=None, alias="to", description="Window end [s]")
    points: Annotated[int, Field(ge=2)] | Literal["all"] | None = Field(
        default=None,
        description="At most that many points; default 50 for json, every one for files",
    )


class ResultOutput(Answer):
    """A slice of a result."""

    result_id: str
    fmu_id: str
    request_sha256: str
    rows: int = Field(description="Points in the window before thinning")
    units: Untrusted[dict[str, str | None]]
    series: Untrusted[dict[str, list[float]] | None] = Field(
        description="time [s] and the variables; null where a file was asked for"
    )
    events: list[float]
    links: dict[str, str]


def handle(context: Context, request: ResultInput) -> Answered:
    """The slice as numbers; for a file format, what it is, where it can be had, and the file."""
    record, part = _slice(context, request)
    return Answered(_described(context, request, record, part), _file(request, record, part))


def _described(
    context: Context, request: ResultInput, record: records.Record, part: Trajectory
) -> ResultOutput:
    wanted = DEFAULT_POINTS if request.points is None else request.points
    first, last = float(part.time[0]), float(part.time[-1])
    return ResultOutput(
        result_id=record.id,
        fmu_id=record.model_id,
        request_sha256=record.request_sha256,
        rows=part.rows,
        units=part.units,
        series=series(part, wanted) if request.format == "json" else None,
        events=[t for t in record.provenance["events"] if first <= t <= last][:200],
        links=links(context, record.id),
    )


def _file(request: ResultInput, record: records.Record, part: Trajectory) -> File | None:
    if request.format == "json":
        return None
    if isinstance(request.points, int):
        part = downsample(part, request.points)
    name = f"{record.id}.{request.format}"
    return File(name, MEDIA_TYPES[request.format], _rendered(record, part, request.format))


def _rendered(
    record: records.Record, part: Trajectory, form: Literal["csv", "parquet", "png", "svg"]
) -> bytes:
    match form:
        case "csv":
            return csv(part)
        case "parquet":
            return parquet(part)
        case "png" | "svg":
            return plot(part, record.model_id, form)


def _slice(context: Context, request: ResultInput) -> tuple[records.Record, Trajectory]:
    with context.gateway.database.read() as db:
        record = records.find(db, context.account_id, request.result_id, context.kept_since)
        stored = context.gateway.results.read(db, record.id)
    names = None if request.variables is None else tuple(dict.fromkeys(request.variables))
    window = Window(names, request.from_time, request.to_time)
    return record, cut(stored, window)


TOOL: Final = Tool(
    name=NAME,
    title="Read a result",
    description=DESCRIPTION,
    input=ResultInput,
    output=ResultOutput,
    handle=handle,
    gives_files=True,
    read_only=True,
    idempotent=True,
)
