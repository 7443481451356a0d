"""The REST door keeps to the contract that it publishes, whatever is thrown at it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from conftest import Running

HERE = Path(__file__).parent
COMMAND = str(Path(sys.executable).with_name("schemathesis"))
BALL: Final[dict[str, Any]] = {"fmu_id": "msl:BouncingBall", "stop_time": 1.0}
CASES: Final = 10
"""Of each operation in the random phase, the same in each run."""


@pytest.mark.slow  # a thousand requests
@pytest.mark.parametrize("gateway", ["free_gateway", "paid_gateway"])
def test_every_operation_keeps_its_contract(
    gateway: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    running: Running = request.getfixturevalue(gateway)
    where = running.account()
    config = tmp_path / "schemathesis.toml"
    with running.http(where) as http:
        config.write_text(configuration(known(http)), encoding="utf-8")
    done = subprocess.run(
        [
            COMMAND,
            *("--config-file", str(config), "run", f"{where.url}/openapi.json"),
            *("--header", f"Authorization: Bearer {where.key}"),
            *("--max-examples", str(CASES), "--generation-deterministic", "--no-color"),
        ],
        cwd=tmp_path,
        env={**os.environ, "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(HERE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"Tested: (\d+)", done.stdout)
    (selected, there) = re.findall(r"Selected: (\d+)/(\d+)", done.stdout)[0]
    assert selected == there == re.findall(r"Tested: (\d+)", done.stdout)[0]


def configuration(ids: dict[str, str]) -> str:
    """All checks; ids that exist; a request can be refused for what no schema says."""
    parameters = "\n".join(f'"path.{name}" = "{value}"' for name, value in ids.items())
    return f"""
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 400, 401, 402, 404, 409, 410, 413, 422, 429, 503]

[parameters]
{parameters}
"""


def known(http: httpx.Client) -> dict[str, str]:
    """Ids that the account has, so that operations get to what they are for."""
    need = http.post("/simulate", json={**BALL, "quote_only": True}).json()
    quote = http.post("/quotes", json=BALL).json()
    url = http.post("/fmus", json={}).json()["upload_url"]
    return {
        "quote_id": quote["quote_id"],
        "session_id": need.get("session_id") or "cs_none",
        "result_id": _result(http),
        "key_id": http.post("/account/keys", json={"label": "spare"}).json()["key_id"],
        "ticket": url.rpartition("/")[2],
    }


def _result(http: httpx.Client) -> str:
    """Of a run; where it would cost something, of none."""
    run = http.post("/simulate", json=BALL)
    return str(run.json().get("result_id", "res_none"))
