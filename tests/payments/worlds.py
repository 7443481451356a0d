"""Fixtures: Stripe, and worlds to pay in. The books must balance after every test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from payments.world import World
from postgres import fresh_database
from stripe_standin.server import running
from stripe_standin.sessions import Stripe

from gateway_storage.database import Database


@pytest.fixture
def stripe() -> Iterator[Stripe]:
    with running() as standin:
        yield standin


@pytest.fixture
def world(tmp_path: Path, stripe: Stripe) -> Iterator[World]:
    """Checkout and credits."""
    world = World.at(tmp_path, stripe, "stripe_checkout", "credits")
    yield world
    assert world.audit() == []
    world.database.close()


@pytest.fixture(params=["sqlite", "postgres"])
def any_world(request: pytest.FixtureRequest, tmp_path: Path, stripe: Stripe) -> Iterator[World]:
    """Checkout and credits, on both databases."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/gateway.sqlite3"
    else:
        url = fresh_database(request.getfixturevalue("postgres_url"))
    world = World.on(Database(url), stripe, "stripe_checkout", "credits")
    yield world
    assert world.audit() == []
    world.database.close()
