"""Who calls: one way to read a key, for all doors."""

from __future__ import annotations

from anyio import to_thread
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway_payments.accounts import Caller, find_caller
from gateway_payments.exceptions import RevokedKeyError
from gateway_server.allowance import Allowance
from gateway_server.problems import respond
from gateway_tools.context import Gateway
from gateway_tools.exceptions import RateLimitedError, UnauthorizedError

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


async def let_in(gateway: Gateway, scope: Scope) -> Caller:
    """The account behind the request's key.

    Who sends wrong keys too often is told so; a good key is taken from the same address all the
    same, since colleagues may share it, and keys can't be guessed.

    Raises:
        UnauthorizedError, RevokedKeyError: as `authenticate`.
        RateLimitedError: the key is wrong, and so were too many before it.

    """
    try:
        return await to_thread.run_sync(authenticate, gateway, Headers(scope=scope))
    except (UnauthorizedError, RevokedKeyError) as error:
        if getattr(error, "given", True):
            await allowance_of(scope).spend("wrong_keys")
        raise


async def spend_call(scope: Scope, caller: Caller) -> None:
    """Count a call of this key. Raises RateLimitedError where it calls too often."""
    await allowance_of(scope).spend("key", caller.key_id or caller.account_id)


def allowance_of(scope: Scope) -> Allowance:
    """What the request may still ask for, as `Limited` found it."""
    allowance: Allowance = scope["state"]["allowance"]
    return allowance


class Authenticated:
    """An ASGI application that only callers with a key reach, at whatever paths aren't `public`.

    The caller is left in the request's state, and in `refused` why its tools do nothing: a key that
    calls too often is told so in the words of the application's protocol.
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
                caller = await let_in(self._gateway, scope)
            except Exception as error:  # noqa: BLE001  told to the caller
                await respond(error)(scope, receive, send)
                return
            refused = await _refused(scope, caller)
            scope["state"] = {**scope["state"], "caller": caller, "refused": refused}
        await self._app(scope, receive, send)


async def _refused(scope: Scope, caller: Caller) -> RateLimitedError | None:
    try:
        await spend_call(scope, caller)
    except RateLimitedError as error:
        return error
    return None
