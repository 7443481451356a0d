"""More runs than cores: accounts wait apart, and who waits in vain is told for how long."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from conftest import Running

BODY = {"fmu_id": "msl:BouncingBall", "stop_time": 1}


def test_one_accounts_full_queue_is_no_other_accounts(
    free_gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    cores = free_gateway.embedded.gateway.simulator._pool  # noqa: SLF001  all of them, as runs would
    monkeypatch.setattr(cores._queue, "most_each", 1)  # noqa: SLF001
    with (
        free_gateway.http() as greedy,
        free_gateway.http() as other,
        ThreadPoolExecutor(2) as threads,
    ):
        with cores.spare_cores("somebody else", 1000):
            waits = [threads.submit(_simulate, greedy)]
            _until_waiting(cores, 1)
            refused = _simulate(greedy)
            waits.append(threads.submit(_simulate, other))
            _until_waiting(cores, 2)
        assert [wait.result().status_code for wait in waits] == [200, 200]
    told = refused.json()
    assert (refused.status_code, told["code"]) == (429, "busy")
    assert (told["details"]["bound"], told["details"]["limit"]) == ("account", 1)
    assert refused.headers["retry-after"] == str(told["details"]["retry_after_s"])


def _simulate(http: httpx.Client) -> httpx.Response:
    return http.post("/simulate", json=BODY)


def _until_waiting(cores: Any, count: int) -> None:  # noqa: ANN401
    until = time.monotonic() + 10
    while cores._queue.waiting < count:  # noqa: SLF001
        assert time.monotonic() < until
        time.sleep(0.005)
