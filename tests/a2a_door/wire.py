"""Both bindings as bytes on the wire, with one way to call them: what a client's SDK would hide."""

from __future__ import annotations

import itertools
import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx

BINDINGS: Final = ("JSONRPC", "HTTP+JSON")
CODES: Final = {
    "TASK_NOT_FOUND": (-32001, 404),
    "TASK_NOT_CANCELABLE": (-32002, 400),
    "UNSUPPORTED_OPERATION": (-32004, 400),
    "CONTENT_TYPE_NOT_SUPPORTED": (-32005, 400),
    "VERSION_NOT_SUPPORTED": (-32009, 400),
    "INVALID_PARAMS": (-32602, 400),
    "INVALID_REQUEST": (-32600, 400),
}
"""Each reason's code over JSON-RPC and status over HTTP+JSON, as the SDK has them."""
_REST: Final[dict[str, tuple[str, str]]] = {
    "SendMessage": ("POST", "/message:send"),
    "SendStreamingMessage": ("POST", "/message:stream"),
    "GetTask": ("GET", "/tasks/{id}"),
    "ListTasks": ("GET", "/tasks"),
    "CancelTask": ("POST", "/tasks/{id}:cancel"),
    "SubscribeToTask": ("POST", "/tasks/{id}:subscribe"),
    "CreateTaskPushNotificationConfig": ("POST", "/tasks/{taskId}/pushNotificationConfigs"),
    "GetTaskPushNotificationConfig": ("GET", "/tasks/{taskId}/pushNotificationConfigs/{id}"),
    "ListTaskPushNotificationConfigs": ("GET", "/tasks/{taskId}/pushNotificationConfigs"),
    "DeleteTaskPushNotificationConfig": ("DELETE", "/tasks/{taskId}/pushNotificationConfigs/{id}"),
    "GetExtendedAgentCard": ("GET", "/extendedAgentCard"),
}
OPERATIONS: Final = tuple(_REST)
_ids = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Failed(Exception):  # noqa: N818  an answer, not a mistake
    """The server's error, as its binding told it."""

    reason: str
    message: str
    code: int | None  # over JSON-RPC
    status: int
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wire:
    """One binding of one gateway, for one account."""

    http: httpx.Client
    binding: str
    key: str

    def call(self, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        """The operation's answer. Raises Failed."""
        response = self.http.send(self.request(operation, params))
        return self.opened(response)

    def request(
        self, operation: str, params: dict[str, Any], version: str = "1.0"
    ) -> httpx.Request:
        """As it goes over the wire."""
        headers = {"Authorization": f"Bearer {self.key}", "A2A-Version": version}
        if self.binding == "JSONRPC":
            body = {"jsonrpc": "2.0", "id": next(_ids), "method": operation, "params": params}
            return self.http.build_request("POST", "/a2a/", json=body, headers=headers)
        method, path = _REST[operation]
        left = dict(params)
        for name in ("id", "taskId"):
            if f"{{{name}}}" in path:
                path = path.replace(f"{{{name}}}", left.pop(name))
        given = {"json" if method == "POST" else "params": left}
        address = f"/a2a/rest{path}"
        return self.http.build_request(method, address, headers=headers, **given)  # type: ignore[arg-type]

    def opened(self, response: httpx.Response) -> dict[str, Any]:
        """What is in the binding's envelope."""
        body: dict[str, Any] = response.json()
        if self.binding == "JSONRPC":
            return _result(body, response.status_code)
        if response.status_code >= 400:
            raise _failed(body["error"], response.status_code, body)
        return body

    @contextmanager
    def stream(self, operation: str, params: dict[str, Any]) -> Iterator[Iterator[dict[str, Any]]]:
        """The operation's events as they come. Raises Failed where none is opened."""
        response = self.http.send(self.request(operation, params), stream=True)
        try:
            if not response.headers["content-type"].startswith("text/event-stream"):
                response.read()
                self.opened(response)
            yield self._events(response)
        finally:
            response.close()

    def _events(self, response: httpx.Response) -> Iterator[dict[str, Any]]:
        for line in response.iter_lines():
            if line.startswith("data:"):
                event = json.loads(line.removeprefix("data:"))
                yield _result(event, 200) if self.binding == "JSONRPC" else event

    def send(self, message: dict[str, Any], **configuration: Any) -> dict[str, Any]:  # noqa: ANN401
        """The task that comes of a message."""
        params = {"message": message, "configuration": configuration}
        task: dict[str, Any] = self.call("SendMessage", params)["task"]
        return task

    def run(self, skill: str, arguments: dict[str, Any], **configuration: Any) -> dict[str, Any]:  # noqa: ANN401
        """The task that comes of a call."""
        return self.send(message({"skill": skill, "arguments": arguments}), **configuration)

    def get(self, task: dict[str, Any]) -> dict[str, Any]:
        """The task as it is now."""
        return self.call("GetTask", {"id": task["id"]})

    def when(self, task: dict[str, Any], state: str) -> Any:  # noqa: ANN401
        """The task once it is in that state."""
        return until(lambda: self.get(task), lambda now: state_of(now) == state)


def message(*parts: Any, **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    """A user's message; an object becomes a data part, text a text part."""
    return {
        "messageId": str(uuid.uuid4()),
        "role": "ROLE_USER",
        "parts": [_part(part) for part in parts],
        **fields,
    }


def answer(task: dict[str, Any], *parts: Any) -> dict[str, Any]:  # noqa: ANN401
    """A message to a task that has asked."""
    return message(*parts, taskId=task["id"], contextId=task["contextId"])


def state_of(task: dict[str, Any]) -> str:
    """COMPLETED, INPUT_REQUIRED ..."""
    state: str = task["status"]["state"]
    return state.removeprefix("TASK_STATE_")


def data_of(task: dict[str, Any]) -> dict[str, Any]:
    """The first data of the artifacts, else of the status."""
    places = [*task.get("artifacts", []), task["status"].get("message", {"parts": []})]
    found: dict[str, Any] = next(p["data"] for a in places for p in a["parts"] if "data" in p)
    return found


def until(look: Callable[[], Any], holds: Callable[[Any], bool]) -> Any:  # noqa: ANN401
    """What is seen once it holds."""
    deadline = time.monotonic() + 20
    while not holds(seen := look()):
        assert time.monotonic() < deadline, seen
        time.sleep(0.02)
    return seen


def _part(part: Any) -> dict[str, Any]:  # noqa: ANN401
    if isinstance(part, str):
        return {"text": part}
    return part if part.keys() & {"raw", "url", "text", "data"} else {"data": part}


def _result(body: dict[str, Any], status: int) -> dict[str, Any]:
    assert body["jsonrpc"] == "2.0"
    assert ("result" in body) != ("error" in body)
    if "error" in body:
        raise _failed(body["error"], status, body)
    result: dict[str, Any] = body["result"] or {}
    return result


def _failed(error: dict[str, Any], status: int, body: dict[str, Any]) -> Failed:
    details = error.get("details") or error.get("data") or []
    infos = [d for d in details if d.get("@type") == "type.googleapis.com/google.rpc.ErrorInfo"]
    reason = infos[0]["reason"] if infos else ""
    return Failed(reason, error["message"], error.get("code"), status, body)
