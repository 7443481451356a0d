"""A model that gives orders in every text reaches a language model as marked data or not at all."""

from __future__ import annotations

import base64
import unicodedata
from collections.abc import Iterator
from typing import Any, Final

import pytest
from conftest import Running
from doors.clients import Door, Mcp, Where
from fmus import compiled, orders

from gateway_server.guide import llms_txt
from gateway_simulation import platforms
from gateway_tools.errors import FAILURES
from gateway_tools.registry import INSTRUCTIONS, TOOLS
from gateway_tools.untrusted import foreign_fields

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not compiled.available(), reason="no C compiler"),
]

OUTPUT, INPUT, PARAMETER = (orders.name(place) for place in ("output", "input", "parameter"))
CHOICE, WORDS, LOCAL = (orders.name(place) for place in ("choice", "words", "local"))
OWN: Final = {"code", "message", "remedy", "warnings", "next_steps", "untrusted", "links"}
LONGEST: Final = 1000


@pytest.fixture(scope="session")
def model(free: Door) -> str:
    content = base64.b64encode(orders.fmu()).decode()
    found: str = free.call("upload_fmu", {"content_base64": content}).body["id"]
    return found


def texts(value: Any) -> Iterator[str]:  # noqa: ANN401
    match value:
        case str():
            yield value
        case dict():
            for key, item in value.items():
                yield from (key, *texts(item))
        case list():
            for item in value:
                yield from texts(item)


def places(body: dict[str, Any]) -> set[str]:
    """The fields of an answer that hold an order; that they are marked as such is checked here."""
    found = {field for field, value in body.items() if any(map(gives_orders, texts(value)))}
    assert found <= set(body.get("untrusted", ())), "orders outside untrusted fields"
    assert not found & OWN
    for text in texts(body):
        assert len(text) <= LONGEST + len("_max")
        assert not any(unicodedata.category(c) in {"Cc", "Cf", "Co", "Cn", "Zl"} for c in text)
        assert not set(text) & set(orders.HIDDEN)
    return found


def gives_orders(text: str) -> bool:
    return orders.ORDER in text


def run(model: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"fmu_id": model, **fields}


def test_an_upload_is_told_with_its_texts_marked(free: Door) -> None:
    content = base64.b64encode(orders.fmu()).decode()
    answer = free.call("upload_fmu", {"content_base64": content}).body
    told = {"model_name", "guid", "description", "generation_tool", "variables", "problems"}
    assert places(answer) == told
    assert any("problems" in warning for warning in answer["warnings"])
    assert set(answer["platforms"]) == {platforms.host(), "other"}


def test_missing_libraries_and_the_loaders_words_are_marked(free: Door) -> None:
    content = base64.b64encode(orders.fmu_that_lacks_a_library()).decode()
    answer = free.call("upload_fmu", {"content_base64": content}).body
    assert "missing_libraries" in places(answer)
    failed = free.call("simulate", run(answer["id"], stop_time=1.0))
    assert failed.code == "model_not_loadable"
    assert places(failed.body) == {"details"}


def test_a_description_and_a_list_are_marked(free: Door, model: str) -> None:
    described = free.call("describe_model", {"fmu_id": model}).body
    assert places(described) == set(foreign_fields(TOOLS["describe_model"].output))
    for query in ("", orders.ORDER):
        asked = {"query": query, "source": "upload"}
        assert places(free.call("list_library", asked).body) == {"models"}


def test_a_run_and_its_result_are_marked(free: Door, model: str) -> None:
    request = run(
        model,
        kpis=["y_max", f"{LOCAL}_min"],
        input_signals=[{"name": INPUT, "time": [0, 0.5], "values": [0, 1]}],
        points=5,
        check_accuracy=True,
    )
    quoted = free.call("quote", request).body
    assert places(quoted) == set()
    answer = free.call("simulate", request).body
    assert places(answer) == {"resolved", "kpis", "outputs", "series", "accuracy"}
    assert answer["resolved"]["recorded_for_kpis"] == [LOCAL]
    assert answer["resolved"]["held_inputs"] == [INPUT]
    assert answer["resolved"]["not_recorded"] == [WORDS]
    assert answer["resolved"]["y"] == [OUTPUT]
    assert len(answer["warnings"]) >= 4
    part = free.call("get_result", {"result_id": answer["result_id"]}).body
    assert places(part) == {"units", "series"}
    assert places(free.call("account", {}).body) == set()


