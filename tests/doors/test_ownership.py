"""What belongs to one account does not exist for another."""

from __future__ import annotations

import base64
import uuid

import httpx
import pytest
from conftest import Running
from doors.clients import Door, open_door

from gateway_library.build import built_folder


@pytest.fixture(scope="module")
def somebody(free_gateway: Running) -> dict[str, str]:
    """The ids of another account's model and result."""
    content = base64.b64encode((built_folder() / "VanDerPol@fmi3.fmu").read_bytes()).decode()
    with open_door("rest", free_gateway.account()) as door:
        model = door.call("upload_fmu", {"content_base64": content}).body["id"]
        result = door.call("simulate", {"fmu_id": model, "stop_time": 1.0}).body["result_id"]
    return {"fmu_id": model, "result_id": result}


def test_anothers_model_is_unknown(free: Door, somebody: dict[str, str]) -> None:
    for tool in ("describe_model", "quote", "simulate"):
        assert free.call(tool, {"fmu_id": somebody["fmu_id"]}).code == "unknown_model"
    found = free.call("list_library", {"source": "upload", "limit": 100}).body["models"]
    assert somebody["fmu_id"] not in [model["id"] for model in found]


def test_anothers_result_is_unknown(free: Door, somebody: dict[str, str]) -> None:
    assert free.call("get_result", {"result_id": somebody["result_id"]}).code == "unknown_result"


def test_a_removed_model_is_gone_and_its_results_stay(free_gateway: Running) -> None:
    data = (built_folder() / "Dahlquist@fmi3.fmu").read_bytes()
    with free_gateway.http() as http:
        model = http.post("/fmus", files={"file": ("m.fmu", data)}).json()["id"]
        result = http.post("/simulate", json={"fmu_id": model, "stop_time": 1.0}).json()
        assert http.delete(f"/fmus/{model}").status_code == 204
        assert http.get(f"/fmus/{model}").json()["code"] == "unknown_model"
        assert http.get(f"/results/{result['result_id']}").status_code == 200


@pytest.mark.parametrize("path", ["/library", "/fmus", "/account", "/usage", "/account/keys"])
def test_nothing_of_an_account_is_shown_without_its_key(free_gateway: Running, path: str) -> None:
    for headers in ({}, {"Authorization": f"Bearer {uuid.uuid4()}"}, {"Authorization": "Basic x"}):
        answer = httpx.get(f"{free_gateway.url}{path}", headers=headers)
        assert answer.status_code == 401
        assert answer.json()["code"] == "unauthorized"
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", ["/mcp", "/a2a/", "/a2a/rest/message:send"])
def test_the_other_doors_ask_for_a_key_too(free_gateway: Running, path: str) -> None:
    answer = httpx.post(f"{free_gateway.url}{path}", json={})
    assert answer.status_code == 401
    assert answer.json()["code"] == "unauthorized"


def test_a_revoked_key_opens_nothing(free_gateway: Running) -> None:
    with free_gateway.http() as http:
        new = http.post("/account/keys", json={"label": "laptop"}).json()
        other = {"Authorization": f"Bearer {new['key']}"}
        assert http.get("/account", headers=other).status_code == 200
        assert http.delete(f"/account/keys/{new['key_id']}").status_code == 204
        assert http.get("/account", headers=other).json()["code"] == "key_revoked"
        labels = [key["label"] for key in http.get("/account/keys").json()["keys"]]
        assert labels == ["first", "laptop"]
