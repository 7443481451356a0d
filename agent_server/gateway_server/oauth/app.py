"""OAuth's endpoints: the MCP SDK's handlers, and what they leave open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from mcp.server.auth.handlers.authorize import AuthorizationHandler
from mcp.server.auth.handlers.metadata import MetadataHandler
from mcp.server.auth.handlers.register import RegistrationHandler
from mcp.server.auth.handlers.token import TokenErrorResponse, TokenHandler
from mcp.server.auth.json_response import PydanticJSONResponse
from mcp.server.auth.middleware.client_auth import AuthenticationError, ClientAuthenticator
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.routes import (
    build_metadata,
    cors_middleware,
    create_protected_resource_routes,
)
from mcp.server.auth.settings import ClientRegistrationOptions, RevocationOptions
from mcp.server.transport_security import RequestBodyLimitMiddleware
from mcp.shared.auth import OAuthMetadata
from pydantic import AnyHttpUrl, ConfigDict, TypeAdapter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp

from gateway_server.auth import allowance_of
from gateway_server.oauth import pages, redirects
from gateway_server.oauth.addresses import PATHS, SCOPE, Addresses
from gateway_server.oauth.provider import METHODS, Provider
from gateway_server.oauth.requests import Seal
from gateway_server.oauth.sign_in import SignIn
from gateway_tools.context import Door, Gateway

_BODY_BYTES: Final = 2**16
_URL: Final = TypeAdapter(AnyHttpUrl, config=ConfigDict(url_preserve_empty_path=True))


def oauth_app(gateway: Gateway, door: Door, addresses: Addresses, secret: bytes) -> ASGIApp:
    """The application at `PATHS`. `secret` is the gateway's own."""
    seal = Seal(secret, gateway.clock)
    endpoints = Endpoints.of(Provider(gateway, addresses, seal))
    sign_in = SignIn(gateway, door, addresses, seal)
    _, metadata, authorize, token, register, revoke, page = PATHS
    get, post = ["GET", "OPTIONS"], ["POST", "OPTIONS"]
    server = cors_middleware(MetadataHandler(_metadata(addresses)).handle, get)
    routes = [
        *_resource_routes(addresses),
        Route(metadata, server, methods=get),
        Route(authorize, endpoints.authorize, methods=["GET", "POST"]),
        Route(token, cors_middleware(endpoints.token, post), methods=post),
        Route(register, cors_middleware(endpoints.register, post), methods=post),
        Route(revoke, cors_middleware(endpoints.revoke, post), methods=post),
        Route(page, sign_in.show, methods=["GET"]),
        Route(page, sign_in.answer, methods=["POST"]),
    ]
    return RequestBodyLimitMiddleware(Router(routes), _BODY_BYTES)


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The SDK's handlers, with the answers that the standards ask for beyond theirs."""

    provider: Provider
    authenticator: ClientAuthenticator
    tokens: TokenHandler
    registration: RegistrationHandler
    authorization: AuthorizationHandler

    @classmethod
    def of(cls, provider: Provider) -> Endpoints:
        """The handlers of one authorization server."""
        authenticator = ClientAuthenticator(provider)
        return cls(
            provider,
            authenticator,
            TokenHandler(provider, authenticator),
            RegistrationHandler(provider, ClientRegistrationOptions(enabled=True)),
            AuthorizationHandler(provider),
        )

    async def authorize(self, request: Request) -> Response:
        """To the sign-in page. A failure goes to the client with `iss` (RFC 9207), or is told."""
        answer = await self.authorization.handle(request)
        where = answer.headers.get("location")
        if where is None:
            told = (
                "The program that sent you here made a mistake, or isn't registered here any more."
            )
            return pages.dead_end(f"{told} Have it sign in anew.")
        if not where.startswith(f"{self.provider.addresses.sign_in}?"):
            where = redirects.answer(where, iss=self.provider.addresses.issuer)
        return pages.back(where)

    async def token(self, request: Request) -> Response:
        """Tokens for a code or a refresh token, for our resource only (RFC 8707)."""
        named = (await request.form()).getlist("resource")
        if not all(self.provider.addresses.is_resource(str(one)) for one in named):
            told = f"tokens are for {self.provider.addresses.resource}"
            wrong = TokenErrorResponse(error="invalid_target", error_description=told)
            return PydanticJSONResponse(wrong, 400, {"Cache-Control": "no-store"})
        answer: Response = await self.tokens.handle(request)
        return answer

    async def register(self, request: Request) -> Response:
        """A client registers itself (RFC 7591), as often as keys may be made from one address."""
        await allowance_of(request.scope).spend("new_keys")
        answer = await self.registration.handle(request)
        answer.headers["Cache-Control"] = "no-store"
        return answer

    async def revoke(self, request: Request) -> Response:
        """End a grant by one of its tokens (RFC 7009); clients without a secret may, too.

        The SDK's handler insists on a `client_secret`, which those don't send.
        """
        try:
            client = await self.authenticator.authenticate_request(request)
        except AuthenticationError as error:
            return _revocation_error("invalid_client", error.message, 401)
        token = (await request.form()).get("token")
        if not isinstance(token, str):
            return _revocation_error("invalid_request", "token is missing", 400)
        meant = AccessToken(token=token, client_id=client.client_id, scopes=[])
        await self.provider.revoke_token(meant)
        return Response(headers={"Cache-Control": "no-store"})


def _metadata(addresses: Addresses) -> OAuthMetadata:
    """What the authorization server does (RFC 8414)."""
    metadata = build_metadata(
        _URL.validate_python(addresses.issuer),
        None,
        ClientRegistrationOptions(enabled=True, valid_scopes=[SCOPE]),
        RevocationOptions(enabled=True),
    )
    more: dict[str, Any] = {
        "token_endpoint_auth_methods_supported": list(METHODS),
        "revocation_endpoint_auth_methods_supported": list(METHODS),
        "authorization_response_iss_parameter_supported": True,
    }
    return metadata.model_copy(update=more)


def _resource_routes(addresses: Addresses) -> list[Route]:
    """What /mcp asks of its callers (RFC 9728)."""
    return create_protected_resource_routes(
        _URL.validate_python(addresses.resource),
        [_URL.validate_python(addresses.issuer)],
        [SCOPE],
        "FMU Gateway",
    )


def _revocation_error(error: str, description: str, status: int) -> Response:
    body = {"error": error, "error_description": description}
    return JSONResponse(body, status, {"Cache-Control": "no-store"})
