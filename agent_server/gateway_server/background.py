"""What goes on beside the calls: the zygote, what a crash left, what is out of date."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Final

import anyio
import structlog
from anyio import to_thread

from gateway_library.operators import OperatorLibrary
from gateway_server.pulse import Pulse
from gateway_simulation.layout import Tier
from gateway_tools.context import Gateway
from gateway_tools.ledger_audit import audit_ledger
from gateway_tools.upkeep import (
    collect_garbage,
    delete_ended_grants,
    delete_outdated,
    reconcile,
    recover,
)

_EVERY_S: Final = 30
_CLEAN_EVERY_S: Final = 3600
_AUDIT_EVERY_S: Final = 3600
_FIRST_AUDIT_S: Final = 60  # the start has enough to do
_LOOK_EVERY_S: Final = 2  # at the operators' folder

_log = structlog.get_logger()


def start_simulations(gateway: Gateway) -> None:
    """Start what runs models ahead of the first run; shout where the operator wants no sandbox.

    Raises:
        SandboxUnavailableError: no sandbox holds here.

    """
    gateway.simulator.start()
    if gateway.simulator.tier is Tier.DEVELOPMENT:
        _log.warning("NO SANDBOX: SANDBOX_OVERRIDE=development lets models do what they like")


async def keep_up(gateway: Gateway, pulse: Pulse) -> None:
    """At the start and again and again, until cancelled; a failure waits for the next round."""
    while True:
        for name, work in _UPKEEP.items():
            try:
                await to_thread.run_sync(work, gateway, pulse)
            except Exception:  # noqa: BLE001  the next round may fare better
                pulse.failed(name)
                _log.exception("upkeep_failed", work=name)
        await anyio.sleep(_EVERY_S)


async def keep_clean(gateway: Gateway) -> None:
    """Delete what nothing refers to, every hour until cancelled."""
    while True:
        try:
            deleted = await to_thread.run_sync(collect_garbage, gateway)
            if deleted:
                _log.info("garbage_collected", blobs=deleted)
        except Exception:  # noqa: BLE001  the next round may fare better
            _log.exception("upkeep_failed", work="collect_garbage")
        await anyio.sleep(_CLEAN_EVERY_S)


async def keep_library(gateway: Gateway) -> None:
    """Follow the operators' folder until cancelled: what is new there is served within seconds."""
    operators = gateway.catalogue.operators
    readable = True
    while operators is not None:
        more = False
        try:
            more = await to_thread.run_sync(_follow, gateway, operators)
            readable = True
        except OSError as error:
            if readable:
                _log.warning(
                    "library_path_unreadable", folder=str(operators.folder), error=str(error)
                )
            readable = False
        except Exception:  # noqa: BLE001  the next round may fare better
            _log.exception("library_refresh_failed")
        if not more:
            await anyio.sleep(_LOOK_EVERY_S)


def _follow(gateway: Gateway, operators: OperatorLibrary) -> bool:
    """One round; whether there is more to do at once."""
    done = operators.refresh()
    if done.added or done.removed:
        _log.info("library_changed", served=list(done.added), removed=list(done.removed))
    for trouble in done.troubles:
        _log.warning("library_file_wrong", file=trouble.file, problems=list(trouble.problems))
    gateway.finder.library()  # so that no search waits for the new index
    return done.more


def _recover(gateway: Gateway, _: Pulse) -> None:
    lost = recover(gateway)
    if lost:
        _log.warning("runs_recovered", runs=lost)


def _reconcile(gateway: Gateway, pulse: Pulse) -> None:
    done = reconcile(gateway)
    pulse.reconciled_now()
    if any(asdict(done).values()):
        _log.info("payments_reconciled", **asdict(done))


def _delete_outdated(gateway: Gateway, _: Pulse) -> None:
    delete_outdated(gateway)


def _delete_ended_grants(gateway: Gateway, _: Pulse) -> None:
    delete_ended_grants(gateway)


def _audit(gateway: Gateway, pulse: Pulse) -> None:
    """Prove the books now and then: what is wrong must not wait until somebody looks."""
    if pulse.audited is None:
        due = time.monotonic() - pulse.began >= _FIRST_AUDIT_S
    else:
        due = time.monotonic() - pulse.audited >= _AUDIT_EVERY_S
    if not due:
        return
    audit = audit_ledger(gateway.database, gateway.clock())
    broken = [finding.rule for finding in audit.findings if finding.violations]
    pulse.audited_now(len(broken))
    if broken:
        _log.error("ledger_unsound", rules=broken)


_UPKEEP: Final[dict[str, Callable[[Gateway, Pulse], None]]] = {
    "recover": _recover,
    "reconcile": _reconcile,
    "delete_outdated": _delete_outdated,
    "delete_ended_grants": _delete_ended_grants,
    "audit": _audit,
}
