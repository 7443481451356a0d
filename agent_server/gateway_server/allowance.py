"""Bounds on how often, at the door: every address, and for the doors every key."""

from __future__ import annotations

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway_server.clients import client_address
from gateway_server.problems import respond
from gateway_server.rates import Rates, Standing, network_of
from gateway_tools.exceptions import Bound, RateLimitedError

_FREE: Final = frozenset({"/health", "/ready", "/metrics", "/webhooks/stripe"})
"""Asked by machines that must not be turned away; what Stripe sends is signed."""
HEADERS: Final = ("RateLimit", "RateLimit-Policy")
"""Of draft-ietf-httpapi-ratelimit-headers: what is left, and of what."""


class Allowance:
    """What one request may still ask for; the doors draw on it. In each request's state."""

    def __init__(self, rates: Rates, address: str) -> None:
        self._rates = rates
        self._address = network_of(address)
        self.standings: list[Standing] = []

    async def spend(self, bound: Bound, who: str | None = None) -> None:
        """Count the request against `bound`, for `who` or else for its address.

        Raises:
            RateLimitedError: there was nothing left.

        """
        try:
            standing = await self._rates.spend(bound, who or self._address)
        except RateLimitedError as error:
            self.standings.append(self._rates.refused(error))
            raise
        if standing:
            self.standings.append(standing)


class Limited:
    """Turns addresses away that ask too often, and tells everybody in headers how they stand."""

    def __init__(self, app: ASGIApp, rates: Rates) -> None:
        self._app = app
        self._rates = rates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count, then pass on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        allowance = Allowance(self._rates, client_address(scope))
        scope["state"] = {**scope.get("state", {}), "allowance": allowance}

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start" and allowance.standings:
                _tell(MutableHeaders(scope=message), allowance.standings)
            await send(message)

        try:
            if scope["path"] not in _FREE:
                await allowance.spend("address")
        except RateLimitedError as error:
            await respond(error)(scope, receive, told)
            return
        await self._app(scope, receive, told)


def _tell(headers: MutableHeaders, standings: list[Standing]) -> None:
    left, policy = HEADERS
    headers[left] = ", ".join(f'"{s.bound}";r={s.left};t={s.resets_in_s}' for s in standings)
    headers[policy] = ", ".join(f'"{s.bound}";q={s.limit};w={s.window_s}' for s in standings)
