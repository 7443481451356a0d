"""The MCP SDK's own OAuth client, and the person that it sends to a browser."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import httpx
from anyio import to_thread
from mcp.client.auth import OAuthClientProvider
from mcp.shared.auth import (
    AuthorizationCodeResult,
    OAuthClientInformationFull,
    OAuthClientMetadata,
    OAuthToken,
)
from oauth.program import REDIRECT, fields
from pydantic import AnyUrl

Person = Callable[[httpx.Response], httpx.Response]


@dataclass
class Kept:
    """What a client keeps between its starts."""

    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


@dataclass
class Browser:
    """A browser that `person` sits at; the client hears what it was sent back with."""

    person: Person
    visits: int = 0
    answer: dict[str, list[str]] = field(default_factory=dict)

    async def visit(self, url: str) -> None:
        self.visits += 1
        back = await to_thread.run_sync(lambda: self.person(httpx.get(url, follow_redirects=True)))
        self.answer = parse_qs(urlsplit(back.headers["location"]).query)

    async def callback(self) -> AuthorizationCodeResult:
        return AuthorizationCodeResult(
            code=self.answer.get("code", [""])[0],
            state=self.answer["state"][0],
            iss=self.answer["iss"][0],
        )


def send(page: httpx.Response, decision: str, **given: str) -> httpx.Response:
    form = {**fields(page.text), **given, "decision": decision}
    return httpx.post(page.url.join("/sign-in"), data=form)


def who_has(key: str) -> Person:
    return lambda page: send(page, "allow", key=key)


def who_is_new(page: httpx.Response) -> httpx.Response:
    return send(send(page, "account"), "allow")


def who_denies(page: httpx.Response) -> httpx.Response:
    return send(page, "deny")


def provider(url: str, browser: Browser, kept: Kept) -> OAuthClientProvider:
    metadata = OAuthClientMetadata(client_name="SDK", redirect_uris=[AnyUrl(REDIRECT)])
    return OAuthClientProvider(
        f"{url}/mcp",
        metadata,
        kept,
        redirect_handler=browser.visit,
        callback_handler=browser.callback,
    )
