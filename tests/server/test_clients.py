"""Whose request it is: the peer's, or whom a trusted proxy names."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from gateway_server.clients import UNKNOWN, Clients, client_address, networks_of
from gateway_server.settings import SettingsError, read_settings

PROXIES = ("127.0.0.1", "10.0.0.0/8", "2001:db8::/32")


def seen(peer: str | None, *forwarded: str, trusted: tuple[str, ...] = PROXIES) -> Scope:
    """The scope as applications behind `Clients` see it."""
    found: list[Scope] = []

    async def app(scope: Scope, _: Receive, __: Send) -> None:
        found.append(scope)

    async def nothing(*_: object) -> Any:  # noqa: ANN401
        raise AssertionError

    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    more = [(b"x-forwarded-proto", b"https"), (b"x-request-id", b"given"), (b"accept", b"*/*")]
    scope: Scope = {
        "type": "http",
        "scheme": "http",
        "client": (peer, 5000) if peer else None,
        "headers": [*headers, *more],
    }
    clients = Clients(app, networks_of(trusted))
    anyio.run(lambda: clients(scope, nothing, nothing))
    return found[0]


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.5", ["198.51.100.1"], "203.0.113.5"),
        ("127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("127.0.0.1", ["127.0.0.1, 198.51.100.1"], "198.51.100.1"),
        ("127.0.0.1", ["6.6.6.6, 198.51.100.1, 10.1.2.3"], "198.51.100.1"),
        ("127.0.0.1", ["6.6.6.6", "198.51.100.1", "10.1.2.3"], "198.51.100.1"),
        ("127.0.0.1", ["10.1.2.3, 10.4.5.6"], "10.1.2.3"),
        ("127.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("127.0.0.1", ["[2001:DB9:0::1]:4711"], "2001:db9::1"),
        ("::ffff:127.0.0.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
        ("2001:db8::7", ["198.51.100.1"], "198.51.100.1"),
        ("127.0.0.1", ["6.6.6.6, <script>"], "127.0.0.1"),
        ("127.0.0.1", ["6.6.6.6, <script>, 10.1.2.3"], "10.1.2.3"),
        ("127.0.0.1", ["", " , "], "127.0.0.1"),
        ("127.0.0.1", [f"{'1.1.1.1,' * 5000}198.51.100.1"], "198.51.100.1"),
        (None, ["198.51.100.1"], UNKNOWN),
        ("testclient", ["198.51.100.1"], UNKNOWN),
    ],
)
def test_the_client_is_the_last_that_no_trusted_proxy_vouches_for(
    peer: str | None, forwarded: list[str], client: str
) -> None:
    assert client_address(seen(peer, *forwarded)) == client


def test_without_trusted_proxies_nobody_chooses_an_address() -> None:
    assert client_address(seen("127.0.0.1", "198.51.100.1", trusted=())) == "127.0.0.1"


@pytest.mark.parametrize(
    ("peer", "scheme", "left"),
    [
        ("127.0.0.1", "https", {"x-forwarded-for", "x-forwarded-proto", "x-request-id", "accept"}),
        ("203.0.113.5", "http", {"accept"}),
    ],
)
def test_headers_that_only_a_proxy_may_send_are_dropped_from_strangers(
    peer: str, scheme: str, left: set[str]
) -> None:
    scope = seen(peer, "198.51.100.1")
    assert scope["scheme"] == scheme
    assert set(Headers(scope=scope)) == left


@pytest.mark.parametrize("wrong", ["*", "proxy.example", "10.0.0.1/8", "10.0.0.0/8 300.1.1.1"])
def test_a_proxy_that_is_no_network_stops_the_start(
    wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRUSTED_PROXIES", wrong)
    with pytest.raises(SettingsError) as raised:
        read_settings()
    assert ["TRUSTED_PROXIES" in line for line in raised.value.mistakes] == [True]
