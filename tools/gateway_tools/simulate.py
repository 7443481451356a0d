"""Tool `simulate`: run a model, once it is paid for."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from gateway_runs.results import Prepared
from gateway_simulation.request import WHOLE, SimulationRequest
from gateway_simulation.trajectory import Trajectory
from gateway_tools.answer import SimulateOutput, answer, provenance
from gateway_tools.context import Context
from gateway_tools.delivering import deliver, under_way
from gateway_tools.exceptions import OtherToolError
from gateway_tools.observing import DONE, account_for
from gateway_tools.paying import (
    Earlier,
    PaymentFields,
    admitted,
    new_run,
    priced,
    stored_request,
)
from gateway_tools.quote import QuoteOutput, quoted
from gateway_tools.requests import Planned, RunRequest, physical_of, planned, tool_of
from gateway_tools.tool import Tool

NAME: Final = "simulate"
DESCRIPTION: Final = """\
Run a model; returns key figures and each output's start, end, min and max. Names come from
describe_model, absent fields from the default experiment. Where runs cost money and nothing
pays, the answer is a payment requirement with quote_id and offers: pay, then send payment_token
or quote_id alone. A failed run gives its payment back, but the third that is the model's own
fault. Example: {"fmu_id": "msl:BouncingBall", "stop_time": 3, "start_values": {"e": 0.7},
"kpis": ["h_max"]}."""


class SimulateInput(RunRequest, PaymentFields):
    """One simulation, and what pays for it."""

    points: Annotated[int, Field(strict=True, ge=0), WHOLE] | Literal["all"] = Field(
        default=0, description="Of each output, or 'all'"
    )


def handle(context: Context, request: SimulateInput) -> SimulateOutput | QuoteOutput:
    """Check, admit, run, store, settle, answer."""
    plan = planned(context, _asked(context, request))
    if request.quote_only:
        return quoted(context, priced(context, plan.priced))
    new = new_run(context, request, plan.priced, plan.run.model, {"points": request.points})
    run_id = admitted(context, request, plan.priced, new)
    if isinstance(run_id, Earlier):
        return _from_store(context, request, plan, run_id)
    trajectory, prepared = _run(context, plan, run_id)
    made = provenance(plan.run, trajectory)
    record = deliver(context, prepared, made, trajectory.wall_ms)
    return answer(context, plan.run, record, trajectory, request.points)


def _asked(context: Context, request: SimulateInput) -> SimulationRequest:
    """The request itself, or the one that was quoted and paid for.

    Raises:
        OtherToolError: that is a study.

    """
    if request.fmu_id:
        return request
    stored = stored_request(context, request, physical_of(request))
    if stored is None:
        return request
    if tool_of(stored) != NAME:
        raise OtherToolError(tool_of(stored))
    return SimulationRequest.model_validate(stored)


def _from_store(
    context: Context, request: SimulateInput, plan: Planned, earlier: Earlier
) -> SimulateOutput:
    fine, record = plan.run.check_accuracy, earlier.record
    with context.gateway.database.read() as db:
        stored = context.gateway.results.read(db, record.id, with_accuracy=fine)
    return answer(context, plan.run, record, stored, request.points, cached=earlier.cached)


def _run(context: Context, plan: Planned, run_id: str) -> tuple[Trajectory, Prepared]:
    """The trajectory, and itself ready to be kept."""
    with under_way(context, run_id):
        trajectory = context.gateway.simulator.run(plan.run, context.account_id, context.watch)
        prepared = context.gateway.results.prepare(run_id, trajectory)
    account_for(context, run_id, DONE, trajectory.usage)
    return trajectory, prepared


TOOL: Final = Tool(
    name=NAME,
    title="Simulate a model",
    description=DESCRIPTION,
    input=SimulateInput,
    output=SimulateOutput,
    or_output=QuoteOutput,
    handle=handle,
    tells=("result_id", "kpis", "outputs"),
)
