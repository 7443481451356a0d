"""A study: many runs of one model, checked, completed and hashed as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal

from gateway_simulation import designs, notices
from gateway_simulation.canonical import sha256_of
from gateway_simulation.designs import Row
from gateway_simulation.exceptions import (
    DuplicateNameError,
    NotSettableError,
    UnknownKpiError,
    WrongTypeError,
)
from gateway_simulation.model import Model, ModelDescription, Variable
from gateway_simulation.nearest import nearest
from gateway_simulation.notices import Notice
from gateway_simulation.plan import RunLimits, plan
from gateway_simulation.run import CanonicalRun, StartValue
from gateway_simulation.study_request import Objective, StudyRequest
from gateway_simulation.values import unknown

_FIRST_OUTPUTS: Final = 2
_FIRST_STATISTICS: Final = ("min", "max", "final")
_DEFAULT_KPIS: Final = Notice("no KPI was named: the table has some of the first outputs")


@dataclass(frozen=True, slots=True)
class CanonicalStudy:
    """Runs that differ in `parameters` only, whose values are the `rows`.

    `first` is the run of the first row; it records just what the KPIs need. The best row is the one
    whose `objective` is largest, or smallest where `direction` is min.
    """

    first: CanonicalRun
    parameters: tuple[Variable, ...]
    rows: tuple[Row, ...]
    objective: str
    direction: Literal["min", "max"]
    design: dict[str, Any]
    warnings: tuple[str, ...]

    def runs(self, rows: Sequence[int]) -> list[CanonicalRun]:
        """The runs of some rows."""
        order = {variable.name: i for i, variable in enumerate(self.parameters)}
        shared = self.first.start_values
        return [
            replace(
                self.first,
                start_values=tuple(
                    StartValue(s.name, (self.rows[row][order[s.name]],)) if s.name in order else s
                    for s in shared
                ),
            )
            for row in rows
        ]

    @property
    def sha256(self) -> str:
        """The study's hash: all that decides its table, and which rows are best."""
        names = [variable.name for variable in self.parameters]
        shared = self.first.identity
        shared["start_values"] = {
            name: values for name, values in shared["start_values"].items() if name not in names
        }
        identity = {
            "run": shared,
            "parameters": names,
            "rows": self.rows,
            "kpis": [asdict(kpi) for kpi in self.first.kpis],
            "display_units": self.first.display_units,
            "objective": [self.objective, self.direction],
        }
        return sha256_of(identity)

    @property
    def work_units(self) -> int:
        """What the study is priced by: those of all its runs."""
        return self.first.work_units * len(self.rows)


def plan_study(model: Model, request: StudyRequest, limits: RunLimits) -> CanonicalStudy:
    """Check and complete `request` for `model`. Every input error is raised here: RequestError."""
    variables = _variables(model.description, request)
    rows = designs.rows(variables, request)
    names = [variable.name for variable in variables]
    values = {**request.base.start_values, **dict(zip(names, rows[0], strict=True))}
    base = request.base.model_copy(update={"start_values": values})
    first = plan(model, base, limits)
    told: tuple[str, ...] = ()
    if not base.kpis:
        told = notices.warnings([_DEFAULT_KPIS])
        kpis = [f"{n}_{s}" for n in first.outputs[:_FIRST_OUTPUTS] for s in _FIRST_STATISTICS]
        first = plan(model, base.model_copy(update={"kpis": kpis}), limits)
    needed = {kpi.variable for kpi in first.kpis}
    _check_columns(names, first)
    return CanonicalStudy(
        first=replace(first, columns=tuple(c for c in first.columns if c.name in needed)),
        parameters=variables,
        rows=rows,
        objective=_objective(request.objective, first),
        direction=request.objective.direction,
        design={
            "design": request.design,
            "runs": len(rows),
            **({"seed": request.seed} if request.design == "lhs" else {}),
        },
        warnings=told,
    )


def _variables(description: ModelDescription, request: StudyRequest) -> tuple[Variable, ...]:
    """In the model's order: a JSON object has none that every door keeps."""
    for name in request.parameters:
        variable = description.variable(name)
        if variable is None:
            raise unknown(name, description)
        if name in request.base.start_values:
            msg = "a parameter of the study has a start value in its base too"
            raise DuplicateNameError(msg, {"name": name})
        if variable.dimensions:
            msg = "arrays can't be varied in a study"
            raise WrongTypeError(msg, {"name": name, "expected": "a scalar variable"})
        if variable.causality == "structuralParameter":
            msg = "a structural parameter changes what a run records: vary it in runs of its own"
            raise NotSettableError(
                msg,
                {
                    "name": name,
                    "causality": variable.causality,
                    "variability": variable.variability,
                },
            )
    return tuple(v for v in description.variables if v.name in request.parameters)


def _check_columns(names: Sequence[str], first: CanonicalRun) -> None:
    """The table's columns are told apart by name."""
    both = set(names) & {kpi.name for kpi in first.kpis}
    if both:
        msg = "a parameter and a KPI have the same name: give the KPI as an object with a window"
        raise DuplicateNameError(msg, {"name": min(both)})


def _objective(asked: Objective, first: CanonicalRun) -> str:
    known = [kpi.name for kpi in first.kpis]
    if asked.kpi is None:
        return known[0]
    if asked.kpi not in known:
        msg = "the objective is none of the study's KPIs"
        raise UnknownKpiError(
            msg, {"name": asked.kpi[:200], "nearest": list(nearest(asked.kpi, known))}
        )
    return asked.kpi
