"""What an agent can do where nothing costs anything, through every door."""

from __future__ import annotations

import base64
import math
from typing import Any

import pytest
from doors.clients import Door
from fmus import compiled, sources

from gateway_library.build import built_folder
from gateway_simulation import platforms

BALL: dict[str, Any] = {"fmu_id": "msl:BouncingBall", "stop_time": 3.0, "step": 0.01}


def test_a_model_is_found_described_and_simulated(free: Door) -> None:
    found = free.call("list_library", {"query": "bouncing ball"}).body
    assert found["models"][0]["id"] == "msl:BouncingBall"
    described = free.call("describe_model", {"fmu_id": "msl:BouncingBall"}).body
    assert {"h", "v", "e"} <= {variable["name"] for variable in described["variables"]}
    result = free.call("simulate", {**BALL, "kpis": ["h_max", "v_rms"]})
    assert not result.failed
    assert result.body["kpis"]["h_max"] == {"value": 1.0, "unit": "m"}
    assert result.body["outputs"]["h"]["start"] == 1.0
    assert result.body["engine"]["name"] == "native"


def test_a_model_of_arrays_is_found_described_and_simulated(free: Door) -> None:
    found = free.call("list_library", {"query": "state space matrices"}).body
    assert found["models"][0]["id"] == "msl:StateSpace@fmi3"
    described = free.call("describe_model", {"fmu_id": "StateSpace"}).body
    assert (described["id"], described["states"]) == ("msl:StateSpace@fmi3", 3)
    values = {
        "n": 1,
        "A": [[-2]],
        "B": [[1, 0, 0]],
        "C": [[1], [0], [4]],
        "x0": [3],
        "u": [0, 0, 0],
    }
    asked = {"fmu_id": "msl:StateSpace", "stop_time": 1.0, "start_values": values}
    result = free.call("simulate", {**asked, "kpis": ["y[3]_final"]})
    assert not result.failed, result.body
    assert math.isclose(result.body["kpis"]["y[3]_final"]["value"], 12 * math.exp(-2), rel_tol=1e-6)


@pytest.mark.parametrize("model", ["msl:VanDerPol", "msl:StateSpace"])
def test_the_example_that_describe_model_gives_runs_as_it_stands(free: Door, model: str) -> None:
    described = free.call("describe_model", {"fmu_id": model}).body
    assert not free.call("simulate", described["example_request"]).failed


def test_the_same_request_gives_the_same_numbers_and_the_same_hash(free: Door) -> None:
    first = free.call("simulate", {**BALL, "points": "all"}).body
    second = free.call("simulate", {**BALL, "points": "all"}).body
    assert first["result_id"] != second["result_id"]
    assert first["request_sha256"] == second["request_sha256"]
    assert first["series"] == second["series"]


def test_a_start_value_changes_the_run(free: Door) -> None:
    dead = free.call("simulate", {**BALL, "start_values": {"e": 0.0}, "kpis": ["h_final"]}).body
    assert math.isclose(dead["kpis"]["h_final"]["value"], 0.0, abs_tol=1e-6)


def test_who_checks_the_accuracy_of_nothing_is_told_to_ask_for_kpis(free: Door) -> None:
    checked = {**BALL, "start_values": {"e": 0.4}, "check_accuracy": True}
    blind = free.call("simulate", checked).body
    assert blind["accuracy"] == {}
    assert any("kpis" in warning for warning in blind["warnings"])
    seen = free.call("simulate", {**checked, "kpis": ["h_max"]}).body
    assert (list(seen["accuracy"]), seen["warnings"]) == (["h_max"], [])


