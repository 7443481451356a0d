"""The gateway elsewhere: MCP by the official client, files by REST, over one pool of connections.

Each request opens a client of its own. There is no session to lose, so a gateway that restarts in
between is simply asked again, and a cancelled request takes only its own connection along.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import anyio
import httpx2
import mcp_types as types
from mcp import Client
from mcp.client.context import ClientRequestContext
from mcp.client.session import LoggingFnT
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.exceptions import MCPError
from pydantic import BaseModel, TypeAdapter, ValidationError

from gateway_server.bridge import failures
from gateway_server.bridge.kept_keys import keep_key, kept_at, read_key
from gateway_server.bridge.progress import Listener, in_order

T = TypeVar("T", bound=BaseModel)
Failed = MCPError | httpx2.HTTPError | ValidationError

_PROBLEM: Final = "application/problem+json"
_OF_MCP: Final = frozenset({"application/json", "text/event-stream"})
_ACCEPTED: Final = 202
_UNAUTHORIZED: Final = 401
_NOT_CARRIED_OUT: Final = frozenset(
    {types.UNSUPPORTED_PROTOCOL_VERSION, types.METHOD_NOT_FOUND, types.INVALID_REQUEST}
)
_refused: ContextVar[list[httpx2.Response] | None] = ContextVar("refused", default=None)


async def _unheard(params: types.LoggingMessageNotificationParams) -> None:
    """For requests during which a gateway has nothing to tell."""
    del params


NOBODY: Final = Listener(None, _unheard)


@dataclass(frozen=True, slots=True)
class Era:
    """How the gateway speaks MCP, so that it needn't be asked each time."""

    mode: str
    discovered: types.DiscoverResult | None
    instructions: str | None
    capabilities: types.ServerCapabilities


class Remote:
    """One gateway as one account sees it."""

    def __init__(self, url: str, key: str | None, http: httpx2.AsyncClient) -> None:
        self.url = url.rstrip("/")
        self._given = key
        self._kept = kept_at(self.url, os.environ)
        self._http = http
        self._keyed = anyio.Lock()
        self._era: Era | None = None
        self.log_level: types.LoggingLevel | None = None  # of a client that sets it once for all

    async def greet(self) -> Era:
        """Learn how the gateway speaks.

        Raises:
            BridgeError: it can't be reached or refuses; `code` says why.

        """
        await self.ask(types.ListToolsRequest(), TypeAdapter(types.ListToolsResult))
        assert self._era is not None
        return self._era

    async def ask(
        self,
        request: types.Request[Any, Any],
        result: TypeAdapter[T],
        listener: Listener = NOBODY,
        *,
        elicits: bool = False,
    ) -> T:
        """The gateway's answer; `listener` hears what it tells before.

        `elicits`: whoever asks can be asked back, by a result.

        Raises:
            MCPError: the gateway's own error.
            BridgeError: it can't be reached or refuses; `code` says why.

        """
        await self._have_key()
        known = self._era
        try:
            return await self._ask(request, result, listener, elicits=elicits)
        except MCPError as error:
            if known is None or error.code not in _NOT_CARRIED_OUT:
                raise
        self._era = None  # another version may answer there by now
        return await self._ask(request, result, listener, elicits=elicits)

    async def fetch(self, path: str, query: Mapping[str, str]) -> bytes:
        """The file that `GET path` answers.

        Raises:
            BridgeError: it can't be reached or refuses; `code` says why.

        """
        await self._have_key()
        return (await self._send("GET", path, params=query)).content

    async def look_up(self, path: str) -> dict[str, Any]:
        """The object that `GET path` answers.

        Raises:
            BridgeError: it can't be reached or refuses; `code` says why.

        """
        await self._have_key()
        return self._object(await self._send("GET", path))

    async def send_file(self, path: str, data: bytes) -> dict[str, Any]:
        """The object that `POST path` answers to a file.

        Raises:
            BridgeError: it can't be reached or refuses; `code` says why.

        """
        await self._have_key()
        kind = {"content-type": "application/octet-stream"}
        return self._object(await self._send("POST", path, content=data, headers=kind))

    async def _send(self, method: str, path: str, **arguments: Any) -> httpx2.Response:  # noqa: ANN401
        try:
            response = await self._http.request(method, self.url + path, **arguments)
        except httpx2.HTTPError as error:
            raise self._explained(error, []) from None
        if not response.is_success:
            raise self._refusal(response)
        return response

    def _object(self, response: httpx2.Response) -> dict[str, Any]:
        answer = _json(response)
        if answer is None:
            raise failures.not_a_gateway(self.url, response.status_code)
        return answer

    async def _have_key(self) -> None:
        """Take the key given, the one kept, or have one made and keep it."""
        async with self._keyed:
            if "authorization" in self._http.headers:
                return
            key = self._given or read_key(self._kept)
            if key is None:
                made = self._object(await self._send("POST", "/keys"))
                key = keep_key(self._kept, self.url, str(made.get("key")))
            self._http.headers["authorization"] = f"Bearer {key}"

    async def _ask(
        self,
        request: types.Request[Any, Any],
        result: TypeAdapter[T],
        listener: Listener,
        *,
        elicits: bool,
    ) -> T:
        refused: list[httpx2.Response] = []
        _refused.set(refused)
        failed: Failed
        try:
            async with (
                in_order(listener) as heard,
                self._client(heard.log, elicits=elicits) as client,
            ):
                self._era = self._era or _era(client)
                try:
                    return await client.session.send_request(
                        request, result, progress_callback=heard.progress
                    )
                except (MCPError, ValidationError) as error:
                    failed = error  # raised outside: leaving would wrap it into groups
        except (MCPError, httpx2.HTTPError, ExceptionGroup) as error:
            failed = _innermost(error)
        raise self._explained(failed, refused) from None

    def _client(self, log: LoggingFnT, *, elicits: bool) -> Client:
        era = self._era
        return Client(
            streamable_http_client(f"{self.url}/mcp", http_client=self._http),
            mode=era.mode if era else "auto",
            prior_discover=era.discovered if era else None,
            logging_callback=log,
            log_level=self.log_level,
            elicitation_callback=_by_result if elicits and era and era.discovered else None,
            cache=None,
        )

    def _explained(self, failed: Failed, refused: list[httpx2.Response]) -> Exception:
        """What to tell of a failure. A gateway's own errors of MCP are told as they are."""
        if refused:
            return self._refusal(refused[-1])
        match failed:
            case MCPError() if failed.code == types.CONNECTION_CLOSED:
                return failures.interrupted(self.url, failed.message)
            case MCPError():
                return failed
            case httpx2.ConnectError() | httpx2.ConnectTimeout() | httpx2.UnsupportedProtocol():
                return failures.unreachable(self.url, str(failed) or type(failed).__name__)
            case httpx2.HTTPError():
                return failures.interrupted(self.url, str(failed) or type(failed).__name__)
        return failures.not_a_gateway(self.url, None)

    def _refusal(self, response: httpx2.Response) -> failures.BridgeError:
        problem = _problem(response)
        if problem is None:
            return failures.not_a_gateway(self.url, response.status_code)
        if response.status_code == _UNAUTHORIZED:
            return failures.key_refused(problem, None if self._given else self._kept)
        return failures.RefusedError(problem)


