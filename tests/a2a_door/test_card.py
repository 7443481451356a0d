"""The card: what another agent learns before it calls, all of it true."""

from __future__ import annotations

import json
from typing import Any, Final

import httpx
import pytest
from a2a.types.a2a_pb2 import AgentCard
from a2a_door.conftest import new_account
from a2a_door.requirements import holds
from a2a_door.wire import BINDINGS, Wire, data_of, message, state_of
from google.protobuf.json_format import ParseDict

from gateway_a2a.card import agent_card
from gateway_tools.registry import TOOLS

CARD: Final = "/.well-known/agent-card.json"
EXAMPLES: Final = [
    pytest.param(example, id=skill.id)
    for skill in agent_card("http://x", "1", []).skills
    for example in skill.examples
]


@pytest.fixture
def card(http: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = http.get(CARD).json()
    return found


@holds("card-discovery", "card-fields", "skills")
def test_the_card_is_public_and_has_what_it_must(card: dict[str, Any], http: httpx.Client) -> None:
    ParseDict(card, AgentCard())  # no field that 1.0 doesn't know
    for name in ("name", "description", "version", "defaultInputModes", "defaultOutputModes"):
        assert card[name]
    assert [skill["id"] for skill in card["skills"]] == list(TOOLS)
    assert all(skill["description"] and skill["tags"] for skill in card["skills"])
    assert card["documentationUrl"] == f"{http.base_url}/docs".replace("//docs", "/docs")
    assert http.get(card["documentationUrl"]).status_code == 200


@holds("card-interfaces", "bindings-equal")
def test_each_interface_of_the_card_is_served(card: dict[str, Any], http: httpx.Client) -> None:
    interfaces = card["supportedInterfaces"]
    assert [one["protocolBinding"] for one in interfaces] == list(BINDINGS)
    assert {one["protocolVersion"] for one in interfaces} == {"1.0"}
    for one in interfaces:
        wire = new_account(http, one["protocolBinding"])
        assert str(wire.request("ListTasks", {}).url).startswith(one["url"])
        assert wire.call("ListTasks", {})["totalSize"] == 0


@holds("card-fields", "authentication")
def test_capabilities_and_security_are_told_as_they_are(card: dict[str, Any]) -> None:
    assert card["capabilities"]["streaming"] is True
    assert card["capabilities"]["pushNotifications"] is True
    assert not card["capabilities"].get("extendedAgentCard")
    (scheme,) = card["securitySchemes"].values()
    assert scheme["httpAuthSecurityScheme"]["scheme"] == "bearer"
    assert [*card["securityRequirements"][0]["schemes"]] == [*card["securitySchemes"]]


@holds("card-cache")
def test_the_card_is_cached_and_asked_for_again_by_its_tag(http: httpx.Client) -> None:
    first = http.get(CARD)
    assert "max-age=" in first.headers["cache-control"]
    again = http.get(CARD, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@holds("skills")
@pytest.mark.parametrize("example", EXAMPLES)
def test_each_example_runs_as_it_stands(http: httpx.Client, example: str) -> None:
    task = new_account(http, "JSONRPC").send(message(example))
    assert state_of(task) == "COMPLETED", data_of(task)
    assert json.loads(example)["skill"] == task["artifacts"][0]["name"]


@holds("skills")
def test_only_what_needs_a_result_of_the_callers_own_has_no_example(card: dict[str, Any]) -> None:
    silent = [skill["id"] for skill in card["skills"] if not skill.get("examples")]
    assert silent == ["get_result", "compare_results"]


@holds("skills", "files")
def test_declared_modes_are_taken_and_given(wire: Wire, card: dict[str, Any]) -> None:
    skills = {skill["id"]: skill for skill in card["skills"]}
    modes = skills["simulate"]["outputModes"]
    call = {"fmu_id": "msl:BouncingBall", "stop_time": 1.0}
    task = wire.run("simulate", call, acceptedOutputModes=modes)
    given = [artifact["parts"][0]["mediaType"] for artifact in task["artifacts"]]
    assert [mode.partition(";")[0] for mode in given] == modes
    assert "application/octet-stream" in skills["upload_fmu"]["inputModes"]