def test_an_uploaded_model_runs_and_is_stored_once(free: Door) -> None:
    content = base64.b64encode((built_folder() / "Dahlquist.fmu").read_bytes()).decode()
    first = free.call("upload_fmu", {"content_base64": content}).body
    again = free.call("upload_fmu", {"content_base64": content}).body
    assert first["id"] == again["id"]
    assert again["already_known"]
    result = free.call(
        "simulate", {"fmu_id": first["id"], "stop_time": 1.0, "kpis": ["x_final"]}
    ).body
    assert math.isclose(result["kpis"]["x_final"]["value"], math.exp(-1.0), rel_tol=1e-4)


def test_a_model_of_sources_only_is_compiled_here_and_says_so(free: Door) -> None:
    whole = (built_folder() / "VanDerPol@fmi3.fmu").read_bytes()
    content = base64.b64encode(sources.stripped(whole)).decode()
    added = free.call("upload_fmu", {"content_base64": content})
    assert not added.failed, added.body
    assert added.body["platforms"] == [platforms.host()]
    described = free.call("describe_model", {"fmu_id": added.body["id"]}).body
    assert described["compiled_by"] == added.body["compiled_by"]
    asked = {"stop_time": 2.0, "points": "all"}
    here = free.call("simulate", {"fmu_id": added.body["id"], **asked}).body
    there = free.call("simulate", {"fmu_id": "msl:VanDerPol@fmi3", **asked}).body
    assert here["series"] == there["series"]
    assert here["engine"]["compiler"] == added.body["compiled_by"]


def test_sources_that_do_not_compile_are_refused_with_what_the_compiler_says(free: Door) -> None:
    content = base64.b64encode(sources.fmu2({"a.c": "int x = ;"}, "a.c")).decode()
    refused = free.call("upload_fmu", {"content_base64": content})
    assert refused.failed
    assert refused.body["code"] == "compilation_failed"
    assert "a.c:1:9: error" in refused.body["details"]["log"]


def test_a_result_is_read_by_slice(free: Door) -> None:
    result_id = free.call("simulate", BALL).body["result_id"]
    part = free.call(
        "get_result",
        {"result_id": result_id, "variables": ["h"], "from": 0.5, "to": 1.0, "points": 10},
    ).body
    assert set(part["series"]) == {"time", "h"}
    assert len(part["series"]["time"]) <= 10
    assert part["series"]["time"][0] >= 0.5
    assert part["series"]["time"][-1] <= 1.0
    assert part["units"] == {"h": "m"}


def test_a_quote_is_free_where_runs_are(free: Door) -> None:
    quote = free.call("quote", BALL).body
    assert quote["amount"] == 0
    assert quote["offers"] == []
    only = free.call("simulate", {**BALL, "quote_only": True})
    assert not only.failed
    assert only.body["amount"] == 0


def test_a_request_that_ran_before_can_be_answered_from_its_result(free: Door) -> None:
    request = {**BALL, "stop_time": 1.25, "kpis": ["h_min"]}
    first = free.call("simulate", request).body
    quote = free.call("quote", request).body
    again = free.call("simulate", {**request, "reuse": True}).body
    assert quote["existing_result_id"] == first["result_id"] == again["result_id"]
    assert again["cached"]
    assert again["kpis"] == first["kpis"]


def test_an_idempotency_key_stands_for_one_run(free: Door) -> None:
    request = {**BALL, "stop_time": 0.5, "idempotency_key": "once"}
    first = free.call("simulate", request).body
    assert free.call("simulate", request).body == first
    assert free.call("simulate", {**request, "stop_time": 0.6}).code == "idempotency_conflict"


def test_a_reused_result_says_so_with_an_idempotency_key_too(free: Door) -> None:
    request = {**BALL, "stop_time": 1.75}
    first = free.call("simulate", request).body
    again = free.call("simulate", {**request, "reuse": True, "idempotency_key": "reused"}).body
    assert again["cached"]
    assert again["result_id"] == first["result_id"]


