"""A study's answer: the table's first rows, its best and worst, what failed, where the rest is."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any, Final, Literal

import numpy as np
from pydantic import BaseModel, Field

from gateway_runs.records import Record
from gateway_runs.study_tables import Cell, StudyTable
from gateway_simulation.study import CanonicalStudy
from gateway_simulation.study_run import StudyOutcome
from gateway_tools.answer import links
from gateway_tools.context import Context
from gateway_tools.errors import failure_of
from gateway_tools.untrusted import Answer, Untrusted

SHOWN_ROWS: Final = 20
SHOWN_CELLS: Final = 240
SHOWN_KPIS: Final = 8
SHOWN_FAILURES: Final = 5
_LEAST_ROWS: Final = 3
_DIGITS: Final = 6
_LONGEST_TEXT: Final = 60


class RowView(BaseModel):
    """One run of a study. `row` counts from 0, as in the CSV."""

    row: int
    parameters: dict[str, Cell]
    kpis: dict[str, float | None]


class FailureView(BaseModel):
    """A run that failed; the others stand."""

    row: int
    parameters: dict[str, Cell]
    code: str
    message: str


class SpreadView(BaseModel):
    """A KPI over all runs that have one."""

    unit: str | None
    min: float | None
    mean: float | None
    max: float | None


class ObjectiveView(BaseModel):
    """What best and worst mean."""

    kpi: str
    direction: Literal["min", "max"]


class StudyOutput(Answer):
    """What a study showed."""

    result_id: str
    status: Literal["done"] = "done"
    cached: bool = Field(default=False, description="Answered from an earlier study, free")
    fmu_id: str
    request_sha256: str
    model_sha256: str
    engine: dict[str, str | None]
    resolved: Untrusted[dict[str, Any]] = Field(description="What was decided for you")
    wall_ms: float
    design: dict[str, Any] = Field(description="How the runs were laid out; how many")
    objective: Untrusted[ObjectiveView]
    best: Untrusted[RowView | None]
    worst: Untrusted[RowView | None]
    kpis: Untrusted[dict[str, SpreadView]]
    omitted_kpis: int = Field(description="How many more KPIs the table has")
    columns: Untrusted[list[str]] = Field(description="Names of the cells of `rows`")
    units: Untrusted[dict[str, str | None]]
    rows: Untrusted[list[list[Cell]]] = Field(
        description="The first runs, six digits; all in the CSV"
    )
    omitted: int = Field(description="How many more runs there are")
    failed: int
    failures: Untrusted[list[FailureView]] = Field(description="The first that failed")
    failure_codes: dict[str, int] = Field(description="How many failed by which code")
    accuracy: Untrusted[dict[str, float] | None] = Field(
        default=None, description="Largest difference of each KPI to a finer run, if asked for"
    )
    warnings: list[str]
    links: dict[str, str]
    next_steps: list[str]


def table_of(study: CanonicalStudy, outcome: StudyOutcome) -> StudyTable:
    """What became of the study, as it is kept."""
    parameters = tuple(variable.name for variable in study.parameters)
    kpis = tuple(kpi.name for kpi in study.first.kpis)
    cells: dict[str, list[Cell]] = {
        name: [row[i] for row in study.rows] for i, name in enumerate(parameters)
    }
    for i, name in enumerate(kpis):
        found = outcome.values[:, i].tolist()
        cells[name] = [value if math.isfinite(value) else None for value in found]
    return StudyTable(
        parameters=parameters,
        kpis=kpis,
        columns=cells,
        units={v.name: v.unit for v in study.parameters} | outcome.units,
        failures={
            row: f"{failure_of(error).code}: {error}" for row, error in outcome.failures.items()
        },
        objective=study.objective,
        direction=study.direction,
    )


def provenance(study: CanonicalStudy, outcome: StudyOutcome) -> dict[str, Any]:
    """What made a study's table, as its record keeps it."""
    early = [f"{outcome.early} runs were ended by the model before the stop time"]
    return {
        "study": study.design,
        "engine": outcome.engine,
        "resolved": study.first.resolved,
        "wall_ms": round(outcome.wall_ms, 3),
        "accuracy": outcome.accuracy or None,
        "warnings": [*study.warnings, *study.first.warnings, *(early if outcome.early else [])],
    }