@asynccontextmanager
async def connected(url: str, key: str | None) -> AsyncIterator[Remote]:
    """A gateway for as long as the block runs; nothing is sent before the first request."""
    async with create_mcp_http_client() as http:
        http.event_hooks = {"response": [_noted]}
        yield Remote(url, key, http)


async def _noted(response: httpx2.Response) -> None:
    """Keep an answer that isn't MCP's own for whoever sent the request: the client drops it."""
    refused = _refused.get()
    if refused is None or response.request.method != "POST":
        return
    refused.clear()  # what came before, such as at a probe, was no obstacle
    kind = response.headers.get("content-type", "").partition(";")[0]
    if response.status_code != _ACCEPTED and kind not in _OF_MCP:
        await response.aread()
        refused.append(response)


def _problem(response: httpx2.Response) -> Mapping[str, Any] | None:
    if not response.headers.get("content-type", "").startswith(_PROBLEM):
        return None
    told = _json(response)
    return told if told and "code" in told else None


def _json(response: httpx2.Response) -> dict[str, Any] | None:
    """The object in it, if there is one."""
    try:
        told = response.json()
    except ValueError:
        return None
    return told if isinstance(told, dict) else None


def _era(client: Client) -> Era:
    discovered = client.session.discover_result
    return Era(
        "legacy" if discovered is None else client.protocol_version,
        discovered,
        client.instructions,
        client.server_capabilities,
    )


def _innermost(error: Exception) -> Failed:
    """The one failure in groups of one.

    Raises:
        Exception: it is none that a gateway or the way there can cause.

    """
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, Failed):
        return error
    raise error


async def _by_result(
    context: ClientRequestContext, params: types.ElicitRequestParams
) -> types.ErrorData:
    """Only says that the caller can be asked; the question itself goes back to it as a result."""
    del context, params
    return types.ErrorData(code=types.INVALID_REQUEST, message="ask by an input-required result")
