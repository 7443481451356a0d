from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from conftest import Running
from oauth.program import Program
from starlette.datastructures import Headers
from starlette.testclient import TestClient

from gateway_server.allowance import Limited
from gateway_server.auth import authenticate
from gateway_server.links import http_door
from gateway_server.oauth.addresses import Addresses
from gateway_server.oauth.app import oauth_app
from gateway_server.rates import Rates
from gateway_tools.context import Gateway
from gateway_tools.exceptions import UnauthorizedError


@pytest.fixture
def program(free_gateway: Running) -> Program:
    """A program without a secret, where everything is free."""
    return Program(free_gateway.url)


@pytest.fixture
def key(free_gateway: Running) -> str:
    """The key of a fresh account."""
    return free_gateway.account().key


@dataclass
class Later:
    """The free gateway's authorization server, with a clock that a test moves on."""

    system: Gateway
    url: str
    passed: timedelta = timedelta(0)

    @property
    def gateway(self) -> Gateway:
        return replace(self.system, clock=lambda: self.system.clock() + self.passed)

    def program(self) -> Program:
        addresses = Addresses(self.url)
        app = oauth_app(self.gateway, http_door(self.url, "oauth"), addresses, b"secret")
        unlimited = Limited(app, Rates({}, None))
        http: Any = TestClient(unlimited, base_url=self.url, follow_redirects=False)
        return Program(self.url, http=http)

    def gets_in(self, token: str) -> bool:
        headers = Headers({"authorization": f"Bearer {token}"})
        try:
            authenticate(self.gateway, headers, Addresses(self.url).resource)
        except UnauthorizedError:
            return False
        return True


@pytest.fixture
def later(free_gateway: Running) -> Later:
    return Later(free_gateway.embedded.gateway, free_gateway.url)
