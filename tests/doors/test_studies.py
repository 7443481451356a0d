"""Many runs in one call, through every door."""

from __future__ import annotations

import base64
import csv
import io
import itertools
import json
import math
from typing import Any

import jsonschema
import pytest
from conftest import Running
from doors.clients import Door, Where
from doors.credit import give_credits
from fmus import compiled
from pyarrow import parquet  # type: ignore[import-untyped]

from gateway_payments.audit import audit
from gateway_tools.registry import TOOLS

_times = itertools.count(1)
BALL: dict[str, Any] = {"fmu_id": "msl:BouncingBall", "stop_time": 3.0, "kpis": ["h_final"]}
E: dict[str, Any] = {"e": {"values": [0.5, 0.7, 0.9]}}
STUDY: dict[str, Any] = {"base": BALL, "parameters": E}


def _driven(door: Door) -> str:
    content = base64.b64encode(compiled.fmu("driven")).decode()
    model_id: str = door.call("upload_fmu", {"content_base64": content}).body["id"]
    return model_id


def _cells(gateway: Running, where: Where, result_id: str) -> list[dict[str, str]]:
    with gateway.http(where) as http:
        text = http.get(f"/results/{result_id}", params={"format": "csv"}).text
    return list(csv.DictReader(io.StringIO(text)))


def test_a_study_says_what_each_of_its_runs_alone_would(free: Door) -> None:
    study = free.call("run_study", STUDY)
    assert not study.failed, study.body
    jsonschema.validate(study.body, TOOLS["run_study"].output_schema)
    assert study.body["columns"] == ["e", "h_final"]
    assert study.body["units"] == {"e": None, "h_final": "m"}
    assert [row[0] for row in study.body["rows"]] == [0.5, 0.7, 0.9]
    alone = [
        free.call("simulate", {**BALL, "start_values": {"e": e}}).body["kpis"]["h_final"]["value"]
        for e in (0.5, 0.7, 0.9)
    ]
    table = free.call("get_result", {"result_id": study.body["result_id"]}).body
    assert table["columns"] == {"e": [0.5, 0.7, 0.9], "h_final": alone}
    assert study.body["best"]["row"] == alone.index(max(alone))
    assert study.body["worst"]["row"] == alone.index(min(alone))
    assert (study.body["omitted"], study.body["failed"]) == (0, 0)


def test_the_objective_turns_best_and_worst_around(free: Door) -> None:
    asked = {**STUDY, "base": {**BALL, "kpis": ["h_final", "v_max"]}}
    for direction, best in (("max", 0.9), ("min", 0.5)):
        goal = {"kpi": "v_max", "direction": direction}
        found = free.call("run_study", {**asked, "objective": goal}).body
        assert found["objective"] == goal
        values = {row[0]: row[2] for row in found["rows"]}
        extreme = max(values.values()) if direction == "max" else min(values.values())
        assert found["best"]["kpis"]["v_max"] == pytest.approx(extreme, rel=1e-5)
        assert values[best] == extreme


def test_a_grid_has_every_combination_in_the_models_order(free: Door) -> None:
    parameters = {"e": {"min": 0.5, "max": 0.9, "count": 3}, "g": {"values": [-9.81, -1.62]}}
    found = free.call("run_study", {"base": BALL, "parameters": parameters}).body
    assert found["columns"] == ["g", "e", "h_final"]
    assert [row[:2] for row in found["rows"]] == [
        [g, e] for g in (-9.81, -1.62) for e in (0.5, 0.7, 0.9)
    ]


def test_a_latin_hypercube_is_the_same_for_the_same_seed_and_fills_each_slice(free: Door) -> None:
    asked = {
        "base": BALL,
        "parameters": {"e": {"min": 0.5, "max": 0.9}, "g": {"min": -12, "max": -8}},
        "design": "lhs",
        "samples": 20,
        "seed": 7,
    }
    first, again = (free.call("run_study", asked).body for _ in range(2))
    other = free.call("run_study", {**asked, "seed": 8}).body
    assert first["rows"] == again["rows"] != other["rows"]
    assert first["request_sha256"] == again["request_sha256"] != other["request_sha256"]
    slices = {int((row[1] - 0.5) / 0.4 * 20) for row in first["rows"]}
    assert slices == set(range(20))


