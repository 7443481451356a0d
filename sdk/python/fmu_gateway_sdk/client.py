"""The two clients: the same conversations, held by blocking or by asynchronous input and output."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Coroutine, Mapping
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, Self, TypeVar

import httpx
import numpy as np

from fmu_gateway_sdk import flows
from fmu_gateway_sdk.exceptions import GatewayError, UnreachableError
from fmu_gateway_sdk.fallback import LocalSimulator, Outcome, fits_fallback, locally, remotely
from fmu_gateway_sdk.keys import KeyStore
from fmu_gateway_sdk.patience import DEFAULT_PATIENCE_S
from fmu_gateway_sdk.progress import Watched
from fmu_gateway_sdk.request import SimulateRequest
from fmu_gateway_sdk.session import Session
from fmu_gateway_sdk.wire import Flow, Pause, Reply, Sent

P = ParamSpec("P")
T = TypeVar("T")

DEFAULT_TIMEOUT_S: Final = 60.0
_NOTHING: Final = Reply(0, b"", None)  # what comes back from a pause


def _blocking(
    flow: Callable[Concatenate[Session, P], Flow[T]],
) -> Callable[Concatenate[FMUGatewayClient, P], T]:
    @wraps(flow)
    def method(client: FMUGatewayClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return client.hold(flow(client.session, *args, **kwargs))

    return method


def _awaiting(
    flow: Callable[Concatenate[Session, P], Flow[T]],
) -> Callable[Concatenate[AsyncFMUGatewayClient, P], Coroutine[Any, Any, T]]:
    @wraps(flow)
    async def method(client: AsyncFMUGatewayClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await client.hold(flow(client.session, *args, **kwargs))

    return method


class FMUGatewayClient:
    """Speaks to a gateway; each method blocks until it has answered.

    `gateway_url`: "auto" takes FMU_GATEWAY_URL, else this machine's gateway, else
    PUBLIC_GATEWAY_URL. `key`: else FMU_GATEWAY_KEY, else the one kept for this gateway (under
    `key_name`, its URL by default) in `keys`, else a new one that is kept. Use it in a `with`
    block, or `close()` it. All methods raise GatewayError; see its subclasses.

    A call that finds the gateway busy, or silent though it has answered before, is sent again for
    up to `patience_s` [s] of pauses; a run is begun once, however often its call is sent.
    """

    def __init__(  # noqa: PLR0913  each with a default that suits nearly everybody
        self,
        gateway_url: str = "auto",
        key: str | None = None,
        *,
        keys: KeyStore | None = None,
        key_name: str | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        patience_s: float = DEFAULT_PATIENCE_S,
    ) -> None:
        self.session = Session(gateway_url, key, keys or KeyStore(), key_name, patience_s)
        self._http = httpx.Client(timeout=timeout_s)

    find_url = _blocking(flows.find_url)
    health = _blocking(flows.health)
    library = _blocking(flows.library)
    describe = _blocking(flows.describe)
    variables = _blocking(flows.variables)
    upload_fmu = _blocking(flows.upload_fmu)
    upload_fmu_smart = _blocking(flows.upload_fmu_smart)
    uploads = _blocking(flows.uploads)
    remove_fmu = _blocking(flows.remove_fmu)
    quote = _blocking(flows.quote)
    payment_requirement = _blocking(flows.payment_requirement)
    pay = _blocking(flows.pay)
    payment = _blocking(flows.payment)
    pay_at_checkout = _blocking(flows.pay_at_checkout)
    pay_by_wallet = _blocking(flows.pay_by_wallet)
    simulate = _blocking(flows.simulate)
    run_study = _blocking(flows.run_study)
    study_table = _blocking(flows.study_table)
    compare = _blocking(flows.compare)
    result = _blocking(flows.result)
    csv = _blocking(flows.csv)
    plot = _blocking(flows.plot)
    parquet = _blocking(flows.parquet)
    script = _blocking(flows.script)
    account = _blocking(flows.account)
    usage = _blocking(flows.usage)
    api_key = _blocking(flows.api_key)
    keys = _blocking(flows.keys)
    add_key = _blocking(flows.add_key)
    revoke_key = _blocking(flows.revoke_key)
    set_budget = _blocking(flows.set_budget)
    set_auto_pay = _blocking(flows.set_auto_pay)

    def simulate_with_fallback(
        self,
        request: SimulateRequest | Mapping[str, Any],
        local_simulator: LocalSimulator | None = None,
    ) -> Outcome:
        """Run at the gateway; on this machine where none can be had. Says which, and why.

        A request that the gateway refuses, or that costs money, is not run elsewhere: it raises.
        """
        try:
            return remotely(*self.hold(flows.simulate_fully(self.session, request)))
        except GatewayError as error:
            if not fits_fallback(error):
                raise
            return locally(request, local_simulator, error)

    def hold(self, flow: Flow[T]) -> T:
        """Hold a conversation to its end."""
        try:
            step = next(flow)
            while True:
                try:
                    reply = self._exchange(step)
                except UnreachableError as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(reply)
        except StopIteration as end:
            ended: T = end.value
            return ended

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        """For a `with` block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self.close()

    def _exchange(self, step: Sent | Pause) -> Reply:
        if isinstance(step, Pause):
            time.sleep(step.seconds)
            return _NOTHING
        try:
            return _reply(self._http.request(**_arguments(step)))
        except (httpx.RequestError, httpx.InvalidURL) as error:
            raise UnreachableError(_origin(step), _reason(error)) from error


