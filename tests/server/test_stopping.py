"""SIGTERM amid paid runs: each is delivered or given back, and streams end in order."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from doors.clients import Answer, Where, open_door
from fmus import compiled
from hostile.processes import descendants
from served import COMMAND, Served, served
from sqlalchemy import text

from gateway_payments.accounts import find_caller
from gateway_payments.ledger import grant_credits
from gateway_payments.money import from_minor
from gateway_storage.database import Database

pytestmark = pytest.mark.slow

TOKEN: Final = "a-token-of-the-operator"  # noqa: S105
LONG: Final = {
    "fmu_id": "msl:VanDerPol",
    "stop_time": 20.0,
    "step": 0.01,
    "solver": {"name": "rk4", "step_size": 1e-6},  # some seconds
    "mode": "model_exchange",
}
CORES: Final = os.cpu_count() or 1
SHUTTING_DOWN: Final = "shutting_down"


@dataclass(frozen=True)
class Shop:
    """A gateway whose runs cost credits, and what its database says."""

    server: Served
    database: Path

    def customer(self) -> Where:
        """A fresh account with credits."""
        key = httpx.post(f"{self.server.url}/keys").json()["key"]
        database = Database(f"sqlite:///{self.database}")
        with database.write() as db:
            caller = find_caller(db, key)
            assert caller
            money = from_minor(500, "usd")
            grant_credits(db, caller.account_id, f"gift {key}", money, datetime.now(UTC))
        database.close()
        return Where(self.server.url, self.database, key, {})

    def paid(self, where: Where, request: dict[str, Any]) -> dict[str, Any]:
        """The request with a token that pays for it."""
        with http_of(where) as http:
            quote = http.post("/quotes", json=request).raise_for_status().json()["quote_id"]
            paying = {"quote_id": quote, "offer": "credits"}
            token = http.post("/pay", json=paying).raise_for_status().json()["payment_token"]
        return {**request, "payment_token": token}

    def wait_for(self, *, busy: int, waiting: int) -> None:
        """Until so many run and so many wait."""
        until = time.monotonic() + 60
        wanted = {f"fmu_gateway_cores_busy {busy}.0", f"fmu_gateway_queue_length {waiting}.0"}
        headers = {"Authorization": f"Bearer {TOKEN}"}
        while True:
            told = httpx.get(f"{self.server.url}/metrics", headers=headers).text
            if wanted <= set(told.splitlines()):
                return
            assert time.monotonic() < until, told
            time.sleep(0.02)

    def stops(self, *, times: int = 1) -> int:
        """Send SIGTERM, wait for the end; the exit status."""
        for _ in range(times):
            self.server.process.send_signal(signal.SIGTERM)
            time.sleep(0.05)  # two signals at once would be one
        return self.server.process.wait(60)

    def counts(self, table: str) -> dict[str, int]:
        """Rows by state."""
        database = Database(f"sqlite:///{self.database}")
        with database.read() as db:
            found = db.execute(text(f"SELECT state, COUNT(*) FROM {table} GROUP BY state"))  # noqa: S608
            counts = {state: count for state, count in found}  # noqa: C416
        database.close()
        return counts

    def audit(self) -> None:
        """What `fmu-gateway ledger audit` proves; its status says whether the books are sound."""
        subprocess.run(
            [COMMAND, "ledger", "audit"],
            env={**os.environ, "FMU_GATEWAY_DB_PATH": str(self.database)},
            capture_output=True,
            check=True,
        )


def http_of(where: Where) -> httpx.Client:
    headers = {"Authorization": f"Bearer {where.key}"}
    return httpx.Client(base_url=where.url, headers=headers, timeout=60)


@contextmanager
def shop(folder: Path, **environment: str) -> Iterator[Shop]:
    database = folder / "gateway.sqlite3"
    more = {
        "PAYMENT_OFFERS": "credits",
        "FMU_GATEWAY_DB_PATH": str(database),
        "METRICS_TOKEN": TOKEN,
        **environment,
    }
    with served(folder, **more) as server:
        yield Shop(server, database)


def begin(pool: ThreadPoolExecutor, work: Callable[..., Any], *arguments: object) -> Future[Any]:
    return pool.submit(work, *arguments)


def spinning(where: Where) -> dict[str, Any]:
    """A run that would never end."""
    with http_of(where) as http:
        files = {"file": ("spins.fmu", compiled.fmu("spins"))}
        model = http.post("/fmus", files=files).raise_for_status().json()["id"]
    return {"fmu_id": model, "stop_time": 1.0}


def call(door: str, where: Where, request: dict[str, Any]) -> Answer:
    with open_door(door, where) as opened:
        return opened.call("simulate", request)


def test_runs_under_way_are_delivered_at_every_door_and_those_that_wait_given_back(
    tmp_path: Path,
) -> None:
    doors = ("rest", "mcp_http", "a2a_jsonrpc")
    with shop(tmp_path, STOP_TIMEOUT_S="60", SIMULATION_TIMEOUT_S="60") as gateway:
        customers = [gateway.customer() for _ in range(CORES + 3)]
        requests = [gateway.paid(where, LONG) for where in customers]
        children = descendants(gateway.server.pid)
        with ThreadPoolExecutor(len(customers)) as pool:
            asked = [
                begin(pool, call, doors[i % len(doors)], where, request)
                for i, (where, request) in enumerate(zip(customers, requests, strict=True))
            ]
            gateway.wait_for(busy=CORES, waiting=3)
            status = gateway.stops()
            answers = [future.result() for future in asked]
        assert status == 0, gateway.server.written
        delivered = [a for a in answers if not a.failed]
        refused = [a for a in answers if a.failed]
        assert (len(delivered), len(refused)) == (CORES, 3)
        assert {answer.code for answer in refused} == {SHUTTING_DOWN}
        assert {answer.body["details"]["charged"] for answer in refused} == {"nothing"}
        assert gateway.counts("runs") == {"done": CORES, "failed": 3}
        assert gateway.counts("entitlements") == {"captured": CORES, "issued": 3}
        gateway.audit()
        assert not [child for child in children if Path(f"/proc/{child}").exists()]


def test_runs_that_would_take_too_long_are_ended_and_given_back(tmp_path: Path) -> None:
    with shop(tmp_path, STOP_TIMEOUT_S="0.5") as gateway:
        where = gateway.customer()
        request = gateway.paid(where, spinning(where))
        with ThreadPoolExecutor(1) as pool:
            asked = begin(pool, call, "rest", where, request)
            gateway.wait_for(busy=1, waiting=0)
            assert gateway.stops() == 0, gateway.server.written
            assert asked.result().code == SHUTTING_DOWN
        assert gateway.counts("runs") == {"failed": 1}
        assert gateway.counts("entitlements") == {"issued": 1}
        gateway.audit()


@pytest.mark.parametrize(("patience", "last"), [("60", "result"), ("0.1", "error")])
def test_a_stream_of_events_ends_with_its_last_one(
    tmp_path: Path, patience: str, last: str
) -> None:
    with shop(tmp_path, STOP_TIMEOUT_S=patience, SIMULATION_TIMEOUT_S="60") as gateway:
        where = gateway.customer()
        request = gateway.paid(where, LONG)
        headers = {"Accept": "text/event-stream"}
        with (
            http_of(where) as http,
            http.stream("POST", "/simulate", json=request, headers=headers) as stream,
        ):
            gateway.wait_for(busy=1, waiting=0)
            gateway.server.process.send_signal(signal.SIGTERM)
            lines = list(stream.iter_lines())  # raises unless the stream ends whole
        events = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
        assert events[-1] == last
        assert gateway.server.process.wait(60) == 0
        assert gateway.counts("entitlements") == {"captured" if last == "result" else "issued": 1}


def test_streams_on_which_nothing_comes_are_closed(tmp_path: Path) -> None:
    with shop(tmp_path, STOP_TIMEOUT_S="60") as gateway:
        where = gateway.customer()
        headers = {"Accept": "text/event-stream", "MCP-Protocol-Version": "2025-11-25"}
        opened = threading.Event()

        def listen() -> int:
            with http_of(where) as http, http.stream("GET", "/mcp", headers=headers) as stream:
                opened.set()
                for _ in stream.iter_bytes():  # raises unless the stream ends whole
                    pass
                return stream.status_code

        with ThreadPoolExecutor(1) as pool:
            listening = begin(pool, listen)
            assert opened.wait(30)
            assert gateway.stops() == 0
            assert listening.result(30) == 200
        assert "runs_ended" not in gateway.server.written


def test_a_second_signal_ends_it_at_once_and_the_books_stay_sound(tmp_path: Path) -> None:
    with shop(tmp_path, STOP_TIMEOUT_S="600", SIMULATION_TIMEOUT_S="600") as gateway:
        where = gateway.customer()
        request = gateway.paid(where, spinning(where))
        children = descendants(gateway.server.pid)
        with ThreadPoolExecutor(1) as pool:
            asked = begin(pool, call, "rest", where, request)
            gateway.wait_for(busy=1, waiting=0)
            assert gateway.stops(times=2) == 128 + signal.SIGTERM
            assert isinstance(asked.exception(), httpx.TransportError)
        assert gateway.counts("entitlements") == {"reserved": 1}, "for recovery to give back"
        gateway.audit()
        until = time.monotonic() + 10
        while [child for child in children if Path(f"/proc/{child}").exists()]:
            assert time.monotonic() < until, "a process of the gateway's lives on"
            time.sleep(0.05)
