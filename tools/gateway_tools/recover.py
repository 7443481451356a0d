"""Use case: give back what a crash left between states. No tool; the server calls it."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from gateway_runs import records
from gateway_tools.context import Gateway

_GRACE: Final = timedelta(seconds=30)  # for what comes before and after the run itself


def recover(gateway: Gateway) -> list[str]:
    """Fail the runs whose process died and release what was reserved for them; their ids.

    A run counts as dead once it is older than any run can get, so that another process on the same
    database may call this at any time.
    """
    now = gateway.clock()
    longest = timedelta(seconds=gateway.simulator.longest_s) + _GRACE
    with gateway.database.write() as db:
        lost = records.orphans(db, now, longest)
        for run_id in lost:
            records.fail(db, run_id, "runner_lost", now)
            gateway.payments.release(db, run_id, now, None, models_fault=False)
    return lost
