"""Tool `get_result`: a stored trajectory or table of a study, in the slice and form one needs."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway_runs import records
from gateway_runs.plots import plot
from gateway_runs.reproduction import script
from gateway_runs.results import Window, csv, cut, parquet
from gateway_runs.study_plots import plot_study
from gateway_runs.study_tables import Cell, StudyTable, study_csv
from gateway_simulation.summary import downsample
from gateway_simulation.trajectory import Trajectory
from gateway_tools.answer import links, series
from gateway_tools.context import Context
from gateway_tools.exceptions import NotOfStudiesError
from gateway_tools.tool import Answered, File, Tool
from gateway_tools.untrusted import Answer, Untrusted

NAME: Final = "get_result"
DESCRIPTION: Final = """\
Read a stored result: variables in a time window, thinned so that peaks stay; a plot (png, svg);
the address of a csv or parquet file; or a script (py) for FMPy with the same numbers. Of a
study: rows of its table. Free, but points cost tokens. Example: {"result_id": "res_...",
"points": 40}."""
DEFAULT_POINTS: Final = 50
MEDIA_TYPES: Final = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "png": "image/png",
    "svg": "image/svg+xml",
    "py": "text/x-python; charset=utf-8",
}


class ResultInput(BaseModel):
    """Which part of which result, and how."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    result_id: str = Field(max_length=100)
    format: Literal["json", "csv", "parquet", "png", "svg", "py"] = Field(
        default="json", description="py: a script for FMPy"
    )
    variables: list[str] | None = Field(default=None, description="Default: all")
    from_time: float | None = Field(default=None, alias="from", description="[s]")
    to_time: float | None = Field(default=None, alias="to", description="[s]")
    points: Annotated[int, Field(ge=2)] | Literal["all"] | None = Field(
        default=None,
        description="At most, or 'all'; default: 50, in files all",
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


class StudyTableOutput(Answer):
    """A part of a study's table."""

    result_id: str
    fmu_id: str
    request_sha256: str
    rows: int = Field(description="Runs of the study")
    omitted: int = Field(description="How many of them are not shown")
    units: Untrusted[dict[str, str | None]]
    columns: Untrusted[dict[str, list[Cell]] | None] = Field(
        description="By name, the first rows; null where a file was asked for"
    )
    failures: dict[int, str] = Field(description="Of the rows shown, by row")
    links: dict[str, str]


def handle(context: Context, request: ResultInput) -> Answered:
    """The slice as numbers; for a file format, what it is, where it can be had, and the file."""
    with context.gateway.database.read() as db:
        record = records.find(db, context.account_id, request.result_id, context.kept_since)
        if record.is_study:
            return _of_study(
                context, request, record, context.gateway.results.read_study(db, record.id)
            )
        stored = context.gateway.results.read(db, record.id)
    names = None if request.variables is None else tuple(dict.fromkeys(request.variables))
    part = cut(stored, Window(names, request.from_time, request.to_time))
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
        links=links(context, record),
    )


def _file(request: ResultInput, record: records.Record, part: Trajectory) -> File | None:
    if isinstance(request.points, int):
        part = downsample(part, request.points)
    match request.format:
        case "json":
            return None
        case "csv":
            data = csv(part)
        case "parquet":
            data = parquet(part)
        case "py":
            data = script(record)
        case form:
            data = plot(part, record.model_id, form)
    return _named(request, record, data)


def _of_study(
    context: Context, request: ResultInput, record: records.Record, table: StudyTable
) -> Answered:
    """Rows of a study's table; the files hold all of it.

    Raises:
        NotOfStudiesError: a window of time, or a script.

    """
    windowed = request.from_time is not None or request.to_time is not None
    if windowed or request.format == "py":
        raise NotOfStudiesError("from and to" if windowed else "py")
    wanted = DEFAULT_POINTS if request.points is None else request.points
    count = table.rows if wanted == "all" else min(wanted, table.rows)
    names = table.names if request.variables is None else tuple(dict.fromkeys(request.variables))
    cells = table.only(names)
    shown = {name: column[:count] for name, column in cells.items()}
    output = StudyTableOutput(
        result_id=record.id,
        fmu_id=record.model_id,
        request_sha256=record.request_sha256,
        rows=table.rows,
        omitted=table.rows - count,
        units={name: table.units.get(name) for name in names},
        columns=shown if request.format == "json" else None,
        failures={row: told for row, told in table.failures.items() if row < count},
        links=links(context, record),
    )
    return Answered(output, _file_of_study(request, record, table))


def _file_of_study(request: ResultInput, record: records.Record, table: StudyTable) -> File | None:
    match request.format:
        case "json" | "py":
            return None
        case "csv":
            data = study_csv(table)
        case "parquet":
            data = parquet(table)
        case form:
            data = plot_study(table, record.model_id, form)
    return _named(request, record, data)


def _named(request: ResultInput, record: records.Record, data: bytes) -> File:
    return File(f"{record.id}.{request.format}", MEDIA_TYPES[request.format], data)


TOOL: Final = Tool(
    name=NAME,
    title="Read a result",
    description=DESCRIPTION,
    input=ResultInput,
    output=ResultOutput,
    or_output=StudyTableOutput,
    handle=handle,
    tells=("series", "columns", "links"),
    gives_files=True,
    read_only=True,
    idempotent=True,
)
