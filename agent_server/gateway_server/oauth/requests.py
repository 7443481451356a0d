"""A client's request while a person decides: sealed into the page's address, not stored.

So whoever asks without being let in leaves nothing in the database, and any gateway that shares
the secret can take the answer.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import jwt
from jwt.types import Options
from pydantic import TypeAdapter

from gateway_payments.oauth_grants import Asked

LIFE: Final = timedelta(minutes=15)
_ALGORITHM: Final = "HS256"
_OURS: Final[Options] = {"require": ["exp"], "verify_exp": False}  # by the gateway's clock
_ASKED: Final = TypeAdapter(Asked)


class RequestExpiredError(Exception):
    """The person took too long, or the address isn't one that we gave out."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What was asked, and the client's own `state`, which goes back with the answer."""

    asked: Asked
    state: str | None


@dataclass(frozen=True, slots=True)
class Seal:
    """Seals requests and reads them again. `secret` is the gateway's."""

    secret: bytes
    clock: Callable[[], datetime]

    def seal(self, waiting: Waiting) -> str:
        """The request as text for an address; good for LIFE."""
        held = {"asked": _ASKED.dump_python(waiting.asked), "state": waiting.state}
        return jwt.encode(held | {"exp": self.clock() + LIFE}, self._key, _ALGORITHM)

    def open(self, sealed: str) -> Waiting:
        """The request. Raises RequestExpiredError."""
        try:
            held = jwt.decode(sealed, self._key, [_ALGORITHM], options=_OURS)
        except jwt.PyJWTError:
            raise RequestExpiredError from None
        if datetime.fromtimestamp(held["exp"], UTC) <= self.clock():
            raise RequestExpiredError
        return Waiting(_ASKED.validate_python(held["asked"]), held["state"])

    def client_secret(self, client_id: str) -> str:
        """The secret of a client that wants one: derived, so that none is stored."""
        return self._derived(f"oauth client:{client_id}").hex()

    @property
    def _key(self) -> bytes:
        return self._derived("oauth request")

    def _derived(self, purpose: str) -> bytes:
        return hmac.new(self.secret, purpose.encode(), hashlib.sha256).digest()
