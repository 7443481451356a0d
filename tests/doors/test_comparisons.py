"""Two results against each other, and a result's script, through every door."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from conftest import Running
from doors.clients import Door, Where

from gateway_library.build import built_folder
from gateway_tools.registry import TOOLS

BALL: dict[str, Any] = {"fmu_id": "msl:BouncingBall", "stop_time": 2.0, "step": 0.01}


def _run(door: Door, **changes: Any) -> str:  # noqa: ANN401
    result_id: str = door.call("simulate", {**BALL, **changes}).body["result_id"]
    return result_id


def test_a_result_agrees_with_itself(free: Door) -> None:
    one = _run(free)
    found = free.call("compare_results", {"result_id": one, "other_result_id": one})
    assert not found.failed, found.body
    jsonschema.validate(found.body, TOOLS["compare_results"].output_schema)
    assert found.body["agree"]
    assert set(found.body["variables"]) == {"h", "v"}
    assert all(v["max_abs"] == v["rms"] == 0 for v in found.body["variables"].values())
    assert found.body["variables"]["h"]["unit"] == "m"


def test_two_results_part_where_the_physics_does(free: Door) -> None:
    one, other = _run(free), _run(free, start_values={"e": 0.8})
    asked = {"result_id": one, "other_result_id": other}
    found = free.call("compare_results", asked).body
    assert not found["agree"]
    first_bounce = math.sqrt(2 / 9.81)
    parted = found["variables"][found["parting_first"]]["parts"]
    assert parted["time"] == pytest.approx(first_bounce, abs=0.02)
    assert parted["value"] != parted["other"]
    loose = free.call("compare_results", {**asked, "tolerance": 1.0}).body
    assert loose["agree"]
    only = free.call("compare_results", {**asked, "variables": ["v"]}).body
    assert set(only["variables"]) == {"v"}


def test_solvers_agree_within_a_tube_that_forgives_late_events(free: Door) -> None:
    one = _run(free, mode="model_exchange", solver={"name": "cvode"})
    other = _run(free, mode="model_exchange", solver={"name": "rk4", "step_size": 0.001})
    asked = {"result_id": one, "other_result_id": other, "tolerance": 0.01}
    assert free.call("compare_results", asked).body["agree"]
    assert not free.call("compare_results", {**asked, "time_tolerance": 0}).body["agree"]


def test_a_result_is_compared_with_measured_data(free: Door) -> None:
    one = _run(free)
    text = "time;h;extra\n0;1;5\n0.1;0.95;5\n0.2;;5\n5;0;5\n"
    found = free.call("compare_results", {"result_id": one, "csv": text, "tolerance": 0.01}).body
    assert set(found["variables"]) == {"h"}
    assert found["only_in_other"] == ["extra"]
    assert found["only_in_result"] == ["v"]
    assert (found["start_time"], found["stop_time"]) == (0.0, 2.0)
    assert "same time" in found["warnings"][0]
    assert not found["agree"]


@pytest.mark.parametrize(
    ("change", "code", "hint"),
    [
        ({}, "one_other", None),
        ({"csv": "time,h\n0,1\n", "other_result_id": "res_0"}, "one_other", None),
        ({"csv": ""}, "invalid_csv", "header"),
        ({"csv": "h,v\n0,1\n"}, "invalid_csv", "header"),
        ({"csv": "time,h\n"}, "invalid_csv", "no line"),
        ({"csv": "time,h\n0,1,2\n"}, "invalid_csv", "3 cells"),
        ({"csv": "time,h\n0,much\n"}, "invalid_csv", "'line': 2"),
        ({"csv": "time,h\n0,inf\n"}, "invalid_csv", "finite"),
        ({"csv": 'time,h\n"0,1\n'}, "invalid_csv", "CSV"),
        ({"csv": "time,h\n1,0\n0,1\n"}, "invalid_csv", "decrease"),
        ({"csv": "time,h,h\n0,1,1\n"}, "invalid_csv", "twice"),
        ({"csv": "time,level\n0,1\n"}, "nothing_in_common", "level"),
        ({"csv": "time,h\n8,0\n9,1\n"}, "nothing_in_common", "8.0"),
        ({"csv": "time,h\n0,0\n9,1\n", "variables": ["hh"]}, "unknown_column", "h"),
        ({"csv": "time,h\n0,0\n9,1\n", "tolerance": -1}, "invalid_input", "tolerance"),
        ({"other_result_id": "res_000000000000000000000000"}, "unknown_result", None),
    ],
)
def test_a_bad_comparison_is_told_what_to_do_next(
    free: Door, change: dict[str, Any], code: str, hint: str | None
) -> None:
    answer = free.call("compare_results", {"result_id": _run(free, stop_time=0.5), **change})
    assert answer.code == code, answer.body
    assert hint is None or hint in str(answer.body["details"])


def test_another_accounts_result_is_not_there(free: Door, free_gateway: Running) -> None:
    mine = _run(free, stop_time=0.5)
    with free_gateway.http() as http:
        theirs = http.post("/simulate", json=BALL).json()["result_id"]
    asked = {"result_id": mine, "other_result_id": theirs}
    assert free.call("compare_results", asked).code == "unknown_result"
    asked = {"result_id": theirs, "other_result_id": mine}
    assert free.call("compare_results", asked).code == "unknown_result"


def test_a_study_has_no_curve_to_compare(free: Door) -> None:
    study = {"base": BALL, "parameters": {"e": {"values": [0.5]}}}
    done = free.call("run_study", study).body["result_id"]
    answer = free.call("compare_results", {"result_id": done, "csv": "time,h\n0,1\n"})
    assert answer.code == "not_of_studies"


@pytest.mark.parametrize(("form", "begins"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_both_curves_are_drawn_over_each_other(
    free_gateway: Running, form: str, begins: bytes
) -> None:
    with free_gateway.http() as http:
        one = http.post("/simulate", json=BALL).json()["result_id"]
        other = http.post("/simulate", json={**BALL, "start_values": {"e": 0.8}}).json()
        asked = {"result_id": one, "other_result_id": other["result_id"], "format": form}
        drawn = http.post("/compare", json=asked)
    assert drawn.content.startswith(begins)


def test_a_results_script_reproduces_its_csv(
    free_account: tuple[str, Where], free_gateway: Running, tmp_path: Path
) -> None:
    with free_gateway.http(free_account[1]) as http:
        done = http.post("/simulate", json={**BALL, "start_values": {"e": 0.8}}).json()
        script = http.get(done["links"]["script"]) if free_account[0] == "rest" else None
        found = http.get(f"/results/{done['result_id']}", params={"format": "py"})
        csv = http.get(f"/results/{done['result_id']}", params={"format": "csv"})
    assert script is None or script.content == found.content
    assert found.headers["content-type"].startswith("text/x-python")
    (tmp_path / "reproduce.py").write_bytes(found.content)
    model = str(built_folder() / "BouncingBall.fmu")
    command = [sys.executable, "reproduce.py", model, "out.csv"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    theirs = (tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()
    ours = csv.text.splitlines()
    assert theirs[0] == ours[0]
    numbers = [[tuple(map(float, line.split(","))) for line in t[1:]] for t in (theirs, ours)]
    assert numbers[0] == numbers[1]
