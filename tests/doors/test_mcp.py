"""What only the MCP door has: annotations, schemas, resources, pictures, both eras, host checks."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from anyio.from_thread import start_blocking_portal
from conftest import Running
from doors.clients import Mcp, Where, open_door
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.exceptions import MCPError

from gateway_library.build import built_folder
from gateway_tools.registry import TOOLS

RUN: dict[str, Any] = {"fmu_id": "msl:BouncingBall", "stop_time": 1.0}


@pytest.fixture(scope="module", params=["mcp_http", "mcp_stdio"])
def door(request: pytest.FixtureRequest, free_gateway: Running) -> Iterator[Mcp]:
    with open_door(request.param, free_gateway.account()) as opened:
        assert isinstance(opened, Mcp)
        yield opened


def test_every_tool_is_published_as_its_module_says(door: Mcp) -> None:
    published = {tool.name: tool for tool in door.portal.call(door.client.list_tools).tools}
    assert list(published) == list(TOOLS)
    for name, tool in TOOLS.items():
        annotations = published[name].annotations
        assert annotations is not None
        assert published[name].description == tool.description
        assert published[name].input_schema == tool.input_schema
        assert bool(annotations.read_only_hint) == tool.read_only
        assert tool.read_only or annotations.destructive_hint == tool.destructive
        assert bool(annotations.idempotent_hint) == (tool.idempotent and not tool.read_only)


def test_the_list_of_tools_is_lean(door: Mcp) -> None:
    listed = door.portal.call(door.client.list_tools)
    assert len(listed.model_dump_json(by_alias=True, exclude_none=True)) < 12_000


def test_answers_fit_the_published_schemas(door: Mcp) -> None:
    for tool, arguments in [
        ("list_library", {}),
        ("describe_model", {"fmu_id": "msl:VanDerPol"}),
        ("quote", RUN),
        ("simulate", RUN),
        ("simulate", {**RUN, "quote_only": True}),
        ("account", {}),
        ("simulate", {"fmu_id": "msl:No"}),
        ("get_result", {"result_id": "res_0"}),
        ("pay", {}),
        ("list_library", {"nonsense": 1}),
    ]:
        answer = door.call(tool, arguments)
        jsonschema.validate(answer.body, TOOLS[tool].output_schema)


def test_a_plot_is_shown_as_a_picture(door: Mcp) -> None:
    result_id = door.call("simulate", RUN).body["result_id"]
    arguments = {"result_id": result_id, "format": "png"}
    answer = door.portal.call(door.client.call_tool, "get_result", arguments)
    image = answer.content[-1]
    assert image.type == "image"
    assert base64.b64decode(image.data).startswith(b"\x89PNG")


def test_a_file_is_linked_and_read_as_a_resource(door: Mcp) -> None:
    result_id = door.call("simulate", RUN).body["result_id"]
    arguments = {"result_id": result_id, "format": "csv"}
    answer = door.portal.call(door.client.call_tool, "get_result", arguments)
    link = answer.content[-1]
    assert link.type == "resource_link"
    read = door.portal.call(door.client.read_resource, link.uri)
    assert read.contents[0].text.startswith("time,h,v\n")  # type: ignore[union-attr]


def test_an_unknown_resource_is_an_error(door: Mcp) -> None:
    for uri in ("result://res_0/csv", "result://res_000000000000000000000000/csv", "file:///etc"):
        with pytest.raises(MCPError):
            door.portal.call(door.client.read_resource, uri)


def test_an_unknown_tool_is_answered_with_those_there_are(door: Mcp) -> None:
    answer = door.call("symulate", {})
    assert answer.code == "unknown_tool"
    assert answer.body["details"]["tools"] == list(TOOLS)


@contextmanager
def legacy(where: Where) -> Iterator[Mcp]:
    """A client of the handshake era."""
    with start_blocking_portal() as portal:

        async def http() -> Any:  # noqa: ANN401
            return create_mcp_http_client(headers={"Authorization": f"Bearer {where.key}"})

        session = portal.call(http)
        with portal.wrap_async_context_manager(session):
            transport = streamable_http_client(f"{where.url}/mcp", http_client=session)
            client = Client(transport, mode="legacy")
            with portal.wrap_async_context_manager(client):
                yield Mcp(portal, client)


def test_clients_of_the_handshake_era_are_served_too(free_gateway: Running) -> None:
    with legacy(free_gateway.account()) as door:
        assert not door.call("simulate", RUN).failed
        assert door.call("simulate", {"fmu_id": "msl:No"}).code == "unknown_model"


def test_another_host_name_is_refused_at_mcp(free_gateway: Running) -> None:
    where = free_gateway.account()
    answer = httpx.post(
        f"{where.url}/mcp",
        headers={"Authorization": f"Bearer {where.key}", "Host": "evil.example"},
        json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"},
    )
    assert answer.status_code == 421


def test_a_resource_that_is_not_there_names_the_nearest(door: Mcp) -> None:
    with pytest.raises(MCPError) as refused:
        door.portal.call(door.client.read_resource, "fmu://msl%3ABouncingBal")
    told = refused.value.data
    assert told["code"] == "unknown_model"
    assert "msl:BouncingBall" in told["details"]["nearest"]


def test_over_stdio_a_file_in_an_allowed_folder_can_be_uploaded(
    free_gateway: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "model.fmu").write_bytes((built_folder() / "VanDerPol.fmu").read_bytes())
    (tmp_path / "inside" / "link.fmu").symlink_to("/etc/hostname")
    (tmp_path / "outside.fmu").write_bytes(b"x")
    monkeypatch.chdir(tmp_path / "inside")
    with open_door("mcp_stdio", free_gateway.account()) as door:
        assert door.call("upload_fmu", {"path": "model.fmu"}).body["model_name"] == "VanDerPol"
        os.mkfifo("fifo")
        for path in ("fifo", "link.fmu", "../outside.fmu", "/etc/hostname", "missing", "\0", ""):
            refused = door.call("upload_fmu", {"path": path})
            assert refused.code == "path_not_readable", path
            assert refused.body["details"]["folders"] == [str(tmp_path / "inside")]


def test_over_stdio_links_are_resources(free_gateway: Running) -> None:
    with open_door("mcp_stdio", free_gateway.account()) as door:
        links = door.call("simulate", RUN).body["links"]
    assert json.dumps(links).count("result://res_") == 4
