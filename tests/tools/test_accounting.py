"""Each run leaves one line for the operator: whose it was, how it ended, what it took."""

from __future__ import annotations

from typing import Any

from conftest import Running
from fmus import compiled
from structlog.testing import capture_logs


def _finished(logs: list[Any]) -> dict[str, Any]:
    (event,) = [one for one in logs if one["event"] == "run_finished"]
    return dict(event)


def test_a_run_leaves_a_line_that_says_what_it_took(free_gateway: Running) -> None:
    with free_gateway.http() as http, capture_logs() as logs:
        answer = http.post("/simulate", json={"fmu_id": "msl:BouncingBall"}).json()
        account = http.get("/account").json()["account_id"]
    event = _finished(logs)
    assert event["run_id"] == answer["result_id"]
    assert (event["account_id"], event["outcome"]) == (account, "done")
    assert event["sandbox"] == answer["engine"]["sandbox"]
    assert event["wall_ms"] >= answer["wall_ms"] - 0.001
    assert event["cpu_ms"] > 0
    assert event["peak_bytes"] > 2**20


def test_a_run_that_failed_leaves_one_too(free_gateway: Running) -> None:
    with free_gateway.http() as http, capture_logs() as logs:
        model = http.post("/fmus", files={"file": ("m.fmu", compiled.fmu("crashes"))}).json()["id"]
        answer = http.post("/simulate", json={"fmu_id": model})
    event = _finished(logs)
    assert event["outcome"] == answer.json()["code"] == "model_crashed"
    assert event["peak_bytes"] > 2**20
