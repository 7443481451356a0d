"""A run's answer: small however long the run and however many the outputs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, Literal

from pydantic import BaseModel, Field

from gateway_runs.records import Record
from gateway_runs.reproduction import kept
from gateway_simulation.exceptions import InvalidKpiError
from gateway_simulation.kpis import Kpi, KpiValue, evaluate
from gateway_simulation.run import CanonicalRun
from gateway_simulation.summary import downsample, summarise
from gateway_simulation.trajectory import Trajectory
from gateway_simulation.units import displayed
from gateway_tools.context import Context
from gateway_tools.untrusted import Answer, Untrusted

SHOWN_OUTPUTS: Final = 12
SHOWN_EVENTS: Final = 20
SHOWN_WARNINGS: Final = 8
_NOTHING_COMPARED: Final = (
    "check_accuracy compares KPIs, and none is asked for: repeat the request with kpis"
)


class KpiView(BaseModel):
    """A key figure; null where it doesn't exist (a signal that never settles)."""

    value: float | None
    unit: str | None


class OutputView(BaseModel):
    """One output in a line."""

    unit: str | None
    start: float
    end: float
    min: float
    min_at: float
    max: float
    max_at: float


class SimulateOutput(Answer):
    """What a run showed, what made it, and where the rest is."""

    result_id: str
    status: Literal["done"] = "done"
    cached: bool = Field(default=False, description="Answered from an earlier run, free")
    fmu_id: str
    request_sha256: str
    engine: dict[str, str | None] = Field(
        description="What computed it: name, version, solver, SUNDIALS, libc, sandbox"
    )
    model_sha256: str
    resolved: Untrusted[dict[str, Any]] = Field(description="What was decided for you")
    solver_statistics: dict[str, int]
    wall_ms: float
    kpis: Untrusted[dict[str, KpiView]]
    outputs: Untrusted[dict[str, OutputView]] = Field(
        description="The first outputs, in a line each"
    )
    omitted: int = Field(default=0, description="How many more outputs there are")
    series: Untrusted[dict[str, list[float]] | None] = Field(
        default=None, description="Points, if asked for"
    )
    events: list[float] = Field(description="Times of events [s], the first ones")
    accuracy: Untrusted[dict[str, float | None] | None] = Field(
        default=None, description="Difference of each KPI to a finer run, if asked for"
    )
    warnings: list[str]
    links: dict[str, str]
    next_steps: list[str]


def provenance(run: CanonicalRun, trajectory: Trajectory) -> dict[str, Any]:
    """What made a trajectory, as its record keeps it."""
    return {
        "engine": trajectory.engine,
        "resolved": run.resolved,
        "run": kept(run, trajectory),
        "solver_statistics": trajectory.statistics,
        "wall_ms": round(trajectory.wall_ms, 3),
        "events": list(trajectory.events),
        "warnings": list(trajectory.warnings),
    }


def answer(  # noqa: PLR0913  a call, its run, its record, its numbers, and two ways to show them
    context: Context,
    run: CanonicalRun,
    record: Record,
    trajectory: Trajectory,
    points: int | Literal["all"],
    *,
    cached: bool = False,
) -> SimulateOutput:
    """The answer for a delivered run; from a stored trajectory it is the same as the first time."""
    made = record.provenance
    shown = _shown(run, replace(trajectory, events=tuple(made["events"])))
    lines = list(summarise(shown).items())[:SHOWN_OUTPUTS]
    return SimulateOutput(
        result_id=record.id,
        cached=cached,
        fmu_id=record.model_id,
        request_sha256=record.request_sha256,
        engine=made["engine"],
        model_sha256=record.model_sha256,
        resolved=made["resolved"],
        solver_statistics=made["solver_statistics"],
        wall_ms=made["wall_ms"],
        kpis=_kpis(run, shown),
        outputs={
            name: OutputView.model_validate(line, from_attributes=True) for name, line in lines
        },
        omitted=max(0, len(shown.names) - SHOWN_OUTPUTS),
        series=series(shown, points) if points else None,
        events=made["events"][:SHOWN_EVENTS],
        accuracy=_accuracy(run, shown),
        warnings=_warnings(run, made["warnings"]),
        links=links(context, record),
        next_steps=_next_steps(record.id),
    )


def series(trajectory: Trajectory, points: int | Literal["all"]) -> dict[str, list[float]]:
    """At most `points` points of each column, chosen so that the shape stays."""
    kept = trajectory if points == "all" else downsample(trajectory, points)
    columns = {name: kept.column(name).tolist() for name in kept.names}
    return {"time": kept.time.tolist(), **columns}


def links(context: Context, record: Record) -> dict[str, str]:
    """Where the whole result can be had; that of a single run as a script too."""
    formats = {"csv": "csv", "plot": "png", "parquet": "parquet"}
    if not record.is_study:
        formats["script"] = "py"
    return {name: context.door.result_link(record.id, kind) for name, kind in formats.items()}


def _kpis(run: CanonicalRun, shown: Trajectory) -> dict[str, KpiView]:
    values = {kpi.name: _value(kpi, shown) for kpi in run.kpis}
    return {name: KpiView(value=kpi.value, unit=kpi.unit) for name, kpi in values.items()}


def _warnings(run: CanonicalRun, found: list[str]) -> list[str]:
    blind = [_NOTHING_COMPARED] if run.check_accuracy and not run.kpis else []
    return [*blind, *found][:SHOWN_WARNINGS]


def _accuracy(run: CanonicalRun, shown: Trajectory) -> dict[str, float | None] | None:
    if shown.accuracy is None:
        return None
    return {kpi.name: _difference(kpi, shown, shown.accuracy) for kpi in run.kpis}


def _difference(kpi: Kpi, coarse: Trajectory, fine: Trajectory) -> float | None:
    a, b = _value(kpi, coarse).value, _value(kpi, fine).value
    return None if a is None or b is None else abs(a - b)


def _value(kpi: Kpi, shown: Trajectory) -> KpiValue:
    """Null where the run ended before the key figure's window: the rest of the answer stands."""
    try:
        return evaluate(kpi, shown)
    except InvalidKpiError:
        return KpiValue(value=None, unit=None)


def _next_steps(result_id: str) -> list[str]:
    return [
        f'Points: get_result {{"result_id": "{result_id}", "points": 50}}; "format": "png" plots',
        "Change start_values and simulate again to compare",
    ]


def _shown(run: CanonicalRun, trajectory: Trajectory) -> Trajectory:
    """The trajectory, and the finer one beside it, in the units asked for."""
    description, units = run.model.description, run.display_units
    fine = trajectory.accuracy and displayed(trajectory.accuracy, description, units)
    return replace(displayed(trajectory, description, units), accuracy=fine)
