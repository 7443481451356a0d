"""Tool `simulate`: run a model, once it is paid for."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Final, Literal

import structlog
from pydantic import Field

from gateway_payments.quotes import Quote
from gateway_payments.requirement import PaymentRequiredError
from gateway_runs import records
from gateway_runs.results import Prepared
from gateway_simulation.canonical import sha256_of
from gateway_simulation.exceptions import SimulationError
from gateway_simulation.request import SimulationRequest
from gateway_simulation.trajectory import Trajectory
from gateway_simulation.usage import Usage
from gateway_tools.answer import SimulateOutput, answer, provenance
from gateway_tools.context import Context
from gateway_tools.errors import failure_of
from gateway_tools.exceptions import MixedRequestError, RunSettledError
from gateway_tools.quote import QuoteOutput, quoted
from gateway_tools.requests import Planned, RunRequest, physical_of, planned, to_quote
from gateway_tools.tool import Tool

_log = structlog.get_logger()

NAME: Final = "simulate"
DESCRIPTION: Final = """\
Run a model and get key figures. Start with list_library for ids and describe_model for names.
Absent fields come from the model's default experiment. Where runs cost money the answer is a
payment requirement with a quote_id and offers, and nothing is spent: pay with the pay tool, then
repeat with payment_token (or the paid quote_id alone). Returns KPIs and per output start, end, min,
max; points only on request; the whole trajectory by get_result. A run that fails gives its payment
back, but the third failure that is the model's own fault.
Example: {"fmu_id": "msl:BouncingBall", "stop_time": 3, "start_values": {"e": 0.7}, "kpis":
["h_max", "v_rms"]}."""


class SimulateInput(RunRequest):
    """One simulation, and what pays for it."""

    points: Annotated[int, Field(ge=0)] | Literal["all"] = Field(
        default=0, description="Points of each output in the answer; 'all' for every one"
    )
    reuse: bool = Field(default=False, description="Answer from an equal earlier run, free")
    idempotency_key: str | None = Field(
        default=None, pattern=r"^[!-~]{1,200}$", description="Repeat safely: same key, same run"
    )
    quote_id: str | None = Field(default=None, max_length=100, description="A paid quote")
    payment_token: str | None = Field(default=None, description="From the pay tool; one run")
    quote_only: bool = Field(default=False, description="Ask for the price, run nothing")


def handle(context: Context, request: SimulateInput) -> SimulateOutput | QuoteOutput:
    """Check, admit, run, store, settle, answer."""
    plan = planned(context, _asked(context, request))
    if request.quote_only:
        return _price(context, plan)
    new = _new_run(context, request, plan)
    repeated = _repeated(context, new)
    known = repeated or _reusable(context, request, plan)
    if known is not None:
        return _from_store(context, request, plan, known, cached=repeated is None)
    paid = _paid_along(context, request, plan)
    if isinstance(paid, records.Record):
        return _from_store(context, request, plan, paid, cached=False)
    run_id = _admit(context, paid, plan, new)
    trajectory, prepared = _run(context, plan, run_id)
    record = _deliver(context, plan, trajectory, prepared)
    return answer(context, plan.run, record, trajectory, request.points)


def _asked(context: Context, request: SimulateInput) -> SimulationRequest:
    """The request itself, or the one that was quoted and paid for."""
    if request.fmu_id or not (request.quote_id or request.payment_token):
        return request
    beside = physical_of(request)
    if beside:
        raise MixedRequestError(sorted(beside))
    stored = context.gateway.payments.stored_request(
        context.account_id, quote_id=request.quote_id, payment_token=request.payment_token
    )
    return SimulationRequest.model_validate(stored)


def _price(context: Context, plan: Planned) -> QuoteOutput:
    payments, quote = context.gateway.payments, _quote(context, plan)
    if quote.prices:
        raise PaymentRequiredError(payments.require(quote, context.caller, context.now))
    return quoted(context, quote)


def _quote(context: Context, plan: Planned) -> Quote:
    return context.gateway.payments.quote(context.account_id, to_quote(context, plan), context.now)


def _new_run(context: Context, request: SimulateInput, plan: Planned) -> records.NewRun:
    """What will be recorded; of the body only what an idempotency key stands for."""
    key, body = request.idempotency_key, {**plan.priced.request, "points": request.points}
    return records.NewRun(
        account_id=context.account_id,
        model_id=plan.run.model.id,
        model_sha256=plan.run.model.sha256,
        request_sha256=plan.priced.request_sha256,
        idempotency_key=key,
        body_sha256=None if key is None else sha256_of(body),
    )


def _repeated(context: Context, new: records.NewRun) -> records.Record | None:
    """The run that this idempotency key began."""
    if new.idempotency_key is None:
        return None
    with context.gateway.database.read() as db:
        return records.repeated(db, new)


def _reusable(context: Context, request: SimulateInput, plan: Planned) -> records.Record | None:
    """An equal run of this account, where it is welcome."""
    if not request.reuse:
        return None
    account_id, since = context.account_id, context.kept_since
    with context.gateway.database.read() as db:
        known = records.existing(db, account_id, plan.priced.request_sha256, since)
        return records.find(db, account_id, known, since) if known else None


def _from_store(
    context: Context,
    request: SimulateInput,
    plan: Planned,
    record: records.Record,
    *,
    cached: bool,
) -> SimulateOutput:
    fine = plan.run.check_accuracy
    with context.gateway.database.read() as db:
        stored = context.gateway.results.read(db, record.id, with_accuracy=fine)
    return answer(context, plan.run, record, stored, request.points, cached=cached)


def _paid_along(
    context: Context, request: SimulateInput, plan: Planned
) -> SimulateInput | records.Record:
    """The request with the quote that the payment beside it has paid, where there is one.

    Where that payment has bought this run before and its answer was lost: the run.
    """
    payments, proof = context.gateway.payments, context.proof
    if proof is None or payments.free or request.payment_token is not None:
        return request
    wanted = request.quote_id or _quote(context, plan).id
    quote_id = payments.pay_by_proof(context.caller, proof, context.now, wanted)
    run_id = payments.delivered(context.account_id, quote_id)
    if run_id is not None:
        with context.gateway.database.read() as db:
            record = records.find(db, context.account_id, run_id, context.kept_since)
        if record.request_sha256 == plan.priced.request_sha256:
            return record
    return request.model_copy(update={"quote_id": quote_id})


def _admit(context: Context, request: SimulateInput, plan: Planned, new: records.NewRun) -> str:
    """Reserve what pays for the run and record the run, in one transaction."""
    run_id, now = records.new_id(), context.now
    if _begin(context, request, plan, run_id, new):
        return run_id
    if request.quote_id is not None:  # its webhook may have been lost
        context.gateway.payments.look_after(context.account_id, request.quote_id, now)
        if _begin(context, request, plan, run_id, new):
            return run_id
    needed = context.gateway.payments.require_for(context.caller, to_quote(context, plan), now)
    raise PaymentRequiredError(needed)


def _begin(
    context: Context, request: SimulateInput, plan: Planned, run_id: str, new: records.NewRun
) -> bool:
    """One transaction; False where nothing was given that pays.

    It isn't synced by itself: nothing leaves this process on its strength before `_deliver` or
    `_fail`, which are, and sync it too. Should the machine die in between, neither a run nor a
    reservation was ever there: what was paid is unspent, and nobody has seen a result. Where only
    the database loses it (a crash of Postgres), `_deliver` finds no run and delivers nothing.
    """
    now = context.now
    with context.gateway.database.write_unsynced() as db:
        records.refuse_repeated(db, new)  # before a token is looked at: it may be that run's own
        admission = context.gateway.payments.admit(
            db,
            context.caller,
            run_id,
            plan.priced,
            payment_token=request.payment_token,
            quote_id=request.quote_id,
            now=now,
        )
        if admission is None:
            return False
        records.begin(db, run_id, new, now)
        return True


def _run(context: Context, plan: Planned, run_id: str) -> tuple[Trajectory, Prepared]:
    """The trajectory, and itself ready to be kept; on any failure the payment is given back."""
    try:
        trajectory = context.gateway.simulator.run(plan.run, context.account_id)
        prepared = context.gateway.results.prepare(run_id, trajectory)
    except BaseException as error:
        _account_for(context, run_id, failure_of(error).code, getattr(error, "usage", None))
        _fail(context, run_id, error)
        raise
    _account_for(context, run_id, "done", trajectory.usage)
    return trajectory, prepared


def _account_for(context: Context, run_id: str, outcome: str, usage: Usage | None) -> None:
    """Tell the operator what the run took; nothing, where no process was begun for it."""
    took = {**asdict(usage), "wall_ms": round(usage.wall_ms, 3)} if usage else {}
    _log.info("run_finished", run_id=run_id, account_id=context.account_id, outcome=outcome, **took)


def _fail(context: Context, run_id: str, error: BaseException) -> None:
    """Record why the run failed and give back what was reserved for it, in one transaction."""
    now = context.now
    models_fault = getattr(error, "models_fault", False)
    charged = returned = None
    with context.gateway.database.write() as db:
        if records.fail(db, run_id, failure_of(error).code, now):
            settled = context.gateway.payments.release(
                db, run_id, now, None, models_fault=models_fault
            )
            charged = settled and settled.charged
            returned = settled and settled.returned_to
            context.gateway.results.delete(db, run_id)  # half of it may be a blob
    if isinstance(error, SimulationError):
        error.details["charged"] = str(charged) if charged else "nothing"
        if returned:
            error.details["given_back_as"] = returned


def _deliver(
    context: Context, plan: Planned, trajectory: Trajectory, prepared: Prepared
) -> records.Record:
    """Record, result and payment in one transaction: durable together, or none of them."""
    gateway, now, made = context.gateway, context.now, provenance(plan.run, trajectory)
    with gateway.database.write() as db:
        record = records.finish(db, prepared.run_id, made, now)
        if record is None:
            raise RunSettledError
        gateway.results.keep(db, prepared)
        gateway.payments.capture(db, prepared.run_id, now, trajectory.wall_ms)
    return record


TOOL: Final = Tool(
    name=NAME,
    title="Simulate a model",
    description=DESCRIPTION,
    input=SimulateInput,
    output=SimulateOutput,
    or_output=QuoteOutput,
    handle=handle,
)
