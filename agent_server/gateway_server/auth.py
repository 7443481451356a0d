"""Who calls: one way to read a key, for all doors."""

from __future__ import annotations

from anyio import to_thread
from pydantic import SecretStr
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway_payments import oauth_grants
from gateway_payments.accounts import Caller, find_caller, local_caller
from gateway_payments.exceptions import RevokedKeyError
from gateway_server.allowance import Allowance
from gateway_server.oauth.addresses import Addresses
from gateway_server.problems import respond
from gateway_tools.context import Gateway
from gateway_tools.exceptions import RateLimitedError, UnauthorizedError

_BEARER = "bearer "


def authenticate(gateway: Gateway, headers: Headers, resource: str | None = None) -> Caller:
    """The account behind `Authorization: Bearer <key>`, or behind an OAuth token for `resource`.

    Raises:
        UnauthorizedError: none of them, or one that nobody has.
        RevokedKeyError: the key was valid once.

    """
    header = headers.get("authorization", "")
    if not header.lower().startswith(_BEARER):
        raise UnauthorizedError(given=False)
    bearer = header[len(_BEARER) :].strip()
    if resource is None or not oauth_grants.is_access_token(bearer):
        return caller_of(gateway, bearer)
    with gateway.database.read() as db:
        caller = oauth_grants.find_caller(db, bearer, resource, gateway.clock())
    if caller is None:
        raise UnauthorizedError(given=True)
    return caller


def caller_of(gateway: Gateway, key: str) -> Caller:
    """The account of an API key.

    Raises:
        UnauthorizedError: nobody has that key.
        RevokedKeyError: it was valid once.

    """
    with gateway.database.read() as db:
        caller = find_caller(db, key)
    if caller is None:
        raise UnauthorizedError(given=True)
    return caller


def own_caller(gateway: Gateway, key: SecretStr | None) -> Caller:
    """Whom this process acts for: the account of FMU_GATEWAY_KEY, else the one local account.

    Raises:
        UnauthorizedError: it is no key of this gateway.

    """
    if key is not None:
        return caller_of(gateway, key.get_secret_value().strip())
    with gateway.database.write() as db:
        return local_caller(db, gateway.clock())


async def let_in(gateway: Gateway, scope: Scope, resource: str | None = None) -> Caller:
    """The account behind the request's key, or behind a token for `resource`.

    Who sends wrong keys too often is told so; a good key is taken from the same address all the
    same, since colleagues may share it, and keys can't be guessed.

    Raises:
        UnauthorizedError, RevokedKeyError: as `authenticate`.
        RateLimitedError: the key is wrong, and so were too many before it.

    """
    try:
        return await to_thread.run_sync(authenticate, gateway, Headers(scope=scope), resource)
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

    With `oauth` also those with a token for its resource, and others hear where they get one. The
    caller is left in the request's state, and in `refused` why its tools do nothing: a key that
    calls too often is told so in the words of the application's protocol.
    """

    def __init__(
        self,
        app: ASGIApp,
        gateway: Gateway,
        public: frozenset[str] = frozenset(),
        oauth: Addresses | None = None,
    ) -> None:
        self._app = app
        self._gateway = gateway
        self._public = public
        self._oauth = oauth

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the key, then hand on."""
        if scope["path"] not in self._public:
            resource = self._oauth.resource if self._oauth else None
            headers = Headers(scope=scope)
            try:
                caller = await let_in(self._gateway, scope, resource)
            except Exception as error:  # noqa: BLE001  told to the caller
                answer = self._refused(error, given="authorization" in headers)
                await answer(scope, receive, send)
                return
            refused = await _spent(scope, caller)
            scope["state"] = {**scope["state"], "caller": caller, "refused": refused}
        await self._app(scope, receive, send)

    def _refused(self, error: Exception, *, given: bool) -> Response:
        """The problem; of a 401 with the way to sign in (RFC 6750, RFC 9728)."""
        answer = respond(error)
        if self._oauth and "WWW-Authenticate" in answer.headers:
            what = 'error="invalid_token", ' if given else ""
            answer.headers["WWW-Authenticate"] = f"Bearer {what}{self._oauth.challenge}"
        return answer


async def _spent(scope: Scope, caller: Caller) -> RateLimitedError | None:
    """Why a call isn't served, though the key is good."""
    try:
        await spend_call(scope, caller)
    except RateLimitedError as error:
        return error
    return None
