"""Each behaviour runs through each door; clients stay connected for the session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from conftest import Running
from doors.clients import DOORS, Door, Where, open_door


@pytest.fixture(scope="session", params=DOORS)
def free_account(request: pytest.FixtureRequest, free_gateway: Running) -> tuple[str, Where]:
    return request.param, free_gateway.account()


@pytest.fixture(scope="session")
def free(free_account: tuple[str, Where]) -> Iterator[Door]:
    """A door of a gateway where nothing costs anything."""
    name, where = free_account
    with open_door(name, where) as door:
        yield door


@pytest.fixture(scope="session", params=DOORS)
def paid_account(request: pytest.FixtureRequest, paid_gateway: Running) -> tuple[str, Where]:
    return request.param, paid_gateway.account()


@pytest.fixture(scope="session")
def paid(paid_account: tuple[str, Where]) -> Iterator[Door]:
    """A door of a gateway where a run costs money."""
    name, where = paid_account
    with open_door(name, where) as door:
        yield door