def study_answer(
    context: Context, record: Record, table: StudyTable, *, cached: bool = False
) -> StudyOutput:
    """The answer for a delivered study; from a stored table it is the same as the first time."""
    made, extremes, kpis = record.provenance, table.extremes(), _shown_kpis(table)
    best, worst = (None, None) if extremes is None else (_row(table, row, kpis) for row in extremes)
    columns = [*table.parameters, *kpis]
    count = min(table.rows, SHOWN_ROWS, max(_LEAST_ROWS, SHOWN_CELLS // len(columns)))
    return StudyOutput(
        result_id=record.id,
        cached=cached,
        fmu_id=record.model_id,
        request_sha256=record.request_sha256,
        model_sha256=record.model_sha256,
        engine=made["engine"],
        resolved=made["resolved"],
        wall_ms=made["wall_ms"],
        design=made["study"],
        objective=ObjectiveView(kpi=table.objective, direction=table.direction),
        best=best,
        worst=worst,
        kpis={name: _spread(table, name) for name in kpis},
        omitted_kpis=len(table.kpis) - len(kpis),
        columns=columns,
        units={name: table.units.get(name) for name in columns},
        rows=[[_short(table.columns[name][row]) for name in columns] for row in range(count)],
        omitted=table.rows - count,
        failed=len(table.failures),
        failures=[_failure(table, row) for row in sorted(table.failures)[:SHOWN_FAILURES]],
        failure_codes=dict(Counter(told.partition(":")[0] for told in table.failures.values())),
        accuracy=made["accuracy"],
        warnings=made["warnings"],
        links=links(context, record),
        next_steps=_next_steps(record.id, table),
    )


def _shown_kpis(table: StudyTable) -> list[str]:
    """The objective and the first KPIs."""
    first = table.kpis[:SHOWN_KPIS]
    return [*first, *([] if table.objective in first else [table.objective])]


def _row(table: StudyTable, row: int, kpis: list[str]) -> RowView:
    figures = {name: table.numbers(name)[row].item() for name in kpis}
    return RowView(
        row=row,
        parameters=_parameters(table, row),
        kpis={name: None if math.isnan(figure) else figure for name, figure in figures.items()},
    )


def _parameters(table: StudyTable, row: int) -> dict[str, Cell]:
    """What varied in a row; long texts are cut."""
    cells = {name: table.columns[name][row] for name in table.parameters}
    return {name: _cut(cell) if isinstance(cell, str) else cell for name, cell in cells.items()}


def _failure(table: StudyTable, row: int) -> FailureView:
    code, _, message = table.failures[row].partition(": ")
    return FailureView(row=row, parameters=_parameters(table, row), code=code, message=message)


def _spread(table: StudyTable, kpi: str) -> SpreadView:
    figures = table.numbers(kpi)
    figures = figures[np.isfinite(figures)]
    unit = table.units.get(kpi)
    if not figures.size:
        return SpreadView(unit=unit, min=None, mean=None, max=None)
    return SpreadView(unit=unit, min=figures.min(), mean=float(figures.mean()), max=figures.max())


def _short(cell: Cell) -> Cell:
    """A number with as many digits as a reader looks at; a text without its end."""
    if isinstance(cell, float):
        return float(f"{cell:.{_DIGITS}g}")
    return _cut(cell) if isinstance(cell, str) else cell


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"


def _next_steps(result_id: str, table: StudyTable) -> list[str]:
    steps = [
        f'The plot: get_result {{"result_id": "{result_id}", "format": "png"}}; "csv" has all rows',
        "Look closer: repeat around the best row, or simulate it alone for its trajectory",
    ]
    if table.failures:
        steps.append("simulate a failed row alone for its log and remedy")
    return steps