def test_an_input_signal_must_be_one(free: Door) -> None:
    content = base64.b64encode(compiled.fmu("driven")).decode()
    model = free.call("upload_fmu", {"content_base64": content}).body["id"]
    wrong: list[dict[str, Any]] = [
        {"time": [0, 1], "values": [0.0]},
        {"time": [1, 0], "values": [0.0, 1.0]},
        {"time": [0, 0], "values": [0.0, 1.0]},
        {"time": [], "values": []},
    ]
    for signal in wrong:
        request = {"fmu_id": model, "stop_time": 1.0, "input_signals": [{"name": "u", **signal}]}
        assert free.call("simulate", request).code == "invalid_input_signal", signal


def test_a_run_shows_in_the_usage(free: Door) -> None:
    result_id = free.call("simulate", BALL).body["result_id"]
    latest = free.call("account", {"limit": 1}).body["usage"][0]
    assert latest["run_id"] == result_id
    assert latest["outcome"] == "delivered"
    assert latest["price"] == 0


@pytest.mark.parametrize(
    ("tool", "arguments", "code", "hint"),
    [
        ("simulate", {"fmu_id": "msl:BouncingBal"}, "unknown_model", "msl:BouncingBall"),
        ("simulate", {"fmu_id": "fmu_0123456789abcdef"}, "unknown_model", None),
        ("simulate", {}, "nothing_to_run", None),
        ("simulate", {**BALL, "stop_tim": 1}, "invalid_input", "stop_time"),
        ("simulate", {**BALL, "start_values": {"ee": 0.5}}, "unknown_variable", "e"),
        ("simulate", {**BALL, "outputs": ["hh"]}, "unknown_variable", "h"),
        ("simulate", {**BALL, "kpis": ["h_maxx"]}, "unknown_kpi", "h_max"),
        ("simulate", {**BALL, "step": -0.1}, "invalid_time", None),
        ("simulate", {**BALL, "step": 1e-6}, "too_much_output", None),
        ("simulate", {**BALL, "stop_time": 0.0}, "invalid_time", None),
        ("simulate", {**BALL, "start_values": {"e": "much"}}, "wrong_type", None),
        ("simulate", {**BALL, "start_values": {"e": 7.0}}, "out_of_range", None),
        ("simulate", {**BALL, "solver": {"name": "magic"}}, "invalid_input", None),
        (
            "simulate",
            {**BALL, "input_signals": [{"name": "u", "time": [0, 1], "values": [0]}]},
            "unknown_variable",
            None,
        ),
        (
            "simulate",
            {**BALL, "kpis": [{"variable": "h", "statistic": "max", "from": 99}]},
            "invalid_kpi",
            "h_max[from=99]",
        ),
        ("simulate", {**BALL, "kpis": ["h_time_above:x"]}, "invalid_kpi", "h_time_above:x"),
        ("describe_model", {"fmu_id": "msl:Nothing"}, "unknown_model", None),
        (
            "describe_model",
            {"fmu_id": BALL["fmu_id"], "causality": "outputs"},
            "invalid_input",
            "causality",
        ),
        ("get_result", {"result_id": "res_000000000000000000000000"}, "unknown_result", None),
        ("upload_fmu", {"content_base64": "AAAA"}, "not_a_zip", None),
        ("upload_fmu", {"content_base64": "!"}, "not_base64", None),
        ("upload_fmu", {"path": "/etc/passwd"}, "path_not_readable", None),
        ("pay", {}, "one_payment", None),
        ("pay", {"quote_id": "qt_unknown"}, "unknown_quote", None),
        ("pay", {"session_id": "cs_unknown"}, "unknown_session", None),
        ("list_library", {"cursor": "x"}, "invalid_cursor", None),
    ],
)
def test_a_bad_call_is_told_what_to_do_next(
    free: Door, tool: str, arguments: dict[str, Any], code: str, hint: str | None
) -> None:
    answer = free.call(tool, arguments)
    assert answer.code == code
    assert answer.body["remedy"].endswith(".")
    assert hint is None or hint in str(answer.body["details"])