def test_a_study_without_kpis_has_some_and_says_so(free: Door) -> None:
    base = {"fmu_id": "msl:VanDerPol", "stop_time": 1.0}
    found = free.call("run_study", {"base": base, "parameters": {"mu": {"values": [1, 2]}}}).body
    assert found["columns"][1:] == [f"x{i}_{s}" for i in (0, 1) for s in ("min", "max", "final")]
    assert "no KPI was named" in found["warnings"][0]


def test_a_row_that_fails_fails_alone(
    free: Door, free_account: tuple[str, Where], free_gateway: Running
) -> None:
    base = {"fmu_id": _driven(free), "stop_time": 10, "kpis": ["x_final"], "start_values": {"x": 1}}
    study = {"base": base, "parameters": {"a": {"values": [1, -800, 2]}}}
    found = free.call("run_study", study).body
    assert found["failed"] == 1
    assert found["failure_codes"] == {"non_finite_value": 1}
    (failure,) = found["failures"]
    assert (failure["row"], failure["parameters"]) == (1, {"a": -800.0})
    assert found["rows"][1] == [-800.0, None]
    cells = _cells(free_gateway, free_account[1], found["result_id"])
    assert [bool(row["failure"]) for row in cells] == [False, True, False]
    assert cells[1]["x_final"] == ""
    assert float(cells[0]["x_final"]) == pytest.approx(math.exp(-10), abs=1e-5)


def test_a_study_of_failures_fails(free: Door) -> None:
    base = {"fmu_id": _driven(free), "stop_time": 10, "kpis": ["x_final"], "start_values": {"x": 1}}
    found = free.call("run_study", {"base": base, "parameters": {"a": {"values": [-800, -900]}}})
    assert found.code == "non_finite_value"
    assert (found.body["details"]["runs"], found.body["details"]["failed"]) == (2, 2)
    assert found.body["details"]["charged"] == "nothing"


def test_a_study_that_ran_before_is_reused_and_an_idempotency_key_stands_for_one(
    free: Door,
) -> None:
    asked = {**STUDY, "base": {**BALL, "stop_time": 2 + next(_times) / 1000}}
    first = free.call(
        "run_study", {**asked, "idempotency_key": f"study {next(_times)}".replace(" ", "-")}
    ).body
    again = free.call("run_study", {**asked, "reuse": True}).body
    assert again["cached"]
    assert {**again, "cached": False} == first
    assert free.call("quote", asked).body["existing_result_id"] == first["result_id"]


def test_many_rows_stay_a_short_answer(free: Door) -> None:
    kpis = [f"{v}_{s}" for v in ("h", "v") for s in ("min", "max", "mean", "rms", "std", "final")]
    base = {**BALL, "stop_time": 0.5, "kpis": kpis}
    parameters = {"e": {"min": 0.5, "max": 0.9, "count": 300}}
    found = free.call("run_study", {"base": base, "parameters": parameters}).body
    assert found["omitted"] == 300 - len(found["rows"])
    assert len(found["columns"]) == 9
    assert found["omitted_kpis"] == 4
    assert len(json.dumps(found)) < 6000


