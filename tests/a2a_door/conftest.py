"""A gateway's A2A door on both bindings, and runs that end when the test wants."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from a2a_door.wire import BINDINGS, Wire
from conftest import Running

from gateway_simulation.runner import Simulator


@pytest.fixture(scope="session")
def http(free_gateway: Running) -> Iterator[httpx.Client]:
    """A gateway where nothing costs anything."""
    with httpx.Client(base_url=free_gateway.url, timeout=30) as client:
        yield client


@pytest.fixture(params=BINDINGS)
def wire(request: pytest.FixtureRequest, http: httpx.Client) -> Wire:
    """A fresh account's."""
    return new_account(http, request.param)


@pytest.fixture
def stranger(wire: Wire) -> Wire:
    """Another account's."""
    return new_account(wire.http, wire.binding)


def new_account(http: httpx.Client, binding: str) -> Wire:
    return Wire(http, binding, http.post("/keys").json()["key"])


@dataclass(frozen=True, slots=True)
class Held:
    """Runs that have begun and don't end before they are let go."""

    begun: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    go: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    gate, run = Held(), Simulator.run

    def waiting(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        gate.begun.release()
        assert gate.go.wait(20)
        return run(*args, **kwargs)

    monkeypatch.setattr(Simulator, "run", waiting)
    yield gate
    gate.go.set()
