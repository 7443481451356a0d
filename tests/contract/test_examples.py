"""What OpenAPI shows runs as it stands, and what it says of failures is what they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest
from conftest import Running
from contract.ids import filled, pay_for
from doors.credit import give_credits

from gateway_server import examples
from gateway_tools.errors import FAILURES

SHOWN: Final = {
    "/simulate": examples.SIMULATE,
    "/studies": examples.STUDY,
    "/quotes": examples.QUOTE,
    "/pay": examples.PAY,
    "/compare": examples.COMPARE,
    "/fmus": examples.UPLOAD,
    "/credits": examples.CREDITS,
    "/account/keys": examples.KEY,
    "/account/budget": examples.BUDGET,
}
PUBLIC: Final = {"/keys", "/health", "/ready", "/llms.txt", "/uploads/{ticket}", "/webhooks/stripe"}


@pytest.fixture(scope="module")
def document(free_gateway: Running) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{free_gateway.url}/openapi.json").json()
    return found


@pytest.fixture(scope="module")
def http(paid_gateway: Running) -> Iterator[httpx.Client]:
    """An account with credits, which pay for what it runs."""
    where = paid_gateway.account()
    give_credits(paid_gateway, where, 3000)
    with paid_gateway.http(where) as client:
        client.put("/account/budget", json={"auto_pay": "credits"}).raise_for_status()
        yield client


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


@pytest.mark.parametrize(
    ("path", "name"), [(path, name) for path, shown in SHOWN.items() for name in shown]
)
def test_each_example_of_a_request_is_carried_out(
    http: httpx.Client, document: dict[str, Any], path: str, name: str
) -> None:
    method = next(m for m in ("post", "put") if m in document["paths"][path])
    body = document["paths"][path][method]["requestBody"]["content"]["application/json"]
    assert body["examples"][name]["value"] == SHOWN[path][name]
    request = filled(http, SHOWN[path][name])
    if path == "/simulate":
        pay_for(http, request)
    answer = http.request(method, path, json=request)
    assert answer.is_success, answer.text


def test_each_operation_has_a_name_and_a_sentence_of_its_own(document: dict[str, Any]) -> None:
    told = [(op["operationId"], op["description"]) for _, _, op in operations(document)]
    assert len({name for name, _ in told}) == len({what for _, what in told}) == len(told)


def test_each_operation_but_the_public_ones_needs_a_key(document: dict[str, Any]) -> None:
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    for path, _, operation in operations(document):
        assert (operation.get("security") == [{"key": []}]) == (path not in PUBLIC)
        assert ("401" in operation["responses"]) == (path not in PUBLIC)


def test_each_failure_is_told_at_its_status(document: dict[str, Any]) -> None:
    refusals = document["components"]["responses"]
    for failure in FAILURES.values():
        assert failure.code in refusals[str(failure.status)]["description"]
        assert list(refusals[str(failure.status)]["content"]) == ["application/problem+json"]


def test_each_refusal_is_the_one_description_of_its_status(document: dict[str, Any]) -> None:
    for path, _, operation in operations(document):
        for status, answer in operation["responses"].items():
            if int(status) >= 400 and "content" not in answer:
                assert answer["$ref"] == f"#/components/responses/{status}", path


def test_an_example_of_a_problem_has_what_a_problem_has(
    document: dict[str, Any], free_gateway: Running
) -> None:
    with free_gateway.http() as http:
        problem = http.get("/results/res_no").json()
    required = set(document["components"]["schemas"]["ProblemDocument"]["required"])
    for refusal in document["components"]["responses"].values():
        example = refusal["content"]["application/problem+json"]["example"]
        assert example.keys() == problem.keys() == required


def test_what_an_address_takes_is_said_in_full(free_gateway: Running) -> None:
    with free_gateway.http() as http:
        assert http.patch("/fmus").headers["allow"] == "GET, POST"
        assert http.put("/fmus/msl:BouncingBall").headers["allow"] == "DELETE, GET"
