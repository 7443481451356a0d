"""What goes on beside the calls: the zygote, what a crash left, what is out of date."""

from __future__ import annotations

from typing import Final

import anyio
import structlog
from anyio import to_thread

from gateway_simulation.layout import Tier
from gateway_tools.context import Gateway
from gateway_tools.upkeep import delete_outdated, recover

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
        try:
            lost = await to_thread.run_sync(recover, gateway)
            if lost:
                _log.warning("runs_recovered", runs=lost)
            await to_thread.run_sync(delete_outdated, gateway)
        except Exception:  # noqa: BLE001  the next round may fare better
            _log.exception("upkeep_failed")
        await anyio.sleep(_EVERY_S)
