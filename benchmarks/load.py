"""How much a gateway takes over HTTP: reads and simulations a second, and what callers wait for it.

    uv run python benchmarks/load.py [--seconds 5] [--connections 8] [--processes 1,2]
        [--sessions 200] [--postgres] [--soak 0]

On loopback alone. First as many requests as `--connections` get answered one after another (the
most that it takes); then requests that come at fixed times, at a half and at 80 % of that, with the
wait counted from when each was due, so that a stall is seen by all that were due in it. The
processor time of the gateway, with its models, and of this load generator is told beside it: both
share the cores. A simulation costs a credit each and is paid unasked; with several processes each
connection keeps to one of them. Then so many MCP clients of the official SDK at once, each of which
opens a session of the revision before the newest, simulates twice (again when told that the
queue is full) and goes. `--soak` runs
simulations at half of the most for so many seconds and tells what memory does.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import resource
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import anyio
import httpx
from hostile.processes import descendants
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from measurement import percentiles
from postgres import fresh_database, shared_server
from served import Served, served

from gateway_payments.accounts import find_caller, set_auto_pay
from gateway_payments.audit import audit
from gateway_payments.ledger import grant_credits
from gateway_payments.money import from_minor
from gateway_storage.database import Database

_WARM_UP: Final = 50
_PER_ACCOUNT: Final = 50  # sessions; the gateway takes 64
_TICK_S: Final = 1 / os.sysconf("SC_CLK_TCK")
REQUEST: Final = {"fmu_id": "msl:BouncingBall", "stop_time": 3.0, "kpis": ["h_max", "v_rms"]}


@dataclass(frozen=True, slots=True)
class Kind:
    """What is asked for."""

    name: str
    method: str
    path: str
    body: bytes | None = None


KINDS: Final = (
    Kind("describe a model", "GET", "/fmus/msl:BouncingBall"),
    Kind("simulate, paid", "POST", "/simulate", json.dumps(REQUEST).encode()),
)


@dataclass(slots=True)
class Waits:
    """How long each request took [s], and how many failed."""

    seconds: list[float] = field(default_factory=list)
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Site:
    """Gateway processes on one database, and a key that can pay."""

    servers: tuple[Served, ...]
    database_url: str
    key: str

    @property
    def headers(self) -> dict[str, str]:
        """Of each request."""
        return {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}

    @property
    def cpu_s(self) -> float:
        """Processor time of all gateway processes, their models and what these left behind [s]."""
        mine = [pid for server in self.servers for pid in (server.pid, *descendants(server.pid))]
        return sum(map(_cpu_s, mine))

    @property
    def memory_mb(self) -> float:
        """What all these processes hold, shared pages counted once (PSS)."""
        mine = [pid for server in self.servers for pid in (server.pid, *descendants(server.pid))]
        return sum(map(_pss_mb, mine))


def main() -> None:
    """Measure and print."""
    asked = _asked()
    for processes in map(int, asked.processes.split(",")):
        with tempfile.TemporaryDirectory() as folder, _site(folder, processes, asked) as site:
            print(f"\n{processes} process(es), {site.database_url.partition(':')[0]}; {_machine()}")
            most = [_measured(site, kind, asked) for kind in KINDS]
            _sessions(site, asked.sessions)
            if asked.soak:
                _soak(site, KINDS[-1], most[-1] / 2, asked)
            print(f"the books afterwards: {_audit(site) or 'sound'}")


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--processes", default="1,2")
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--soak", type=float, default=0)
    return parser.parse_args()


@contextmanager
def _site(folder: str, processes: int, asked: argparse.Namespace) -> Iterator[Site]:
    url = f"sqlite:///{folder}/gateway.sqlite3"
    if asked.postgres:
        url = fresh_database(shared_server())
    environment = {
        "DATABASE_URL": url,
        "STORAGE_URL": f"file:{folder}/blobs",
        "GATEWAY_SECRET": "0" * 32,
        "PAYMENT_OFFERS": "credits",
        "LOG_FORMAT": "json",
    }
    with ExitStack() as stack:
        servers = []
        for number in range(processes):
            place = Path(folder) / str(number)
            place.mkdir()
            servers.append(stack.enter_context(served(place, **environment)))
        yield Site(tuple(servers), url, _paying_key(servers[0].url, url))


def _paying_key(gateway_url: str, database_url: str) -> str:
    key: str = httpx.post(f"{gateway_url}/keys").json()["key"]
    database, now = Database(database_url), datetime.now(UTC)
    with database.write() as db:
        caller = find_caller(db, key)
        assert caller
        grant_credits(db, caller.account_id, f"plenty {key}", from_minor(10**9, "usd"), now)
        set_auto_pay(db, caller.account_id, "credits")
    database.close()
    return key


def _measured(site: Site, kind: Kind, asked: argparse.Namespace) -> float:
    """Print how it goes with one kind of request; the most that it takes in a second."""
    _closed(site, kind, asked.connections, until=_requests(_WARM_UP))
    most = _told(site, f"{kind.name}: the most", lambda: _closed(
        site, kind, asked.connections, until=_for(asked.seconds)), asked.seconds)  # fmt: skip
    for share in (0.5, 0.8):
        rate = most * share
        _told(
            site,
            f"{kind.name}: {rate:.0f} a second asked for",
            lambda rate=rate: _open(site, kind, rate, asked),  # type: ignore[misc]
            asked.seconds,
        )
    return most


def _told(site: Site, what: str, work: Callable[[], Waits], seconds: float) -> float:
    ours, theirs, began = _own_cpu_s(), site.cpu_s, time.monotonic()
    waits = work()
    took = time.monotonic() - began
    ours, theirs = _own_cpu_s() - ours, site.cpu_s - theirs
    count = len(waits.seconds)
    p50, p95 = percentiles(waits.seconds)
    p99 = statistics.quantiles(waits.seconds, n=100)[98] * 1000
    rate = count / max(took, seconds)
    print(
        f"  {what}: {rate:.0f} a second, p50 {p50:.1f} ms, p95 {p95:.1f} ms, p99 {p99:.1f} ms, "
        f"failed {waits.failed}; of the processors the gateway took {theirs / took:.0%} "
        f"({1000 * theirs / count:.2f} ms each), this generator {ours / took:.0%}"
    )
    return rate


def _closed(site: Site, kind: Kind, connections: int, until: Callable[[], bool]) -> Waits:
    """Each connection asks again as soon as it is answered."""

    def work(ask: Callable[[], bool], waits: Waits) -> None:
        while not until():
            began = time.perf_counter()
            waits.failed += not ask()
            waits.seconds.append(time.perf_counter() - began)

    return _by_connections(site, kind, connections, work)


def _open(site: Site, kind: Kind, rate: float, asked: argparse.Namespace) -> Waits:
    """Requests are due at fixed times, whoever of the connections is free takes the next."""
    turn = iter(range(int(rate * asked.seconds)))
    lock, began = threading.Lock(), time.perf_counter() + 0.05

    def work(ask: Callable[[], bool], waits: Waits) -> None:
        while True:
            with lock:
                number = next(turn, None)
            if number is None:
                return
            due = began + number / rate
            time.sleep(max(0.0, due - time.perf_counter()))
            waits.failed += not ask()
            waits.seconds.append(time.perf_counter() - due)

    return _by_connections(site, kind, 4 * asked.connections, work)


def _by_connections(
    site: Site, kind: Kind, connections: int, work: Callable[[Callable[[], bool], Waits], None]
) -> Waits:
    all_waits = [Waits() for _ in range(connections)]

    def connected(number: int) -> None:
        where = urlsplit(site.servers[number % len(site.servers)].url)
        line = http.client.HTTPConnection(where.hostname or "", where.port, timeout=60)

        def ask() -> bool:
            line.request(kind.method, kind.path, kind.body, site.headers)
            answer = line.getresponse()
            answer.read()
            return answer.status < 400  # noqa: PLR2004

        work(ask, all_waits[number])
        line.close()

    threads = [threading.Thread(target=connected, args=(n,)) for n in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Waits([s for w in all_waits for s in w.seconds], sum(w.failed for w in all_waits))


def _requests(number: int) -> Callable[[], bool]:
    left = iter(range(number))
    return lambda: next(left, None) is None


def _for(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() >= end


def _sessions(site: Site, number: int) -> None:
    url = site.servers[0].url
    keys = [_paying_key(url, site.database_url) for _ in range(-(-number // _PER_ACCOUNT))]
    waits: list[float] = []
    busy: list[float] = []
    together = anyio.Event()
    opened = 0

    async def client(key: str) -> None:
        nonlocal opened
        headers = {"Authorization": f"Bearer {key}"}
        async with (
            create_mcp_http_client(headers=headers) as line,
            Client(
                streamable_http_client(f"{url}/mcp", http_client=line), mode="legacy"
            ) as session,
        ):
            opened += 1
            if opened == number:
                together.set()
            await together.wait()  # all of them are open at this moment
            for _ in range(2):
                began = time.perf_counter()
                while (answer := await session.call_tool("simulate", REQUEST)).is_error:
                    told = answer.structured_content or {}
                    assert told["code"] == "busy", told
                    busy.append(told["details"]["retry_after_s"])
                    await anyio.sleep(busy[-1])
                waits.append(time.perf_counter() - began)

    async def all_of_them() -> None:
        async with anyio.create_task_group() as group:
            for count in range(number):
                group.start_soon(client, keys[count // _PER_ACCOUNT])

    began, before = time.monotonic(), site.memory_mb
    anyio.run(all_of_them)
    took = time.monotonic() - began
    p50, p95 = percentiles(waits)
    print(
        f"  {number} MCP sessions at once: all opened, {len(waits)} simulations in {took:.1f} s "
        f"({len(busy)} times told to come again), "
        f"p50 {p50:.0f} ms, p95 {p95:.0f} ms; memory {before:.0f} -> {site.memory_mb:.0f} MB"
    )


def _soak(site: Site, kind: Kind, rate: float, asked: argparse.Namespace) -> None:
    parts = 6
    part = argparse.Namespace(connections=asked.connections, seconds=asked.soak / parts)
    memory = [site.memory_mb]
    for _ in range(parts):
        waits = _open(site, kind, rate, part)
        assert not waits.failed
        memory.append(site.memory_mb)
    told = " ".join(f"{mb:.0f}" for mb in memory)
    print(f"  {asked.soak:.0f} s of {rate:.0f} simulations a second: memory {told} MB")


def _audit(site: Site) -> list[str]:
    database = Database(site.database_url)
    with database.read() as db:
        found = audit(db)
    database.close()
    return found


def _machine() -> str:
    began = time.perf_counter()
    sum(range(10**7))
    took = 1000 * (time.perf_counter() - began)
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, 10^7 additions {took:.0f} ms"


def _own_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _cpu_s(process: int) -> float:
    """Its own and that of its children who have ended [s]."""
    try:
        told = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, told[11:15])) * _TICK_S


def _pss_mb(process: int) -> float:
    try:
        told = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0.0
    (line,) = [line for line in told.splitlines() if line.startswith("Pss:")]
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
