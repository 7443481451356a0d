"""Use cases that no one calls by name: put right what a crash left, delete what is out of date."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from gateway_payments import oauth_clients, oauth_grants
from gateway_payments.reconciling import Reconciled
from gateway_runs import records
from gateway_tools.context import Gateway

_AT_ONCE: Final = 100  # results deleted in one round
_GRACE: Final = timedelta(seconds=30)  # for what comes before and after the run itself


def recover(gateway: Gateway) -> list[str]:
    """Fail the runs whose process died and release what was reserved for them; their ids.

    A run counts as dead once it is older than any run can get, so that another process on the same
    database may call this at any time. Those don't have to wait for that which ended in this
    process but couldn't be settled, and those from before it was alone.
    """
    now = gateway.clock()
    before = now - timedelta(seconds=gateway.simulator.longest_s) - _GRACE
    if gateway.alone_at:
        before = max(before, gateway.alone_at)
    ended = [gateway.unsettled.popleft() for _ in range(len(gateway.unsettled))]
    try:
        with gateway.database.write() as db:
            old = [*ended, *records.orphans(db, before)]
            lost = [run_id for run_id in old if records.fail(db, run_id, "runner_lost", now)]
            for run_id in lost:
                gateway.payments.release(db, run_id, now, None, models_fault=False)
    except BaseException:
        gateway.unsettled.extend(ended)
        raise
    for run_id in lost:  # a blob may have been stored right before the death
        gateway.results.discard(run_id)
    return lost


def reconcile(gateway: Gateway) -> Reconciled:
    """Send what waits to be told, ask what may have been missed, give back what is owed."""
    return gateway.payments.reconcile(gateway.clock())


def delete_outdated(gateway: Gateway) -> list[str]:
    """Delete the trajectories of results past their time, some in each round; their ids."""
    before = gateway.clock() - gateway.result_ttl
    with gateway.database.read() as db:
        old = records.outdated(db, before, _AT_ONCE)
    for run_id in old:
        with gateway.database.write() as db:
            records.expire(db, run_id)
            large = gateway.results.forget(db, run_id)
        if large:
            gateway.results.discard(run_id)
    return old


def delete_ended_grants(gateway: Gateway) -> int:
    """End grants of programs that can't be used any more; forget them and idle programs; how many.

    A program that stays away for longer than its refresh token lives has to ask again.
    """
    now = gateway.clock()
    with gateway.database.write() as db:
        return oauth_grants.delete_ended(db, now) + oauth_clients.delete_unused(db, now)


def collect_garbage(gateway: Gateway) -> int:
    """Delete the blobs that nothing refers to and the unpacked models that nobody has; how many."""
    now = gateway.clock()
    return gateway.models.collect(now) + gateway.results.collect(gateway.database, now)
