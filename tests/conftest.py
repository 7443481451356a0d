"""Running gateways: a free one, and one that asks for money through the Stripe stand-in."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TextIO

import httpx
import pytest
import structlog
from doors.clients import Where
from hypothesis import settings
from postgres import fresh_database, postgres_url, shared_server
from stripe_standin.server import running
from stripe_standin.sessions import Stripe

from gateway_server.embedded import Embedded, embedded_gateway
from gateway_server.settings import read_settings

settings.register_profile("same", derandomize=True)  # the same cases in each run
settings.load_profile("same")

_NOWHERE = StringIO()


def _stderr() -> TextIO:
    """Where gateways log: what pytest captures. Between tests a line may come late: nowhere."""
    return _NOWHERE if sys.stderr is sys.__stderr__ else sys.stderr


structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(_stderr()))
__all__ = ["postgres_url"]  # a fixture for all tests

WEBHOOK_SECRET = "whsec_" + "0" * 24


@dataclass(frozen=True, slots=True)
class Running:
    """A gateway that answers, and how to make accounts on it."""

    embedded: Embedded
    database: Path
    environment: dict[str, str]
    stripe: Stripe | None = None

    @property
    def url(self) -> str:
        return self.embedded.url

    def account(self) -> Where:
        """A fresh account."""
        key = httpx.post(f"{self.url}/keys").json()["key"]
        return Where(self.url, self.database, key, self.environment)

    def http(self, where: Where | None = None) -> httpx.Client:
        """A client of the REST door for a fresh account, or for `where`'s."""
        key = (where or self.account()).key
        headers = {"Authorization": f"Bearer {key}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60)


@contextmanager
def running_gateway(
    folder: Path, environment: dict[str, str], stripe: Stripe | None
) -> Iterator[Running]:
    """A gateway whose settings come from the environment, as in real life."""
    database = folder / "gateway.sqlite3"
    environment = {**_on_postgres(folder), **environment, "FMU_GATEWAY_DB_PATH": str(database)}
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        settings = read_settings(port=0)
    finally:
        os.environ.clear()
        os.environ.update(before)
    with embedded_gateway(settings) as embedded:
        yield Running(embedded, database, environment, stripe)


def _on_postgres(folder: Path) -> dict[str, str]:
    """TEST_DATABASE=postgres: the same tests, on a database of that server."""
    if os.environ.get("TEST_DATABASE") != "postgres":
        return {}
    return {
        "DATABASE_URL": fresh_database(shared_server()),
        "STORAGE_URL": f"file:{folder}/gateway.storage",
        "GATEWAY_SECRET": "0" * 32,
    }


@pytest.fixture(scope="session")
def free_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("free")
    with running_gateway(folder, {"PAYMENT_OFFERS": ""}, None) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def paid_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("paid")
    with running() as stripe:
        environment = {
            "STRIPE_ENABLED": "true",
            "STRIPE_SECRET_KEY": "sk_test_gateway",
            "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "STRIPE_API_BASE": stripe.base_url,
            "PUBLIC_BASE_URL": "",
        }
        with running_gateway(folder, environment, stripe) as gateway:
            yield gateway
