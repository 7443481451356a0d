"""What only the REST door has: forms, formats, statuses, tickets, streams, Stripe's webhook."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import WEBHOOK_SECRET, Running, running_gateway
from stripe_standin.server import signed

from gateway_library.build import built_folder
from gateway_server.rest import _names

BALL: dict[str, Any] = {"fmu_id": "msl:BouncingBall", "stop_time": 1.0}
MODEL = built_folder() / "VanDerPol.fmu"


@pytest.fixture(scope="module")
def http(free_gateway: Running) -> Any:  # noqa: ANN401
    with free_gateway.http() as client:
        yield client


@pytest.fixture(scope="module")
def result_id(http: httpx.Client) -> str:
    return str(http.post("/simulate", json=BALL).json()["result_id"])


def test_a_new_upload_is_201_and_a_known_one_200(http: httpx.Client) -> None:
    form = {"file": ("model.fmu", MODEL.read_bytes())}
    assert http.post("/fmus", files=form).status_code == 201
    again = http.post("/fmus", files=form)
    assert again.status_code == 200
    assert again.json()["already_known"]
    assert http.get(f"/fmus/{again.json()['id']}").json()["sha256"] == again.json()["sha256"]


def test_an_upload_address_works_once(free_gateway: Running, http: httpx.Client) -> None:
    told = http.post("/fmus", json={}).json()
    assert told["upload_url"].startswith(free_gateway.url)
    data = MODEL.read_bytes()
    assert httpx.put(told["upload_url"], content=data).json()["model_name"] == "VanDerPol"
    again = httpx.put(told["upload_url"], content=data)
    assert again.status_code == 404
    assert again.json()["code"] == "upload_ticket_invalid"


@pytest.mark.parametrize(
    ("form", "media_type", "start"),
    [
        ("csv", "text/csv; charset=utf-8", b"time,h,v\n"),
        ("parquet", "application/vnd.apache.parquet", b"PAR1"),
        ("png", "image/png", b"\x89PNG"),
        ("svg", "image/svg+xml", b"<?xml"),
    ],
)
def test_a_result_comes_in_the_format_asked_for(
    http: httpx.Client, result_id: str, form: str, media_type: str, start: bytes
) -> None:
    by_name = http.get(f"/results/{result_id}", params={"format": form})
    accept = {"Accept": media_type.partition(";")[0]}
    by_header = http.get(f"/results/{result_id}", headers=accept)
    for answer in (by_name, by_header):
        assert answer.headers["content-type"] == media_type
        assert answer.content.startswith(start)


def test_every_point_of_a_result_can_be_had_and_few_come_by_default(
    http: httpx.Client, result_id: str
) -> None:
    few = http.get(f"/results/{result_id}").json()
    every = http.get(f"/results/{result_id}?points=all").json()
    assert len(few["series"]["time"]) == 50
    assert len(every["series"]["time"]) == every["rows"] > 50


def test_a_simulation_can_be_streamed(http: httpx.Client) -> None:
    with http.stream(
        "POST", "/simulate", json=BALL, headers={"Accept": "text/event-stream"}
    ) as stream:
        lines = [line for line in stream.iter_lines() if line]
    events = [line.removeprefix("event: ") for line in lines if line.startswith("event")]
    assert events[0] == "progress"
    assert events[-1] == "result"
    assert json.loads(lines[-1].removeprefix("data: "))["status"] == "done"


def test_a_stream_ends_with_the_problem_if_there_is_one(http: httpx.Client) -> None:
    with http.stream(
        "POST", "/simulate", json={"fmu_id": "msl:No"}, headers={"Accept": "text/event-stream"}
    ) as stream:
        lines = [line for line in stream.iter_lines() if line]
    assert lines[-2] == "event: error"
    assert json.loads(lines[-1].removeprefix("data: "))["code"] == "unknown_model"


def test_usage_comes_as_csv_too(http: httpx.Client, result_id: str) -> None:
    table = http.get("/usage", headers={"Accept": "text/csv"}).text
    assert table.startswith("run_id,at,key_id,fmu_id,outcome,")
    assert result_id in table


@pytest.mark.parametrize("body", [b"{", b"[]", b"1", b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_refused(http: httpx.Client, body: bytes) -> None:
    answer = http.post("/simulate", content=body)
    assert answer.status_code == 422
    assert answer.json()["code"] == "not_json"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "1" + "0" * 400])
@pytest.mark.parametrize(
    "body",
    [
        '{"stop_time": %s}',
        '{"solver": {"name": "rk4", "step_size": %s}}',
        '{"start_values": {"e": %s}}',
        '{"kpis": [{"variable": "h", "statistic": "max", "target": %s}]}',
        '{"input_signals": [{"name": "u", "time": [0, %s], "values": [0, 1]}]}',
    ],
)
def test_a_number_that_no_double_holds_is_refused(
    http: httpx.Client, body: str, number: str
) -> None:
    content = '{"fmu_id": "msl:BouncingBall", ' + body[1:] % number
    answer = http.post("/simulate", content=content)
    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid_input"


@pytest.mark.parametrize(
    "body",
    [
        r'{"kpis": ["\ud800"]}',
        r'{"outputs": ["\ud800"]}',
        r'{"start_values": {"\ud800": 1}}',
        r'{"\ud800": 1}',
        r'{"display_units": {"v": "\ud800"}}',
        r'{"idempotency_key": "\ud800"}',
    ],
)
def test_text_that_is_no_unicode_is_refused(http: httpx.Client, body: str) -> None:
    content = '{"fmu_id": "msl:BouncingBall", ' + body[1:]
    answer = http.post("/simulate", content=content)
    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid_input"


@pytest.mark.parametrize("value", ["1e308", "1e-320", "-0.0", "5e-324", "123456789012345678901"])
@pytest.mark.parametrize("field", ["start_time", "stop_time", "step", "communication_step"])
def test_an_extreme_number_is_answered_not_stumbled_over(
    http: httpx.Client, field: str, value: str
) -> None:
    answer = http.post("/quotes", content=f'{{"fmu_id": "msl:BouncingBall", "{field}": {value}}}')
    assert answer.status_code in {200, 422}


def test_nothing_of_a_body_is_looked_at_without_a_key(free_gateway: Running) -> None:
    for path in ("/simulate", "/fmus", "/quotes", "/pay", "/account/keys"):
        assert httpx.post(f"{free_gateway.url}{path}", content=b"{").status_code == 401
    assert httpx.put(f"{free_gateway.url}/uploads/none", content=b"x").status_code == 404


def test_an_upload_address_survives_a_file_that_is_refused(http: httpx.Client) -> None:
    url = http.post("/fmus", json={}).json()["upload_url"]
    assert httpx.put(url, content=b"no fmu").json()["code"] == "not_a_zip"
    assert httpx.put(url, content=MODEL.read_bytes()).json()["model_name"] == "VanDerPol"


def test_what_the_framework_refuses_is_a_problem_too(http: httpx.Client) -> None:
    wrong_method = http.put("/simulate", json={})
    assert wrong_method.status_code == 405
    assert wrong_method.json()["code"] == "method_not_allowed"
    broken = http.post("/fmus", content=b"x", headers={"Content-Type": "multipart/form-data"})
    assert broken.status_code == 400
    assert broken.json()["code"] == "malformed_request"
    assert http.get("/account/", headers={"Host": "evil.example"}).status_code == 404


def test_names_with_commas_in_brackets_are_one_name() -> None:
    assert list(_names("a,x[1,2],f(b,c),d")) == ["a", "x[1,2]", "f(b,c)", "d"]
    assert list(_names("]a,[b,c")) == ["]a", "[b,c"]


def test_too_many_names_are_refused(http: httpx.Client, result_id: str) -> None:
    answer = http.get(f"/results/{result_id}", params={"variables": "a" * 20_001})
    assert answer.status_code == 413


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_that_is_too_large_is_refused(free_gateway: Running, *, announced: bool) -> None:
    chunk = b" " * 2**20
    body = chunk * 17 if announced else (chunk for _ in range(17))
    with free_gateway.http() as http:
        answer = http.post("/simulate", content=body)
    assert answer.status_code == 413
    assert answer.json()["code"] == "too_large"


def test_an_upload_that_is_too_large_is_refused(free_gateway: Running) -> None:
    with free_gateway.http() as http:
        answer = http.post("/fmus", content=b"x" * (64 * 2**20 + 1))
        assert answer.status_code == 413
        assert answer.json()["code"] in {"upload_too_large", "too_large"}
        assert http.get("/fmus").json()["models"] == []


def test_an_upload_that_breaks_off_leaves_nothing(free_gateway: Running) -> None:
    where = free_gateway.account()
    host, port = where.url.removeprefix("http://").split(":")
    head = f"POST /fmus HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {where.key}\r\n"
    with socket.create_connection((host, int(port))) as raw:
        raw.sendall(f"{head}Content-Length: {MODEL.stat().st_size}\r\n\r\n".encode())
        raw.sendall(MODEL.read_bytes()[:1000])
    with free_gateway.http(where) as http:
        assert http.get("/fmus").json()["models"] == []
        assert http.post("/fmus", content=MODEL.read_bytes()).status_code == 201


@pytest.mark.parametrize("kind", ["text/html", "image/png", "multipart/form-data; boundary=x"])
def test_what_a_body_is_called_matters_less_than_what_it_is(http: httpx.Client, kind: str) -> None:
    headers = {"Content-Type": kind}
    assert http.post("/quotes", content=json.dumps(BALL), headers=headers).status_code == 200
    wrong = http.post("/quotes", content=b"<html>", headers=headers)
    assert (wrong.status_code, wrong.json()["code"]) == (422, "not_json")
    assert wrong.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "body",
    [
        {"fmu_id": "x" * 10 * 2**20},
        {**BALL, "start_values": {"x" * 10 * 2**20: 1}},
        {**BALL, "kpis": ["h_max"] * 2**20},
        {**BALL, "x" * 10 * 2**20: 1},
    ],
)
def test_ten_megabytes_are_refused_in_a_few_words(http: httpx.Client, body: dict[str, Any]) -> None:
    answer = http.post("/quotes", json=body)
    assert answer.status_code == 422
    assert len(answer.content) < 10_000


@pytest.mark.parametrize("path", ["/nowhere", "/results", "/fmus/a/b"])
def test_an_unknown_address_is_a_problem_too(http: httpx.Client, path: str) -> None:
    answer = http.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_payments_state_shows_in_the_status(paid_gateway: Running) -> None:
    with paid_gateway.http() as http:
        need = http.post("/simulate", json=BALL)
        assert need.status_code == 402
        pending = http.get(f"/payments/checkout/{need.json()['session_id']}")
        assert pending.status_code == 202
        assert pending.json()["status"] == "pending"
        stripe = paid_gateway.stripe
        assert stripe is not None
        url = f"{stripe.base_url}/control/sessions/{need.json()['session_id']}/expire"
        httpx.post(url, json={}).raise_for_status()
        expired = http.get(f"/payments/checkout/{need.json()['session_id']}")
        assert expired.status_code == 410
        assert expired.json()["status"] == "expired"


@pytest.mark.parametrize("skew_s", [-3600, 3600])
def test_a_webhook_from_another_time_is_refused(paid_gateway: Running, skew_s: int) -> None:
    event = {"id": "evt_x", "object": "event", "type": "checkout.session.completed", "data": {}}
    body, signature = signed(event, WEBHOOK_SECRET, time.time() + skew_s)
    answer = httpx.post(
        f"{paid_gateway.url}/webhooks/stripe", content=body, headers={"Stripe-Signature": signature}
    )
    assert answer.status_code == 400
    assert answer.json()["code"] == "webhook_signature"


def test_a_webhook_with_a_wrong_signature_is_refused(paid_gateway: Running) -> None:
    body, signature = signed({"id": "evt_y", "object": "event"}, "whsec_other", None)
    for header in (signature, "", "t=1,v1=x", "nonsense"):
        answer = httpx.post(
            f"{paid_gateway.url}/webhooks/stripe",
            content=body,
            headers={"Stripe-Signature": header},
        )
        assert answer.status_code == 400


def test_a_browsers_page_may_call_only_where_the_operator_says_so(tmp_path: Path) -> None:
    origin = {"Origin": "https://app.example"}
    with running_gateway(tmp_path, {"CORS_ORIGINS": "https://app.example"}, None) as gateway:
        allowed = httpx.get(f"{gateway.url}/health", headers=origin)
        other = httpx.get(f"{gateway.url}/health", headers={"Origin": "https://evil.example"})
    assert allowed.headers["access-control-allow-origin"] == "https://app.example"
    assert "access-control-allow-origin" not in other.headers


def test_people_find_pages_and_agents_a_guide(free_gateway: Running) -> None:
    for path, text in [
        ("/llms.txt", "simulate"),
        ("/docs", "swagger"),
        ("/payments/success", "Thank you"),
        ("/payments/cancelled", "Nothing was charged"),
        ("/payments/linked", "monthly invoice"),
        ("/health", '"sandbox":"'),
        ("/ready", "ready"),
    ]:
        answer = httpx.get(f"{free_gateway.url}{path}")
        assert answer.status_code == 200
        assert text in answer.text


def test_the_schema_describes_every_tools_input(free_gateway: Running) -> None:
    schema = httpx.get(f"{free_gateway.url}/openapi.json").json()
    body = schema["paths"]["/simulate"]["post"]["requestBody"]["content"]["application/json"]
    assert "start_values" in body["schema"]["properties"]
    names = [parameter["name"] for parameter in schema["paths"]["/library"]["get"]["parameters"]]
    assert "query" in names
