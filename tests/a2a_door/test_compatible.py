"""Clients of protocol 0.3, which send no version, are served as they expect."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest
from a2a.compat.v0_3.types import AgentCard
from a2a_door.requirements import holds

from gateway_a2a.card import OLD_CARD_PATH

RUN: Final[dict[str, Any]] = {"fmu_id": "msl:BouncingBall", "stop_time": 1.0}


class Old:
    """A 0.3 client, over JSON-RPC."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        self.headers = {"Authorization": f"Bearer {http.post('/keys').json()['key']}"}

    def post(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        body = {"jsonrpc": "2.0", "id": "1", "method": method, "params": params}
        answered: dict[str, Any] = self._http.post("/a2a/", json=body, headers=self.headers).json()
        return answered

    def send(self, part: dict[str, Any], **fields: Any) -> dict[str, Any]:  # noqa: ANN401
        task: dict[str, Any] = self.post("message/send", {"message": message(part, **fields)})
        return task["result"]  # type: ignore[no-any-return]

    def stream(self, part: dict[str, Any]) -> Iterator[dict[str, Any]]:
        params = {"message": message(part)}
        body = {"jsonrpc": "2.0", "id": 1, "method": "message/stream", "params": params}
        with self._http.stream("POST", "/a2a/", json=body, headers=self.headers) as response:
            for line in response.iter_lines():
                if line.startswith("data:"):
                    yield json.loads(line.removeprefix("data:"))["result"]


def message(part: dict[str, Any], **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "kind": "message",
        "role": "user",
        "messageId": str(uuid.uuid4()),
        "parts": [part],
        **fields,
    }


def data(value: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "data", "data": value}


@pytest.fixture
def old(http: httpx.Client) -> Old:
    return Old(http)


@holds("compatible", "card-discovery")
def test_the_card_of_old_has_the_fields_of_0_3(http: httpx.Client) -> None:
    card = AgentCard.model_validate(http.get(OLD_CARD_PATH).json())
    assert (card.url, card.preferred_transport) == (
        f"{http.base_url}/a2a/".replace("//a", "/a"),
        "JSONRPC",
    )
    assert card.capabilities.push_notifications


@holds("compatible", "version-empty")
def test_a_call_is_answered_in_the_form_of_0_3(old: Old) -> None:
    task = old.send(data({"skill": "simulate", "arguments": RUN}))
    assert (task["kind"], task["status"]["state"]) == ("task", "completed")
    assert task["artifacts"][0]["parts"][0]["data"]["status"] == "done"
    assert old.post("tasks/get", {"id": task["id"]})["result"]["status"] == task["status"]
    assert old.post("tasks/cancel", {"id": task["id"]})["error"]["code"] == -32002
    assert old.post("tasks/get", {"id": "x"})["error"]["code"] == -32001


@holds("compatible", "asks")
def test_what_is_missing_is_asked_for_and_added(old: Old) -> None:
    asking = old.send(data({"skill": "simulate"}))
    assert asking["status"]["state"] == "input-required"
    done = old.send(data(RUN), taskId=asking["id"], contextId=asking["contextId"])
    assert (done["id"], done["status"]["state"]) == (asking["id"], "completed")


@holds("compatible", "stream-lifecycle")
def test_a_stream_ends_with_its_final_event(old: Old) -> None:
    events = list(old.stream(data({"skill": "simulate", "arguments": RUN})))
    assert [event["kind"] for event in events] == [
        "task",
        "status-update",
        "artifact-update",
        "status-update",
    ]
    assert events[-1]["final"] is True


@holds("compatible", "rest-paths")
def test_http_and_json_of_0_3_is_served_below_v1(http: httpx.Client, old: Old) -> None:
    sent = {
        "message": {
            "role": "ROLE_USER",
            "messageId": "m",
            "content": [{"data": {"data": {"skill": "simulate", "arguments": RUN}}}],
        }
    }
    answered = http.post("/a2a/rest/v1/message:send", json=sent, headers=old.headers)
    task = answered.json()["task"]
    assert task["status"]["state"] == "TASK_STATE_COMPLETED"
    read = http.get(f"/a2a/rest/v1/tasks/{task['id']}", headers=old.headers).json()
    assert read["id"] == task["id"]
    assert http.get("/a2a/rest/v1/tasks/x", headers=old.headers).status_code == 404


@holds("compatible", "unhurt")
@pytest.mark.parametrize(
    "params", [{}, {"message": {}}, {"message": []}, {"message": message({"kind": "x"})}, 5]
)
def test_what_is_malformed_is_the_callers_mistake(old: Old, params: Any) -> None:  # noqa: ANN401
    error = old.post("message/send", params)["error"]
    assert error["code"] in {-32600, -32602}
    assert "Traceback" not in json.dumps(error)
