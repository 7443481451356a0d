"""A study is run: in one turn, part after part, and given up early where it can't come to its end.

Only key figures are kept of each run, so that memory holds a part's trajectories at a time. The
runs come in a shuffled order: after the first part what is left can be estimated, also where one
corner of the design takes longer than the other.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from gateway_simulation.exceptions import (
    InvalidKpiError,
    RunError,
    RunTimeoutError,
    StudyTimeoutError,
)
from gateway_simulation.kpis import Kpi, evaluate
from gateway_simulation.runner import Simulator, Turn
from gateway_simulation.study import CanonicalStudy
from gateway_simulation.trajectory import Samples, Trajectory
from gateway_simulation.units import displayed
from gateway_simulation.usage import Usage
from gateway_simulation.watch import Watch

_FIRST_PART: Final = 8
_GROWTH: Final = 4
_PART_VALUES: Final = 4_000_000  # doubles that are in memory at a time, for each core
_PART_SHARE: Final = 0.1  # of the time, that a part may take
_TRUSTED_SHARE: Final = 0.05  # of the time, after which an estimate counts
_SPARE: Final = 0.8  # of what would fit, that is named


@dataclass(slots=True, eq=False)
class StudyOutcome:
    """What came of each row. `values` has shape (rows, KPIs), NaN where there is no figure.

    `failures` by row; `units` by KPI; `accuracy`, where it was asked for: by KPI the largest
    difference to a finer run. `engine` and `usage` are those of the runs together, `early` counts
    the runs that their model ended before the stop time, `wall_ms` is the whole study's.
    """

    values: Samples
    failures: dict[int, RunError] = field(default_factory=dict)
    units: dict[str, str | None] = field(default_factory=dict)
    accuracy: dict[str, float] = field(default_factory=dict)
    engine: dict[str, str | None] = field(default_factory=dict)
    early: int = 0
    usage: Usage | None = None
    wall_ms: float = 0.0


def run_study(
    simulator: Simulator, study: CanonicalStudy, whose: str, watch: Watch | None = None
) -> StudyOutcome:
    """The key figures of all rows; a row that fails fails alone.

    Raises StudyTimeoutError where not all of them fit into the time of one call, as soon as that is
    clear; where every row fails, the first one's RunError; BusyError; RunnerLostError;
    RunCancelledError.
    """
    begun = time.monotonic()
    outcome = StudyOutcome(np.full((len(study.rows), len(study.first.kpis)), np.nan))
    try:
        with simulator.turn(whose, watch=watch) as turn:
            turn.watch.expect(len(study.rows) * (1 + study.first.check_accuracy))
            for part, each_s in _parts(study, turn, simulator.cores):
                _run_part(simulator, turn, study, (part, each_s), outcome)
    except RunError as error:
        error.usage = outcome.usage
        raise
    outcome.wall_ms = (time.monotonic() - begun) * 1000
    _check_any(outcome, len(study.rows))
    return outcome


def _parts(
    study: CanonicalStudy, turn: Turn, cores: int
) -> Iterator[tuple[Sequence[int], float | None]]:
    """The rows of each part, and what a run takes [s] as far as that is known.

    Raises StudyTimeoutError where the rest won't fit.
    """
    total = len(study.rows)
    order = np.random.default_rng(total).permutation(total).tolist()
    most = max(1, cores * _PART_VALUES // (study.first.rows * (1 + len(study.first.columns))))
    done, size, each_s = 0, min(_FIRST_PART, most), None
    while done < total:
        part = order[done : done + size]
        yield part, each_s
        done += len(part)
        took_s = turn.given_s - turn.left_s
        each_s = took_s / done
        if took_s > _TRUSTED_SHARE * turn.given_s and each_s * (total - done) > turn.left_s:
            raise _too_long(turn, done, total)
        size = min(size * _GROWTH, most, max(1, int(_PART_SHARE * turn.given_s / each_s)))


def _run_part(
    simulator: Simulator,
    turn: Turn,
    study: CanonicalStudy,
    part: tuple[Sequence[int], float | None],
    outcome: StudyOutcome,
) -> None:
    """Run some rows. Raises StudyTimeoutError where the time is over before they are."""
    rows, each_s = part
    found = simulator.run_in(turn, study.runs(rows), each_s)
    for row, one in zip(rows, found, strict=True):
        if isinstance(one, RunTimeoutError):
            done = len(outcome.failures) + int(np.isfinite(outcome.values).any(axis=1).sum())
            error = _too_long(turn, max(1, done), len(study.rows))
            error.details["row"] = row
            raise error
        _note(outcome, study, row, one)


def _too_long(turn: Turn, done: int, total: int) -> StudyTimeoutError:
    took_s = turn.given_s - turn.left_s
    fits = int(_SPARE * done * turn.given_s / took_s)
    msg = f"{total} runs don't fit into {turn.given_s:g} s"
    return StudyTimeoutError(
        msg,
        {
            "timeout_s": turn.given_s,
            "runs": total,
            "done": done,
            "would_fit": max(1, min(fits, total - 1)),
        },
    )


def _check_any(outcome: StudyOutcome, total: int) -> None:
    """Where nothing came of any row, its failure is the study's."""
    if len(outcome.failures) == total:
        error = outcome.failures[0]
        error.details |= {"row": 0, "runs": total, "failed": total}
        error.usage = outcome.usage
        raise error


def _note(
    outcome: StudyOutcome, study: CanonicalStudy, row: int, found: Trajectory | RunError
) -> None:
    usage = found.usage
    if usage:
        outcome.usage = outcome.usage + usage if outcome.usage else usage
    if isinstance(found, RunError):
        outcome.failures[row] = found
        return
    shown = _displayed(study, found)
    outcome.engine = found.engine
    outcome.early += found.terminated_at is not None
    for i, kpi in enumerate(study.first.kpis):
        value, unit = _figure(kpi, shown)
        outcome.values[row, i] = value
        outcome.units[kpi.name] = unit or outcome.units.get(kpi.name)
        if shown.accuracy is not None:
            difference = abs(value - _figure(kpi, shown.accuracy)[0])
            known = outcome.accuracy.get(kpi.name, 0.0)
            outcome.accuracy[kpi.name] = float(np.fmax(known, difference))


def _displayed(study: CanonicalStudy, found: Trajectory) -> Trajectory:
    """In the units asked for, the finer trajectory beside it too."""
    if not study.first.display_units:
        return found
    description, units = study.first.model.description, study.first.display_units
    fine = found.accuracy and displayed(found.accuracy, description, units)
    return replace(displayed(found, description, units), accuracy=fine)


def _figure(kpi: Kpi, shown: Trajectory) -> tuple[float, str | None]:
    """A key figure and its unit; NaN where there is none: never settled, or ended before it."""
    try:
        found = evaluate(kpi, shown)
    except InvalidKpiError:
        return np.nan, None
    return (np.nan if found.value is None else found.value), found.unit
