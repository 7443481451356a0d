"""Tool `run_study`: many runs of one model in one call, once they are paid for."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field, WithJsonSchema

from gateway_runs.results import Prepared
from gateway_runs.study_tables import StudyTable
from gateway_simulation.request import SimulationRequest
from gateway_simulation.study_request import MOST_PARAMETERS, Layout, StudyRequest, Varied
from gateway_simulation.study_run import StudyOutcome, run_study
from gateway_tools.context import Context
from gateway_tools.delivering import deliver, under_way
from gateway_tools.exceptions import OtherToolError
from gateway_tools.observing import DONE, account_for
from gateway_tools.parsing import parsed
from gateway_tools.paying import (
    Earlier,
    PaymentFields,
    admitted,
    new_run,
    priced,
    stored_request,
)
from gateway_tools.quote import QuoteOutput, quoted
from gateway_tools.requests import PlannedStudy, planned_study, tool_of
from gateway_tools.study_answer import StudyOutput, provenance, study_answer, table_of
from gateway_tools.tool import Tool

NAME: Final = "run_study"
DESCRIPTION: Final = """\
Run a model many times (at most 10,000) in one call at one price: sweeps and trade-offs. Paid
like simulate, by the same arguments. Returns the best, the worst and the first rows of a table
of parameters and KPIs; get_result has all. Example: {"base": {"fmu_id": "msl:BouncingBall",
"stop_time": 3, "kpis": ["h_final"]}, "parameters": {"e": {"min": 0.5, "max": 0.9, "count": 9}}}."""


class StudyInput(Layout, PaymentFields):
    """One study, and what pays for it."""

    base: Annotated[SimulationRequest | None, WithJsonSchema({"type": "object"})] = Field(
        default=None,
        description="As simulate takes it; its kpis become columns",
    )
    parameters: dict[str, Varied] | None = Field(
        default=None,
        min_length=1,
        max_length=MOST_PARAMETERS,
        description="What varies, by name: values, or min and max",
    )


def handle(context: Context, request: StudyInput) -> StudyOutput | QuoteOutput:
    """Check, admit, run, store, settle, answer."""
    plan = planned_study(context, _asked(context, request))
    if request.quote_only:
        return quoted(context, priced(context, plan.priced))
    new = new_run(context, request, plan.priced, plan.study.first.model, {})
    run_id = admitted(context, request, plan.priced, new)
    if isinstance(run_id, Earlier):
        return _from_store(context, run_id)
    outcome, table, prepared = _run(context, plan, run_id)
    record = deliver(context, prepared, provenance(plan.study, outcome), outcome.wall_ms)
    return study_answer(context, record, table)


def _asked(context: Context, request: StudyInput) -> StudyRequest:
    """The study itself, or the one that was quoted and paid for.

    Raises:
        InvalidInputError: neither is there.
        OtherToolError: what was paid for is a simulation.

    """
    written = request.model_dump(
        mode="json", include=set(StudyRequest.model_fields), exclude_defaults=True
    )
    if request.base is None:
        stored = stored_request(context, request, written)
        if stored is not None:
            if tool_of(stored) != NAME:
                raise OtherToolError(tool_of(stored))
            return StudyRequest.model_validate(stored)
    return parsed(StudyRequest, written)


def _from_store(context: Context, earlier: Earlier) -> StudyOutput:
    with context.gateway.database.read() as db:
        table = context.gateway.results.read_study(db, earlier.record.id)
    return study_answer(context, earlier.record, table, cached=earlier.cached)


def _run(
    context: Context, plan: PlannedStudy, run_id: str
) -> tuple[StudyOutcome, StudyTable, Prepared]:
    """What came of the runs, as a table, and that ready to be kept."""
    with under_way(context, run_id):
        outcome = run_study(
            context.gateway.simulator, plan.study, context.account_id, context.watch
        )
        table = table_of(plan.study, outcome)
        prepared = context.gateway.results.prepare_study(run_id, table)
    account_for(context, run_id, DONE, outcome.usage)
    return outcome, table, prepared


TOOL: Final = Tool(
    name=NAME,
    title="Run a study",
    description=DESCRIPTION,
    input=StudyInput,
    output=StudyOutput,
    or_output=QuoteOutput,
    handle=handle,
    tells=("result_id", "best", "columns", "rows"),
    elsewhere=frozenset(PaymentFields.model_fields),
)
