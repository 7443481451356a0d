"""Where a browser is sent with a code: what may be registered, and what counts as registered.

A redirect URI must be the registered one exactly; only the port of a program on the person's own
machine is free, since it takes whichever is (RFC 8252, 7.3).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import SplitResult, urlencode, urlsplit

from gateway_server.oauth.addresses import LOOPBACK

MOST: Final = 10
_LONGEST: Final = 1000
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*")
_HOST: Final = re.compile(r"[a-z0-9.-]+|\[[0-9a-f:.]+\]", re.IGNORECASE)
_BROWSERS_OWN: Final = frozenset(
    {
        *("about", "blob", "content", "data", "file", "filesystem", "ftp", "intent", "jar"),
        *("javascript", "mailto", "resource", "sms", "tel", "vbscript", "view-source", "ws", "wss"),
        *("chrome", "chrome-extension", "devtools", "edge", "moz-extension"),
    }
)
"""Schemes that no program registers for itself: a browser, or the system, acts on them."""


def acceptable(uri: str) -> bool:
    """Whether a client may register this: https, http to its own machine, or a scheme of its own.

    No fragment, which codes would be lost behind, and no user, which makes addresses look like
    others.
    """
    parts = _split(uri)
    if parts is None or parts.fragment or "#" in uri or "@" in parts.netloc:
        return False
    match parts.scheme:
        case "https":
            return _HOST.fullmatch(_host(parts)) is not None
        case "http":
            return _host(parts) in LOOPBACK
        case scheme:
            return _SCHEME.fullmatch(scheme) is not None and scheme not in _BROWSERS_OWN


def registered(uri: str, known: Iterable[str]) -> bool:
    """Whether `uri` is one of the `known` ones, as their client may use them."""
    free = _without_port(uri)
    return any(uri == one or (free and free == _without_port(one)) for one in known)


def answer(uri: str, **parameters: str | None) -> str:
    """The address that carries an answer back to the client."""
    told = urlencode({name: value for name, value in parameters.items() if value is not None})
    return f"{uri}{'&' if '?' in uri else '?'}{told}"


def source(uri: str) -> str:
    """`uri`'s origin as a Content-Security-Policy names it; its scheme where it has none there."""
    parts = urlsplit(uri)
    if parts.scheme in {"http", "https"} and "[" not in parts.netloc:
        return f"{parts.scheme}://{parts.netloc}"
    return f"{parts.scheme}:"


def described(uri: str) -> str:
    """Where that is, for a person who has to decide."""
    parts = urlsplit(uri)
    if parts.scheme == "http":
        return "a program on this computer"
    if parts.scheme == "https":
        return f"the website {parts.netloc}"
    return f"the program on this computer that opens {parts.scheme}: addresses"


def _split(uri: str) -> SplitResult | None:
    if len(uri) > _LONGEST or not uri.isascii() or not uri.isprintable() or " " in uri:
        return None
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _host(parts: SplitResult) -> str:
    """The host with its brackets and without its port."""
    host, _, port = parts.netloc.rpartition(":")
    return host if host and port.isdigit() else parts.netloc


def _without_port(uri: str) -> SplitResult | None:
    """What must be equal of two addresses on the person's own machine; None for any other."""
    parts = _split(uri)
    if parts is None or parts.scheme != "http" or _host(parts) not in LOOPBACK:
        return None
    return parts._replace(netloc=_host(parts), path=parts.path or "/")
