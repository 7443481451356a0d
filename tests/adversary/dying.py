"""A gateway's process that is killed (SIGKILL, no goodbye) when it gets to a named point.

    DIE_AT=gateway_payments.settlement:close_quote DIE=after python -m adversary.dying serve
    DIE_AT=... python -m adversary.dying reconcile      one round of upkeep, as each server does

The product knows nothing of it: one function is replaced before the gateway starts.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

_AMID_S = 0.3


def arm(place: str, when: str) -> None:
    """Replace `module:name` or `module:Class.name` by itself and a death before, after or amid."""
    module, _, path = place.partition(":")
    owner: Any = importlib.import_module(module)
    *outer, name = path.split(".")
    for part in outer:
        owner = getattr(owner, part)
    setattr(owner, name, _deadly(getattr(owner, name), when))


def _deadly(real: Callable[..., Any], when: str) -> Callable[..., Any]:
    def deadly(*args: Any, **options: Any) -> Any:  # noqa: ANN401
        if when == "before":
            _die()
        if when == "amid":
            threading.Timer(_AMID_S, _die).start()
        answer = real(*args, **options)
        if when == "after":
            _die()
        return answer

    return deadly


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _reconcile() -> None:
    from gateway_server.compose import address_of, compose  # noqa: PLC0415
    from gateway_server.settings import read_settings  # noqa: PLC0415

    settings = read_settings()
    gateway = compose(settings, address_of(settings, settings.port))
    gateway.payments.reconcile(datetime.now(UTC))


def main() -> None:
    """Arm, then do as the real command does."""
    arm(os.environ["DIE_AT"], os.environ["DIE"])
    if sys.argv[1:] == ["reconcile"]:
        _reconcile()
        return
    from gateway_server.cli import main as command  # noqa: PLC0415

    command()


if __name__ == "__main__":
    main()
