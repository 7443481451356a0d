"""Gateways that share one database: what one of them was told, the other knows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from copy import copy
from pathlib import Path

import httpx
import pytest
from oauth.program import Program, fields, reaching, told
from served import COMMAND, free_port, served

pytestmark = pytest.mark.slow


@pytest.fixture
def both(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Two gateways that say of themselves that they are the first, as behind a load balancer."""
    ports = (free_port(), free_port())
    one, other = (f"http://127.0.0.1:{port}" for port in ports)
    shared = {"PUBLIC_BASE_URL": one, "FMU_GATEWAY_DB_PATH": str(tmp_path / "shared.sqlite3")}
    first, second = ((COMMAND, "serve", "--port", str(port)) for port in ports)
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    with (
        served(tmp_path / "one", first, **shared),
        served(tmp_path / "other", second, **shared),
    ):
        _wait_for(other)
        yield one, other


def _wait_for(url: str) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            if httpx.get(f"{url}/ready").is_success:
                return
        except httpx.ConnectError:
            time.sleep(0.05)
    pytest.fail(f"{url} doesn't answer")


def test_each_step_of_signing_in_may_reach_another_gateway(both: tuple[str, str]) -> None:
    one, other = both
    here = Program(one)
    there = copy(here)
    there.http = reaching(other)
    key = httpx.post(f"{one}/keys").json()["key"]
    page = there.http.get(here.authorize().headers["location"].removeprefix(one))
    given = {**fields(page.text), "key": key, "decision": "allow"}
    code = told(here.http.post("/sign-in", data=given))["code"]
    first = there.exchange(code).json()
    assert here.gets_in(first["access_token"])
    second = here.refresh(first["refresh_token"]).json()
    assert there.gets_in(second["access_token"])
    assert there.refresh(first["refresh_token"]).json()["error"] == "invalid_grant"
    assert not here.gets_in(second["access_token"])