FAULTS: Final[dict[str, dict[str, Any]]] = {
    "unknown_variable": {"outputs": [orders.ORDER]},
    "unknown_kpi": {"kpis": [f"{OUTPUT}_maxx"]},
    "invalid_kpi": {"kpis": [f"{OUTPUT}_time_above"]},
    "not_settable": {"start_values": {OUTPUT: 1}},
    "wrong_type": {"start_values": {CHOICE: "three"}},
    "out_of_range": {"start_values": {PARAMETER: 2}},
    "unsupported_output": {"outputs": [WORDS]},
    "unknown_display_unit": {"display_units": {OUTPUT: "kg"}},
    "duplicate_name": {"outputs": [OUTPUT, OUTPUT]},
    "invalid_input_signal": {"input_signals": [{"name": INPUT, "time": [0], "values": []}]},
    "model_failed": {"start_values": {PARAMETER: 1}},
}


@pytest.mark.parametrize("code", FAULTS)
def test_a_failure_quotes_the_model_in_its_details_alone(free: Door, model: str, code: str) -> None:
    answer = free.call("simulate", run(model, **FAULTS[code]))
    assert answer.code == code
    assert places(answer.body) == {"details"}
    if code == "model_failed":
        assert any(orders.order("log") in line for line in answer.body["details"]["log"])


def test_a_payment_requirement_holds_no_text_of_the_model(paid: Door) -> None:
    content = base64.b64encode(orders.fmu()).decode()
    model = paid.call("upload_fmu", {"content_base64": content}).body["id"]
    answer = paid.call("simulate", run(model, kpis=[f"{OUTPUT}_max"]))
    assert answer.code == "payment_required"
    assert not any(map(gives_orders, texts(answer.body)))


def test_what_is_said_before_any_answer_holds_no_text_of_a_model(
    free_account: tuple[str, Where], free: Door, model: str
) -> None:
    assert model
    said = [INSTRUCTIONS, llms_txt(), *(failure.remedy for failure in FAILURES.values())]
    if isinstance(free, Mcp):
        client = free.client
        said += [free.portal.call(client.list_tools).model_dump_json()]
        said += [free.portal.call(client.list_resource_templates).model_dump_json()]
    assert not any(map(gives_orders, said)), free_account[0]


def test_every_answer_that_may_hold_foreign_text_says_so_first() -> None:
    marked = {name for name, tool in TOOLS.items() if foreign_fields(tool.output)}
    assert marked == {
        "list_library",
        "upload_fmu",
        "describe_model",
        "simulate",
        "run_study",
        "get_result",
        "compare_results",
    }
    for name in marked:
        assert next(iter(TOOLS[name].output.model_fields)) == "untrusted"
    assert "`untrusted`" in INSTRUCTIONS


def test_files_of_a_result_run_nothing(free_gateway: Running) -> None:
    with free_gateway.http() as http:
        content = base64.b64encode(orders.fmu()).decode()
        model = http.post("/fmus", json={"content_base64": content}).json()["id"]
        result = http.post("/simulate", json=run(model)).json()["result_id"]
        files = {form: http.get(f"/results/{result}?format={form}") for form in ("svg", "csv")}
        assert http.get("/fmus").json()["untrusted"] == ["models"]
    assert b"<script" not in files["svg"].content
    assert files["csv"].text.splitlines()[0] == f"time,{OUTPUT}"
    for answer in files.values():
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "script-src" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["/payments/success", "/payments/cancelled", "/health", "/nowhere"]
)
def test_pages_may_run_no_script(free_gateway: Running, path: str) -> None:
    with free_gateway.http() as http:
        policy = http.get(path).headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "script-src" not in policy


def test_the_documentation_runs_its_own_scripts_alone(free_gateway: Running) -> None:
    with free_gateway.http() as http:
        policy = http.get("/docs").headers["content-security-policy"]
    scripts = policy.partition("script-src ")[2]
    assert "'sha256-" in scripts
    assert "unsafe" not in scripts
