"""Who is at the other end of a request, through the proxies that the operator trusts.

uvicorn has such a middleware, but it takes any text for an address, doesn't know IPv4 addresses
written as IPv6 ones, and leaves headers of strangers where later code may believe them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

UNKNOWN: Final = "unknown"
"""The address of a client whose connection has none, as over a socket in the file system."""
_FROM_PROXIES: Final = (b"x-forwarded-for", b"x-forwarded-proto", b"x-request-id")
_SCHEMES: Final = frozenset({"http", "https"})

Network = IPv4Network | IPv6Network


def networks_of(words: Iterable[str]) -> tuple[Network, ...]:
    """The networks that `words` name: addresses, or networks such as 10.0.0.0/8.

    Raises:
        ValueError: one is neither; * is none, since it would let clients choose their address.

    """
    return tuple(ip_network(word) for word in words)


def client_address(scope: Scope) -> str:
    """The address of whoever sent the request, as `Clients` found it: for limits and logs."""
    client = scope.get("client")
    return canonical(client[0]) or UNKNOWN if client else UNKNOWN


def canonical(text: str) -> str | None:
    """An address in the one form it is compared in; None where it is none.

    A port and brackets are left out, an IPv4 address in IPv6's form becomes itself.
    """
    bare = text.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        address = ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


class Clients:
    """Puts the client's own address and scheme into the scope.

    What a proxy says is believed only where the connection comes from one of `trusted`; from others
    the headers that only a proxy may send are dropped, so that nothing behind this asks again.
    """

    def __init__(self, app: ASGIApp, trusted: tuple[Network, ...]) -> None:
        self._app = app
        self._trusted = trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, with what is known of the client."""
        if scope["type"] == "http":
            scope = {**scope, **dict(self._known(scope))}
        await self._app(scope, receive, send)

    def _known(self, scope: Scope) -> Iterator[tuple[str, object]]:
        peer = client_address(scope)
        if not self._trusts(peer):
            yield "client", (peer, 0)
            yield "headers", [pair for pair in scope["headers"] if pair[0] not in _FROM_PROXIES]
            return
        headers = Headers(scope=scope)
        yield "client", (self._first_stranger(peer, headers.getlist("x-forwarded-for")), 0)
        scheme = headers.get("x-forwarded-proto", "")
        if scheme in _SCHEMES:
            yield "scheme", scheme

    def _first_stranger(self, peer: str, forwarded: list[str]) -> str:
        """Each proxy appends whom it heard: the last that isn't trusted, else the furthest one."""
        known = peer
        for address in _backwards(forwarded):
            if address is None:  # who told this can't be believed further
                return known
            known = address
            if not self._trusts(address):
                return known
        return known

    def _trusts(self, address: str) -> bool:
        if address == UNKNOWN:
            return False
        parsed = ip_address(address)
        return any(parsed in network for network in self._trusted)


def _backwards(forwarded: list[str]) -> Iterator[str | None]:
    for one in reversed(",".join(forwarded).split(",")):
        if one.strip():
            yield canonical(one)