class AsyncFMUGatewayClient:
    """Speaks to a gateway; each method is awaited. Takes what FMUGatewayClient takes."""

    def __init__(  # noqa: PLR0913  each with a default that suits nearly everybody
        self,
        gateway_url: str = "auto",
        key: str | None = None,
        *,
        keys: KeyStore | None = None,
        key_name: str | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        patience_s: float = DEFAULT_PATIENCE_S,
    ) -> None:
        self.session = Session(gateway_url, key, keys or KeyStore(), key_name, patience_s)
        self._http = httpx.AsyncClient(timeout=timeout_s)

    find_url = _awaiting(flows.find_url)
    health = _awaiting(flows.health)
    library = _awaiting(flows.library)
    describe = _awaiting(flows.describe)
    variables = _awaiting(flows.variables)
    upload_fmu = _awaiting(flows.upload_fmu)
    upload_fmu_smart = _awaiting(flows.upload_fmu_smart)
    uploads = _awaiting(flows.uploads)
    remove_fmu = _awaiting(flows.remove_fmu)
    quote = _awaiting(flows.quote)
    payment_requirement = _awaiting(flows.payment_requirement)
    pay = _awaiting(flows.pay)
    payment = _awaiting(flows.payment)
    pay_at_checkout = _awaiting(flows.pay_at_checkout)
    pay_by_wallet = _awaiting(flows.pay_by_wallet)
    simulate = _awaiting(flows.simulate)
    run_study = _awaiting(flows.run_study)
    study_table = _awaiting(flows.study_table)
    compare = _awaiting(flows.compare)
    result = _awaiting(flows.result)
    csv = _awaiting(flows.csv)
    plot = _awaiting(flows.plot)
    parquet = _awaiting(flows.parquet)
    script = _awaiting(flows.script)
    account = _awaiting(flows.account)
    usage = _awaiting(flows.usage)
    api_key = _awaiting(flows.api_key)
    keys = _awaiting(flows.keys)
    add_key = _awaiting(flows.add_key)
    revoke_key = _awaiting(flows.revoke_key)
    set_budget = _awaiting(flows.set_budget)
    set_auto_pay = _awaiting(flows.set_auto_pay)

    async def simulate_with_fallback(
        self,
        request: SimulateRequest | Mapping[str, Any],
        local_simulator: LocalSimulator | None = None,
    ) -> Outcome:
        """As FMUGatewayClient's; the local simulator runs on a thread."""
        try:
            return remotely(*await self.hold(flows.simulate_fully(self.session, request)))
        except GatewayError as error:
            if not fits_fallback(error):
                raise
            return await asyncio.to_thread(locally, request, local_simulator, error)

    async def hold(self, flow: Flow[T]) -> T:
        """Hold a conversation to its end."""
        try:
            step = next(flow)
            while True:
                try:
                    reply = await self._exchange(step)
                except UnreachableError as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(reply)
        except StopIteration as end:
            ended: T = end.value
            return ended

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        """For an `async with` block."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self.close()

    async def _exchange(self, step: Sent | Pause) -> Reply:
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
            return _NOTHING
        try:
            return _reply(await self._http.request(**_arguments(step)))
        except (httpx.RequestError, httpx.InvalidURL) as error:
            raise UnreachableError(_origin(step), _reason(error)) from error


def _arguments(sent: Sent) -> dict[str, Any]:
    call = sent.call
    arguments: dict[str, Any] = {
        "method": call.method,
        "url": sent.url,
        "headers": sent.headers,
        "params": list(call.query),
    }
    if call.body is not None:
        # NaN goes as it is written: the gateway says which field is wrong
        arguments["content"] = json.dumps(dict(call.body), default=_plain).encode()
        arguments["headers"] = {**sent.headers, "Content-Type": "application/json"}
    if call.file is not None:
        data = Watched(call.file, call.progress) if call.progress else call.file
        arguments["files"] = {"file": ("model.fmu", data, "application/octet-stream")}
    if sent.timeout_s is not None:
        arguments["timeout"] = sent.timeout_s
    return arguments


def _plain(value: Any) -> Any:  # noqa: ANN401  numbers and arrays of numpy, or what is no JSON
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    message = f"{type(value).__name__} can't be sent as JSON"
    raise TypeError(message)


def _reply(response: httpx.Response) -> Reply:
    return Reply(response.status_code, response.content, response.headers.get("retry-after"))


def _origin(sent: Sent) -> str:
    return sent.url.removesuffix(sent.call.path)


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
