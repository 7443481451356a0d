"""What docs/clients.md says of A2A is run as it stands."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Running

PAGE = Path(__file__).parents[2] / "docs" / "clients.md"
SECTION = PAGE.read_text().partition("## A2A: another agent")[2]


@pytest.fixture
def filled(free_gateway: Running) -> str:
    where = free_gateway.account()
    return SECTION.replace("https://gateway.example", where.url).replace("your-key", where.key)


def test_the_commands_find_call_and_list(filled: str) -> None:
    blocks = re.findall(r"```bash\n(.*?)```", filled, re.DOTALL)
    said = [_run(command) for block in blocks for command in re.split(r"\n(?=curl)", block)]
    card, called, listed = (json.loads(text) for text in said)
    assert [one["protocolBinding"] for one in card["supportedInterfaces"]] == [
        "JSONRPC",
        "HTTP+JSON",
    ]
    data = called["task"]["artifacts"][0]["parts"][0]["data"]
    assert data["kpis"]["h_max"]["value"] == 1.0
    assert [task["id"] for task in listed["result"]["tasks"]] == [called["task"]["id"]]


@pytest.mark.slow  # a program of its own
def test_the_program_calls_answers_and_listens(filled: str) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", filled, re.DOTALL)
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stderr
    said = ran.stdout.splitlines()
    states = [line.split()[0] for line in said]
    assert "TASK_STATE_INPUT_REQUIRED" in states
    assert "'missing': ['fmu_id']" in ran.stdout
    assert states[-3] == "simulate"
    assert re.fullmatch(r"res_\w+\.csv \[\]", said[-2])
    assert said[-1].startswith("TASK_STATE_COMPLETED")


def _run(command: str) -> str:
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    return ran.stdout
