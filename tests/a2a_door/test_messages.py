"""What comes of a message: a task that is done, that failed, or that asks."""

from __future__ import annotations

import base64
import json
from typing import Any, Final

import httpx
import pytest
from a2a_door.conftest import Held, new_account
from a2a_door.requirements import holds
from a2a_door.wire import Failed, Wire, answer, data_of, message, state_of
from conftest import Running

from gateway_library.build import built_folder
from gateway_tools.registry import TOOLS

RUN: Final[dict[str, Any]] = {"fmu_id": "msl:BouncingBall", "stop_time": 1.0, "kpis": ["h_max"]}


@holds("send-answers", "blocking", "context-made", "task-fields", "json-names", "timestamps")
def test_a_call_is_answered_with_its_task_when_that_is_done(wire: Wire) -> None:
    task = wire.run("simulate", RUN)
    assert state_of(task) == "COMPLETED"
    assert task["status"]["timestamp"].endswith("Z")
    assert task["id"]
    assert task["contextId"]
    (artifact,) = task["artifacts"]
    assert artifact["artifactId"]
    assert artifact["name"] == "simulate"
    (part,) = artifact["parts"]
    assert part["mediaType"] == "application/json"
    assert part["data"]["kpis"]["h_max"] == {"value": 1.0, "unit": "m"}
    (asked,) = task["history"]
    assert (asked["role"], asked["taskId"]) == ("ROLE_USER", task["id"])


@holds("task-id-made", "context-taken")
def test_tasks_of_a_context_have_ids_of_their_own(wire: Wire) -> None:
    calls = [message({"skill": "account", "arguments": {}}, contextId="mine") for _ in range(2)]
    first, second = (wire.send(call) for call in calls)
    assert first["id"] != second["id"]
    assert first["contextId"] == second["contextId"] == "mine"


@holds("return-immediately")
def test_who_does_not_wait_gets_the_task_at_once(wire: Wire, held: Held) -> None:
    task = wire.run("simulate", RUN, returnImmediately=True)
    assert state_of(task) in {"SUBMITTED", "WORKING"}
    held.go.set()
    assert data_of(wire.when(task, "COMPLETED"))["status"] == "done"


@holds("send-terminal")
def test_a_task_that_has_ended_takes_no_more_messages(wire: Wire) -> None:
    task = wire.run("account", {})
    with pytest.raises(Failed) as refused:
        wire.send(answer(task, {"limit": 1}))
    assert refused.value.reason == "UNSUPPORTED_OPERATION"


@holds("send-media-type", "errors-mapped")
@pytest.mark.parametrize("media_type", ["application/x-other", "image/png"])
def test_a_part_of_another_media_type_is_refused_as_such(wire: Wire, media_type: str) -> None:
    with pytest.raises(Failed) as refused:
        wire.send(message({"raw": "AAAA", "mediaType": media_type}))
    assert refused.value.reason == "CONTENT_TYPE_NOT_SUPPORTED"


@holds("asks", "context-inferred")
def test_missing_arguments_are_named_and_the_answer_completes_the_call(wire: Wire) -> None:
    task = wire.run("simulate", {"stop_time": 1.0, "kpis": ["h_max"]})
    assert state_of(task) == "INPUT_REQUIRED"
    told = data_of(task)
    assert told["details"]["missing"] == ["fmu_id"]
    assert told["details"]["example"] == {"fmu_id": "msl:BouncingBall"}
    said = next(part["text"] for part in task["status"]["message"]["parts"] if "text" in part)
    assert 'fmu_id. For example, send a data part {"fmu_id": "msl:BouncingBall"}' in said
    done = wire.send(message({"fmu_id": "BouncingBall"}, taskId=task["id"]))
    assert (state_of(done), done["id"]) == ("COMPLETED", task["id"])
    assert done["contextId"] == task["contextId"]
    assert data_of(done)["kpis"]["h_max"]["value"] == 1.0


@holds("asks")
@pytest.mark.parametrize(
    ("skill", "missing"),
    [
        ("describe_model", ["fmu_id"]),
        ("quote", ["fmu_id"]),
        ("run_study", ["base", "parameters"]),
        ("get_result", ["result_id"]),
        ("compare_results", ["result_id"]),
    ],
)
def test_every_skill_says_what_it_lacks(wire: Wire, skill: str, missing: list[str]) -> None:
    task = wire.run(skill, {})
    assert state_of(task) == "INPUT_REQUIRED"
    assert data_of(task)["details"]["missing"] == missing
    assert data_of(task)["details"]["example"].keys() >= set(missing)


@holds("asks")
def test_a_call_is_put_together_over_several_messages(wire: Wire) -> None:
    task = wire.run("run_study", {})
    parameters = {"e": {"values": [0.5, 0.7]}}
    task = wire.send(answer(task, {"parameters": parameters}))
    assert data_of(task)["details"]["missing"] == ["base"]
    task = wire.send(answer(task, "one moment, please"))
    assert data_of(task)["code"] == "not_understood"
    base = {"fmu_id": "msl:BouncingBall", "stop_time": 1.0, "kpis": ["h_max"]}
    done = wire.send(answer(task, {"base": base}))
    assert len(data_of(done)["rows"]) == 2


