"""What `simulate` and `quote` have in common: from the caller's words to a checked, priced run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from pydantic import Field

from gateway_payments.quotes import Priced
from gateway_runs import records
from gateway_simulation.plan import plan
from gateway_simulation.request import SimulationRequest
from gateway_simulation.run import CanonicalRun
from gateway_tools.context import Context
from gateway_tools.exceptions import NothingToRunError

_PHYSICAL = set(SimulationRequest.model_fields)


class RunRequest(SimulationRequest):
    """A simulation, and how much of its trajectory the answer should hold."""

    fmu_id: str = Field(
        default="",
        max_length=300,
        description="Model id: msl:BouncingBall, fmu_0123456789abcdef. Not needed with a paid "
        "quote_id or payment_token: they stand for the quoted request",
    )


def physical_of(request: SimulationRequest) -> dict[str, Any]:
    """What decides the numbers, and the key figures, as the caller wrote it."""
    return request.model_dump(mode="json", include=_PHYSICAL, exclude_defaults=True)


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


def to_quote(context: Context, plan: Planned) -> Priced:
    """What a quote is made for: it names an equal result that this account has already."""
    sha256 = plan.priced.request_sha256
    with context.gateway.database.read() as db:
        known = records.existing(db, context.account_id, sha256, context.kept_since)
    return replace(plan.priced, existing_result_id=known)
