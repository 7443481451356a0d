"""A program that signs in by hand, request by request, and a person in front of the page."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

VERIFIER = "v" * 43
REDIRECT = "http://127.0.0.1/callback"


def reaching(url: str) -> httpx.Client:
    """A client that leaves no connection open behind it."""
    return httpx.Client(base_url=url, timeout=60, limits=httpx.Limits(max_keepalive_connections=0))


def challenge(verifier: str = VERIFIER) -> str:
    """PKCE's S256."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def fields(page: str) -> dict[str, str]:
    """What a browser would send back of the page's form."""
    inputs = re.findall(r"<input ([^>]*)>", page)
    found = {}
    for one in inputs:
        attributes = dict(re.findall(r'([\w-]+)="([^"]*)"', one))
        found[attributes["name"]] = html.unescape(attributes.get("value", ""))
    return found


def told(response: httpx.Response) -> dict[str, str]:
    """What a redirect back to the program says."""
    assert response.status_code == 303, response.text
    query = parse_qs(urlsplit(response.headers["location"]).query)
    return {name: values[0] for name, values in query.items()}


@dataclass
class Program:
    """One client of the authorization server at `url`."""

    url: str
    name: str = "Test program"
    redirect_uris: tuple[str, ...] = (REDIRECT,)
    auth_method: str = "none"
    http: httpx.Client = None  # type: ignore[assignment]  # another way to reach it
    registration: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.http = self.http or reaching(self.url)
        self.registration = self.register().json()

    @property
    def client_id(self) -> str:
        return str(self.registration["client_id"])

    @property
    def identity(self) -> dict[str, str]:
        secret = self.registration.get("client_secret")
        return {"client_id": self.client_id, **({"client_secret": secret} if secret else {})}

    def register(self, **more: Any) -> httpx.Response:  # noqa: ANN401
        metadata = {
            "client_name": self.name,
            "redirect_uris": self.redirect_uris,
            "token_endpoint_auth_method": self.auth_method,
            **more,
        }
        return self.http.post("/register", json=metadata)

    def authorize(self, **more: str | None) -> httpx.Response:
        """The first answer that the person's browser gets."""
        asked = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uris[0],
            "code_challenge": challenge(),
            "code_challenge_method": "S256",
            "state": "st",
            "resource": f"{self.url}/mcp",
            "scope": "mcp",
            **more,
        }
        return self.http.get(
            "/authorize", params={name: value for name, value in asked.items() if value is not None}
        )

    def page(self, **more: str | None) -> httpx.Response:
        """The sign-in page."""
        return self.http.get(self.authorize(**more).headers["location"])

    def decide(
        self, decision: str, key: str = "", headers: dict[str, str] | None = None, **more: str
    ) -> httpx.Response:
        """What the person's answer on a fresh page leads to."""
        given = {**fields(self.page().text), "key": key, "decision": decision, **more}
        return self.http.post("/sign-in", data=given, headers=headers)

    def code(self, key: str, **more: str) -> str:
        """A code, by a person who agrees."""
        return told(self.decide("allow", key, None, **more))["code"]

    def exchange(self, code: str, **more: str) -> httpx.Response:
        """Tokens for a code."""
        return self.token(
            **{
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": self.redirect_uris[0],
                "code_verifier": VERIFIER,
                **more,
            }
        )

    def refresh(self, token: str, **more: str) -> httpx.Response:
        """Tokens for a refresh token."""
        return self.token(grant_type="refresh_token", refresh_token=token, **more)

    def token(self, **given: str) -> httpx.Response:
        return self.http.post(
            "/token", data={**self.identity, "resource": f"{self.url}/mcp", **given}
        )

    def revoke(self, token: str) -> httpx.Response:
        return self.http.post("/revoke", data={**self.identity, "token": token})

    def tokens(self, key: str, **more: str) -> dict[str, Any]:
        """Let in by a person: access and refresh token."""
        answer = self.exchange(self.code(key, **more))
        assert answer.status_code == 200, answer.text
        tokens: dict[str, Any] = answer.json()
        return tokens

    def requests(self, token: str, method: str, **params: Any) -> httpx.Response:  # noqa: ANN401
        """A request to /mcp."""
        call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        headers = {
            "Authorization": f"Bearer {token}",
            "Accept": "application/json, text/event-stream",
        }
        return self.http.post("/mcp", json=call, headers=headers)

    def calls(self, token: str, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """The answer to a tool's call."""
        answer = self.requests(token, "tools/call", name=tool, arguments=arguments)
        lines = map(json.loads, re.findall(r"^data: (\{.*)$", answer.text, re.MULTILINE))
        (said,) = [line for line in lines if "id" in line]  # the others are log messages
        told: dict[str, Any] = said
        return told

    def gets_in(self, token: str) -> bool:
        """Whether /mcp takes the token."""
        return self.requests(token, "tools/list").status_code == 200
