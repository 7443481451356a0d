"""Who calls: one way to read a key, for all doors."""

from __future__ import annotations

from anyio import to_thread
from pydantic import SecretStr
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway_payments import oauth_grants
from gateway_payments.accounts import Caller, find_caller, local_caller
from gateway_server.oauth.addresses import Addresses
from gateway_server.problems import respond
from gateway_tools.context import Gateway
from gateway_tools.exceptions import UnauthorizedError

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

    With `oauth` also those with a token for its resource, and others hear where they get one. The
    caller is left in the request's state.
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
                caller = await to_thread.run_sync(authenticate, self._gateway, headers, resource)
            except Exception as error:  # noqa: BLE001  told to the caller
                refused = self._refused(error, given="authorization" in headers)
                await refused(scope, receive, send)
                return
            scope["state"] = {**scope.get("state", {}), "caller": caller}
        await self._app(scope, receive, send)

    def _refused(self, error: Exception, *, given: bool) -> Response:
        """The problem; of a 401 with the way to sign in (RFC 6750, RFC 9728)."""
        answer = respond(error)
        if self._oauth and "WWW-Authenticate" in answer.headers:
            what = 'error="invalid_token", ' if given else ""
            answer.headers["WWW-Authenticate"] = f"Bearer {what}{self._oauth.challenge}"
        return answer
