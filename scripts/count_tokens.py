"""What the gateway costs an agent: bytes and tokens of the list of tools and of typical answers.

    uv run python scripts/count_tokens.py [--json]

A gateway of its own answers real calls over MCP. Tokens are those of o200k_base; other models'
tokenizers differ by some tenths. Nothing is downloaded.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import json
import os
import re
import sys
import tempfile
import zipfile
from dataclasses import asdict, dataclass
from typing import Any, Final

import bpe_openai  # type: ignore[import-untyped]
import httpx
import structlog
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp_types import TextContent
from pydantic import BaseModel
from rich.console import Console
from rich.table import Table

from gateway_library.build import built_folder
from gateway_server.embedded import embedded_gateway
from gateway_server.settings import read_settings

_TOKENS: Final = bpe_openai.get_encoding("o200k_base")
_VARIABLES: Final = 1_000
_MANY_OUTPUTS: Final = "msl:CoupledClutches"


@dataclass(frozen=True, slots=True)
class Row:
    """One text that an agent reads."""

    what: str
    bytes: int
    tokens: int


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="for programs")
    as_json = parser.parse_args().json
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    rows = measured()
    if as_json:
        print(json.dumps([asdict(row) for row in rows]))
    else:
        _print(rows)


def measured() -> list[Row]:
    """Every tool's listing, the whole list, and answers, from a fresh gateway, runs free."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"PAYMENT_OFFERS": "", "FMU_GATEWAY_DB_PATH": f"{folder}/gateway.sqlite3"}
        with embedded_gateway(read_settings(port=0)) as gateway:
            key = httpx.post(f"{gateway.url}/keys").json()["key"]
            return asyncio.run(_asked(gateway.url, key))


async def _asked(url: str, key: str) -> list[Row]:
    async with (
        create_mcp_http_client(headers={"Authorization": f"Bearer {key}"}) as http,
        Client(streamable_http_client(f"{url}/mcp", http_client=http)) as client,
    ):
        listed = await client.list_tools()
        rows = [_row(f"tools/list: {tool.name}", _json(tool)) for tool in listed.tools]
        return [*rows, _row("tools/list", _json(listed)), *await _answers(client)]


async def _answers(client: Client) -> list[Row]:
    """Typical answers, as the text that a model is shown; a result's id goes into later calls."""
    rows: list[Row] = []

    async def told(tool: str, arguments: dict[str, Any], of: str = "") -> dict[str, Any]:
        answer = await _called(client, tool, arguments)
        rows.append(_row(f"{tool}{of}", answer.text))
        return answer.body

    run = {"fmu_id": "msl:BouncingBall", "stop_time": 3, "kpis": ["h_max", "v_rms"]}
    many = f" of {_VARIABLES} variables"
    await told("list_library", {})
    await told("describe_model", {"fmu_id": "msl:BouncingBall"})
    large = await told("upload_fmu", {"content_base64": _large()}, many)
    await told("describe_model", {"fmu_id": large["id"]}, many)
    await told("quote", run)
    first = await told("simulate", run)
    await told("simulate", await _with_many_outputs(client), " with many outputs")
    study = {"base": run, "parameters": {"e": {"min": 0.5, "max": 0.9, "count": 9}}}
    await told("run_study", study)
    await told("get_result", {"result_id": first["result_id"]})
    second = (await _called(client, "simulate", {**run, "start_values": {"e": 0.6}})).body
    pair = {"result_id": first["result_id"], "other_result_id": second["result_id"]}
    await told("compare_results", pair)
    await told("account", {})
    return rows


@dataclass(frozen=True, slots=True)
class Answer:
    """What a tool answered, as it was shown and as JSON."""

    text: str
    body: dict[str, Any]


async def _called(client: Client, tool: str, arguments: dict[str, Any]) -> Answer:
    answer = await client.call_tool(tool, arguments)
    shown = answer.content[0]
    assert isinstance(shown, TextContent)
    assert not answer.is_error, shown.text
    return Answer(shown.text, json.loads(shown.text))


async def _with_many_outputs(client: Client) -> dict[str, Any]:
    """A run that records every real variable of a model with many, and asks for key figures."""
    described = await _called(client, "describe_model", {"fmu_id": _MANY_OUTPUTS, "limit": 200})
    names = [
        variable["name"]
        for variable in described.body["variables"]
        if variable["type"] == "real" and variable["causality"] in {"output", "local"}
    ]
    kpis = [f"{name}_max" for name in names[:6]]
    return {"fmu_id": _MANY_OUTPUTS, "outputs": names, "kpis": kpis}


def _large() -> str:
    """A library model with many more variables, as base64; they are only described, never read."""
    added = "".join(
        f'<ScalarVariable name="plant.section[{i}].pump.pressure" valueReference="{100_000 + i}" '
        f'description="Pressure at the outlet of section {i}" causality="local" '
        'variability="continuous"><Real unit="m" min="0"/></ScalarVariable>'
        for i in range(_VARIABLES)
    )
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(built_folder() / "BouncingBall.fmu") as before,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as after,
    ):
        for name in before.namelist():
            data = before.read(name)
            if name == "modelDescription.xml":
                data = re.sub(rb"(?=</ModelVariables>)", added.encode(), data)
            after.writestr(name, data)
    return base64.b64encode(buffer.getvalue()).decode()


def _json(published: BaseModel) -> str:
    return published.model_dump_json(by_alias=True, exclude_none=True)


def _row(what: str, text: str) -> Row:
    return Row(what, len(text.encode()), len(_TOKENS.encode(text)))


def _print(rows: list[Row]) -> None:
    table = Table("what", "bytes", "tokens")
    for row in rows:
        table.add_row(row.what, f"{row.bytes:,}", f"{row.tokens:,}")
    Console().print(table)


if __name__ == "__main__":
    main()
