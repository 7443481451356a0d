"""`fmu-gateway demo`: an embedded gateway, two agents with official clients, one paid result."""

from __future__ import annotations

import asyncio
import base64
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp_types import ImageContent
from rich.console import Console
from rich.text import Text

from gateway_a2a import client as a2a
from gateway_library.build import built_folder
from gateway_payments.ledger import grant_credits
from gateway_payments.money import from_minor
from gateway_server.embedded import Embedded, embedded_gateway
from gateway_server.settings import Settings, read_settings

_RUN: Final = {
    "fmu_id": "msl:BouncingBall",
    "stop_time": 3.0,
    "start_values": {"e": 0.7},
    "kpis": ["h_max", "v_rms"],
}
_CREDITS: Final = from_minor(500, "usd")

_console = Console(highlight=False, soft_wrap=True)


class DemoFailedError(Exception):
    """A step did not show what it should have."""


def run_demo(plot: Path) -> None:
    """Print a transcript of finding, uploading, quoting, paying and simulating; write `plot`."""
    started = time.monotonic()
    plot.touch()  # a folder that can't be written is told before the show, not after it
    with (
        tempfile.TemporaryDirectory(prefix="fmu-gateway-demo-") as folder,
        embedded_gateway(_settings(Path(folder))) as gateway,
    ):
        plot.write_bytes(asyncio.run(_show(gateway)))
    _say("get_result", f"plot written to {plot}")
    _console.print(f"\nDone in {time.monotonic() - started:.1f} s. Next: uv run fmu-gateway serve")


def _settings(folder: Path) -> Settings:
    return read_settings(
        host="127.0.0.1",
        port=0,
        public_base_url=None,
        database_url=None,
        fmu_gateway_db_path=str(folder / "demo.sqlite3"),
        storage_url=None,
        gateway_secret=None,
        stripe_enabled=False,
        payment_offers=("credits",),
    )


async def _show(gateway: Embedded) -> bytes:
    _say("gateway", f"listening at {gateway.url}: REST, MCP at /mcp, A2A at /a2a/")
    key = await _account(gateway)
    async with _mcp(gateway.url, key) as agent:
        plot = await _mcp_agent(agent)
    async with a2a.connect(gateway.url, key) as other:
        await _a2a_agent(other)
    return plot


async def _account(gateway: Embedded) -> str:
    async with httpx.AsyncClient(base_url=gateway.url) as http:
        account = (await http.post("/keys")).raise_for_status().json()
    system = gateway.gateway
    with system.database.write() as db:
        grant_credits(db, account["account_id"], "demo", _CREDITS, system.clock())
    _say("operator", f"gives the demo account {_CREDITS} of prepaid credits (demo money, not real)")
    key: str = account["key"]
    return key


async def _mcp_agent(agent: Client) -> bytes:
    tools = [tool.name for tool in (await agent.list_tools()).tools]
    _say("MCP agent", f"connects with the official client; tools: {', '.join(tools)}")
    found = await _call(agent, "list_library", {"query": "bouncing ball"})
    best = found["models"][0]
    _say("list_library", f"{best['id']}: {best['description']} [{best['verified_against']}]")
    own = built_folder() / "VanDerPol.fmu"
    content = base64.b64encode(own.read_bytes()).decode()
    stored = await _call(agent, "upload_fmu", {"content_base64": content})
    _say("upload_fmu", f"{own.name} is {stored['id']} ({', '.join(stored['kinds'])})")
    quote = await _call(agent, "quote", _RUN)
    _say(
        "quote", f"{quote['amount']:.2f} {quote['currency'].upper()}: {'; '.join(quote['because'])}"
    )
    refused = await _call(agent, "simulate", _RUN, expect="payment_required")
    _say("simulate", f"refused, {refused['code']}: {refused['next_step']}")
    paid = await _call(agent, "pay", {"quote_id": quote["quote_id"], "offer": "credits"})
    _say("pay", f"{paid['status']} with credits; one token for one run")
    result = await _call(agent, "simulate", {"payment_token": paid["payment_token"]})
    _show_result(result)
    again = {"payment_token": paid["payment_token"]}
    spent = await _call(agent, "simulate", again, expect="payment_token_spent")
    _say("simulate", f"again with the same token: refused, {spent['code']}")
    picture = await agent.call_tool(
        "get_result", {"result_id": result["result_id"], "format": "png"}
    )
    shown = picture.content[-1]
    assert isinstance(shown, ImageContent)
    return base64.b64decode(shown.data)


async def _a2a_agent(agent: a2a.A2AAgent) -> None:
    _say(
        "A2A agent", "connects with the official client and asks for the same model, twice as long"
    )
    task = await agent.call("simulate", {**_RUN, "stop_time": 6.0})
    need = a2a.data(task)
    _say(
        "task",
        f"{a2a.state(task)}: {need['code']}, {need['amount']:.2f} {need['currency'].upper()}",
    )
    paid = await agent.call("pay", {"quote_id": need["quote_id"], "offer": "credits"})
    token = a2a.data(paid)["payment_token"]
    done = await agent.answer(task, {"payment_token": token})
    _say("task", f"{a2a.state(done)} after payment")
    _show_result(a2a.data(done))
    account = a2a.data(await agent.call("account", {"limit": 1}))
    left = account["balance"]
    _say("account", f"{left['amount']:.2f} {left['currency'].upper()} of credits left")


def _show_result(result: dict[str, Any]) -> None:
    engine = result["engine"]
    made = f"{engine['name']} {engine['version']}, sandbox {engine['sandbox']}"
    _say("simulate", f"{result['result_id']} in {result['wall_ms']:.0f} ms ({made})")
    for name, kpi in result["kpis"].items():
        _say("", f"{name} = {kpi['value']:.6g} {kpi['unit'] or ''}")


@asynccontextmanager
async def _mcp(url: str, key: str) -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        create_mcp_http_client(headers=headers) as http,
        Client(streamable_http_client(f"{url}/mcp", http_client=http)) as client,
    ):
        yield client


async def _call(
    agent: Client, tool: str, arguments: dict[str, Any], *, expect: str | None = None
) -> dict[str, Any]:
    """The tool's answer; `expect` is the code of the refusal that should come instead."""
    result = await agent.call_tool(tool, arguments)
    answer: dict[str, Any] = result.structured_content
    if result.is_error != (expect is not None) or answer.get("code") != expect:
        message = f"{tool} answered {answer}"
        raise DemoFailedError(message)
    return answer


def _say(who: str, what: str) -> None:
    _console.print(Text.assemble((f"{who:>13} ", "bold cyan"), what))
