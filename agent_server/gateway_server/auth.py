"""Who calls: one way to read a key, for all doors."""

from __future__ import annotations

from anyio import to_thread
from pydantic import SecretStr
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway_payments.accounts import Caller, find_caller, local_caller
from gateway_server.problems import respond
from gateway_tools.context import Gateway
from gateway_tools.exceptions import UnauthorizedError

_BEARER = "bearer "


def authenticate(gateway: Gateway, headers: Headers) -> Caller:
    """The account behind `Authorization: Bearer <key>`.

    Raises:
        UnauthorizedError: no key, or one that nobody has.
        RevokedKeyError: it was valid once.

    """
    header = headers.get("authorization", "")
    if not header.lower().startswith(_BEARER):
        raise UnauthorizedError(given=False)
    with gateway.database.read() as db:
        caller = find_caller(db, header[len(_BEARER) :].strip())
    if caller is None:
        raise UnauthorizedError(given=True)
    return caller


def caller_of(gateway: Gateway, key: SecretStr | None) -> Caller:
    """The account of FMU_GATEWAY_KEY, else the one local account.

    Raises:
        UnauthorizedError: it is no key of this gateway.

    """
    if key is not None:
        header = f"Bearer {key.get_secret_value()}"
        return authenticate(gateway, Headers({"authorization": header}))
    with gateway.database.write() as db:
        return local_caller(db, gateway.clock())


class Authenticated:
    """An ASGI application that only callers with a key reach, at whatever paths aren't `public`.

    The caller is left in the request's state.
    """

    def __init__(
        self, app: ASGIApp, gateway: Gateway, public: frozenset[str] = frozenset()
    ) -> None:
        self._app = app
        self._gateway = gateway
        self._public = public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the key, then hand on."""
        if scope["path"] not in self._public:
            try:
                caller = await to_thread.run_sync(authenticate, self._gateway, Headers(scope=scope))
            except Exception as error:  # noqa: BLE001  told to the caller
                await respond(error)(scope, receive, send)
                return
            scope["state"] = {**scope.get("state", {}), "caller": caller}
        await self._app(scope, receive, send)
