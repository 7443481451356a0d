"""The world outside as an adversary: it fails, forgets to answer, answers nonsense; and death.

One seam for all of it: Stripe's SDK and httpx are real, what they send goes to the stand-ins
without a socket, through `Outside.ask`, where a fault may strike and the process may end.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from unittest.mock import patch

import httpx
import stripe as sdk
from payments.life.token import Token
from sqlalchemy import Connection
from stripe_standin.server import api
from stripe_standin.sessions import RefusedError, Stripe

from gateway_payments.providers import x402
from gateway_storage.database import Database

FAULTS = (
    "well",
    "unreached",  # nothing happened, no answer
    "busy",  # nothing happened, 429
    "broken",  # nothing happened, 503
    "lost",  # it happened, no answer
    "broken_after",  # it happened, 502
    "nonsense",  # it happened, 200 and no JSON
    "hollow",  # it happened, 200 and an object without anything
    "dies_before",
    "dies_after",
)
BEFORE = {
    "busy": (429, json.dumps({"error": {"type": "rate_limit_error", "message": "Too many"}})),
    "broken": (503, "<html>Service Unavailable</html>"),
}
AFTER = {
    "broken_after": (502, "<html>Bad Gateway</html>"),
    "nonsense": (200, "<html>Welcome</html>"),
    "hollow": (200, "{}"),
}
Answer = tuple[int, str]


class Died(BaseException):
    """The process ended here."""


@dataclass
class Outside:
    """`trouble`: what befalls the next calls, one each. `moments`: how many the process has left.

    A moment is before and after each call to the outside, and each transaction that writes.
    """

    stripe: Stripe
    token: Token
    client: sdk.HTTPClient | None = None  # where the stand-in listens on a socket
    trouble: deque[str] = field(default_factory=deque)
    moments: int | None = None
    suffered: Counter[str] = field(default_factory=Counter)

    def moment(self) -> None:
        if self.moments is None:
            return
        self.moments -= 1
        if self.moments < 0:
            self.moments = None
            raise Died

    def ask(self, do: Callable[[], Answer]) -> Answer:
        """Have it done, if it comes to that. ConnectionError: there is no answer."""
        self.moment()
        fault = self.trouble.popleft() if self.trouble else "well"
        self.suffered[fault] += 1
        if fault == "dies_before":
            raise Died
        if fault == "unreached":
            raise ConnectionError
        if fault in BEFORE:
            return BEFORE[fault]
        answer = do()
        self.moment()
        if fault == "dies_after":
            raise Died
        if fault == "lost":
            raise ConnectionError
        return AFTER.get(fault, answer)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """All that product code asks of the outside is asked of this one."""
        transport = httpx.MockTransport(self._http)
        with ExitStack() as patches:
            for target, name, new in (
                (sdk, "new_default_http_client", lambda **_: _Wire(self)),
                (httpx, "Client", partial(httpx.Client, transport=transport)),
                (x402, "_PAUSES_S", (0.0,)),
            ):
                patches.enter_context(patch.object(target, name, new))
            yield

    def at_stripe(self, method: str, url: str, headers: Mapping[str, str], form: str) -> Answer:
        if self.client:
            body, status, _ = self.client.request(method.lower(), url, headers, form or None)
            return status, body
        target = url.removeprefix(self.stripe.base_url)
        try:
            return 200, json.dumps(api(self.stripe, method, target, form, headers))
        except RefusedError as refused:
            return refused.status, json.dumps(refused.body)

    def _http(self, request: httpx.Request) -> httpx.Response:
        asked = json.loads(request.content)
        answer = self.token.settling if request.url.host == "facilitator" else self.token.node
        try:
            status, body = self.ask(
                lambda: (200, json.dumps(answer(request.url.path.strip("/"), asked)))
            )
        except ConnectionError:
            message = "no answer"
            raise httpx.ReadTimeout(message, request=request) from None
        return httpx.Response(status, text=body)


class _Wire(sdk.HTTPClient):
    """What the SDK sends requests with. It retries as ever, but doesn't wait."""

    name = "outside"

    def __init__(self, outside: Outside) -> None:
        super().__init__()
        self._outside = outside

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,  # noqa: ANN401  the SDK's own
        *,
        _usage: list[str] | None = None,
    ) -> tuple[str, int, Mapping[str, str]]:
        do = partial(self._outside.at_stripe, method.upper(), url, headers or {}, post_data or "")
        try:
            status, body = self._outside.ask(do)
        except ConnectionError:
            message = "no answer"
            raise sdk.APIConnectionError(message, should_retry=True) from None  # type: ignore[no-untyped-call]
        return body, status, {"Request-Id": "req_outside"}

    def _sleep_time_seconds(self, num_retries: int) -> float:  # noqa: ARG002
        return 0.0

    def close(self) -> None:
        """Nothing is open."""


class MortalDatabase(Database):
    """A database whose process may end before each transaction that writes, and after it."""

    outside: Outside | None = None

    @contextmanager
    def write(self) -> Iterator[Connection]:
        self._moment()
        with super().write() as db:
            yield db
        self._moment()

    @contextmanager
    def write_unsynced(self) -> Iterator[Connection]:
        self._moment()
        with super().write_unsynced() as db:
            yield db
        self._moment()

    def _moment(self) -> None:
        if self.outside:
            self.outside.moment()
