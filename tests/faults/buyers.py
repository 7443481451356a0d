"""A crowd that buys runs of one account and doesn't give up, whatever happens to the gateway.

Each purchase has one idempotency key for good. Half of them are paid without asking; the others are
quoted, paid and run in three calls. What a client may repeat, by the contract, is repeated: a call
whose line went dead, and answers that say so by their status. Anything else is a finding.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

THREADS: Final = 6
KINDS: Final = 20  # different runs
_PATIENCE_S: Final = 240
_LONGEST_WAIT_S: Final = 1.0
_AGAIN: Final = {
    "run_in_progress",
    "payment_in_use",
    "payment_pending",
    "model_crashed",  # its process was killed
    "busy",
}
_QUOTE_GONE: Final = {"quote_expired", "unknown_quote"}
"""Asked for anew, while nothing is paid: Postgres' death may take the newest quotes with it."""


@dataclass(frozen=True, slots=True)
class Purchase:
    """One run that somebody wants, exactly once."""

    number: int

    @property
    def key(self) -> str:
        return f"purchase-{self.number}"

    @property
    def request(self) -> dict[str, Any]:
        """Long enough for its result to be a blob of its own."""
        e = 0.5 + 0.01 * (self.number % KINDS)
        return {
            "fmu_id": "msl:BouncingBall",
            "stop_time": 3.0,
            "step": 5e-4,
            "start_values": {"e": e},
            "kpis": ["h_mean", "v_rms"],
        }


@dataclass(slots=True)
class Crowd:
    """The buyers, and what became of their purchases."""

    url: str
    key: str
    number: int
    delivered: dict[int, dict[str, Any]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    repeated: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _given_up: threading.Event = field(default_factory=threading.Event)

    def buy(self, at: Mapping[int, Callable[[], None]]) -> None:
        """All purchases; when so many are delivered, the fault of that number is done."""
        with ThreadPoolExecutor(THREADS) as threads:
            done = [threads.submit(self._buy, Purchase(n)) for n in range(self.number)]
            try:
                for count in sorted(at):
                    self._until(count, lambda: all(each.done() for each in done))
                    at[count]()
            except BaseException:
                self._given_up.set()
                raise
            for each in done:
                each.result()

    def _until(self, count: int, over: Callable[[], bool]) -> None:
        while len(self.delivered) < count and not over():
            time.sleep(0.002)

    def _buy(self, purchase: Purchase) -> None:
        steps = _unasked if purchase.number % 2 else _in_three_calls
        code, answer = "given_up", None
        until = time.monotonic() + _PATIENCE_S
        with httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {self.key}"}, timeout=60
        ) as http:
            known: dict[str, str] = {}
            while time.monotonic() < until and not self._given_up.is_set():
                answer = _attempt(lambda: steps(http, purchase, known))
                if answer is not None and answer.is_success:
                    with self._lock:
                        self.delivered[purchase.number] = answer.json()
                    return
                code = "line_dead" if answer is None else _code(answer)
                if code in _QUOTE_GONE and "paid" not in known:
                    known.clear()
                elif answer is not None and answer.status_code < 500 and code not in _AGAIN:
                    break
                with self._lock:
                    self.repeated[code] += 1
                time.sleep(_wait_s(answer))
        with self._lock:
            told = "" if answer is None else answer.text[:500]
            self.refused.append(f"{purchase.key}: {code} {told}")


def _code(answer: httpx.Response) -> str:
    told: dict[str, Any] = answer.json()
    return str(told.get("code") or f"quote_{told['status']}")  # of a quote that is too old to pay


def _attempt(call: Callable[[], httpx.Response]) -> httpx.Response | None:
    try:
        return call()
    except httpx.TransportError:
        return None


def _unasked(http: httpx.Client, purchase: Purchase, _: dict[str, str]) -> httpx.Response:
    asked = {**purchase.request, "idempotency_key": purchase.key}
    return http.post("/simulate", json=asked)


def _in_three_calls(
    http: httpx.Client, purchase: Purchase, known: dict[str, str]
) -> httpx.Response:
    """What succeeded stays done: the quote isn't asked for twice, nor paid for twice."""
    if "quote" not in known:
        quoted = http.post("/quotes", json=purchase.request)
        if not quoted.is_success:
            return quoted
        known["quote"] = quoted.json()["quote_id"]
    if "paid" not in known:
        paid = http.post("/pay", json={"quote_id": known["quote"], "offer": "credits"})
        if not paid.is_success:
            return paid
        known["paid"] = paid.json()["status"]
    asked = {"quote_id": known["quote"], "idempotency_key": purchase.key}
    return http.post("/simulate", json=asked)


def _wait_s(answer: httpx.Response | None) -> float:
    told = None if answer is None else answer.headers.get("Retry-After")
    return min(float(told or 0.1), _LONGEST_WAIT_S)
