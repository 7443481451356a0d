"""What the MCP SDK asks of an authorization server: clients, codes and tokens, as we keep them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import structlog
from anyio import to_thread
from mcp.server.auth.provider import (
    AccessToken,
    AuthorizationCode,
    AuthorizationParams,
    AuthorizeError,
    OAuthAuthorizationServerProvider,
    RefreshToken,
    RegistrationError,
    TokenError,
)
from mcp.shared.auth import InvalidRedirectUriError, OAuthClientInformationFull, OAuthToken
from pydantic import AnyUrl

from gateway_payments import oauth_clients, oauth_grants
from gateway_payments.oauth_clients import Client
from gateway_payments.oauth_grants import Asked, Tokens
from gateway_server.oauth import redirects
from gateway_server.oauth.addresses import SCOPE, Addresses
from gateway_server.oauth.requests import Seal, Waiting
from gateway_simulation.foreign import readable
from gateway_tools.context import Gateway

GRANTS: Final = ("authorization_code", "refresh_token")
METHODS: Final = ("none", "client_secret_post", "client_secret_basic")
_NAMELESS: Final = "A program without a name"
_LONGEST_NAME: Final = 80
_LONGEST_STATE: Final = 2000
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_AS_GIVEN: Final = frozenset(
    {"redirect_uris", "application_type", "client_id_issued_at", "client_secret_expires_at"}
)
_NEVER: Final = float("inf")  # whether it has expired is found out here, by the gateway's clock

_log = structlog.get_logger()


class RegisteredClient(OAuthClientInformationFull):
    """A client as we know it: a port of its own is free, and it has the one scope there is."""

    def validate_redirect_uri(self, redirect_uri: AnyUrl | None) -> AnyUrl:
        """The address to answer to. Raises InvalidRedirectUriError."""
        if redirect_uri is None:
            return super().validate_redirect_uri(None)
        if not redirects.registered(str(redirect_uri), map(str, self.redirect_uris or ())):
            message = "redirect_uri is not one that this client registered"
            raise InvalidRedirectUriError(message)
        return redirect_uri


@dataclass(frozen=True, slots=True)
class Provider(OAuthAuthorizationServerProvider[AuthorizationCode, RefreshToken, AccessToken]):
    """The authorization server of one gateway."""

    gateway: Gateway
    addresses: Addresses
    seal: Seal

    async def get_client(self, client_id: str) -> RegisteredClient | None:
        """Who has registered under that id."""
        return await to_thread.run_sync(self._client, client_id)

    async def register_client(self, client_info: OAuthClientInformationFull) -> None:
        """Keep what we use of it, and tell the client so by changing `client_info`.

        Raises:
            RegistrationError: no redirect URI, too many, or one that we won't send codes to.

        """
        uris = tuple(str(AnyUrl(str(uri))) for uri in client_info.redirect_uris or ())
        if not 1 <= len(uris) <= redirects.MOST or not all(map(redirects.acceptable, uris)):
            told = (
                f"give 1 to {redirects.MOST} redirect_uris: https, http to 127.0.0.1, [::1] or "
                "localhost, or a scheme of your own; no fragment, no user"
            )
            raise RegistrationError(error="invalid_redirect_uri", error_description=told)
        client = Client(
            client_info.client_id,
            readable(client_info.client_name or "", _LONGEST_NAME) or _NAMELESS,
            uris,
            client_info.token_endpoint_auth_method or METHODS[0],
            "refresh_token" in client_info.grant_types,
        )
        if not await to_thread.run_sync(self._register, client):
            told = "this gateway has as many clients as it can keep; try again later"
            raise RegistrationError(error="invalid_client_metadata", error_description=told)
        known = self._information(client)
        for name in OAuthClientInformationFull.model_fields.keys() - _AS_GIVEN:
            setattr(client_info, name, getattr(known, name))

    async def authorize(
        self, client: OAuthClientInformationFull, params: AuthorizationParams
    ) -> str:
        """The page on which a person decides. Raises AuthorizeError."""
        if params.resource is not None and not self.addresses.is_resource(params.resource):
            raise AuthorizeError(
                error="invalid_target",
                error_description=f"tokens are for {self.addresses.resource}",
            )
        if not _CHALLENGE.fullmatch(params.code_challenge):
            raise AuthorizeError(
                error="invalid_request",
                error_description="code_challenge is no SHA-256 in base64url",
            )
        if len(params.state or "") > _LONGEST_STATE:
            raise AuthorizeError(error="invalid_request", error_description="state is too long")
        asked = Asked(
            client_id=client.client_id,
            resource=self.addresses.resource,
            scope=SCOPE,
            redirect_uri=str(params.redirect_uri),
            redirect_given=params.redirect_uri_provided_explicitly,
            challenge=params.code_challenge,
        )
        sealed = self.seal.seal(Waiting(asked, params.state))
        return redirects.answer(self.addresses.sign_in, request=sealed)

    async def load_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: str
    ) -> AuthorizationCode | None:
        """What a code of this client stands for, used or not: `exchange` tells who comes twice."""

        def load() -> oauth_grants.Code | None:
            with self.gateway.database.read() as db:
                now = self.gateway.clock()
                return oauth_grants.find_code(db, client.client_id, authorization_code, now)

        code = await to_thread.run_sync(load)
        if code is None:
            return None
        return AuthorizationCode(
            code=authorization_code,
            scopes=code.asked.scope.split(),
            expires_at=_NEVER,
            client_id=code.asked.client_id,
            code_challenge=code.asked.challenge,
            redirect_uri=AnyUrl(code.asked.redirect_uri),
            redirect_uri_provided_explicitly=code.asked.redirect_given,
            resource=code.asked.resource,
        )

    async def exchange_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: AuthorizationCode
    ) -> OAuthToken:
        """Tokens for a code. Raises TokenError."""

        def exchange() -> Tokens | None:
            with self.gateway.database.write() as db:
                now, refreshes = self.gateway.clock(), GRANTS[1] in client.grant_types
                oauth_clients.used(db, client.client_id, now)
                code = authorization_code.code
                return oauth_grants.exchange(db, client.client_id, code, now, refreshes=refreshes)

        return self._told(client, await to_thread.run_sync(exchange))

    async def load_refresh_token(
        self, client: OAuthClientInformationFull, refresh_token: str
    ) -> RefreshToken | None:
        """What a refresh token of this client stands for, used or not, as with codes."""

        def load() -> oauth_grants.Grant | None:
            with self.gateway.database.read() as db:
                now = self.gateway.clock()
                return oauth_grants.find_refresh(db, client.client_id, refresh_token, now)

        grant = await to_thread.run_sync(load)
        if grant is None:
            return None
        return RefreshToken(
            token=refresh_token,
            client_id=grant.client_id,
            scopes=grant.scope.split(),
            resource=grant.resource,
        )

    async def exchange_refresh_token(
        self, client: OAuthClientInformationFull, refresh_token: RefreshToken, scopes: list[str]
    ) -> OAuthToken:
        """New tokens for a refresh token; there is one scope, so none can be left out."""
        del scopes

        def exchange() -> Tokens | None:
            with self.gateway.database.write() as db:
                now = self.gateway.clock()
                oauth_clients.used(db, client.client_id, now)
                return oauth_grants.refresh(db, client.client_id, refresh_token.token, now)

        return self._told(client, await to_thread.run_sync(exchange))

    async def load_access_token(self, token: str) -> None:
        """None of the handlers in use asks: access tokens are checked where all callers are."""

    async def revoke_token(self, token: AccessToken | RefreshToken) -> None:
        """End what a client's token stands for; nothing where it stands for nothing."""

        def revoke() -> bool:
            with self.gateway.database.write() as db:
                now = self.gateway.clock()
                return oauth_grants.revoke(db, token.client_id, token.token, now)

        if await to_thread.run_sync(revoke):
            _log.info("oauth_revoked", client=token.client_id)

    def _client(self, client_id: str) -> RegisteredClient | None:
        with self.gateway.database.read() as db:
            client = oauth_clients.find(db, client_id)
        return None if client is None else self._information(client)

    def _register(self, client: Client) -> bool:
        with self.gateway.database.write() as db:
            return oauth_clients.register(db, client, self.gateway.clock())

    def _information(self, client: Client) -> RegisteredClient:
        public = client.auth_method == METHODS[0]
        return RegisteredClient(
            client_id=client.client_id,
            client_name=client.name,
            redirect_uris=[AnyUrl(uri) for uri in client.redirect_uris],
            token_endpoint_auth_method=client.auth_method,
            client_secret=None if public else self.seal.client_secret(client.client_id),
            grant_types=list(GRANTS if client.refreshes else GRANTS[:1]),
            scope=SCOPE,
        )

    def _told(self, client: OAuthClientInformationFull, tokens: Tokens | None) -> OAuthToken:
        if tokens is None:
            _log.warning("oauth_replayed_or_revoked", client=client.client_id)
            raise TokenError(
                error="invalid_grant",
                error_description="it was used before, or the grant has ended",
            )
        return OAuthToken(
            access_token=tokens.access,
            expires_in=int(oauth_grants.ACCESS_LIFE.total_seconds()),
            scope=tokens.scope,
            refresh_token=tokens.refresh,
        )
