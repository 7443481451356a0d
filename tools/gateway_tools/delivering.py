"""A run that was let in ends here: delivered or failed, each with what was paid for it.

`paying` lets it in. One mechanism for every tool that runs something for money.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection

from gateway_runs import records
from gateway_runs.results import Prepared
from gateway_simulation.exceptions import SimulationError
from gateway_tools.context import Context
from gateway_tools.errors import failure_of
from gateway_tools.exceptions import RunSettledError
from gateway_tools.observing import account_for, spanned


@contextmanager
def under_way(context: Context, run_id: str) -> Iterator[None]:
    """While the run goes on: whatever is raised ends it, and its payment is given back."""
    try:
        with spanned("run", run_id=run_id):
            yield
    except BaseException as error:
        account_for(context, run_id, failure_of(error).code, getattr(error, "usage", None))
        _fail(context, run_id, error)
        raise


def deliver(
    context: Context, prepared: Prepared, made: Mapping[str, Any], wall_ms: float
) -> records.Record:
    """Record, result and payment in one transaction: durable together, or none of them.

    Raises:
        RunSettledError: the run was given up before.

    """
    gateway, now, run_id = context.gateway, context.now, prepared.run_id
    with spanned("settle", run_id=run_id), _settling(context, run_id) as db:
        record = records.finish(db, run_id, made, now)
        if record is not None:
            gateway.results.keep(db, prepared)
            gateway.payments.capture(db, run_id, now, wall_ms)
    if record is None:
        if prepared.large is not None:  # stored after `recover` looked for it
            gateway.results.discard(run_id)
        raise RunSettledError
    return record


@contextmanager
def _settling(context: Context, run_id: str) -> Iterator[Connection]:
    """The transaction that settles the run; where it fails, `recover` is left to do it."""
    try:
        with context.gateway.database.write() as db:
            yield db
    except BaseException:
        context.gateway.unsettled.append(run_id)
        raise


def _fail(context: Context, run_id: str, error: BaseException) -> None:
    """Record why the run failed and give back what was reserved for it, in one transaction."""
    now = context.now
    models_fault = getattr(error, "models_fault", False)
    charged = returned = None
    with _settling(context, run_id) as db:
        if records.fail(db, run_id, failure_of(error).code, now):
            settled = context.gateway.payments.release(
                db, run_id, now, None, models_fault=models_fault
            )
            charged = settled and settled.charged
            returned = settled and settled.returned_to
    if isinstance(error, SimulationError):
        error.details["charged"] = str(charged) if charged else "nothing"
        if returned:
            error.details["given_back_as"] = returned
