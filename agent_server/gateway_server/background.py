"""What goes on beside the calls: the zygote, what a crash left, what is out of date."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

import anyio
import structlog
from anyio import to_thread

from gateway_simulation.layout import Tier
from gateway_tools.context import Gateway
from gateway_tools.upkeep import delete_outdated, reconcile, recover

_EVERY_S: Final = 30

_log = structlog.get_logger()


def start_simulations(gateway: Gateway) -> None:
    """Start what runs models ahead of the first run; shout where the operator wants no sandbox.

    Raises:
        SandboxUnavailableError: no sandbox holds here.

    """
    gateway.simulator.start()
    if gateway.simulator.tier is Tier.DEVELOPMENT:
        _log.warning("NO SANDBOX: SANDBOX_OVERRIDE=development lets models do what they like")


async def keep_up(gateway: Gateway) -> None:
    """At the start and again and again, until cancelled; a failure waits for the next round."""
    while True:
        for work in (_recover, _reconcile, delete_outdated):
            try:
                await to_thread.run_sync(work, gateway)
            except Exception:  # noqa: BLE001  the next round may fare better
                _log.exception("upkeep_failed", work=work.__name__.strip("_"))
        await anyio.sleep(_EVERY_S)


def _recover(gateway: Gateway) -> None:
    lost = recover(gateway)
    if lost:
        _log.warning("runs_recovered", runs=lost)


def _reconcile(gateway: Gateway) -> None:
    done = reconcile(gateway)
    if any(asdict(done).values()):
        _log.info("payments_reconciled", **asdict(done))