@pytest.mark.parametrize(
    ("change", "code", "hint"),
    [
        ({"parameters": {}}, "invalid_input", "parameters"),
        ({"parameters": {"e": {"values": []}}}, "invalid_input", "parameters.e.values"),
        ({"parameters": {"e": {}}}, "invalid_input", "min and max"),
        ({"parameters": {"e": {"min": 0.5}}}, "invalid_input", "min and max"),
        ({"parameters": {"e": {"values": [1], "min": 0, "max": 1}}}, "invalid_input", "either"),
        ({"parameters": {"e": {"min": 0.9, "max": 0.5}}}, "invalid_study", "min"),
        ({"parameters": {"e": {"values": [0.5, 0.5]}}}, "invalid_study", "twice"),
        ({"parameters": {"ee": {"values": [0.5]}}}, "unknown_variable", "'e'"),
        ({"parameters": {"time": {"values": [0.5]}}}, "not_settable", "independent"),
        ({"parameters": {"e": {"values": [0.5, 7.0]}}}, "out_of_range", "7.0"),
        ({"parameters": {"e": {"min": 0.5, "max": 7.0}}}, "out_of_range", "7.0"),
        ({"parameters": {"e": {"values": ["much"]}}}, "wrong_type", "number"),
        ({"samples": 0, "design": "lhs"}, "invalid_input", "samples"),
        (
            {"parameters": {"e": {"min": 0, "max": 1}}, "samples": 10**6, "design": "lhs"},
            "study_too_large",
            "10000",
        ),
        (
            {
                "parameters": {
                    "e": {"min": 0, "max": 1, "count": 1000},
                    "g": {"min": -10, "max": -9, "count": 1000},
                }
            },
            "study_too_large",
            "1000000",
        ),
        ({"base": {**BALL, "start_values": {"e": 0.5}}}, "duplicate_name", "'e'"),
        ({"base": {**BALL, "fmu_id": "msl:Nothing"}}, "unknown_model", None),
        ({"base": {**BALL, "kpis": ["h_finale"]}}, "unknown_kpi", "h_final"),
        ({"base": {**BALL, "step": -1}}, "invalid_time", None),
        ({"objective": {"kpi": "v_max"}}, "unknown_kpi", "h_final"),
        ({"objective": {"direction": "up"}}, "invalid_input", "direction"),
        ({"desing": "lhs"}, "invalid_input", "design"),
        ({"base": None}, "invalid_input", "base"),
    ],
)
def test_a_bad_study_is_told_what_to_do_next(
    free: Door, change: dict[str, Any], code: str, hint: str | None
) -> None:
    asked = {name: value for name, value in {**STUDY, **change}.items() if value is not None}
    answer = free.call("run_study", asked)
    assert answer.code == code, answer.body
    assert hint is None or hint in str(answer.body["details"])
    if code != "invalid_input":
        assert free.call("quote", asked).code == code


def test_not_a_number_is_refused(free_gateway: Running) -> None:
    body = json.dumps({**STUDY, "parameters": {"e": {"values": [math.nan]}}})
    with free_gateway.http() as http:
        answer = http.post("/studies", content=body)
    assert answer.json()["code"] == "invalid_input"


def test_the_table_is_read_whole_and_drawn(
    free_account: tuple[str, Where], free_gateway: Running
) -> None:
    with free_gateway.http(free_account[1]) as http:
        done = http.post("/studies", json=STUDY).json()
        read = {
            form: http.get(f"/results/{done['result_id']}", params={"format": form}).content
            for form in ("parquet", "png", "svg")
        }
        assert http.get(done["links"]["csv"]).text.startswith("e,h_final,failure\n0.5,")
        script = http.get(f"/results/{done['result_id']}", params={"format": "py"})
        window = http.get(f"/results/{done['result_id']}", params={"from": 1})
        unknown = http.get(f"/results/{done['result_id']}", params={"variables": "h_finale"})
    table = parquet.read_table(io.BytesIO(read["parquet"]))
    assert table.column_names == ["e", "h_final", "failure"]
    assert table.schema.field("h_final").metadata[b"unit"] == b"m"
    assert read["png"].startswith(b"\x89PNG")
    assert read["svg"].startswith(b"<?xml")
    assert [script.json()["code"], window.json()["code"]] == ["not_of_studies"] * 2
    assert unknown.json()["details"]["nearest"][0] == "h_final"


def test_a_study_is_one_run_of_the_account_and_of_nobody_else(
    free: Door, free_gateway: Running
) -> None:
    done = free.call("run_study", STUDY).body
    latest = free.call("account", {"limit": 1}).body["usage"][0]
    assert latest["run_id"] == done["result_id"]
    with free_gateway.http() as stranger:
        assert stranger.get(f"/results/{done['result_id']}").status_code == 404


