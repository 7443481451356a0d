"""What goes on beside the calls: putting right what a crash left, deleting what is out of date."""

from __future__ import annotations

from typing import Final

import anyio
import structlog
from anyio import to_thread

from gateway_tools.context import Gateway
from gateway_tools.upkeep import delete_outdated, recover

_EVERY_S: Final = 30

_log = structlog.get_logger()


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
