"""Tasks are read, listed and cancelled by their account, and by nobody else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import pytest
from a2a_door.conftest import Held
from a2a_door.requirements import holds
from a2a_door.wire import BINDINGS, OPERATIONS, Failed, Wire, answer, message, state_of

RUN: Final[dict[str, Any]] = {"fmu_id": "msl:BouncingBall", "stop_time": 1.0}
NOBODY: Final = "00000000-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("operation", "fields"),
    [
        pytest.param("GetTask", {}, id="get"),
        pytest.param("CancelTask", {}, id="cancel"),
        pytest.param("SubscribeToTask", {}, id="subscribe"),
    ],
)
@holds("get-unknown", "cancel-unknown", "subscribe-unknown", "errors-silent", "scope")
def test_anothers_task_is_as_unknown_as_one_that_never_was(
    wire: Wire, stranger: Wire, operation: str, fields: dict[str, Any]
) -> None:
    task = wire.run("simulate", {})
    told = [_refused(stranger, operation, {"id": i, **fields}) for i in (task["id"], NOBODY)]
    assert {failed.reason for failed in told} == {"TASK_NOT_FOUND"}
    assert told[0].message == told[1].message
    assert state_of(wire.get(task)) == "INPUT_REQUIRED"


@holds("task-id-unknown", "scope")
def test_a_message_to_anothers_task_finds_none(wire: Wire, stranger: Wire) -> None:
    task = wire.run("simulate", {})
    for task_id in (task["id"], NOBODY):
        with pytest.raises(Failed) as refused:
            stranger.send(message(RUN, taskId=task_id))
        assert refused.value.reason == "TASK_NOT_FOUND"


@holds("context-mismatch")
def test_a_message_in_another_context_than_its_tasks_is_refused(wire: Wire) -> None:
    task = wire.run("simulate", {})
    with pytest.raises(Failed) as refused:
        wire.send(message(RUN, taskId=task["id"], contextId="another"))
    assert refused.value.reason == "INVALID_PARAMS"
    assert state_of(wire.get(task)) == "INPUT_REQUIRED"


@holds("get-state")
def test_a_task_is_read_as_it_was_answered(wire: Wire) -> None:
    task = wire.run("simulate", RUN)
    assert wire.get(task) == task


@holds("history-length")
@pytest.mark.parametrize(("length", "number"), [(0, 0), (1, 1), (2, 2), (50, 3)])
def test_no_more_history_comes_back_than_asked_for(wire: Wire, length: int, number: int) -> None:
    asked = wire.run("simulate", {"stop_time": 1.0})
    done = wire.send(answer(asked, RUN), historyLength=length)
    read = wire.call("GetTask", {"id": done["id"], "historyLength": length})
    whole = wire.get(done)["history"]
    assert [m["role"] for m in whole] == ["ROLE_USER", "ROLE_AGENT", "ROLE_USER"]
    for task in (done, read):
        assert task.get("history", []) == whole[len(whole) - number :]


@holds("list-own", "list-order", "list-artifacts", "list-last-page")
def test_a_list_holds_the_accounts_own_tasks_newest_first(wire: Wire, stranger: Wire) -> None:
    stranger.run("account", {})
    tasks = [wire.run("account", {"limit": i + 1}) for i in range(3)]
    listed = wire.call("ListTasks", {})
    assert [task["id"] for task in listed["tasks"]] == [t["id"] for t in reversed(tasks)]
    assert (listed["nextPageToken"], listed["totalSize"], listed["pageSize"]) == ("", 3, 50)
    assert not any("artifacts" in task for task in listed["tasks"])
    whole = wire.call("ListTasks", _query(wire, includeArtifacts=True))
    (shown,) = whole["tasks"][0]["artifacts"]
    assert shown["artifactId"] == tasks[-1]["artifacts"][0]["artifactId"]


@holds("list-pages", "rest-query")
def test_pages_follow_each_other_also_where_tasks_are_added(wire: Wire) -> None:
    tasks = [wire.run("account", {}) for _ in range(5)]
    seen: list[str] = []
    token = ""
    for size in (2, 2, 1):
        page = wire.call("ListTasks", _query(wire, pageSize=2, pageToken=token))
        assert (len(page["tasks"]), page["totalSize"]) == (size, 5 + len(seen) // 2)
        seen += [task["id"] for task in page["tasks"]]
        token = page["nextPageToken"]
        wire.run("account", {})
    assert token == ""
    assert seen == [task["id"] for task in reversed(tasks)]


@holds("list-filters")
def test_a_list_is_filtered_by_context_state_and_time(wire: Wire) -> None:
    call = {"skill": "account", "arguments": {}}
    first = wire.send(message(call, contextId="one"))
    asking = wire.run("simulate", {})
    last = wire.send(message(call, contextId="one"))

    def listed(**fields: Any) -> list[str]:  # noqa: ANN401
        return [t["id"] for t in wire.call("ListTasks", _query(wire, **fields))["tasks"]]

    assert listed(contextId="one") == [last["id"], first["id"]]
    assert listed(status="TASK_STATE_INPUT_REQUIRED") == [asking["id"]]
    since = asking["status"]["timestamp"]
    assert listed(statusTimestampAfter=since) == [last["id"], asking["id"]]
    assert listed(contextId="two") == []


@holds("errors-validate")
@pytest.mark.parametrize(
    "fields",
    [
        {"pageSize": 0},
        {"pageSize": 101},
        {"pageSize": -1},
        {"historyLength": -1},
        {"pageToken": "neither a place"},
        {"pageToken": "eyJ0cyI6IDllOTl9"},
        {"pageToken": "eyJ0cyI6OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5LCJpZCI6ImEifQ"},
    ],
)
def test_a_list_refuses_what_it_cannot_list(wire: Wire, fields: dict[str, Any]) -> None:
    assert _refused(wire, "ListTasks", _query(wire, **fields)).reason == "INVALID_PARAMS"


@holds("cancel-answers")
def test_a_task_that_waits_is_cancelled(wire: Wire) -> None:
    task = wire.run("simulate", {})
    assert state_of(wire.call("CancelTask", {"id": task["id"]})) == "CANCELED"
    assert state_of(wire.get(task)) == "CANCELED"


@holds("cancel-answers")
def test_a_task_at_work_is_cancelled(wire: Wire, held: Held) -> None:
    task = wire.run("simulate", RUN, returnImmediately=True)
    assert held.begun.acquire(timeout=20)
    assert state_of(wire.call("CancelTask", {"id": task["id"]})) == "CANCELED"
    held.go.set()
    assert state_of(wire.get(task)) == "CANCELED"


@holds("cancel-terminal", "errors-mapped")
def test_a_task_that_has_ended_cannot_be_cancelled(wire: Wire) -> None:
    done, cancelled = wire.run("account", {}), wire.run("simulate", {})
    wire.call("CancelTask", {"id": cancelled["id"]})
    for task in (done, cancelled):
        refused = _refused(wire, "CancelTask", {"id": task["id"]})
        assert refused.reason == "TASK_NOT_CANCELABLE"


@holds("authentication", "bindings-equal")
@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_operation_is_done_without_a_key(wire: Wire, operation: str) -> None:
    request = wire.request(operation, {"id": "x", "taskId": "x"})
    for key in ("", "Bearer 00000000-0000-4000-8000-000000000000", "Basic YTpi"):
        request.headers["Authorization"] = key
        answered = wire.http.send(request)
        assert answered.status_code == 401
        assert answered.headers["www-authenticate"].startswith("Bearer")


@holds("bindings-equal")
def test_a_task_begun_on_one_binding_goes_on_at_the_other(wire: Wire) -> None:
    one, other = (replace(wire, binding=binding) for binding in BINDINGS)
    task = one.run("simulate", {})
    done = other.send(answer(task, RUN))
    assert state_of(done) == "COMPLETED"
    assert one.get(task) == other.get(task) == done


def _query(wire: Wire, **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    """As a query has it, or as JSON."""
    if wire.binding == "JSONRPC":
        return fields
    return {name: str(value).lower() if value is True else value for name, value in fields.items()}


def _refused(wire: Wire, operation: str, params: dict[str, Any]) -> Failed:
    with pytest.raises(Failed) as refused:
        wire.call(operation, params)
    return refused.value
