"""Whatever comes in, a protocol error goes out, and the next request is served."""

from __future__ import annotations

import json
from typing import Any, Final

import httpx
import pytest
from a2a_door.requirements import holds
from a2a_door.wire import CODES, Failed, Wire, data_of, message, state_of

INSIDES: Final = ("Traceback", 'File "', "site-packages", "sqlalchemy", "sqlite", "gateway_")
CALL: Final = {"message": {"messageId": "m", "role": "ROLE_USER", "parts": [{"text": "{}"}]}}


def posted(wire: Wire, content: bytes, **headers: str) -> httpx.Response:
    """A body as it is, to where SendMessage goes."""
    request = wire.request("SendMessage", {})
    given = {
        **{name: request.headers[name] for name in ("authorization", "a2a-version")},
        "content-type": "application/json",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return wire.http.post(request.url, content=content, headers=given)


def refused(wire: Wire, response: httpx.Response) -> Failed:
    """The error, which tells nothing of our insides."""
    assert not any(word in response.text for word in INSIDES), response.text
    with pytest.raises(Failed) as failed:
        wire.opened(response)
    assert failed.value.message
    return failed.value


@holds("errors-mapped", "rpc-errors", "rest-errors", "bindings-equal")
@pytest.mark.parametrize(
    ("operation", "params", "reason"),
    [
        ("GetTask", {"id": "x"}, "TASK_NOT_FOUND"),
        ("GetExtendedAgentCard", {}, "UNSUPPORTED_OPERATION"),
        ("SendMessage", {}, "INVALID_PARAMS"),
        ("SendMessage", {"message": {"parts": []}}, "INVALID_PARAMS"),
    ],
)
def test_an_error_has_its_code_its_status_and_its_reason(
    wire: Wire, operation: str, params: dict[str, Any], reason: str
) -> None:
    with pytest.raises(Failed) as failed:
        wire.call(operation, params)
    error, (code, status) = failed.value, CODES[reason]
    assert error.reason == reason
    if wire.binding == "JSONRPC":
        assert (error.code, error.status) == (code, 200)
    else:
        assert (error.body["error"]["code"], error.status) == (status, status)
        assert error.body["error"]["status"].isupper()


@holds("extended-card")
def test_there_is_no_extended_card_and_the_error_says_so(wire: Wire) -> None:
    with pytest.raises(Failed) as failed:
        wire.call("GetExtendedAgentCard", {})
    assert "extended" in failed.value.message


@holds("version-unknown", "version-empty", "version-semantics", "version-patch")
@pytest.mark.parametrize(
    ("version", "served"),
    [("1.0", True), ("1.0.7", True), ("", False), ("0.3", False), ("2.0", False), ("x", False)],
)
def test_a_request_is_served_in_the_version_that_it_names(
    wire: Wire, version: str, *, served: bool
) -> None:
    response = wire.http.send(wire.request("SendMessage", CALL, version))
    if served:
        assert "task" in wire.opened(response)
    else:
        assert refused(wire, response).reason == "VERSION_NOT_SUPPORTED"


@holds("send-media-type", "unhurt")
@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "multipart/form-data"])
def test_a_body_that_is_not_json_by_its_header_is_refused(wire: Wire, content_type: str) -> None:
    response = posted(wire, json.dumps(CALL).encode(), content_type=content_type)
    assert response.status_code == 415
    assert refused(wire, response).reason == "CONTENT_TYPE_NOT_SUPPORTED"


@holds("rest-errors", "rpc-format")
@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "application/A2A+json"]
)
def test_json_is_read_whatever_the_header_says_beside(wire: Wire, content_type: str) -> None:
    body = wire.request("SendMessage", CALL).content
    assert "task" in wire.opened(posted(wire, body, content_type=content_type))


BROKEN: Final = {
    "empty": b"",
    "cut": b'{"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": {"mess',
    "no JSON": b"<xml/>",
    "no UTF-8": b'{"jsonrpc": "\xff\xfe"}',
    "deep": b"[" * 200_000 + b"]" * 200_000,
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "null": b"null",
    "list": b"[]",
    "batch": b'[{"jsonrpc": "2.0", "id": 1, "method": "GetTask"}]',
    "number": b"1e999",
}


@holds("unhurt", "rpc-format")
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_body_is_an_error_of_the_callers(wire: Wire, name: str) -> None:
    error = refused(wire, posted(wire, BROKEN[name]))
    if wire.binding == "JSONRPC":
        assert error.code in {-32700, -32600}
    else:
        assert error.status == 400
    assert state_of(wire.run("account", {})) == "COMPLETED"


ODD: Final[dict[str, str]] = {
    "lone surrogate": '{"message": {"messageId": "\\ud800", "role": "ROLE_USER", "parts": []}}',
    "infinite data": '{"message": {"messageId": "m", "parts": [{"data": {"a": Infinity}}]}}',
    "huge number": '{"message": {"messageId": "m", "parts": [{"data": {"a": 1e400}}]}}',
    "huge integer": '{"message": {"messageId": "m", "parts": [{"data": {"a": 1'
    + "0" * 400
    + "}}]}}",
    "no base64": '{"message": {"messageId": "m", "role": 1, "parts": [{"raw": "\u00fc\u00fc"}]}}',
    "two contents": '{"message": {"messageId": "m", "parts": [{"text": "a", "url": "b"}]}}',
    "part of nothing": '{"message": {"messageId": "m", "role": "ROLE_USER", "parts": [{}]}}',
    "part as text": '{"message": {"messageId": "m", "role": "ROLE_USER", "parts": ["x"]}}',
    "unknown role": '{"message": {"messageId": "m", "role": "ROLE_KING", "parts": [{"text": ""}]}}',
    "message as list": '{"message": []}',
    "params as text": '"x"',
    "deep data": '{"message": {"messageId": "m", "role": "ROLE_USER", "parts": [{"data": '
    + "[" * 150
    + "1"
    + "]" * 150
    + "}]}}",
}