def _bought(paid: Door, gateway: Running, where: Where, request: dict[str, Any]) -> dict[str, Any]:
    give_credits(gateway, where, 100)
    quote = paid.call("quote", request).body
    paid.call("pay", {"quote_id": quote["quote_id"], "offer": "credits"})
    return quote


def _fresh() -> dict[str, Any]:
    return {**STUDY, "base": {**BALL, "stop_time": 1 + next(_times) / 1000}}


def test_a_study_is_quoted_and_paid_as_one_and_the_quote_alone_runs_it(
    paid: Door, paid_account: tuple[str, Where], paid_gateway: Running
) -> None:
    request = _fresh()
    need = paid.call("run_study", request)
    assert need.code == "payment_required"
    assert "call run_study" in str(need.body["next_steps"])
    one = paid.call("quote", {**request["base"], "start_values": {"e": 0.5}, "outputs": ["h"]})
    quote = _bought(paid, paid_gateway, paid_account[1], request)
    assert quote["work_units"] == 3 * one.body["work_units"]
    told = paid.call("pay", {"quote_id": quote["quote_id"]}).body
    assert "run_study" in told["next_steps"][0]
    wrong = paid.call("simulate", {"quote_id": quote["quote_id"]})
    assert (wrong.code, wrong.body["details"]["tool"]) == ("other_tool", "run_study")
    assert not paid.call("run_study", {"quote_id": quote["quote_id"]}).failed
    assert paid.call("run_study", {"quote_id": quote["quote_id"]}).code == "payment_token_spent"
    with paid_gateway.embedded.gateway.database.read() as db:
        assert not audit(db)


def test_a_token_bought_for_a_run_pays_for_a_study_that_costs_no_more(
    paid: Door, paid_account: tuple[str, Where], paid_gateway: Running
) -> None:
    run = {"fmu_id": "msl:BouncingBall", "stop_time": 1 + next(_times) / 1000}
    quote = _bought(paid, paid_gateway, paid_account[1], run)
    token = paid.call("pay", {"quote_id": quote["quote_id"]}).body["payment_token"]
    alone = paid.call("run_study", {"payment_token": token})
    assert (alone.code, alone.body["details"]["tool"]) == ("other_tool", "simulate")
    assert not paid.call("run_study", {**_fresh(), "payment_token": token}).failed
    assert paid.call("simulate", {"payment_token": token}).code == "payment_token_spent"


def test_a_study_that_fails_gives_its_payment_back_and_a_wrong_one_costs_nothing(
    paid: Door, paid_account: tuple[str, Where], paid_gateway: Running
) -> None:
    model, where = _driven(paid), paid_account[1]
    base = {"fmu_id": model, "stop_time": 9 + next(_times) / 1000, "start_values": {"x": 1}}
    failing = {"base": base, "parameters": {"a": {"values": [-800, -900]}}}
    quote = _bought(paid, paid_gateway, where, failing)
    failed = paid.call("run_study", {"quote_id": quote["quote_id"]})
    assert (failed.code, failed.body["details"]["charged"]) == ("non_finite_value", "nothing")
    token = paid.call("pay", {"quote_id": quote["quote_id"]}).body["payment_token"]
    wrong = {**_fresh(), "parameters": {"ee": {"values": [1]}}, "payment_token": token}
    assert paid.call("run_study", wrong).code == "unknown_variable"
    assert not paid.call("run_study", {**_fresh(), "payment_token": token}).failed


def test_quote_only_prices_a_study_and_runs_nothing(paid: Door) -> None:
    runs = len(paid.call("account", {"limit": 200}).body["usage"])
    assert paid.call("run_study", {**_fresh(), "quote_only": True}).code == "payment_required"
    assert len(paid.call("account", {"limit": 200}).body["usage"]) == runs


def test_what_belongs_into_the_base_is_not_ignored_beside_it(free: Door) -> None:
    answer = free.call("quote", {**STUDY, "stop_time": 2})
    assert answer.code == "invalid_input"
    assert "base" in str(answer.body["details"])
