"""From a 401 to a run, by the MCP SDK's own client; a person answers the page."""

from __future__ import annotations

import anyio
import httpx2
import pytest
from conftest import Running
from mcp import Client
from mcp.client.auth.exceptions import OAuthFlowError
from mcp.client.streamable_http import streamable_http_client
from oauth.sdk_client import Browser, Kept, provider, who_denies, who_has, who_is_new

from gateway_tools.registry import TOOLS

RUN = {"fmu_id": "msl:BouncingBall", "stop_time": 1.0, "kpis": ["h_max"]}


def run(url: str, browser: Browser, kept: Kept) -> tuple[list[str], float]:
    """The tools' names, and what a simulation says."""

    async def work() -> tuple[list[str], float]:
        async with (
            httpx2.AsyncClient(auth=provider(url, browser, kept)) as http,
            Client(streamable_http_client(f"{url}/mcp", http_client=http)) as client,
        ):
            tools = [tool.name for tool in (await client.list_tools()).tools]
            result = await client.call_tool("simulate", RUN)
            assert result.structured_content
            return tools, result.structured_content["kpis"]["h_max"]["value"]

    return anyio.run(work)


@pytest.mark.parametrize("new", [False, True], ids=["with a key", "with a new account"])
def test_a_client_signs_in_by_browser_and_simulates(free_gateway: Running, *, new: bool) -> None:
    person = who_is_new if new else who_has(free_gateway.account().key)
    browser = Browser(person)
    assert run(free_gateway.url, browser, Kept()) == (list(TOOLS), 1.0)
    assert browser.visits == 1


def test_a_client_that_starts_again_asks_nobody(free_gateway: Running) -> None:
    kept = Kept()
    run(free_gateway.url, Browser(who_has(free_gateway.account().key)), kept)
    again = Browser(who_denies)
    run(free_gateway.url, again, kept)
    assert again.visits == 0


def test_a_client_refreshes_its_tokens_by_itself(free_gateway: Running) -> None:
    kept = Kept()
    run(free_gateway.url, Browser(who_has(free_gateway.account().key)), kept)
    first = kept.tokens
    assert first
    kept.tokens = first.model_copy(update={"access_token": "", "expires_in": 0})
    again = Browser(who_denies)

    async def refresh() -> None:
        signing_in = provider(free_gateway.url, again, kept)
        await signing_in._initialize()  # noqa: SLF001  an expired token, as time would make it
        signing_in.context.token_expiry_time = 1.0
        async with httpx2.AsyncClient(auth=signing_in) as http:
            await http.post(f"{free_gateway.url}/mcp", json={})

    anyio.run(refresh)
    assert kept.tokens.refresh_token not in {None, first.refresh_token}
    assert again.visits == 0


def test_a_person_who_denies_gives_nothing(free_gateway: Running) -> None:
    browser = Browser(who_denies)
    with pytest.raises(BaseExceptionGroup) as raised:
        run(free_gateway.url, browser, Kept())
    assert raised.group_contains(OAuthFlowError)
    assert browser.answer["error"] == ["access_denied"]