@holds("asks", "errors-actionable")
def test_a_payment_is_asked_for_in_words_and_data(paid_gateway: Running) -> None:
    with httpx.Client(base_url=paid_gateway.url, timeout=30) as http:
        task = new_account(http, "JSONRPC").run("simulate", RUN)
    assert state_of(task) == "INPUT_REQUIRED"
    told = data_of(task)
    assert told["code"] == "payment_required"
    assert told["checkout_url"].startswith("http")
    said = next(part["text"] for part in task["status"]["message"]["parts"] if "text" in part)
    assert told["next_step"] in said


@holds("exact")
@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        (["simulate the bouncing ball for 3 s"], "words are not guessed at"),
        ([""], "words are not guessed at"),
        (["[1, 2]"], "not an object"),
        ([{"arguments": {}}], '"skill" is missing'),
        ([{"skill": 1}], '"skill" is missing'),
        ([{"skill": "simulate", "arguments": []}], '"arguments" is not an object'),
        ([{"skill": "simulate", "fmu_id": "x"}], 'belongs into "arguments": fmu_id'),
        ([{"url": "http://127.0.0.1/model.fmu"}], "files are not fetched"),
        ([{"skill": "upload_fmu"}, {"raw": "AAAA"}, {"raw": "AAAA"}], "more than one file"),
    ],
)
def test_what_is_no_call_is_answered_with_what_to_send(
    wire: Wire, parts: list[Any], reason: str
) -> None:
    task = wire.send(message(*parts))
    assert state_of(task) == "INPUT_REQUIRED"
    told = data_of(task)
    assert told["code"] == "not_understood"
    assert reason in told["message"]
    assert told["details"]["tools"] == list(TOOLS)
    assert state_of(wire.send(answer(task, told["details"]["example"]))) == "COMPLETED"


@holds("exact")
def test_a_message_of_an_agents_role_is_no_call(wire: Wire) -> None:
    task = wire.send(message({"skill": "simulate", "arguments": RUN}, role="ROLE_AGENT"))
    assert state_of(task) == "INPUT_REQUIRED"
    assert "ROLE_USER" in data_of(task)["message"]


@holds("exact")
def test_json_in_a_text_part_is_a_call(wire: Wire) -> None:
    task = wire.send(message(json.dumps({"skill": "simulate", "arguments": RUN})))
    assert data_of(task)["status"] == "done"


@holds("files")
@pytest.mark.parametrize("media_type", ["application/octet-stream", "application/zip", ""])
def test_an_fmu_comes_as_a_raw_part(wire: Wire, media_type: str) -> None:
    raw = base64.b64encode((built_folder() / "VanDerPol.fmu").read_bytes()).decode()
    part = {"raw": raw, "mediaType": media_type, "filename": "model.fmu"}
    task = wire.send(message({"skill": "upload_fmu"}, part))
    assert data_of(task)["model_name"] == "VanDerPol"
    assert task["history"][0]["parts"][1]["text"].startswith("(a file of ")


@holds("files")
def test_files_come_with_a_run_where_the_caller_accepts_them(wire: Wire) -> None:
    accepted = ["application/json", "text/csv", "image/png", "application/x-other"]
    task = wire.run("simulate", RUN, acceptedOutputModes=accepted)
    result_id = data_of(task)["result_id"]
    assert [a["name"] for a in task["artifacts"]] == [
        "simulate",
        f"{result_id}.csv",
        f"{result_id}.png",
    ]
    _, csv, png = (artifact["parts"][0] for artifact in task["artifacts"])
    assert base64.b64decode(csv["raw"]).startswith(b"time,h,v\n")
    assert base64.b64decode(png["raw"]).startswith(b"\x89PNG")
    assert (csv["mediaType"], csv["filename"]) == ("text/csv; charset=utf-8", f"{result_id}.csv")


@holds("files")
def test_a_study_comes_as_a_table_too(wire: Wire) -> None:
    study = TOOLS["run_study"].example
    task = wire.run("run_study", study, acceptedOutputModes=["text/csv"])
    table = base64.b64decode(task["artifacts"][1]["parts"][0]["raw"]).decode()
    assert len(table.splitlines()) == 1 + 9


@holds("errors-actionable", "errors-validate")
@pytest.mark.parametrize(
    ("skill", "arguments", "code"),
    [
        ("nothing_like_it", {}, "unknown_tool"),
        ("simulate", {"fmu_id": "msl:Nowhere"}, "unknown_model"),
        ("simulate", {**RUN, "stop_time": -1}, "invalid_time"),
        ("simulate", {**RUN, "stoptime": 3}, "invalid_input"),
        ("get_result", {"result_id": "res_0"}, "unknown_result"),
    ],
)
def test_a_call_that_cannot_be_made_fails_with_a_code_and_a_remedy(
    wire: Wire, skill: str, arguments: dict[str, Any], code: str
) -> None:
    task = wire.run(skill, arguments)
    assert state_of(task) == "FAILED"
    assert data_of(task)["code"] == code
    assert data_of(task)["remedy"]
    assert "artifacts" not in task
