"""Where OAuth's parts of a gateway are, and whether it can have them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from pydantic import AnyHttpUrl, ConfigDict, TypeAdapter, ValidationError

SCOPE: Final = "mcp"
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "[::1]", "::1"})
SIGN_IN_PATH: Final = "/sign-in"
PATHS: Final = (
    "/.well-known/oauth-protected-resource/mcp",
    "/.well-known/oauth-authorization-server",
    "/authorize",
    "/token",
    "/register",
    "/revoke",
    SIGN_IN_PATH,
)
_URL: Final = TypeAdapter(AnyHttpUrl, config=ConfigDict(url_preserve_empty_path=True))


@dataclass(frozen=True, slots=True)
class Addresses:
    """All of them follow from the issuer's (RFC 8414), which is the gateway's own."""

    issuer: str

    @property
    def resource(self) -> str:
        """What tokens are for: their audience (RFC 8707)."""
        return f"{self.issuer}/mcp"

    @property
    def challenge(self) -> str:
        """What a 401 of /mcp says to clients that can sign in (RFC 9728, 5.1)."""
        where = f"{self.issuer}/.well-known/oauth-protected-resource/mcp"
        return f'resource_metadata="{where}", scope="{SCOPE}"'

    @property
    def sign_in(self) -> str:
        """The page on which a person decides."""
        return f"{self.issuer}{SIGN_IN_PATH}"

    def is_resource(self, named: str) -> bool:
        """Whether a client that names this resource means ours; a slash at the end is forgiven."""
        return _normal(named).removesuffix("/") == self.resource


def oauth_addresses(base_url: str) -> Addresses | None:
    """The addresses of the gateway that clients reach at `base_url`.

    None where keys and codes would travel the network in the clear, or where `base_url` has a path:
    well-known addresses belong to the host as a whole.
    """
    parts = urlsplit(base_url)
    safe = parts.scheme == "https" or parts.hostname in LOOPBACK
    if not safe or parts.path not in {"", "/"} or parts.query or parts.fragment:
        return None
    return Addresses(_normal(base_url).removesuffix("/"))


def _normal(url: str) -> str:
    """`url` as all URLs are written that OAuth compares; as it is, where it is none."""
    try:
        return str(_URL.validate_python(url))
    except ValidationError:
        return url
