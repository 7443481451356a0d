"""The configurations of docs/clients.md and the README start what they promise."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from conftest import Running
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from oauth.sdk_client import Browser, Kept, provider, who_has
from served import COMMAND

from gateway_tools.registry import TOOLS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "clients.md"
CLIENTS = ("Claude Desktop", "Claude Code", "VS Code", "Cursor")


def _entries(page: Path) -> Iterator[Any]:
    """Each server of each JSON block, named by the heading that it stands under."""
    parts = re.split(r"^## (.+)$", page.read_text(), flags=re.MULTILINE)
    for heading, section in zip(parts[1::2], parts[2::2], strict=True):
        for block in re.findall(r"```json\n(.*?)```", section, re.DOTALL):
            configuration = json.loads(block)
            servers = configuration.get("servers") or configuration.get("mcpServers")
            for name, entry in servers.items():
                yield pytest.param(entry, id=f"{page.stem} {heading} {name}")


ENTRIES = [*_entries(ROOT / "README.md"), *_entries(PAGE)]


def test_each_client_has_each_way_that_it_can_take() -> None:
    ids = {str(entry.id) for entry in ENTRIES if str(entry.id).startswith("clients ")}
    ways = ("fmu-local", "fmu-bridge", "fmu-remote", "fmu-remote-key")
    expected = {f"clients {client} {way}" for client in CLIENTS for way in ways}
    assert ids == {one for one in expected if "Desktop fmu-remote" not in one}


@pytest.mark.slow  # programs of their own
@pytest.mark.parametrize("entry", ENTRIES)
def test_a_configuration_leads_to_all_tools(
    entry: dict[str, Any], free_gateway: Running, tmp_path: Path
) -> None:
    where = free_gateway.account()
    filled = _filled(entry, where.url, where.key, tmp_path)
    if "url" in filled:
        tools = anyio.run(_tools_over_http, filled, where.key)
    else:
        tools = anyio.run(_tools_over_stdio, filled, tmp_path)
    assert tools == list(TOOLS)


def _filled(entry: dict[str, Any], url: str, key: str, folder: Path) -> dict[str, Any]:
    """The entry as a person and a client fill it in; nothing may be left to fill."""
    text = json.dumps(entry)
    for placeholder, value in {
        "/path/to/uv": "uv",
        "/path/to/checkout": str(ROOT),
        "/path/to/this/checkout": str(ROOT),
        "/path/to/models": str(folder),
        "https://gateway.example": url,
        "your-key": key,
        "${workspaceFolder}": str(folder),
        "${FMU_GATEWAY_KEY}": key,
        "${env:FMU_GATEWAY_KEY}": key,
        "${input:fmu-key}": key,
    }.items():
        text = text.replace(placeholder, value)
    assert "/path/to" not in text
    assert "${" not in text
    filled: dict[str, Any] = json.loads(text)
    return filled


async def _tools_over_stdio(entry: dict[str, Any], folder: Path) -> list[str]:
    environment = {
        **os.environ,
        "UV_NO_SYNC": "1",
        "FMU_GATEWAY_DB_PATH": str(folder / "local.sqlite3"),
        **entry.get("env", {}),
    }
    server = StdioServerParameters(
        command=entry["command"], args=entry["args"], env=environment, cwd=str(folder)
    )
    async with Client(server) as client:
        return [tool.name for tool in (await client.list_tools()).tools]


async def _tools_over_http(entry: dict[str, Any], key: str) -> list[str]:
    """With the header that is written; without one a person signs in with `key`."""
    signing_in = provider(entry["url"].removesuffix("/mcp"), Browser(who_has(key)), Kept())
    async with (
        create_mcp_http_client(
            headers=entry.get("headers"), auth=None if "headers" in entry else signing_in
        ) as http,
        Client(streamable_http_client(entry["url"], http_client=http)) as client,
    ):
        return [tool.name for tool in (await client.list_tools()).tools]


def test_the_conversation_over_stdio_goes_as_it_is_written(tmp_path: Path) -> None:
    (recorded,) = re.findall(r"```jsonl\n(.*?)```", PAGE.read_text(), re.DOTALL)
    result_id = "res_…"
    with subprocess.Popen(
        [COMMAND, "mcp"],
        cwd=tmp_path,
        env={**os.environ, "FMU_GATEWAY_DB_PATH": str(tmp_path / "local.sqlite3")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    ) as server:
        assert server.stdin
        assert server.stdout
        for line in recorded.splitlines():
            direction, _, message = line.partition(" ")
            if direction == ">":
                server.stdin.write(message.replace("res_…", result_id) + "\n")
                server.stdin.flush()
                continue
            answer = json.loads(server.stdout.readline())
            assert _matches(json.loads(message), answer), (message, answer)
            result_id = answer["result"].get("structuredContent", {}).get("result_id", result_id)
        server.stdin.close()
        assert server.wait(30) == 0


def _matches(written: Any, real: Any) -> bool:  # noqa: ANN401  any JSON
    """Whether all that is written is in the real answer; text may end with an ellipsis."""
    match written:
        case dict():
            return isinstance(real, dict) and all(
                name in real and _matches(value, real[name]) for name, value in written.items()
            )
        case list():
            return len(written) == len(real) and all(map(_matches, written, real))
        case str() if written.endswith("…"):
            return isinstance(real, str) and real.startswith(written[:-1].rstrip())
    return bool(written == real)
