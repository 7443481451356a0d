"""From the caller's words to a checked, priced run or study: `simulate`, `run_study`, `quote`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from gateway_payments.quotes import Priced
from gateway_simulation.plan import plan
from gateway_simulation.request import SimulationRequest
from gateway_simulation.run import CanonicalRun
from gateway_simulation.study import CanonicalStudy, plan_study
from gateway_simulation.study_request import StudyRequest
from gateway_tools.context import Context
from gateway_tools.exceptions import NothingToRunError

_PHYSICAL = set(SimulationRequest.model_fields)


class RunRequest(SimulationRequest):
    """A simulation, and how much of its trajectory the answer should hold."""

    fmu_id: str = Field(
        default="",
        max_length=300,
        description="msl:BouncingBall, fmu_0123456789abcdef",
    )


def physical_of(request: SimulationRequest) -> dict[str, Any]:
    """What decides the numbers, and the key figures, as the caller wrote it."""
    return request.model_dump(mode="json", include=_PHYSICAL, exclude_defaults=True)


def tool_of(stored: Mapping[str, Any]) -> str:
    """The tool whose request was quoted: a study has a base, a simulation has none."""
    return "run_study" if "base" in stored else "simulate"


@dataclass(frozen=True, slots=True)
class Planned:
    """A checked run and what there is to know before money is spoken of."""

    run: CanonicalRun
    priced: Priced


def planned(context: Context, request: SimulationRequest) -> Planned:
    """Check and complete the request. Every input error appears here.

    Raises:
        NothingToRunError: it names no model.

    """
    if not request.fmu_id:
        raise NothingToRunError
    model = context.gateway.model(context.account_id, request.fmu_id)
    run = plan(model, request, context.gateway.run_limits)
    return Planned(run, Priced(physical_of(request), run.sha256, run.model.id, run.work_units))


@dataclass(frozen=True, slots=True)
class PlannedStudy:
    """A checked study and what there is to know before money is spoken of."""

    study: CanonicalStudy
    priced: Priced


def planned_study(context: Context, request: StudyRequest) -> PlannedStudy:
    """Check and complete the study, each parameter of it. Every input error appears here."""
    model = context.gateway.model(context.account_id, request.base.fmu_id)
    study = plan_study(model, request, context.gateway.run_limits)
    written = request.model_dump(mode="json", exclude_defaults=True)
    return PlannedStudy(study, Priced(written, study.sha256, model.id, study.work_units))
