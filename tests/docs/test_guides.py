"""Each example of AI_AGENT_GUIDE.md and /llms.txt is carried out, over the doors that they name."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from conftest import Running
from contract.ids import filled, pay_for
from doors.clients import Door, Where, open_door
from doors.credit import give_credits

from gateway_library.build import built_folder
from gateway_server.guide import llms_txt
from gateway_tools.registry import TOOLS

GUIDE: Final = (Path(__file__).parents[2] / "AI_AGENT_GUIDE.md").read_text(encoding="utf-8")
LONGEST: Final = 6_000  # bytes


def calls(text: str) -> list[Any]:
    """Each tool with arguments: `tool {...}`, or a line about a **tool** that ends with some."""
    plain = re.sub(r"\n +", " ", text)
    named = "|".join(TOOLS)
    found = re.findall(rf"`({named}) (\{{[^`]*\}})", plain)
    found += re.findall(rf"\*\*({named})\*\*:.*`(\{{.*\}})`$", plain, re.MULTILINE)
    return [
        pytest.param(tool, json.loads(body.replace("...", "…")), id=f"{tool}-{number}")
        for number, (tool, body) in enumerate(found)
    ]


@pytest.fixture(scope="module")
def where(paid_gateway: Running) -> Where:
    """An account whose runs are paid by its credits."""
    where = paid_gateway.account()
    give_credits(paid_gateway, where, 10_000)
    with paid_gateway.http(where) as http:
        http.put("/account/budget", json={"auto_pay": "credits"}).raise_for_status()
    return where


@pytest.fixture(scope="module", params=["rest", "mcp_http", "a2a_jsonrpc"])
def door(request: pytest.FixtureRequest, where: Where) -> Iterator[Door]:
    with open_door(request.param, where) as door:
        yield door


HERE: Final = [*calls(GUIDE), *calls(llms_txt())]


@pytest.mark.parametrize(("tool", "arguments"), [c for c in HERE if "path" not in c.values[1]])
def test_each_call_is_carried_out(
    door: Door, where: Where, paid_gateway: Running, tool: str, arguments: dict[str, Any]
) -> None:
    with paid_gateway.http(where) as http:
        request = filled(http, arguments)
        if tool == "simulate":
            pay_for(http, request)
    answer = door.call(tool, request)
    assert not answer.failed, answer.body


def test_a_file_is_taken_by_its_path_over_stdio(
    where: Where, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pump.fmu").write_bytes((built_folder() / "VanDerPol.fmu").read_bytes())
    (arguments,) = [p.values[1] for p in calls(llms_txt()) if p.values[0] == "upload_fmu"]
    with open_door("mcp_stdio", where) as door:
        assert door.call("upload_fmu", arguments).body["model_name"] == "VanDerPol"


def test_both_show_a_call_of_every_tool() -> None:
    assert {str(call.values[0]) for call in calls(llms_txt())} == TOOLS.keys()
    missing = TOOLS.keys() - {str(call.values[0]) for call in calls(GUIDE)}
    assert missing <= {"upload_fmu", "quote", "compare_results"}  # in its table and in /llms.txt


def test_both_are_short() -> None:
    assert len(llms_txt().encode()) < LONGEST
    assert len(GUIDE.encode()) < LONGEST


def test_the_shell_lines_of_llms_txt_work_as_typed(free_gateway: Running) -> None:
    (script,) = re.findall(r"```bash\n(.*?)```", llms_txt(), re.DOTALL)
    script = script.replace("curl -sS", "curl -sS --fail-with-body")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env={**os.environ, "GATEWAY": free_gateway.url},
        capture_output=True,
        text=True,
        check=True,
    )
    assert '"h_max":{"value":1.0,"unit":"m"}' in done.stdout
