"""Which gateway, and by which key: found once, when first needed."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Final

from fmu_gateway_sdk.answers import NewKey
from fmu_gateway_sdk.exceptions import (
    GatewayError,
    InvalidKeyError,
    UnauthorizedError,
    UnreachableError,
)
from fmu_gateway_sdk.keys import KeyStore
from fmu_gateway_sdk.patience import DEFAULT_PATIENCE_S, Patience
from fmu_gateway_sdk.wire import OK, Call, Flow, Pause, Reply, Sent, error_of

LOCAL_GATEWAY: Final = "http://127.0.0.1:8000"
_PROBE_S: Final = 1.0
_NEW_KEY: Final = Call(method="POST", path="/keys", with_key=False)
_HEALTH: Final = Call(method="GET", path="/health", with_key=False)

_log = logging.getLogger("fmu_gateway_sdk")


class Session:
    """One gateway as one account sees it. Does no input or output but for the kept key."""

    def __init__(
        self,
        gateway_url: str,
        key: str | None,
        keys: KeyStore,
        key_name: str | None,
        patience_s: float = DEFAULT_PATIENCE_S,
    ) -> None:
        self._url = None if gateway_url == "auto" else gateway_url.rstrip("/")
        self._key = key or os.environ.get("FMU_GATEWAY_KEY") or None
        self._keys = keys
        self._key_name = key_name
        self._key_is_kept = False
        self._patience_s = patience_s
        self._has_answered = False

    def url(self) -> Flow[str]:
        """The gateway's URL, without a slash at the end."""
        if self._url is None:
            self._url = yield from find_gateway(os.environ)
        return self._url

    def key(self) -> Flow[str]:
        """The API key: the one given, the one kept, or a new one, kept from now on."""
        if self._key is None:
            name = yield from self._name()
            kept = self._keys.find(name)
            self._key = kept or self._keys.keep(name, (yield from self._new_key()))
            self._key_is_kept = True
        return self._key

    def ask(self, call: Call) -> Flow[Reply]:
        """Send a call and get its reply; again, where the gateway is busy or silent for a while.

        One that has never answered isn't waited for.

        Raises:
            GatewayError: the gateway refused, failed or didn't answer; see its subclasses.

        """
        patience = Patience(self._patience_s)
        while True:
            try:
                return (yield from self._ask_once(call))
            except GatewayError as error:
                again = call.repeatable and self._has_answered
                pause_s = patience.after(error) if again else None
                if pause_s is None:
                    raise
            yield Pause(pause_s)

    def _ask_once(self, call: Call) -> Flow[Reply]:
        reply = yield from self._send(call)
        if reply.status in call.statuses:
            return reply
        error = error_of(reply)
        if not self._is_forgotten(error):
            raise error
        yield from self._replace_key()
        reply = yield from self._send(call)
        if reply.status in call.statuses:
            return reply
        raise error_of(reply)

    def _send(self, call: Call) -> Flow[Reply]:
        url = yield from self.url()
        headers = {"Accept": call.accept}
        if call.with_key:
            headers["Authorization"] = f"Bearer {_sendable((yield from self.key()))}"
        if call.payment is not None:
            headers["PAYMENT-SIGNATURE"] = call.payment
        reply = yield Sent(call, url + call.path, headers, None)
        self._has_answered = True
        return reply

    def _new_key(self) -> Flow[str]:
        reply = yield from self._send(_NEW_KEY)
        if reply.status not in OK:
            raise error_of(reply)
        return reply.read(NewKey).key

    def _name(self) -> Flow[str]:
        return self._key_name or (yield from self.url())

    def _is_forgotten(self, error: GatewayError) -> bool:
        """Whether the gateway has lost the account of a kept key (a new database)."""
        return (
            self._key_is_kept
            and isinstance(error, UnauthorizedError)
            and error.code == "unauthorized"
        )

    def _replace_key(self) -> Flow[None]:
        fresh = yield from self._new_key()
        name = yield from self._name()
        aside = self._keys.set_aside(name)
        _log.warning("the gateway doesn't know the kept key: made another, the old is in %s", aside)
        self._key = self._keys.keep(name, fresh)


def _sendable(key: str) -> str:
    """The key as a header can carry it."""
    if key.isascii() and key.isprintable() and " " not in key:
        return key
    raise InvalidKeyError


def find_gateway(environ: Mapping[str, str]) -> Flow[str]:
    """FMU_GATEWAY_URL; else this machine's gateway, if it answers; else PUBLIC_GATEWAY_URL.

    Raises:
        UnreachableError: none of them is there.

    """
    named = environ.get("FMU_GATEWAY_URL")
    if named:
        return named.rstrip("/")
    reason = yield from _why_silent(LOCAL_GATEWAY)
    if reason is None:
        return LOCAL_GATEWAY
    public = environ.get("PUBLIC_GATEWAY_URL")
    if public:
        return public.rstrip("/")
    raise UnreachableError(LOCAL_GATEWAY, reason)


def _why_silent(url: str) -> Flow[str | None]:
    """None where a gateway answers."""
    try:
        reply = yield Sent(_HEALTH, url + _HEALTH.path, {}, _PROBE_S)
        is_gateway = reply.status in OK and reply.json().get("status") == "ok"
    except UnreachableError as error:
        return error.message.rpartition(": ")[2]
    except GatewayError:
        is_gateway = False
    return None if is_gateway else "something else answers there"