@holds("unhurt", "errors-validate")
@pytest.mark.parametrize("name", ODD)
def test_odd_parameters_are_refused_or_answered_but_never_break_anything(
    wire: Wire, name: str
) -> None:
    params = ODD[name]
    if wire.binding == "JSONRPC":
        params = f'{{"jsonrpc": "2.0", "id": 7, "method": "SendMessage", "params": {params}}}'
    response = posted(wire, params.encode("utf-8"))
    assert response.status_code < 500, response.text
    assert not any(word in response.text for word in INSIDES), response.text
    body = response.json()
    if wire.binding == "JSONRPC" and "error" in body:
        assert body["error"]["code"] in {-32700, -32600, -32602}
    if "task" in body.get("result", body):
        assert state_of(body.get("result", body)["task"]) == "INPUT_REQUIRED"


@holds("rpc-format", "rpc-errors")
@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"jsonrpc": "1.0"}, -32600),
        ({"jsonrpc": None}, -32600),
        ({"id": True}, -32600),
        ({"method": "NoSuchMethod"}, -32601),
        ({"method": ""}, -32600),
        ({"method": 5}, -32600),
        ({"params": {"id": 5}}, -32602),
        ({"params": {}}, -32602),
    ],
)
def test_json_rpc_has_its_own_errors(http: httpx.Client, change: dict[str, Any], code: int) -> None:
    wire = Wire(http, "JSONRPC", http.post("/keys").json()["key"])
    body = {"jsonrpc": "2.0", "id": 9, "method": "GetTask", "params": {"id": "x"}, **change}
    error = refused(wire, posted(wire, json.dumps(body).encode()))
    assert error.code == code
    assert error.body["id"] in {9, None}


@holds("rpc-format")
def test_the_address_is_good_with_and_without_its_slash(http: httpx.Client) -> None:
    wire = Wire(http, "JSONRPC", http.post("/keys").json()["key"])
    request = wire.request("ListTasks", {})
    request.url = request.url.copy_with(path="/a2a")
    assert wire.opened(http.send(request))["totalSize"] == 0


@holds("rest-paths")
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/tasks/x:cancel", 404),
        ("PUT", "/tasks/x", 405),
        ("GET", "/message:send", 405),
        ("GET", "/nothing", 404),
        ("POST", "/tasks", 405),
    ],
)
def test_other_paths_and_methods_are_not_served(
    http: httpx.Client, method: str, path: str, status: int
) -> None:
    headers = {"Authorization": f"Bearer {http.post('/keys').json()['key']}", "A2A-Version": "1.0"}
    assert http.request(method, f"/a2a/rest{path}", headers=headers).status_code == status


@holds("unhurt", "bounded")
def test_ten_megabytes_of_arguments_are_judged_like_few(wire: Wire) -> None:
    call = {"fmu_id": "msl:BouncingBall", "stop_time": "x" * 10_000_000}
    task = wire.run("simulate", call, historyLength=0)
    assert state_of(task) == "FAILED"
    assert data_of(task)["code"] == "invalid_input"
    assert len(json.dumps(task)) < 10_000


@holds("unhurt", "bounded")
def test_a_body_beyond_the_limit_is_refused_by_its_size(wire: Wire) -> None:
    response = posted(wire, b" " * (17 * 2**20))
    assert response.status_code == 413
    assert response.json()["code"] == "too_large"


@holds("unhurt")
@pytest.mark.parametrize(
    "name", ["\u6a21\u578b", "\U0001f600", "a\u0000b", "\u202e", "../../x", "'; --"]
)
def test_names_in_any_script_are_looked_up_like_others(wire: Wire, name: str) -> None:
    task = wire.run("simulate", {"fmu_id": name})
    assert data_of(task)["code"] in {"unknown_model", "invalid_input"}
    named = wire.send(message({"skill": name}))
    assert data_of(named)["code"] == "unknown_tool"


@holds("context-taken", "errors-validate")
@pytest.mark.parametrize("name", ["\u6a21\u578b", "a b", "x" * 500])
def test_a_context_may_have_any_name_that_can_be_kept(wire: Wire, name: str) -> None:
    task = wire.send(message({"skill": "account"}, contextId=name))
    assert wire.get(task)["contextId"] == name
    for wrong in (f"{name}\0", "x" * 501):
        with pytest.raises(Failed) as failed:
            wire.send(message({"skill": "account"}, contextId=wrong))
        assert failed.value.reason == "INVALID_PARAMS"
        with pytest.raises(Failed) as failed:
            wire.send(message({"skill": "account"}, taskId=wrong))
        assert failed.value.reason == "INVALID_PARAMS"
