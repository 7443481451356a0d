"""Before a run: what was asked and paid for, and whether it is let in. `delivering` goes on.

One mechanism for every tool that runs something for money: `simulate` and `run_study`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from gateway_payments.quotes import Priced, Quote
from gateway_payments.requirement import PaymentRequiredError
from gateway_runs import records
from gateway_simulation.canonical import sha256_of
from gateway_simulation.model import Model
from gateway_tools.context import Context
from gateway_tools.exceptions import MixedRequestError
from gateway_tools.observing import spanned


class PaymentFields(BaseModel):
    """What pays for a run, and what keeps it from being run or paid for twice."""

    model_config = ConfigDict(extra="forbid")

    reuse: StrictBool = Field(default=False, description="An equal earlier run's answer, free")
    idempotency_key: str | None = Field(default=None, pattern=r"^[!-~]{1,200}$")
    quote_id: str | None = Field(default=None, max_length=100, description="A paid quote")
    payment_token: str | None = Field(default=None, description="From pay; one run")
    quote_only: StrictBool = Field(default=False)


@dataclass(frozen=True, slots=True)
class Earlier:
    """What was delivered before: asked for again (`cached`), or paid for or named by its key."""

    record: records.Record
    cached: bool


def stored_request(
    context: Context, request: PaymentFields, beside: Collection[str]
) -> dict[str, Any] | None:
    """The request that a quote or token stands for alone; None where neither is given.

    `beside`: the fields that were given too, which would be ignored.

    Raises:
        MixedRequestError: there are some.

    """
    if not (request.quote_id or request.payment_token):
        return None
    if beside:
        raise MixedRequestError(sorted(beside))
    return context.gateway.payments.stored_request(
        context.account_id, quote_id=request.quote_id, payment_token=request.payment_token
    )


def priced(context: Context, wanted: Priced) -> Quote:
    """The quote for what is asked by `quote_only`.

    Raises:
        PaymentRequiredError: it costs something.

    """
    payments, quote = context.gateway.payments, quote_for(context, wanted)
    if quote.prices:
        raise PaymentRequiredError(payments.require(quote, context.caller, context.now))
    return quote


def quote_for(context: Context, wanted: Priced) -> Quote:
    """The price of `wanted`; it names an equal result that this account has already."""
    return context.gateway.payments.quote(
        context.account_id, _with_existing(context, wanted), context.now
    )


def new_run(
    context: Context, request: PaymentFields, wanted: Priced, model: Model, shown: dict[str, Any]
) -> records.NewRun:
    """What will be recorded; of the body only what an idempotency key stands for.

    `shown`: what of the request decides how the answer looks.
    """
    key, body = request.idempotency_key, {**wanted.request, **shown}
    return records.NewRun(
        account_id=context.account_id,
        model_id=model.id,
        model_sha256=model.sha256,
        request_sha256=wanted.request_sha256,
        idempotency_key=key,
        body_sha256=None if key is None else sha256_of(body),
    )


def admitted(
    context: Context, request: PaymentFields, wanted: Priced, new: records.NewRun
) -> Earlier | str:
    """The id of the run that is let in, paid for and recorded; or what was delivered before.

    Raises:
        PaymentRequiredError: it costs something and nothing was given that pays.

    """
    with spanned("payment"):
        return _admitted(context, request, wanted, new)


def _admitted(
    context: Context, request: PaymentFields, wanted: Priced, new: records.NewRun
) -> Earlier | str:
    repeated = _repeated(context, new)
    if repeated is not None:
        return Earlier(repeated, cached=False)
    reusable = _reusable(context, wanted) if request.reuse else None
    if reusable is not None:
        return Earlier(reusable, cached=True)
    paid = _paid_along(context, request, wanted)
    if isinstance(paid, records.Record):
        return Earlier(paid, cached=False)
    return _let_in(context, paid, wanted, new)


def _with_existing(context: Context, wanted: Priced) -> Priced:
    with context.gateway.database.read() as db:
        known = records.existing(db, context.account_id, wanted.request_sha256, context.kept_since)
    return replace(wanted, existing_result_id=known)


def _repeated(context: Context, new: records.NewRun) -> records.Record | None:
    """The run that this idempotency key began."""
    if new.idempotency_key is None:
        return None
    with context.gateway.database.read() as db:
        return records.repeated(db, new)


def _reusable(context: Context, wanted: Priced) -> records.Record | None:
    """An equal run of this account."""
    account_id, since = context.account_id, context.kept_since
    with context.gateway.database.read() as db:
        known = records.existing(db, account_id, wanted.request_sha256, since)
        return records.find(db, account_id, known, since) if known else None


def _paid_along(
    context: Context, request: PaymentFields, wanted: Priced
) -> PaymentFields | records.Record:
    """The request with the quote that the payment beside it has paid, where there is one.

    Where that payment has bought this run before and its answer was lost: the run.
    """
    payments, proof = context.gateway.payments, context.proof
    if proof is None or payments.free or request.payment_token is not None:
        return request
    chosen = request.quote_id or quote_for(context, wanted).id
    quote_id = payments.pay_by_proof(context.caller, proof, context.now, chosen)
    run_id = payments.delivered(context.account_id, quote_id)
    if run_id is not None:
        with context.gateway.database.read() as db:
            record = records.find(db, context.account_id, run_id, context.kept_since)
        if record.request_sha256 == wanted.request_sha256:
            return record
    return request.model_copy(update={"quote_id": quote_id})


def _let_in(context: Context, request: PaymentFields, wanted: Priced, new: records.NewRun) -> str:
    """Reserve what pays for the run and record the run, in one transaction."""
    run_id, now = records.new_id(), context.now
    if _begin(context, request, wanted, run_id, new):
        return run_id
    if request.quote_id is not None:  # its webhook may have been lost
        context.gateway.payments.look_after(context.account_id, request.quote_id, now)
        if _begin(context, request, wanted, run_id, new):
            return run_id
    priced_now = _with_existing(context, wanted)
    raise PaymentRequiredError(
        context.gateway.payments.require_for(context.caller, priced_now, now)
    )


def _begin(
    context: Context, request: PaymentFields, wanted: Priced, run_id: str, new: records.NewRun
) -> bool:
    """One transaction; False where nothing was given that pays.

    It isn't synced by itself: nothing leaves this process on its strength before the run is
    delivered or fails, which are, and sync it too. Should the machine die in between, neither a run
    nor a reservation was ever there: what was paid is unspent, and nobody has seen a result. Where
    only the database loses it (a crash of Postgres), `deliver` finds no run and delivers nothing.
    """
    now = context.now
    with context.gateway.database.write_unsynced() as db:
        records.refuse_repeated(db, new)  # before a token is looked at: it may be that run's own
        admission = context.gateway.payments.admit(
            db,
            context.caller,
            run_id,
            wanted,
            payment_token=request.payment_token,
            quote_id=request.quote_id,
            now=now,
        )
        if admission is None:
            return False
        records.begin(db, run_id, new, now)
        return True
